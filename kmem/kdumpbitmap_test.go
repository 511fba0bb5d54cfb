package kmem

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
)

// A dump of a machine with 1 TiB costs what its bitmap costs.
func TestKdumpLarge(t *testing.T) {
	const pages, last = 1 << 28, 1<<28 - 5
	k := testKdump{flags: kdumpZlib, ram: testPages(8)}
	small := k.bytes(t)
	le := binary.LittleEndian
	head := bytes.Clone(small[:3*PageSize])
	le.PutUint64(head[PageSize+96:], pages)
	const bitmapBytes = pages / 8
	le.PutUint32(head[436:], 2*bitmapBytes/PageSize)
	descs := int64(3*PageSize + 2*bitmapBytes)
	page := packPage(t, k.ram[:PageSize], kdumpZlib)
	desc := make([]byte, kdumpDescSize)
	le.PutUint64(desc, uint64(descs+kdumpDescSize))
	le.PutUint32(desc[8:], uint32(len(page)))
	le.PutUint32(desc[12:], kdumpZlib)
	bit := []byte{1 << (last % 8)}
	r := &sparseReader{size: descs + kdumpDescSize + int64(len(page)), pieces: map[int64][]byte{
		0: head, 3*PageSize + last/8: bit, 3*PageSize + bitmapBytes + last/8: bit, descs: desc, descs + kdumpDescSize: page,
	}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	img, err := OpenReaderAt(r, r.size, "large")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, PageSize)
	if err := img.ReadPhys(last*PageSize, buf); err != nil || !bytes.Equal(buf, k.ram[:PageSize]) {
		t.Errorf("the last page: %v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes allocated", n)
	}
	if n := len(img.phys.(*kdumpMemory).bitmap.ranks) * 8; n > bitmapBytes/64 {
		t.Errorf("ranks of %d bytes", n)
	}
	if n := 0; true {
		for range img.PhysRanges() {
			n++
		}
		if n != 1 {
			t.Errorf("%d ranges", n)
		}
	}
}

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
	f := newCoreFile(bytes.NewReader(file), int64(len(file)), true)
	b, stray, err := readPageBitmap(f, 0, pages, 0)
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
