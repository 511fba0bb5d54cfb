package value

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// A red-black tree (include/linux/rbtree_types.h) is made of struct rb_node within
// its entries. The first word of a node is the address of its parent; bit 0 is its
// colour. No path down is more than twice as long as another.
const rbMaxDepth = 128

// ErrTree says that a tree is none: a node below another does not name it as its
// parent, or the tree is deeper than it can be.
var ErrTree = Faultf("the tree is damaged, or it changed while it was read")

type rbNode struct {
	parent, left, right kmem.Addr
}

// rbTree reads nodes.
type rbTree struct {
	k                   *Kernel
	size                int
	parent, left, right int
}

func newRBTree(k *Kernel) (*rbTree, error) {
	st, err := k.Struct("rb_node")
	if err != nil {
		return nil, err
	}
	t := &rbTree{k: k, size: int(st.Size)}
	for _, m := range []struct {
		name string
		to   *int
	}{{"__rb_parent_color", &t.parent}, {"rb_left", &t.left}, {"rb_right", &t.right}} {
		f, err := st.FindMember(m.name)
		if err != nil {
			return nil, err
		}
		if *m.to = int(f.Offset()); *m.to+8 > t.size || t.size > 64 {
			return nil, fmt.Errorf("the kernel's types are damaged: %s of %s is at byte %d of %d", m.name, st, *m.to, t.size)
		}
	}
	return t, nil
}

func (t *rbTree) read(a kmem.Addr) (rbNode, error) {
	var buf [64]byte
	if err := t.k.ReadMem(a, buf[:t.size]); err != nil {
		return rbNode{}, err
	}
	at := func(off int) kmem.Addr { return kmem.Addr(le64(buf[off:])) }
	return rbNode{at(t.parent) &^ 3, at(t.left), at(t.right)}, nil
}

// rootNode is the topmost node of an rb_root, or of what has one as its rb_root.
func rootNode(root Value) (kmem.Addr, error) {
	if root.Has("rb_root") { // rb_root_cached, and rb_root_linked since 7.0
		var err error
		if root, err = root.Member("rb_root"); err != nil {
			return 0, err
		}
	}
	return root.PointerPath("rb_node")
}

// EachRB calls visit for each entry of a red-black tree, in order: entries are
// structs st, and their rb_node is the given member. root is an rb_root or an
// rb_root_cached.
func EachRB(root Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	top, err := rootNode(root)
	if err != nil || top == 0 {
		return err
	}
	f, err := st.FindMember(member)
	if err != nil {
		return err
	}
	t, err := newRBTree(root.k)
	if err != nil {
		return err
	}
	off, n := kmem.Addr(f.BitOffset/8), 0
	// Each node has to name the node above it as its parent, so that no node is met twice.
	var down func(a, above kmem.Addr, depth int) error
	down = func(a, above kmem.Addr, depth int) error {
		node, err := t.read(a)
		if err != nil {
			return err
		}
		if node.parent != above {
			return fmt.Errorf("the rb_node at %s names %s as its parent, and hangs below %s: %w", a, node.parent, above, ErrTree)
		}
		if depth == rbMaxDepth {
			return fmt.Errorf("the red-black tree is deeper than %d nodes: %w", rbMaxDepth, ErrTree)
		}
		if node.left != 0 {
			if err := down(node.left, a, depth+1); err != nil {
				return err
			}
		}
		if n++; n > limit {
			return Faultf("the red-black tree has more than %d entries: gave up", limit)
		}
		if err := visit(root.k.Ref(st, a-off)); err != nil {
			return err
		}
		if node.right != 0 {
			return down(node.right, a, depth+1)
		}
		return nil
	}
	if err := down(top, 0, 0); !errors.Is(err, errStop) {
		return err
	}
	return nil
}

// RBEdge is the first entry of a red-black tree, or the last; ok is false where the
// tree is empty.
func RBEdge(root Value, st *btf.Struct, member string, last bool) (v Value, ok bool, err error) {
	a, err := rootNode(root)
	if err != nil || a == 0 {
		return Value{}, false, err
	}
	f, err := st.FindMember(member)
	if err != nil {
		return Value{}, false, err
	}
	t, err := newRBTree(root.k)
	if err != nil {
		return Value{}, false, err
	}
	above := kmem.Addr(0)
	for range rbMaxDepth {
		node, err := t.read(a)
		if err != nil {
			return Value{}, false, err
		}
		if node.parent != above {
			return Value{}, false, fmt.Errorf("the rb_node at %s names %s as its parent, and hangs below %s: %w", a, node.parent, above, ErrTree)
		}
		next := node.left
		if last {
			next = node.right
		}
		if next == 0 {
			return root.k.Ref(st, a-kmem.Addr(f.BitOffset/8)), true, nil
		}
		above, a = a, next
	}
	return Value{}, false, fmt.Errorf("the red-black tree is deeper than %d nodes: %w", rbMaxDepth, ErrTree)
}
