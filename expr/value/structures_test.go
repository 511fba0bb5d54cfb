package value_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// made is a kernel with made-up memory on top of a snapshot, whose types it has.
func made(tb testing.TB, series string) (*value.Kernel, *kernels.Overlay) {
	tb.Helper()
	img := kernels.Open(tb, series)
	o := kernels.NewOverlay(img, 1<<16)
	return value.New(img, o), o
}

func structOf(tb testing.TB, k *value.Kernel, name string) *btf.Struct {
	tb.Helper()
	st, err := k.Struct(name)
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

// addrs collects the addresses that a walk visits, from Base.
func addrs(walk func(func(value.Value) error) error) ([]uint64, error) {
	var out []uint64
	err := walk(func(v value.Value) error {
		a, _ := v.Addr()
		out = append(out, uint64(a-kernels.Base))
		return nil
	})
	return out, err
}

// says checks an error against words; "" is none.
func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: error %v, want %q", what, err, want)
	}
}

const base = uint64(kernels.Base)

func TestLinked(t *testing.T) {
	k, o := made(t, "6.12")
	for _, c := range []struct {
		name       string
		head, node string
		walk       func(value.Value, *btf.Struct, string, int, func(value.Value) error) error
		memory     map[uint64]uint64 // offset of a word to its content
		want       []uint64
		err        string
	}{
		// The entries are plist_nodes, hlist_nulls_nodes or llist_nodes themselves.
		{"nulls", "hlist_nulls_head", "hlist_nulls_node", value.EachNulls, map[uint64]uint64{0: base + 64, 64: base + 96, 96: 2*7 + 1}, []uint64{64, 96}, ""},
		{"empty nulls", "hlist_nulls_head", "hlist_nulls_node", value.EachNulls, map[uint64]uint64{0: 1}, nil, ""},
		{"nulls that end with NULL", "hlist_nulls_head", "hlist_nulls_node", value.EachNulls, map[uint64]uint64{0: base + 64}, []uint64{64}, "NULL"},
		{"nulls in a circle", "hlist_nulls_head", "hlist_nulls_node", value.EachNulls, map[uint64]uint64{0: base + 64, 64: base + 96, 96: base + 64}, []uint64{64, 96}, "circle"},
		{"llist", "llist_head", "llist_node", value.EachLList, map[uint64]uint64{0: base + 64, 64: base + 96}, []uint64{64, 96}, ""},
		{"llist in a circle", "llist_head", "llist_node", value.EachLList, map[uint64]uint64{0: base + 64, 64: base + 64}, []uint64{64}, "circle"},
		// A plist's head is the list itself; a node has it behind its prio and prio_list.
		{"plist", "plist_head", "plist_node", value.EachPList, map[uint64]uint64{0: base + 88, 88: base + 184, 184: base}, []uint64{64, 160}, ""},
		{"empty plist", "plist_head", "plist_node", value.EachPList, map[uint64]uint64{0: base}, nil, ""},
	} {
		o.Fill(make([]byte, 1<<16))
		for at, w := range c.memory {
			o.Put(kernels.Base.Add(int64(at)), w)
		}
		st := structOf(t, k, c.node)
		head := k.Ref(structOf(t, k, c.head), kernels.Base)
		walk := c.walk
		if c.node == "plist_node" { // EachPList adds .node_list itself
			walk = func(h value.Value, st *btf.Struct, _ string, n int, visit func(value.Value) error) error {
				list, err := h.Member("node_list")
				if err != nil {
					return err
				}
				return value.EachEntry(list, st, "node_list", n, visit)
			}
		}
		got, err := addrs(func(visit func(value.Value) error) error { return walk(head, st, "next", 100, visit) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		says(t, c.name, err, c.err)
	}
	// Within a struct that has one: swap_info_struct.list.
	o.Fill(make([]byte, 1<<16))
	swap := structOf(t, k, "swap_info_struct")
	f, err := swap.FindMember("list.node_list")
	if err != nil {
		t.Fatal(err)
	}
	o.Put(kernels.Base, base+1024+f.Offset())
	o.Put(kernels.Base.Add(1024+int64(f.Offset())), base)
	got, err := addrs(func(visit func(value.Value) error) error {
		return value.EachPList(k.Ref(structOf(t, k, "plist_head"), kernels.Base), swap, "list", 100, visit)
	})
	if err != nil || !slices.Equal(got, []uint64{1024}) {
		t.Errorf("a plist: %d, %v", got, err)
	}
}

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

// The nodes of an xarray that tests make: at Base+4096*i.
type xnode struct {
	shift uint64
	slots map[int]uint64
}

func xaMemory(tb testing.TB, k *value.Kernel, o *kernels.Overlay, head uint64, nodes ...xnode) value.Value {
	tb.Helper()
	o.Fill(make([]byte, 1<<16))
	xa, node := structOf(tb, k, "xarray"), structOf(tb, k, "xa_node")
	f, err := xa.FindMember("xa_head")
	if err != nil {
		tb.Fatal(err)
	}
	slots, err := node.FindMember("slots")
	if err != nil {
		tb.Fatal(err)
	}
	o.Put(kernels.Base.Add(int64(f.Offset())), head)
	for i, n := range nodes {
		at := kernels.Base.Add(4096 * int64(i+1))
		o.Put(at, n.shift)
		for s, e := range n.slots {
			o.Put(at.Add(int64(slots.Offset())+8*int64(s)), e)
		}
	}
	return k.Ref(xa, kernels.Base)
}

// xn is an entry that leads to node i.
func xn(i uint64) uint64 { return base + 4096*i | 2 }

func TestXArray(t *testing.T) {
	const p, q = 0xffff888000001000, 0xffff888000002000
	sibling := func(of uint64) uint64 { return of<<2 | 2 }
	for _, series := range kernels.Series {
		k, o := made(t, series)
		for _, c := range []struct {
			name  string
			head  uint64
			nodes []xnode
			want  string
			err   string
		}{
			{"empty", 0, nil, "", ""},
			{"one entry", p, nil, fmt.Sprintf("0-0:%x ", uint64(p)), ""},
			{"one integer", 7<<1 | 1, nil, "0-0:f ", ""},
			{"a reserved index", 257<<2 | 2, nil, "", ""},
			{"one node", xn(1), []xnode{{0, map[int]uint64{0: p, 63: q}}}, fmt.Sprintf("0-0:%x 63-63:%x ", uint64(p), uint64(q)), ""},
			{
				"a retry, a reserved index and an integer", xn(1),
				[]xnode{{0, map[int]uint64{1: 256<<2 | 2, 2: 257<<2 | 2, 3: 9}}},
				"3-3:9 ", "",
			},
			{
				"siblings", xn(1),
				[]xnode{{0, map[int]uint64{4: p, 5: sibling(4), 6: sibling(4), 7: sibling(4), 8: q}}},
				fmt.Sprintf("4-7:%x 8-8:%x ", uint64(p), uint64(q)), "",
			},
			{
				"two levels, and an entry of 128 indices", xn(1),
				[]xnode{
					{6, map[int]uint64{0: xn(2), 2: p, 3: sibling(2)}},
					{0, map[int]uint64{5: q}},
				},
				fmt.Sprintf("5-5:%x 128-255:%x ", uint64(q), uint64(p)), "",
			},
			{"the last index", xn(1), []xnode{{60, map[int]uint64{15: p}}}, fmt.Sprintf("%d-%d:%x ", uint64(15)<<60, uint64(math.MaxUint64), uint64(p)), ""},
			{"a node below itself", xn(1), []xnode{{6, map[int]uint64{1: xn(1)}}}, "", "damaged"},
			{"a node below the lowest", xn(1), []xnode{{0, map[int]uint64{1: xn(1)}}}, "", "damaged"},
			{"a shift that no node has", xn(1), []xnode{{7, nil}}, "", "shift"},
			{"a wild pointer", 0xffff999f00000002, nil, "", "0xffff999f0000"},
		} {
			xa := xaMemory(t, k, o, c.head, c.nodes...)
			got := ""
			var all []value.XEntry
			err := k.EachIndex(xa, 1000, func(e value.XEntry) error {
				got += fmt.Sprintf("%d-%d:%x ", e.First, e.Last, uint64(e.Entry))
				all = append(all, e)
				return nil
			})
			if got != c.want {
				t.Errorf("%s, %s: %q, want %q", series, c.name, got, c.want)
			}
			says(t, series+", "+c.name, err, c.err)
			// What the walk finds, each of its indices leads to, and no other does.
			for _, e := range all {
				for _, index := range []uint64{e.First, e.Last, e.First + (e.Last-e.First)/2} {
					if one, ok, err := k.XALoad(xa, index); err != nil || !ok || one != e {
						t.Errorf("%s, %s: index %d: %+v %v %v, want %+v", series, c.name, index, one, ok, err, e)
					}
				}
			}
			for _, index := range []uint64{1, 62, 64, 300, 4096, math.MaxUint64 >> 1} {
				in := slices.ContainsFunc(all, func(e value.XEntry) bool { return e.First <= index && index <= e.Last })
				if _, ok, err := k.XALoad(xa, index); c.err == "" && (err != nil || ok != in) {
					t.Errorf("%s, %s: index %d: %v, %v", series, c.name, index, ok, err)
				}
			}
		}
		// A walk may end early, and has a limit.
		xa := xaMemory(t, k, o, xn(1), xnode{0, map[int]uint64{1: p, 2: q}})
		n := 0
		if err := k.EachIndex(xa, 10, func(value.XEntry) error { n++; return value.Stop() }); err != nil || n != 1 {
			t.Errorf("%s: %d entries, %v", series, n, err)
		}
		says(t, "a limit", k.EachIndex(xa, 1, func(value.XEntry) error { return nil }), "more than 1 entries")
	}
}

// TestXArrayReal compares the walk that knows indices with the one that does not, on
// the BPF programs of real kernels.
func TestXArrayReal(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		idr, err := k.Global("prog_idr")
		if err != nil {
			t.Fatal(err)
		}
		xa, err := idr.Member("idr_rt")
		if err != nil {
			t.Fatal(err)
		}
		head, err := xa.PointerPath("xa_head")
		if err != nil {
			t.Fatal(err)
		}
		var with, without []kmem.Addr
		err = errors.Join(
			k.EachIndex(xa, 1000, func(e value.XEntry) error { with = append(with, e.Entry); return nil }),
			k.EachXArray(head, 1000, func(a kmem.Addr) error { without = append(without, a); return nil }))
		if err != nil || !slices.Equal(with, without) {
			t.Errorf("%s: %v, %v, %v", series, with, without, err)
		}
	}
}

// mapleMemory writes a node of 256 bytes: words by their place in it.
func mapleNode(o *kernels.Overlay, i int, words map[int]uint64) {
	at := kernels.Base.Add(4096 + 256*int64(i))
	o.PutBytes(at, make([]byte, 256))
	for w, v := range words {
		o.Put(at.Add(8*int64(w)), v)
	}
}

// mn is an entry that leads to node i of a type; the root's has another low bit.
func mn(i int, kind uint64, root bool) uint64 {
	low := uint64(4)
	if root {
		low = 2
	}
	return base + 4096 + 256*uint64(i) | kind<<3 | low
}

func TestMapleTree(t *testing.T) {
	const p, q, r = 0xffff888000001000, 0xffff888000002000, 0xffff888000003000
	const dense, leaf, rng, arange = 0, 1, 2, 3 // enum maple_type
	// A leaf or range node: the parent, 15 pivots, 16 slots; an arange node: the
	// parent, 9 pivots, 10 slots, 10 gaps.
	const pivot, slot, aslot = 1, 16, 10
	for _, series := range kernels.Series {
		k, o := made(t, series)
		st := structOf(t, k, "maple_tree")
		f, err := st.FindMember("ma_root")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name  string
			root  uint64
			nodes []map[int]uint64
			want  string
			err   string
		}{
			{"empty", 0, nil, "", ""},
			{"one entry", p, nil, fmt.Sprintf("0-0:%x ", uint64(p)), ""},
			{
				"a leaf", mn(0, leaf, true),
				[]map[int]uint64{{pivot: 9, slot: 0, pivot + 1: 19, slot + 1: p, pivot + 2: 99, slot + 2: 0, pivot + 3: 100, slot + 3: q, pivot + 4: math.MaxUint64}},
				fmt.Sprintf("10-19:%x 100-100:%x ", uint64(p), uint64(q)), "",
			},
			{
				"a leaf without the last pivot", mn(0, leaf, true),
				[]map[int]uint64{{pivot: 9, slot: p, slot + 1: q}},
				fmt.Sprintf("0-9:%x 10-%d:%x ", uint64(p), uint64(math.MaxUint64), uint64(q)), "",
			},
			{
				"index 0 alone", mn(0, leaf, true),
				[]map[int]uint64{{pivot: 0, slot: p, pivot + 1: math.MaxUint64}},
				fmt.Sprintf("0-0:%x ", uint64(p)), "",
			},
			{
				"a reserved range and an integer", mn(0, leaf, true),
				[]map[int]uint64{{pivot: 4, slot: 257<<2 | 2, pivot + 1: 5, slot + 1: 3, pivot + 2: math.MaxUint64}},
				"5-5:3 ", "",
			},
			{
				"two levels", mn(0, arange, true),
				[]map[int]uint64{
					{pivot: 99, aslot: mn(1, leaf, false), pivot + 1: math.MaxUint64, aslot + 1: mn(2, leaf, false)},
					{pivot: 49, slot: p, pivot + 1: 99, slot + 1: q},
					{pivot: 199, slot: r, pivot + 1: math.MaxUint64},
				},
				fmt.Sprintf("0-49:%x 50-99:%x 100-199:%x ", uint64(p), uint64(q), uint64(r)), "",
			},
			{
				"three levels", mn(0, rng, true),
				[]map[int]uint64{
					{pivot: 99, slot: mn(1, rng, false), slot + 1: mn(2, leaf, false)},
					{pivot: 99, slot: mn(2, leaf, false)},
					{pivot: 49, slot: p, pivot + 1: 99, slot + 1: q},
				},
				fmt.Sprintf("0-49:%x 50-99:%x ", uint64(p), uint64(q)), "damaged", // node 2 does not span 100 on
			},
			{"a dense node", mn(0, dense, true), []map[int]uint64{{1: p, 3: q}}, fmt.Sprintf("0-0:%x 2-2:%x ", uint64(p), uint64(q)), ""},
			{"a node below itself", mn(0, rng, true), []map[int]uint64{{slot: mn(0, rng, false)}}, "", "deeper"},
			{"pivots that go down", mn(0, leaf, true), []map[int]uint64{{pivot: 9, pivot + 1: 5}}, "", "pivot"},
			{"a type that there is not", mn(0, 9, true), nil, "", "type 9"},
		} {
			o.Fill(make([]byte, 1<<16))
			o.Put(kernels.Base.Add(int64(f.Offset())), c.root)
			for i, n := range c.nodes {
				mapleNode(o, i, n)
			}
			tree := k.Ref(st, kernels.Base)
			got := ""
			var all []value.XEntry
			err := k.EachRange(tree, 1000, func(e value.XEntry) error {
				got += fmt.Sprintf("%d-%d:%x ", e.First, e.Last, uint64(e.Entry))
				all = append(all, e)
				return nil
			})
			if got != c.want {
				t.Errorf("%s, %s: %q, want %q", series, c.name, got, c.want)
			}
			says(t, series+", "+c.name, err, c.err)
			for _, e := range all {
				for _, index := range []uint64{e.First, e.Last, e.First + (e.Last-e.First)/2} {
					if one, ok, err := k.MTLoad(tree, index); err != nil || !ok || one != e {
						t.Errorf("%s, %s: index %d: %+v %v %v, want %+v", series, c.name, index, one, ok, err, e)
					}
				}
			}
			for _, index := range []uint64{0, 1, 9, 10, 60, 150, 300, math.MaxUint64} {
				in := slices.ContainsFunc(all, func(e value.XEntry) bool { return e.First <= index && index <= e.Last })
				if _, ok, err := k.MTLoad(tree, index); c.err == "" && (err != nil || ok != in) {
					t.Errorf("%s, %s: index %d: %v, %v", series, c.name, index, ok, err)
				}
			}
		}
	}
}

