package kmem

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
	"kinspect/testdata/lab/results"
)

// writeTestKdump writes a snapshot of what a recorder of an image holds.
func writeTestKdump(t testing.TB, img *Image, rec *Recorder, symbols SymbolTable) ([]byte, *SnapshotContent) {
	t.Helper()
	s := &SnapshotContent{
		Info:       SnapshotInfo{Command: []string{"explain", "bond0"}, Release: "6.12.0-test"},
		VMCoreInfo: img.VMCoreInfo(), Memory: rec, Image: img, Symbols: symbols,
	}
	var files [2]memoryFile
	for i := range files {
		if err := WriteSnapshot(&files[i], SnapshotKdump, s); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].b, files[1].b) {
		t.Error("the same content gives different files")
	}
	return files[0].b, s
}

func mustOpen(t testing.TB, b []byte) *Image {
	t.Helper()
	img, err := openBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// peer opens a file as others do: physical pages, and page tables by VMCOREINFO.
func peer(t testing.TB, b []byte) (*pageTables, dump.Memory) {
	t.Helper()
	c, err := kdump.Format.Open([]*dump.File{dump.NewFile(bytes.NewReader(b), int64(len(b)), "test", true)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.File.ReadNote(c.Note("VMCOREINFO"), maxVMCoreInfo)
	if err != nil {
		t.Fatal(err)
	}
	info, err := ParseVMCoreInfo(raw)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := newPageTables(info, c.PhysBase, func(addr uint64, buf []byte) error { return c.Memory.ReadPhys(PhysAddr(addr), buf) })
	if err != nil {
		t.Fatal(err)
	}
	return tables, c.Memory
}

// Others find what was recorded through the page tables in the file, of whatever depth and page size.
func TestSnapshotForPeers(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, redact := range []bool{false, true} {
			m := newTestMachine(levels, testRAM)
			dumptest.Pattern(m.ram[:0x100000], 0)
			base := direct(levels)
			m.mapPage(testKernel, 0x7000, pageShift)
			m.mapPage(testKernel+PageSize, 0x3000, pageShift)
			m.mapPage(base, 0, hugeShift)
			m.mapPage(base+1<<30, 0, 30)
			img := m.core().open(t)
			rec := NewRecorder(img)
			if redact {
				rec.KeepAskedOnly()
			}
			addrs := []uint64{testKernel + 0xff8, testKernel + 0x1008, base + 0x12340, base + 1<<30 + 0x12340, base + 1<<30 + 0x56780}
			for _, a := range addrs {
				if _, err := ReadUint64(rec, Addr(a)); err != nil {
					t.Fatal(err)
				}
			}
			b, s := writeTestKdump(t, img, rec, nil)
			if s.Remark != "" {
				t.Error(s.Remark)
			}
			tables, memory := peer(t, b)
			snap := mustOpen(t, b)
			for _, a := range addrs {
				want, _ := ReadUint64(img, Addr(a))
				phys, _, err := tables.translate(a)
				if err != nil {
					t.Fatalf("%d levels: %#x: %v", levels, a, err)
				}
				got := make([]byte, 8)
				if err := memory.ReadPhys(PhysAddr(phys), got); err != nil || binary.LittleEndian.Uint64(got) != want {
					t.Errorf("%d levels: %#x holds %x, %v; want %#x", levels, a, got, err, want)
				}
				if v, err := ReadUint64(snap, Addr(a)); err != nil || v != want {
					t.Errorf("%d levels: %#x holds %#x, %v; want %#x", levels, a, v, err, want)
				}
				if p, err := snap.Translate(Addr(a)); err != nil || uint64(p) != phys {
					t.Errorf("%#x is at %v, %v; want %#x", a, p, err, phys)
				}
			}
			// A snapshot of the snapshot is the same again, tables included.
			again := NewRecorder(snap)
			if redact {
				again.KeepAskedOnly()
			}
			for _, a := range addrs {
				if _, err := ReadUint64(again, Addr(a)); err != nil {
					t.Fatal(err)
				}
			}
			if b2, _ := writeTestKdump(t, snap, again, nil); !bytes.Equal(b, b2) {
				t.Errorf("%d levels: a snapshot of the snapshot differs", levels)
			}
		}
	}
}

// aliasReader gives two virtual pages, which are one physical page, at different times.
type aliasReader struct {
	*Image
	late map[Addr]byte // pages that have changed since: what all of their bytes are
}

func (a *aliasReader) ReadMem(addr Addr, buf []byte) error {
	err := a.Image.ReadMem(addr, buf)
	for i := range buf {
		if c, ok := a.late[addr.Add(int64(i)).Page()]; ok {
			buf[i] = c
		}
	}
	return err
}

// Reading back gives what the command saw, also where one physical page was seen twice, a page is known
// in part, or no page table leads to it any more.
func TestSnapshotAliases(t *testing.T) {
	m := newTestMachine(4, testRAM)
	dumptest.Pattern(m.ram[:0x100000], 0)
	for i, phys := range []uint64{0x5000, 0x5000, 0x6000, 0x6000, 0x7000} {
		m.mapPage(testKernel+uint64(i)*PageSize, phys, pageShift)
	}
	img := m.core().open(t)
	rec := NewRecorder(&aliasReader{Image: img, late: map[Addr]byte{testKernel + PageSize: 0xee, testKernel + 4*PageSize: 0xdd}})
	buf := make([]byte, 5*PageSize)
	if err := rec.ReadMem(testKernel, buf); err != nil {
		t.Fatal(err)
	}
	// The last page's mapping goes away before the snapshot is written.
	gone := newTestMachine(4, testRAM)
	copy(gone.ram, m.ram)
	gone.next = m.next
	gone.put(gone.slot(testKernel+4*PageSize, pageShift), 0)
	b, s := writeTestKdump(t, gone.core().open(t), rec, nil)
	if !strings.Contains(s.Remark, "2 pages") {
		t.Error(s.Remark)
	}
	snap := mustOpen(t, b)
	got := make([]byte, len(buf))
	if err := snap.ReadMem(testKernel, got); err != nil || !bytes.Equal(got, buf) {
		t.Error("other bytes than the command saw", err)
	}
	for i, want := range []bool{true, false, true, true, false} {
		if _, err := snap.Translate(testKernel + Addr(i*PageSize)); (err == nil) != want {
			t.Errorf("page %d: %v", i, err)
		}
	}
	// Others see the lower address's copy of the page that was seen twice.
	tables, memory := peer(t, b)
	phys, _, err := tables.translate(testKernel + PageSize)
	one := make([]byte, PageSize)
	if err == nil {
		err = memory.ReadPhys(PhysAddr(phys), one)
	}
	if err != nil || !bytes.Equal(one, buf[:PageSize]) {
		t.Error("others see something else", err)
	}
}

// A source that has no physical addresses, as an ELF snapshot has none, loses nothing.
func TestSnapshotWithoutPhysical(t *testing.T) {
	first, _ := testSnapshot(t)
	var file memoryFile
	if err := WriteSnapshot(&file, SnapshotELF, first); err != nil {
		t.Fatal(err)
	}
	elf := mustOpen(t, file.b)
	rec := NewRecorder(elf)
	want := make([]byte, 0x2000)
	if err := rec.ReadMem(testKernel+0x2000, want); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadUint64(rec, math.MaxUint64-7); err != nil {
		t.Fatal(err)
	}
	b, s := writeTestKdump(t, elf, rec, nil)
	if !strings.Contains(s.Remark, "3 pages") {
		t.Error(s.Remark)
	}
	snap := mustOpen(t, b)
	got := make([]byte, len(want))
	if err := snap.ReadMem(testKernel+0x2000, got); err != nil || !bytes.Equal(got, want) {
		t.Error("other bytes", err)
	}
	a, errA := ReadUint64(elf, math.MaxUint64-7)
	c, errC := ReadUint64(snap, math.MaxUint64-7)
	if a != c || errA != nil || errC != nil {
		t.Errorf("%#x, %v; %#x, %v", a, errA, c, errC)
	}
}

// What a redacted snapshot must not hold is in the same page as what it must.
func TestSnapshotRedacted(t *testing.T) {
	const secret = "correct horse battery staple"
	for _, format := range []SnapshotFormat{SnapshotKdump, SnapshotELF} {
		m := newTestMachine(4, testRAM)
		for at := 0; at < 0x100000; at += 64 {
			copy(m.ram[at:], secret)
		}
		for i := range uint64(16) {
			m.mapPage(testKernel+i*PageSize, i*PageSize, pageShift)
		}
		copy(m.ram[0x2040:], "bond0\x00")
		img := m.core().open(t)
		rec := NewRecorder(img)
		rec.KeepAskedOnly()
		if name, ok, err := ReadCString(rec, testKernel+0x2040, 16); name != "bond0" || !ok || err != nil {
			t.Fatalf("%q, %v, %v", name, ok, err)
		}
		for _, r := range []struct{ addr, n uint64 }{{0x3020, 4}, {0x3fff, 2}, {0x5001, 7}, {0x5008, 1}} {
			if err := rec.ReadMem(Addr(testKernel+r.addr), make([]byte, r.n)); err != nil {
				t.Fatal(err)
			}
		}
		failed := rec.ReadMem(testKernel+0xfff8, make([]byte, 16)) // half of it is not mapped
		var file memoryFile
		s := &SnapshotContent{Info: SnapshotInfo{Command: []string{"explain"}}, VMCoreInfo: img.VMCoreInfo(), Memory: rec, Image: img}
		if err := WriteSnapshot(&file, format, s); err != nil {
			t.Fatal(err)
		}
		snap := mustOpen(t, file.b)
		if !snap.Snapshot().Redacted {
			t.Error("it does not say that it is redacted")
		}
		// What was asked for is there, byte by byte, and nothing else.
		asked := []struct{ from, to uint64 }{{0x2040, 0x2050}, {0x3020, 0x3024}, {0x3fff, 0x4001}, {0x5001, 0x5009}}
		for at := uint64(0x1000); at < 0x7000; at++ {
			var b [1]byte
			err := snap.ReadMem(Addr(testKernel+at), b[:])
			f := AsFault(err)
			in := slices.ContainsFunc(asked, func(r struct{ from, to uint64 }) bool { return r.from <= at && at < r.to })
			switch touched := at>>12 >= 2 && at>>12 <= 5; {
			case in != (err == nil):
				t.Errorf("%s: %#x: %v", format, at, err)
			case in && b[0] != m.ram[at]:
				t.Errorf("%s: %#x holds %#x, want %#x", format, at, b[0], m.ram[at])
			case !in && f.Reason != map[bool]Reason{true: Redacted, false: Filtered}[touched]:
				t.Errorf("%s: %#x: %v", format, at, err)
			}
		}
		if err := snap.ReadMem(testKernel+0xfff8, make([]byte, 16)); failed == nil || err == nil || err.Error() != failed.Error() {
			t.Errorf("%s: %v, and on the snapshot: %v", format, failed, err)
		}
		checkNothingElse(t, file.b, format, rec)
	}
}

// checkNothingElse looks at all memory in a redacted file, whatever it says of itself: but for what was
// asked for, and entries of page tables, it is zeros.
func checkNothingElse(t *testing.T, b []byte, format SnapshotFormat, rec *Recorder) {
	t.Helper()
	if format == SnapshotELF {
		return // it has no other bytes: see WriteSnapshot
	}
	snap := mustOpen(t, b)
	known := map[uint64]bool{}
	for at, n := range snap.PhysRanges() {
		for i := range n {
			known[uint64(at)+i] = true
		}
	}
	recorded, kept := 0, 0
	for _, r := range rec.ranges() {
		recorded += int(r.size)
	}
	page := make([]byte, PageSize)
	for at, n := range snap.saved.pages.Ranges() {
		for ; n > 0; at, n = at+PageSize, n-PageSize {
			if err := snap.saved.pages.ReadPhys(at, page); err != nil {
				t.Fatal(err)
			}
			for i, c := range page {
				if known[uint64(at)+uint64(i)] {
					kept++
				} else if c != 0 {
					t.Fatalf("physical address %#x was not asked for, and is %#x in the file", uint64(at)+uint64(i), c)
				}
			}
		}
	}
	tables := 0
	for _, s := range newTableSpans(t, snap, rec) {
		tables += int(s.last - s.first + 1)
	}
	if kept > recorded+tables {
		t.Errorf("%d bytes are kept, %d were asked for, and %d are page-table entries", kept, recorded, tables)
	}
}

// newTableSpans are the page-table entries that lead to what a recorder holds.
func newTableSpans(t *testing.T, img *Image, rec *Recorder) []span {
	t.Helper()
	w := newTableWalk(img)
	for _, r := range rec.ranges() {
		for at := r.addr.Page(); at < r.addr.Add(int64(r.size)); at = at.Add(PageSize) {
			w.translate(at)
		}
	}
	var out []span
	w.each(true, func(page uint64, from int, b []byte) {
		out = append(out, span{page*PageSize + uint64(from), page*PageSize + uint64(from+len(b)) - 1})
	})
	return out
}

// TestLabSnapshotRedacted takes redacted snapshots of real dumps: the secrets are all that was not asked for.
func TestLabSnapshotRedacted(t *testing.T) {
	results.Each(t, func(t *testing.T, file string) {
		img, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		syms, err := img.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		rec := NewRecorder(img)
		rec.KeepAskedOnly()
		random := rand.New(rand.NewPCG(1, 2))
		var all []Symbol
		syms.All(func(s Symbol) bool { all = append(all, s); return true })
		for range 500 {
			n := 1 + random.IntN(200)
			_ = rec.ReadMem(all[random.IntN(len(all))].Addr, make([]byte, n))
		}
		b, _ := writeTestKdump(t, img, rec, syms)
		checkNothingElse(t, b, SnapshotKdump, rec)
		snap := mustOpen(t, b)
		got, want := make([]byte, PageSize), make([]byte, PageSize)
		for _, r := range rec.ranges() {
			for off := uint64(0); off < r.size; off += PageSize {
				n := min(r.size-off, PageSize)
				at := r.addr.Add(int64(off))
				if err := snap.ReadMem(at, got[:n]); err != nil {
					t.Fatal(err)
				}
				if err := img.ReadMem(at, want[:n]); err != nil || !bytes.Equal(got[:n], want[:n]) {
					t.Fatalf("%v: other bytes, %v", at, err)
				}
			}
		}
	})
}
