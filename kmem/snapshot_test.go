package kmem

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
)

// testSnapshot records some reads of a machine.
func testSnapshot(t testing.TB) (*SnapshotContent, *Image) {
	t.Helper()
	m := newTestMachine(4, testRAM)
	dumptest.Pattern(m.ram[:0x100000], 0)
	for i := range uint64(16) {
		m.mapPage(testKernel+i*PageSize, (15-i)*PageSize, pageShift)
	}
	m.mapPage(math.MaxUint64-0xfff, 0x20000, pageShift)
	img := m.core().open(t)
	rec := NewRecorder(img)
	buf := make([]byte, 0x3000)
	for _, r := range []struct{ addr, n uint64 }{{testKernel + 8, 8}, {testKernel + 0x2100, 0x1800}, {math.MaxUint64 - 7, 8}} {
		if err := rec.ReadMem(Addr(r.addr), buf[:r.n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.AddRange(testKernel+0x8000, 0x2001); err != nil {
		t.Fatal(err)
	}
	if err := rec.ReadMem(0x10, buf[:8]); AsFault(err) == nil {
		t.Fatal(err)
	}
	return &SnapshotContent{
		Info: SnapshotInfo{
			Command: []string{"explain", "bond0"}, Taken: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
			Source: "/proc/kcore", Release: "6.12.0-test", DefaultNetNS: 4026531840,
			Facts: map[string]json.RawMessage{"z": json.RawMessage(`{"a":1}`), "b": json.RawMessage(`[1,2]`)},
		},
		VMCoreInfo: img.VMCoreInfo(),
		Memory:     rec,
	}, img
}

func TestSnapshotRoundTrip(t *testing.T) {
	for name, format := range map[string]SnapshotFormat{"snap.elf": SnapshotELF, "snap.zst": SnapshotELF, "snap.kdump": SnapshotKdump, "snap.kdump.zst": SnapshotKdump} {
		t.Run(name, func(t *testing.T) {
			s, img := testSnapshot(t)
			s.Image = img
			s.Kallsyms = []byte("ffff888000000010 T start\nffff888000000020 t next\n")
			path := filepath.Join(t.TempDir(), name)
			for range 2 { // also over an old one
				if err := WriteSnapshotFile(path, format, s); err != nil {
					t.Fatal(err)
				}
			}
			st, err := os.Stat(path)
			if err != nil || st.Mode() != 0o600 {
				t.Errorf("%v, %v", st.Mode(), err)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
			snap, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer snap.Close()
			want := s.Info
			want.Version = snapshotVersionELF
			if format == SnapshotKdump {
				want.Version = snapshotVersionKdump
			}
			want.Faults = s.Memory.sortedFaults()
			if got := snap.Snapshot(); !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
			if !bytes.Equal(snap.VMCoreInfo().Raw(), img.VMCoreInfo().Raw()) {
				t.Error("VMCOREINFO differs")
			}
			for _, r := range []struct{ addr, n uint64 }{{testKernel, 0x1000}, {testKernel + 0x2000, 0x2000}, {testKernel + 0x8000, 0x3000}, {math.MaxUint64 - 0xfff, 0x1000}} {
				a, b := make([]byte, r.n), make([]byte, r.n)
				errA, errB := img.ReadMem(Addr(r.addr), a), snap.ReadMem(Addr(r.addr), b)
				if errA != nil || errB != nil || !bytes.Equal(a, b) {
					t.Errorf("%#x: %v, %v", r.addr, errA, errB)
				}
			}
			// What failed fails again, for the same reason; what was never read says so.
			_, was := ReadUint64(img, 0x10)
			_, is := ReadUint64(snap, 0x10)
			if was.Error() != is.Error() {
				t.Errorf("%v, and on the snapshot: %v", was, is)
			}
			_, err = ReadUint64(snap, testKernel+0x1000)
			if f := AsFault(err); f == nil || f.Reason != Filtered || f.Len != 8 || !strings.Contains(f.Detail, `"explain bond0"`) {
				t.Errorf("%v", err)
			}
			// Physical memory is there in one of the formats alone, and as much as was read.
			phys, err := snap.Translate(testKernel)
			if (err == nil) != (format == SnapshotKdump) || err == nil && phys != 15*PageSize {
				t.Errorf("%v, %v", phys, err)
			}
			if err := snap.ReadPhys(15*PageSize, make([]byte, 8)); (err == nil) != (format == SnapshotKdump) {
				t.Error(err)
			}
			if err := snap.ReadPhys(0, make([]byte, 8)); AsFault(err) == nil {
				t.Error(err)
			}
			syms, err := snap.Symbols()
			if err != nil {
				t.Fatal(err)
			}
			if sym, ok := syms.Lookup("next"); !ok || sym.Addr != testKernel+0x20 {
				t.Errorf("%+v", sym)
			}
		})
	}
}

// seekBuffer is a file in memory.
type seekBuffer struct {
	b   []byte
	pos int64
}

func (s *seekBuffer) Write(p []byte) (int, error) {
	if need := s.pos + int64(len(p)); need > int64(len(s.b)) {
		s.b = append(s.b, make([]byte, need-int64(len(s.b)))...)
	}
	n := copy(s.b[s.pos:], p)
	s.pos += int64(n)
	return n, nil
}

func (s *seekBuffer) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += s.pos
	case io.SeekEnd:
		off += int64(len(s.b))
	}
	s.pos = off
	return off, nil
}

// Other tools read snapshots: the layout is plain ELF, and always the same.
func TestSnapshotLayout(t *testing.T) {
	var files [2]seekBuffer
	for i := range files {
		s, _ := testSnapshot(t)
		if err := WriteSnapshot(&files[i], SnapshotELF, s); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].b, files[1].b) {
		t.Error("the same content gives different files")
	}
	f, err := elf.NewFile(bytes.NewReader(files[0].b))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_CORE || f.Machine != elf.EM_X86_64 {
		t.Errorf("%v %v", f.Type, f.Machine)
	}
	loads := 0
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_NOTE:
			if p.Filesz%4 != 0 || p.Off%4 != 0 {
				t.Errorf("%+v", p.ProgHeader)
			}
		case elf.PT_LOAD:
			loads++
			if p.Paddr != dump.UnknownPhys || p.Vaddr%PageSize != 0 || p.Off%PageSize != 0 || p.Filesz%PageSize != 0 || p.Memsz != p.Filesz {
				t.Errorf("%+v", p.ProgHeader)
			}
		}
	}
	if loads != 4 {
		t.Errorf("%d segments, want pages 0, 2-3, 8-a and the last", loads)
	}
}