func TestCPUMask(t *testing.T) {
	for _, series := range kernels.Series {
		k, o := made(t, series)
		possible, err := k.CPUs()
		if err != nil {
			t.Fatal(err)
		}
		st := structOf(t, k, "cpumask")
		o.Put(kernels.Base, 0xfffffffffffffffe) // garbage behind nr_cpu_ids
		got, err := k.CPUMask(k.Ref(st, kernels.Base))
		if want := possible[1:]; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v; %v", series, got, want, err)
		}
		if got, err := k.CPUMask(k.Pointer(st, kernels.Base)); err != nil || !slices.Equal(got, possible[1:]) {
			t.Errorf("%s: through a pointer: %v, %v", series, got, err)
		}
		_, err = k.CPUMask(k.Ref(structOf(t, k, "xarray"), kernels.Base))
		says(t, "no mask", err, "no struct cpumask")
		softnet, err := k.Global("softnet_data")
		if err != nil {
			t.Fatal(err)
		}
		sum, err := k.PerCPUSum(softnet, "processed")
		if err != nil {
			t.Fatal(err)
		}
		var want uint64
		if err := k.EachCPU(softnet, func(_ int, v value.Value) error {
			n, err := v.UintPath("processed")
			want += n
			return err
		}); err != nil || sum.Bits != want || want == 0 {
			t.Errorf("%s: %d, want %d; %v", series, sum.Bits, want, err)
		}
		_, err = k.PerCPUSum(softnet, "")
		says(t, "a struct", err, "name one of them")
	}
}

