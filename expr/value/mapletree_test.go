package value_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

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
