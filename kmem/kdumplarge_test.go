package kmem

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// A dump of a machine with 1 TiB costs what its bitmap costs.
func TestKdumpLarge(t *testing.T) {
	const pages, last = 1 << 28, 1<<28 - 5
	k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(8)}
	small := k.bytes(t)
	le := binary.LittleEndian
	head := bytes.Clone(small[:3*PageSize])
	le.PutUint64(head[PageSize+96:], pages)
	const bitmapBytes = pages / 8
	le.PutUint32(head[436:], 2*bitmapBytes/PageSize)
	descs := int64(3*PageSize + 2*bitmapBytes)
	page := dumptest.PackPage(t, k.ram[:PageSize], kdump.FlagZlib)
	desc := make([]byte, 24)
	le.PutUint64(desc, uint64(descs+24))
	le.PutUint32(desc[8:], uint32(len(page)))
	le.PutUint32(desc[12:], kdump.FlagZlib)
	bit := []byte{1 << (last % 8)}
	r := &sparseReader{size: descs + 24 + int64(len(page)), pieces: map[int64][]byte{
		0: head, 3*PageSize + last/8: bit, 3*PageSize + bitmapBytes + last/8: bit, descs: desc, descs + 24: page,
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
	if n := 0; true {
		for range img.PhysRanges() {
			n++
		}
		if n != 1 {
			t.Errorf("%d ranges", n)
		}
	}
}