// FuzzStructures walks structures in random memory.
func FuzzStructures(f *testing.F) {
	k, o := made(f, "6.12")
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		// Bytes say which word of the memory a word leads to, so that structures arise.
		o.Fill(make([]byte, 1<<16))
		for i := 0; i+4 <= len(data) && i < 4096; i += 4 {
			at := kernels.Base.Add(8 * (int64(data[i])<<4 | int64(data[i+1])&15))
			word := base + 64*uint64(data[i+2])
			if data[i+3]&0x80 != 0 {
				word = uint64(data[i+2])
			}
			o.Put(at, word|uint64(data[i+3])&0x7f)
		}
		visit := func(value.Value) error { return nil }
		see := func(value.XEntry) error { return nil }
		for _, at := range []kmem.Addr{kernels.Base, kernels.Base + 64} {
			rb := k.Ref(structOf(t, k, "rb_root_cached"), at)
			node := structOf(t, k, "rb_node")
			_ = value.EachRB(rb, node, "rb_left", 1000, visit)
			_, _, _ = value.RBEdge(rb, node, "rb_left", true)
			_ = value.EachNulls(k.Ref(structOf(t, k, "hlist_nulls_head"), at), structOf(t, k, "hlist_nulls_node"), "next", 1000, visit)
			_ = value.EachPList(k.Ref(structOf(t, k, "plist_head"), at), structOf(t, k, "swap_info_struct"), "list", 1000, visit)
			xa := k.Ref(structOf(t, k, "xarray"), at)
			_ = k.EachIndex(xa, 1000, see)
			_, _, _ = k.XALoad(xa, uint64(len(data)))
			mt := k.Ref(structOf(t, k, "maple_tree"), at)
			_ = k.EachRange(mt, 1000, see)
			_, _, _ = k.MTLoad(mt, uint64(len(data)))
		}
	})
}
