package kmem

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/kdump"
)

// A snapshot in which anything was changed gives the bytes that were recorded, or an error: other bytes it
// never gives.
func TestSnapshotDamage(t *testing.T) {
	m := newTestMachine(4, testRAM)
	random := rand.New(rand.NewPCG(5, 6))
	for i := 0; i < 0x10000; i++ { // the first pages do not compress
		m.ram[i] = byte(random.Uint32())
		m.ram[0x20000+i] = byte(i >> 5)
	}
	for i := range uint64(48) {
		m.mapPage(testKernel+i*PageSize, i*PageSize, pageShift)
	}
	img := m.core().open(t)
	rec := NewRecorder(&aliasReader{Image: img, late: map[Addr]byte{testKernel + 40*PageSize: 0xee}})
	want := make([]byte, 48*PageSize)
	if err := rec.ReadMem(testKernel, want); err != nil {
		t.Fatal(err)
	}
	m.mapPage(testKernel+40*PageSize, 3*PageSize, pageShift) // so that it is a stray page
	good, s := writeTestKdump(t, m.core().open(t), rec, nil)
	if !strings.Contains(s.Remark, "1 pages") {
		t.Fatal(s.Remark)
	}
	refused, faults, same := 0, 0, 0
	got := make([]byte, 3*PageSize)
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		bad := bytes.Clone(good)
		at := random.IntN(len(bad))
		switch round % 3 {
		case 1: // headers, notes, bitmaps and descriptors
			at = random.IntN(min(len(bad), 48<<10))
		case 2: // what the headers say, and the notes: where all of that is
			at = random.IntN(10 << 10)
		}
		bad[at] ^= 1 << random.IntN(8)
		img, err := openBytes(bad)
		if err != nil {
			refused++
			continue
		}
		if img.Snapshot() == nil {
			t.Fatalf("a changed bit at %#x of the file makes it a dump like any other", at)
		}
		failed := false
		for off := 0; off < len(want); off += 5000 {
			part := got[:min(5000+off%7000, len(want)-off)]
			if img.ReadMem(Addr(testKernel).Add(int64(off)), part) != nil {
				failed = true
			} else if !bytes.Equal(part, want[off:][:len(part)]) {
				t.Fatalf("a changed bit at %#x of the file gives other memory at %#x", at, off)
			}
		}
		if failed {
			faults++
		} else {
			same++
		}
	}
	t.Logf("%d refused, %d with faults, %d where nobody reads", refused, faults, same)
	if refused == 0 || faults == 0 || same == 0 {
		t.Error("the damage did not meet all of the file")
	}
}

func TestSnapshotSums(t *testing.T) {
	const info = `{"version":2}`
	text := encodeSavedMap([]savedRange{{testKernel, testKernel + 2*PageSize - 1, 0}, {testKernel + 1<<20, testKernel + 1<<20 + 99, strayPlace | 5*PageSize}}, nil)
	page := sum(ramp(PageSize))
	notes := []uint32{sum([]byte("OSRELEASE=6.12.0-test\n")), sum([]byte(info)), sum(pack(t, text)), 0}
	good := append(notes, page, page, page, page, page, page) // three pages, and three stray ones
	changed := func(i int) []uint32 {
		bad := slices.Clone(good)
		bad[i] ^= 1
		return bad
	}
	for name, tt := range map[string]struct {
		sums []uint32
		want string // of the error of opening, or of reading
	}{
		"good":       {good, ""},
		"none":       {nil, "note VMCOREINFO does not have the checksum"},
		"VMCOREINFO": {changed(0), "note VMCOREINFO does not have the checksum"},
		"info":       {changed(1), "note KINSPECT does not have the checksum"},
		"map":        {changed(2), "note KINSPECT_MAP does not have the checksum"},
		"symbols":    {changed(3), "note KINSPECT_SYMS does not have the checksum"},
		"first page": {changed(4), "at address 0xffff888000000000"},
		"next page":  {changed(5), "at address 0xffff888000001000"},
		"not read":   {changed(6), ""},
		"stray page": {changed(9), "at address 0xffff888000100000"},
		"few":        {good[:9], "more pages than checksums"},
		"very few":   {good[:5], "more pages than checksums"},
		"many":       {append(slices.Clone(good), page), "fewer pages than checksums"},
	} {
		var b []byte
		for _, v := range tt.sums {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		img, err := openBytes(testSavedKdump(t, info, text, true, kdump.Note{Name: noteSums, Desc: pack(t, b)}))
		for _, n := range []int{8, PageSize, 2 * PageSize} {
			if err == nil {
				err = img.ReadMem(testKernel, make([]byte, n))
			}
		}
		if err == nil {
			err = img.ReadMem(testKernel+1<<20, make([]byte, 8))
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openBytes(testSavedKdump(t, info, text, true, kdump.Note{Name: noteSums, Desc: []byte("garbage")})); err == nil || !strings.Contains(err.Error(), "its checksums") {
		t.Error(err)
	}
	// Without its own note a snapshot is no dump like any other.
	file := testSavedKdump(t, info, text, true, kdump.Note{Name: "else", Type: noteType})
	if _, err := openBytes(bytes.Replace(file, []byte("KINSPECT\x00"), []byte("KINSPECT\x01"), 1)); err == nil || !strings.Contains(err.Error(), "its note of what was run is missing") {
		t.Error(err)
	}
}
