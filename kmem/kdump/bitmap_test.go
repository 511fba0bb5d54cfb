package kdump

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
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

// A hole of a file counts as the zeros that it is.
func TestBitmapHoles(t *testing.T) {
	const pages = 64 * bitmapChunk * 8
	bits := []uint64{7, 5*bitmapChunk*8 + 3, 5*bitmapChunk*8 + 4, 63*bitmapChunk*8 - 1, pages - 1}
	for _, stray := range []int64{-1, int64(bits[1]), int64(pages - 1)} {
		file, err := os.Create(filepath.Join(t.TempDir(), "holes"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		const size = 2 * pages / 8
		if err := file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		for half := range uint64(2) {
			set := make(map[uint64]byte)
			for _, p := range bits {
				if half == 0 || int64(p) != stray {
					set[p/8] |= 1 << (p % 8)
				}
			}
			for at, b := range set {
				if _, err := file.WriteAt([]byte{b}, int64(half*pages/8+at)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range []io.ReaderAt{file, struct{ io.ReaderAt }{file}} {
			b, got, err := readBitmap(dump.NewFile(r, size, "test", true), 0, pages, pages/8)
			if err != nil || got != stray {
				t.Fatalf("stray %d, %v; want %d", got, err, stray)
			}
			if b.count() != uint64(len(bits)) && stray < 0 {
				t.Errorf("%d bits", b.count())
			}
			for i, p := range bits {
				if n, set, err := b.rank(p); stray < 0 && (n != uint64(i) || !set || err != nil) {
					t.Errorf("page %d: %d %v %v", p, n, set, err)
				}
			}
		}
	}
}

// A bitmap of 1 TiB of memory without holes.
func BenchmarkReadBitmap(b *testing.B) {
	const pages = 1 << 28
	path := filepath.Join(b.TempDir(), "bitmaps")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xa5, 0xff}, pages/8), 0o600); err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	b.SetBytes(pages / 8 * 2)
	for b.Loop() {
		if _, _, err := readBitmap(dump.NewFile(file, pages/8*2, path, true), 0, pages, pages/8); err != nil {
			b.Fatal(err)
		}
	}
}
