package value_test

import (
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// rbMemory makes a tree of the nodes lo to hi-1, each at 64 times its number, and returns
// its root's address. A node is parent and colour, right, left.
func rbMemory(o *kernels.Overlay, lo, hi int, parent uint64) uint64 {
	if lo >= hi {
		return 0
	}
	mid := (lo + hi) / 2
	at := base + 64*uint64(mid)
	o.Put(kmem.Addr(at), parent|uint64(mid%2), rbMemory(o, mid+1, hi, at), rbMemory(o, lo, mid, at))
	return at
}

func TestRBTree(t *testing.T) {
	for _, series := range kernels.Series {
		k, o := made(t, series)
		st := structOf(t, k, "rb_node")
		for n := range 40 {
			o.Fill(make([]byte, 1<<16))
			o.Put(kernels.Base, rbMemory(o, 1, n+1, 0))
			for _, name := range []string{"rb_root", "rb_root_cached"} {
				root := k.Ref(structOf(t, k, name), kernels.Base)
				got, err := addrs(func(visit func(value.Value) error) error {
					return value.EachRB(root, st, "__rb_parent_color", 1000, visit)
				})
				if err != nil || len(got) != n {
					t.Fatalf("%s: %d entries of %d, %v", series, len(got), n, err)
				}
				for i, a := range got {
					if a != 64*uint64(i+1) {
						t.Fatalf("%s: entry %d of %d is at %d", series, i, n, a)
					}
				}
				for last, want := range map[bool]int{false: 1, true: n} {
					v, ok, err := value.RBEdge(root, st, "__rb_parent_color", last)
					if err != nil || ok != (n > 0) {
						t.Fatalf("%s: the edge of %d: %v, %v", series, n, ok, err)
					}
					if a, _ := v.Addr(); ok && a != kernels.Base.Add(64*int64(want)) {
						t.Errorf("%s: the edge of %d is %s", series, n, a)
					}
				}
			}
		}
	}
}

func TestRBTreeDamaged(t *testing.T) {
	k, o := made(t, "7.3")
	st := structOf(t, k, "rb_node")
	walk := func() error {
		root := k.Ref(structOf(t, k, "rb_root"), kernels.Base)
		_, err := addrs(func(visit func(value.Value) error) error {
			return value.EachRB(root, st, "__rb_parent_color", 1000, visit)
		})
		_, _, edge := value.RBEdge(root, st, "__rb_parent_color", true)
		if err != nil && edge == nil && !strings.Contains(err.Error(), "more than") {
			t.Errorf("the walk fails with %v, and the last node is found", err)
		}
		return err
	}
	o.Put(kernels.Base, base+64)
	o.Put(kernels.Base+64, 1, base+64, 0) // its own right child
	says(t, "a node below itself", walk(), "names")
	o.Put(kernels.Base+64, 1, base+128, 0)
	o.Put(kernels.Base+128, base+64, base+64, 0) // a circle of two
	says(t, "a circle", walk(), "names")
	o.Put(kernels.Base+64, base+192, 0, 0)
	says(t, "a root with a parent", walk(), "names")
	o.Put(kernels.Base+64, 0, 0x1000, 0)
	if err := walk(); kmem.AsFault(err) == nil {
		t.Errorf("a wild pointer: %v", err)
	}
	for i := uint64(1); i < 400; i++ { // a list of right children
		o.Put(kmem.Addr(base+64*i), base+64*(i-1), base+64*(i+1), 0)
	}
	o.Put(kernels.Base+64, 0, base+128, 0)
	says(t, "a list for a tree", walk(), "deeper")
}
