package kmem

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"kinspect/kmem/dump"
)

// changingReader gives other bytes at every read, as a live kernel may.
type changingReader struct{ reads byte }

func (c *changingReader) ReadMem(_ Addr, buf []byte) error {
	c.reads++
	for i := range buf {
		buf[i] = c.reads
	}
	return nil
}

func TestRecorderKeepsWhatItSaw(t *testing.T) {
	r := &changingReader{}
	rec := NewRecorder(r)
	first := make([]byte, 3*PageSize)
	for _, read := range []struct{ addr, n int }{{8, 8}, {0x2ff8, 16}, {0, 3 * PageSize}, {0x1800, 100}} {
		b := make([]byte, read.n)
		if err := rec.ReadMem(Addr(testKernel+uint64(read.addr)), b); err != nil {
			t.Fatal(err)
		}
	}
	reads := r.reads
	if err := rec.ReadMem(testKernel, first); err != nil {
		t.Fatal(err)
	}
	if r.reads != reads || rec.Pages() != 4 {
		t.Errorf("%d more reads, %d pages", r.reads-reads, rec.Pages())
	}
	// Each page as it was when it was first touched: 0 at once, then 2 and 3, then 1.
	for i, want := range []byte{1, 3, 2} {
		if p := first[i*PageSize:][:PageSize]; !bytes.Equal(p, bytes.Repeat([]byte{want}, PageSize)) {
			t.Errorf("page %d: %d … %d", i, p[0], p[PageSize-1])
		}
	}
}

// Memory that begins and ends within a page is recorded as far as it was read.
func TestRecorderPartialPages(t *testing.T) {
	c := testCore{loads: []testLoad{{vaddr: testKernel + 0x800, paddr: dump.UnknownPhys, data: ramp(0x1000)}}}
	rec := NewRecorder(c.open(t))
	read := func(off, n uint64) []byte {
		t.Helper()
		b := make([]byte, n)
		if err := rec.ReadMem(Addr(testKernel+off), b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, r := range []struct{ off, n uint64 }{{0x900, 16}, {0x910, 16}, {0xa00, 8}, {0x908, 0x100}, {0xff0, 32}, {0x17f8, 8}} {
		if b := read(r.off, r.n); !bytes.Equal(b, ramp(0x1000)[r.off-0x800:][:r.n]) {
			t.Errorf("%#x: wrong bytes", r.off)
		}
	}
	if err := rec.ReadMem(testKernel+0x7f8, make([]byte, 16)); AsFault(err) == nil {
		t.Error(err)
	}
	var got []part
	for _, r := range rec.ranges() {
		got = append(got, part{int(uint64(r.addr) - testKernel), int(r.size)})
	}
	want := []part{{0x900, 0x108}, {0xff0, 32}, {0x17f8, 8}}
	if len(got) != len(want) {
		t.Fatalf("%#x, want %#x", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%#x, want %#x", got[i], want[i])
		}
	}
	if f := rec.sortedFaults(); len(f) != 1 || f[0].Addr != testKernel+0x7f8 {
		t.Errorf("%+v", f)
	}
}

func TestRecorderLimit(t *testing.T) {
	rec := NewRecorder(&changingReader{})
	rec.limit = 256
	if err := rec.AddRange(testKernel+8, 255*PageSize); err != nil {
		t.Fatal(err)
	}
	err := rec.AddRange(testKernel+512*PageSize, 2*PageSize)
	if f := AsFault(err); f == nil || f.Reason != Failed || !strings.Contains(err.Error(), "limit of 1 MiB") {
		t.Error(err)
	}
	if err := rec.ReadMem(testKernel, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if err := rec.AddRange(math.MaxUint64, 2); AsFault(err) == nil {
		t.Error(err)
	}
	if err := rec.ReadMem(math.MaxUint64, make([]byte, 2)); AsFault(err) == nil {
		t.Error(err)
	}
}