// More segments than e_phnum can count.
func TestSnapshotManySegments(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 270 MB into memory")
	}
	const n = 0xffff + 10
	rec := NewRecorder(&changingReader{})
	for i := range uint64(n) {
		rec.pages[Addr(testKernel+i*2*PageSize)] = &recordedPage{data: &[PageSize]byte{byte(i), byte(i >> 8), 2: byte(i >> 16)}, parts: []part{{0, 8}}}
	}
	file := seekBuffer{b: make([]byte, 0, 280<<20)}
	if err := WriteSnapshot(&file, SnapshotELF, &SnapshotContent{Memory: rec}); err != nil {
		t.Fatal(err)
	}
	img, err := openBytes(file.b)
	if err != nil {
		t.Fatal(err)
	}
	if len(img.virt.Segments) != n {
		t.Errorf("%d segments, want %d", len(img.virt.Segments), n)
	}
	for _, i := range []uint64{0, 1, 0x8000, 0xffff, n - 1} {
		if v, err := ReadUint64(img, Addr(testKernel+i*2*PageSize)); err != nil || v != i {
			t.Errorf("%#x: %#x, %v", i, v, err)
		}
	}
}

func TestWriteSnapshotFileRefuses(t *testing.T) {
	s, _ := testSnapshot(t)
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a directory", link: "symbolic link", os.DevNull: "device", filepath.Join(dir, "none", "x"): "no such file"} {
		if err := WriteSnapshotFile(path, SnapshotELF, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	s.Info.Facts = map[string]json.RawMessage{"bad": json.RawMessage("{")}
	if err := WriteSnapshotFile(filepath.Join(dir, "x"), SnapshotELF, s); err == nil {
		t.Error("invalid facts were written")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSnapshotNotes(t *testing.T) {
	loads := []testLoad{{vaddr: testKernel, paddr: dump.UnknownPhys, data: ramp(64)}}
	for name, tt := range map[string]struct{ note, want string }{
		"newer":  {`{"version":99}`, "a newer one is needed"},
		"broken": {`{"version":`, "damaged snapshot"},
		"types":  {`{"version":1,"command":7}`, "damaged snapshot"},
	} {
		_, err := openBytes((&testCore{notes: []testNote{{noteSnapshot, []byte(tt.note)}}, loads: loads}).bytes())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	img := (&testCore{notes: []testNote{{noteSnapshot, []byte(`{"version":1,"faults":[{"addr":32,"detail":"\u001b[31m"},{"addr":16,"physical":true,"reason":200}]}`)}}, loads: loads}).open(t)
	for _, addr := range []Addr{16, 32} {
		_, err := ReadUint64(img, addr)
		if f := AsFault(err); f == nil || f.Physical || f.Len != 8 || strings.ContainsRune(f.Error(), 0x1b) {
			t.Errorf("%q", err)
		}
	}
	if _, err := img.Symbols(); err == nil {
		t.Error("symbols from nowhere")
	}
	for name, text := range map[string][]byte{
		"no zstd": []byte("ffff888000000010 T start\n"), "hidden": pack(t, []byte("0000000000000000 T start\n")), "garbage": pack(t, []byte("garbage")),
	} {
		img := (&testCore{notes: []testNote{{noteSnapshot, []byte(`{"version":1}`)}, {noteSymbols, text}}, loads: loads}).open(t)
		if _, err := img.Symbols(); err == nil || !strings.Contains(err.Error(), "saved symbols") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
