package value_test

import (
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
