package kmem

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// Ranges that are in the stream read as they did, with what lies around them in the same pages; and so
// does a snapshot of the snapshot.
func TestSnapshotStream(t *testing.T) {
	for _, redact := range []bool{false, true} {
		m := newTestMachine(4, testRAM)
		dumptest.Pattern(m.ram[:0x100000], 0)
		for i := range uint64(32) {
			m.mapPage(testKernel+i*PageSize, (31-i)*PageSize, pageShift)
		}
		img := m.core().open(t)
		want := make([]byte, 32*PageSize)
		if err := img.ReadMem(testKernel, want); err != nil {
			t.Fatal(err)
		}
		streams := []Range{{testKernel + 0x1234, 0x5001}, {testKernel + 0x9000, 0x1000}, {testKernel + 0xa000, 8}, {testKernel + 0xb008, 0}, {^Addr(0), 9}, {testKernel + 0x20, maxStream}}
		record := func(img *Image) []byte {
			rec := NewRecorder(img)
			if redact {
				rec.KeepAskedOnly()
			}
			for _, r := range append([]Range{{testKernel + 0x1200, 0x34}, {testKernel + 0x6235, 0x10}, {testKernel + 0xc000, 0x2000}}, streams[:3]...) {
				if err := rec.AddRange(r.Addr, r.Len); err != nil {
					t.Fatal(err)
				}
			}
			var file memoryFile
			s := &SnapshotContent{Info: SnapshotInfo{Release: "6.12.0-test"}, VMCoreInfo: img.VMCoreInfo(), Memory: rec, Image: img, Streams: streams}
			if err := WriteSnapshot(&file, SnapshotKdump, s); err != nil {
				t.Fatal(err)
			}
			return file.b
		}
		file := record(img)
		snap := mustOpen(t, file)
		if got := snap.Snapshot().Version; got != snapshotVersionStream {
			t.Errorf("version %d", got)
		}
		for _, r := range []struct{ from, to uint64 }{{0x1200, 0x6245}, {0x9000, 0xa008}, {0xc000, 0xe000}, {0x2000, 0x2001}, {0x6234, 0x6236}} {
			got := make([]byte, r.to-r.from)
			if err := snap.ReadMem(Addr(testKernel+r.from), got); err != nil || !bytes.Equal(got, want[r.from:r.to]) {
				t.Errorf("%#x to %#x: %v", r.from, r.to, err)
			}
		}
		for _, at := range []uint64{0x8fff, 0xa008, 0xb008} {
			err := snap.ReadMem(Addr(testKernel+at), make([]byte, 1))
			if whole := at == 0xa008 && !redact; (err == nil) != whole {
				t.Errorf("%#x: %v", at, err)
			}
		}
		// Other readers find no page of the stream's alone, and those around it.
		_, memory := peer(t, file)
		for phys, in := range map[uint64]bool{31 - 1: true, 31 - 2: false, 31 - 5: false, 31 - 6: true, 31 - 9: false, 31 - 0xc: true} {
			if err := memory.ReadPhys(PhysAddr(phys*PageSize), make([]byte, 1)); (err == nil) != in {
				t.Errorf("page %#x: %v", phys, err)
			}
		}
		if _, err := snap.Translate(testKernel + 0x2000); AsFault(err) == nil {
			t.Error(err)
		}
		again := record(snap)
		if mustOpen(t, again); !bytes.Equal(again, file) {
			t.Error("a snapshot of the snapshot differs")
		}
	}
}

func TestSnapshotStreamHostile(t *testing.T) {
	text := encodeSavedMap([]savedRange{{testKernel, testKernel + 99, streamPlace}, {testKernel + 1<<20, testKernel + 1<<20 + PageSize, streamPlace | PageSize}}, nil)
	for name, tt := range map[string]struct {
		note []byte
		want [2]string // of reading both ranges
	}{
		"good":    {pack(t, ramp(2*PageSize+1)), [2]string{}},
		"short":   {pack(t, ramp(2*PageSize)), [2]string{"", "has only 8192 bytes"}},
		"empty":   {pack(t, nil), [2]string{"has only 0 bytes", "has only 0 bytes"}},
		"garbage": {[]byte("garbage"), [2]string{"note KINSPECT_STREAM", "note KINSPECT_STREAM"}},
		"large":   {pack(t, make([]byte, maxStream+1)), [2]string{"note KINSPECT_STREAM", "note KINSPECT_STREAM"}},
	} {
		img := mustOpen(t, testSavedKdump(t, `{"version":3}`, text, false, kdump.Note{Name: noteStream, Desc: tt.note}))
		for i, r := range []struct{ addr, n uint64 }{{testKernel, 100}, {testKernel + 1<<20, PageSize + 1}} {
			err := img.ReadMem(Addr(r.addr), make([]byte, r.n))
			f := AsFault(err)
			if (err == nil) != (tt.want[i] == "") || err != nil && (f == nil || !strings.Contains(err.Error(), tt.want[i])) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := openBytes(testSavedKdump(t, `{"version":3}`, text, false)); err == nil || !strings.Contains(err.Error(), "nothing can be") {
		t.Errorf("no stream: %v", err)
	}
}

func TestCutSpan(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		var spans []span
		for range random.IntN(5) {
			from := random.Uint64N(100)
			spans = append(spans, span{from, from + random.Uint64N(30)})
		}
		spans = joinSpans(spans)
		holds := func(at uint64) bool {
			return slices.ContainsFunc(spans, func(s span) bool { return s.first <= at && at <= s.last })
		}
		addr, n := random.Uint64N(100), 1+random.IntN(40)
		k, in := cutSpan(spans, addr, n)
		want := 1
		for want < n && holds(addr+uint64(want)) == holds(addr) {
			want++
		}
		if k != want || in != holds(addr) {
			t.Fatalf("%v: %d bytes at %d: %d, %v", spans, n, addr, k, in)
		}
	}
}

// The text of a kernel's tables answers as the tables do.
func TestKallsymsText(t *testing.T) {
	img, err := Open("../testdata/snapshots/incident-6.12.kdump")
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	syms, err := img.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	text, ok := KallsymsText(syms.(*Kallsyms))
	if !ok {
		t.Fatal("no text")
	}
	table, hidden, err := ParseProcKallsyms(bytes.NewReader(text))
	if err != nil || hidden || table.Len() != syms.Len() {
		t.Fatal(err, hidden, table.Len(), syms.Len())
	}
	i := 0
	for s := range syms.All {
		if i++; i%50 != 0 {
			continue
		}
		if got, ok := table.Lookup(s.Name); !ok || got.Name != s.Name {
			t.Errorf("%s: %v", s.Name, got)
		} else if want, _ := syms.Lookup(s.Name); got != want {
			t.Errorf("%s: %+v, want %+v", s.Name, got, want)
		}
		for _, off := range []int64{-1, 0, 1, 0x50000, 0x5000000} {
			got, gotOff, gotOK := table.At(s.Addr.Add(off))
			want, wantOff, wantOK := syms.At(s.Addr.Add(off))
			if got != want || gotOff != wantOff || gotOK != wantOK {
				t.Errorf("%s%+d: %+v+%#x %v, want %+v+%#x %v", s.Name, off, got, gotOff, gotOK, want, wantOff, wantOK)
			}
		}
	}
}
