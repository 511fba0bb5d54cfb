package value_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

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
