package knet_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// madeUp is memory with words of a test's own, and pages of zeros that they may lie on.
type madeUp struct {
	kmem.Reader
	words map[kmem.Addr]uint64 // each at an address that is a multiple of 8
	pages map[kmem.Addr]bool
}

// ReadMem implements [kmem.Reader].
func (m madeUp) ReadMem(addr kmem.Addr, buf []byte) error {
	if m.pages[addr.Page()] {
		clear(buf)
	} else if err := m.Reader.ReadMem(addr, buf); err != nil {
		return err
	}
	for i := range buf {
		a := addr + kmem.Addr(i)
		if w, ok := m.words[a&^7]; ok {
			buf[i] = byte(w >> (8 * (a & 7)))
		}
	}
	return nil
}

// TestNestedTable puts the netlink sockets of a kernel into nested tables, as the kernel does where it
// had no memory for a whole one, and finds the same.
func TestNestedTable(t *testing.T) {
	img := kernels.OpenNet(t)
	mem := madeUp{Reader: img, words: map[kmem.Addr]uint64{}, pages: map[kmem.Addr]bool{}}
	k := value.New(img, mem)
	sockets := func() (map[kmem.Addr]bool, error) {
		s := knet.New(k, host.None{})
		ns, err := s.InitNS()
		if err != nil {
			t.Fatal(err)
		}
		out := map[kmem.Addr]bool{}
		err = s.EachSocket("netlink", []knet.NetNS{ns}, func(x knet.Socket) error { out[x.Addr()] = true; return nil })
		return out, err
	}
	want, err := sockets()
	if err != nil || len(want) < 5 {
		t.Fatalf("%d sockets, %v", len(want), err)
	}
	tables, err := k.Global("nl_table")
	if err != nil {
		t.Fatal(err)
	}
	first, err := tables.Index(0)
	if err != nil {
		t.Fatal(err)
	}
	at := func(path string) kmem.Addr {
		v, err := first.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := v.Addr()
		return a
	}
	size, err := first.UintPath("hash.tbl.size")
	if err != nil {
		t.Fatal(err)
	}
	buckets := make([]byte, 8*size)
	if err := img.ReadMem(at("hash.tbl.buckets"), buckets); err != nil {
		t.Fatal(err)
	}
	// The made-up nodes are where no kernel has memory.
	free := kmem.Addr(0xffffa00000000000)
	node := func(slots int) kmem.Addr {
		a := free
		for range (8*slots + 4095) / 4096 {
			mem.pages[free] = true
			free += 4096
		}
		return a
	}
	for _, c := range []struct {
		size, nest uint64
		inner      bool // a level more
	}{{2048, 2, false}, {2048, 1, true}} {
		clear(mem.words)
		root, below := node(512), node(512)
		leaves := below
		if c.inner {
			leaves = node(512)
		}
		// Any chain may be in any bucket, as nobody looks it up by its hash.
		i := kmem.Addr(0)
		for b := 0; b < len(buckets); b += 8 {
			p := binary.LittleEndian.Uint64(buckets[b:])
			if p&^1 == 0 {
				continue
			}
			if c.inner { // a leaf of two buckets for each
				mem.words[below+8*7*i] = uint64(leaves + 16*i)
				mem.words[leaves+16*i+8] = p
			} else {
				mem.words[leaves+8*i] = p
			}
			i++
		}
		mem.words[root+8] = uint64(below)
		mem.words[at("hash.tbl.size")] = c.size | c.nest<<32
		mem.words[at("hash.tbl.buckets")] = uint64(root)
		got, err := sockets()
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("nest %d: %d sockets, %v; want %d", c.nest, len(got), err, len(want))
		}
	}
	clear(mem.words)
	table, err := first.PointerPath("hash.tbl")
	if err != nil {
		t.Fatal(err)
	}
	mem.words[at("hash.tbl.future_tbl")] = uint64(table)
	if _, err := sockets(); err == nil || !strings.Contains(err.Error(), "more than eight tables") {
		t.Errorf("a table that is followed by itself: %v", err)
	}
	mem.words[at("hash.tbl.future_tbl")] = 0
	mem.words[at("hash.tbl.size")] = 1<<31 | 12<<32
	if _, err := sockets(); err == nil || !strings.Contains(err.Error(), "it is damaged") {
		t.Errorf("an impossible table: %v", err)
	}
}

func TestHandleName(t *testing.T) {
	got := []string{}
	for _, h := range []uint32{0, 0x10000, 0x80010000, 0xffff0000, 0xfffffff1, 3, 0x10002} {
		got = append(got, knet.HandleName(h))
	}
	want := []string{"0:", "1:", "8001:", "ffff:", "ffff:fff1", ":3", "1:2"}
	if !slices.Equal(got, want) {
		t.Error(fmt.Sprint(got, " want ", want))
	}
}
