package kdump

import (
	"bytes"
	"testing"

	"kinspect/kmem/dump"
)

func TestPageBitmap(t *testing.T) {
	const pages = 3*rankPages + 77
	file := make([]byte, 4*rankLine+64)
	x := uint32(7)
	for i := range file {
		x = x*1664525 + 1013904223
		file[i] = byte(x >> 24 & (x >> 16))
		if i/500%2 == 1 {
			file[i] = byte(0 - x>>31)
		}
	}
	f := dump.NewFile(bytes.NewReader(file), int64(len(file)), "test", true)
	b, stray, err := readBitmap(f, 0, pages, 0)
	if err != nil || stray != -1 {
		t.Fatal(stray, err)
	}
	n := uint64(0)
	bit := func(p int) bool { return p < pages && file[p/8]>>(p%8)&1 != 0 }
	for p := range pages + 3 {
		rank, set, err := b.rank(uint64(p))
		if err != nil || rank != n || set != bit(p) {
			t.Fatalf("page %d: rank %d %v, %v; want %d", p, rank, set, err, n)
		}
		if bit(p) {
			n++
		}
		if p%13 == 0 {
			want := 0
			for want < 1000 && bit(p+want) {
				want++
			}
			if got, err := b.run(uint64(p), 1000); err != nil || got != uint64(want) {
				t.Fatalf("page %d: run %d, %v; want %d", p, got, err, want)
			}
		}
	}
	if b.count() != n {
		t.Errorf("count %d, want %d", b.count(), n)
	}
}
