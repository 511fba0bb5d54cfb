package value

import (
	"errors"
	"fmt"
	"math"

	"kinspect/btf"
	"kinspect/kmem"
)

// A maple tree (include/linux/maple_tree.h, since 6.1) maps ranges of indices to
// entries. A node is 256 bytes, aligned to them; the low bits of a pointer to one hold
// its type: bits 3 to 6 a number of enum maple_type. A node has slots, and pivots
// between them: pivot i is the last index of slot i. The first slot begins where the
// node's range does, and the last ends where it does; a pivot of 0 behind the first
// ends the node, too.
const (
	mapleTypeShift = 3
	mapleTypeMask  = 15
	mapleNodeMask  = 255
	mapleMaxDepth  = 31 // MAPLE_HEIGHT_MAX
	mapleNodeSize  = 256
)

// mapleLayout is one type of node.
type mapleLayout struct {
	leaf          bool
	pivots, slots int // how many
	pivot, slot   int // where, in bytes
}

type mapleReader struct {
	k     *Kernel
	types map[uint64]mapleLayout
}

// newMapleReader learns the types of nodes from BTF.
func newMapleReader(k *Kernel) (*mapleReader, error) {
	types, err := k.Types()
	if err != nil {
		return nil, err
	}
	if _, err := k.Struct("maple_tree"); err != nil {
		return nil, fmt.Errorf("this kernel has no maple trees (they came with 6.1): %w", err)
	}
	st, err := k.Struct("maple_node")
	if err != nil {
		return nil, err
	}
	r := &mapleReader{k: k, types: map[uint64]mapleLayout{}}
	for _, row := range []struct {
		name, in string
		leaf     bool
	}{
		{"maple_dense", "", true},
		{"maple_leaf_64", "mr64.", true},
		{"maple_range_64", "mr64.", false},
		{"maple_arange_64", "ma64.", false},
	} {
		e, _, ok := types.Enumerator(row.name)
		if !ok {
			return nil, fmt.Errorf("the kernel's types have no %s", row.name)
		}
		l := mapleLayout{leaf: row.leaf}
		if l.slot, l.slots, err = wordArray(st, row.in+"slot"); err != nil {
			return nil, err
		}
		if row.in != "" {
			if l.pivot, l.pivots, err = wordArray(st, row.in+"pivot"); err != nil {
				return nil, err
			}
			if l.pivots+1 != l.slots {
				return nil, fmt.Errorf("the kernel's types are damaged: a %s has %d pivots and %d slots", row.name, l.pivots, l.slots)
			}
		}
		r.types[e.Value] = l
	}
	return r, nil
}

// wordArray is where an array of words lies in a maple node, and its length.
func wordArray(st *btf.Struct, path string) (off, n int, err error) {
	f, err := st.FindMember(path)
	if err != nil {
		return 0, 0, err
	}
	t, ok := btf.Underlying(f.Type).(*btf.Array)
	if !ok || f.Offset()+8*uint64(t.Len) > mapleNodeSize {
		return 0, 0, fmt.Errorf("the kernel's types are damaged: %s of %s is %s", path, st, f.Type)
	}
	return int(f.Offset()), int(t.Len), nil
}

// node reads the node that e leads to.
func (r *mapleReader) node(e kmem.Addr) (mapleLayout, []byte, error) {
	t := uint64(e) >> mapleTypeShift & mapleTypeMask
	l, ok := r.types[t]
	if !ok {
		return l, nil, fmt.Errorf("the maple node at %s has the type %d, which this kernel's enum maple_type does not have: %w", e&^mapleNodeMask, t, ErrTree)
	}
	raw := make([]byte, mapleNodeSize)
	return l, raw, r.k.ReadMem(e&^mapleNodeMask, raw)
}

// slot is slot i of a node that spans first (where slot i begins) to last: its content,
// the last index of it, and whether it is the node's last.
func (l mapleLayout) slotAt(raw []byte, i int, first, last uint64) (e kmem.Addr, end uint64, final bool, err error) {
	e, end = kmem.Addr(le64(raw[l.slot+8*i:])), last
	switch {
	case l.pivots == 0: // a dense node: one index a slot
		end = first
	case i < l.pivots:
		if p := le64(raw[l.pivot+8*i:]); p != 0 || i == 0 {
			end = p
		}
	}
	final = end >= last || i == l.slots-1
	if end < first || end > last {
		err = fmt.Errorf("a maple node has the pivot %#x within %#x to %#x: %w", end, first, last, ErrTree)
	}
	return e, end, final, err
}

// EachRange calls visit with each entry of a maple tree, in order, as mt_for_each does:
// gaps and reserved ranges are left out.
func (k *Kernel) EachRange(tree Value, limit int, visit func(XEntry) error) error {
	r, err := newMapleReader(k)
	if err != nil {
		return err
	}
	root, err := tree.PointerPath("ma_root")
	if err != nil {
		return err
	}
	entries, nodes := 0, 0
	give := func(e XEntry) error {
		if e.Entry == 0 || e.Entry == xaZero {
			return nil
		}
		if entries++; entries > limit {
			return Faultf("the maple tree has more than %d entries: gave up", limit)
		}
		return visit(e)
	}
	var down func(e kmem.Addr, first, last uint64, depth int) error
	down = func(e kmem.Addr, first, last uint64, depth int) error {
		if nodes++; nodes > limit || depth == mapleMaxDepth {
			return fmt.Errorf("the maple tree is deeper or larger than it can be: %w", ErrTree)
		}
		l, raw, err := r.node(e)
		if err != nil {
			return err
		}
		for i := 0; ; i++ {
			e, end, final, err := l.slotAt(raw, i, first, last)
			switch {
			case err != nil:
			case l.leaf:
				err = give(XEntry{first, end, e})
			case e != 0:
				err = down(e, first, end, depth+1)
			}
			if err != nil || final {
				return err
			}
			first = end + 1
		}
	}
	if isNode(root) {
		err = down(root, 0, math.MaxUint64, 0)
	} else {
		err = give(XEntry{0, 0, root}) // one entry at index 0 needs no node
	}
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// MTLoad is the entry of a maple tree whose range holds an index, as mtree_load has it;
// ok is false where there is none.
func (k *Kernel) MTLoad(tree Value, index uint64) (XEntry, bool, error) {
	r, err := newMapleReader(k)
	if err != nil {
		return XEntry{}, false, err
	}
	e, err := tree.PointerPath("ma_root")
	if err != nil {
		return XEntry{}, false, err
	}
	if !isNode(e) {
		return XEntry{0, 0, e}, index == 0 && e != 0 && e != xaZero, nil
	}
	first, last := uint64(0), uint64(math.MaxUint64)
	for range mapleMaxDepth {
		l, raw, err := r.node(e)
		if err != nil {
			return XEntry{}, false, err
		}
		for i := 0; ; i++ {
			slot, end, final, err := l.slotAt(raw, i, first, last)
			if err != nil {
				return XEntry{}, false, err
			}
			if index <= end {
				e, last = slot, end
				break
			}
			if final { // a dense node ends before its range does
				return XEntry{}, false, nil
			}
			first = end + 1
		}
		if l.leaf || e == 0 {
			return XEntry{first, last, e}, e != 0 && e != xaZero, nil
		}
	}
	return XEntry{}, false, fmt.Errorf("the maple tree is deeper than it can be: %w", ErrTree)
}
