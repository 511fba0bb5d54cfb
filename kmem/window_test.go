package kmem

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kinspect/kmem/dumptest"
)

// TestWindows reads at random from a dump that is mapped, and compares with the same in memory: large
// pages one after the other, a gap, small ones, one that the file ends in, and a segment by virtual address.
func TestWindows(t *testing.T) {
	m := newTestMachine(5, 16<<20)
	dumptest.Pattern(m.ram[8<<20:], 0)
	for _, p := range []struct{ virt, phys uint64 }{
		{0, 8 << 20}, {2 << 20, 12 << 20}, {4 << 20, 14 << 20}, {10 << 20, 8 << 20}, {windowSlots << hugeShift, 12 << 20},
	} {
		m.mapPage(testDirect5+p.virt, p.phys, hugeShift)
	}
	for i := range uint64(16) {
		m.mapPage(testDirect5+1<<30+i*PageSize, 8<<20+(i^1)*PageSize, pageShift)
	}
	const virtual = testDirect5 + 20<<20
	c := m.core()
	c.loads = append(c.loads, testLoad{data: m.ram[9<<20 : 9<<20+5*PageSize], vaddr: virtual, paddr: 64 << 20})
	c.patch = func(file []byte, phoff int) {
		load := file[phoff+56:]
		binary.LittleEndian.PutUint64(load[32:], 15<<20) // FileSiz and MemSiz
		binary.LittleEndian.PutUint64(load[40:], 15<<20)
	}
	file := c.bytes()
	path := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	mapped, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	inMemory := c.open(t)
	starts := []uint64{
		testDirect5, testDirect5 + 2<<20, testDirect5 + 4<<20, testDirect5 + 5<<20, testDirect5 + 6<<20, testDirect5 + 10<<20,
		testDirect5 + windowSlots<<hugeShift, testDirect5 + 1<<30, testDirect5 + 1<<30 + 16*PageSize, virtual, virtual + 5*PageSize,
	}
	r := rand.New(rand.NewPCG(1, 2))
	faults := 0
	for i := range 60_000 {
		a := starts[r.IntN(len(starts))]
		switch r.IntN(3) {
		case 0:
			a += r.Uint64N(64) - 32
		case 1:
			a += r.Uint64N(2 << 20)
		default:
			a += r.Uint64N(5 * PageSize)
		}
		n := []int{0, 1, 4, 8, 16, 100}[r.IntN(6)]
		if r.IntN(200) == 0 {
			n = r.IntN(3 << 20)
		}
		got, want := make([]byte, n), make([]byte, n)
		gotErr, wantErr := mapped.ReadMem(Addr(a), got), inMemory.ReadMem(Addr(a), want)
		if (gotErr == nil) != (wantErr == nil) || gotErr != nil && AsFault(gotErr).Reason != AsFault(wantErr).Reason {
			t.Fatalf("read %d of %d bytes at %#x: %v, want %v", i, n, a, gotErr, wantErr)
		}
		if gotErr != nil {
			faults++
		} else if !bytes.Equal(got, want) {
			t.Fatalf("read %d of %d bytes at %#x: other bytes than there are", i, n, a)
		}
	}
	if faults == 0 {
		t.Error("nothing could not be read")
	}
	if !mapped.content.File.Mapped() {
		t.Skip("this system maps no files")
	}
	for _, a := range []uint64{testDirect5, virtual} {
		var b [8]byte
		if err := mapped.ReadMem(Addr(a), b[:]); err != nil || !mapped.readWindow(a, b[:]) {
			t.Errorf("%#x is not in a window (%v)", a, err)
		}
	}
	// Other tables are other windows.
	var b [8]byte
	mapped.tables = nil
	if mapped.readWindow(testDirect5, b[:]) {
		t.Error("a window outlives the tables")
	}
}
