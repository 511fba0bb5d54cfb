package kmem

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"kinspect/kmem/dump"
	"kinspect/kmem/flattened"
	"kinspect/kmem/kdump"
	"kinspect/testdata/lab/results"
)

// stripped hides the notes from whoever reads a dump: their names in an ELF file, and where they are in
// a kdump header.
type stripped struct {
	io.ReaderAt
	kdump     bool
	from, end int64 // the notes of an ELF file
}

func (s stripped) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if s.kdump {
		// Offsets and sizes of both.
		for i := max(off, PageSize+32); i < min(off+int64(n), PageSize+64); i++ {
			p[i-off] = 0
		}
	} else if from, end := max(s.from-off, 0), min(s.end-off, int64(n)); from < end {
		hide(p[from:end], "VMCOREINFO\x00")
		hide(p[from:end], "QEMU\x00")
	}
	return n, err
}

// elfNotes returns where the notes of a dump are. Whoever writes dumps has their program header come
// first, while they themselves follow all headers: 56 bytes for each run of pages that lie together in a dump that
// QEMU takes by the page tables.
func elfNotes(t *testing.T, file io.ReaderAt) (from, end int64) {
	t.Helper()
	var header elf.Header64
	if err := binary.Read(io.NewSectionReader(file, 0, 64), binary.LittleEndian, &header); err != nil {
		t.Fatal(err)
	}
	var prog elf.Prog64
	at := io.NewSectionReader(file, int64(header.Phoff), int64(binary.Size(prog)))
	if err := binary.Read(at, binary.LittleEndian, &prog); err != nil {
		t.Fatal(err)
	}
	if elf.ProgType(prog.Type) != elf.PT_NOTE {
		t.Fatalf("the first program header is of type %v", elf.ProgType(prog.Type))
	}
	return int64(prog.Off), int64(prog.Off + prog.Filesz)
}

func hide(p []byte, what string) {
	for i := 0; ; {
		j := bytes.Index(p[i:], []byte(what))
		if j < 0 {
			return
		}
		i += j
		p[i] = '-'
	}
}

// hiddenText is physical memory without the text of VMCOREINFO.
type hiddenText struct{ dump.Memory }

func (h hiddenText) ReadPhys(addr PhysAddr, buf []byte) error {
	err := h.Memory.ReadPhys(addr, buf)
	hide(buf, vmcoreInfoStart)
	return err
}

// openStripped opens a dump without its notes. Of a flattened one it takes the file inside.
func openStripped(t *testing.T, name string, texts bool) *Image {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s, size := stripped{ReaderAt: file}, st.Size()
	magic := make([]byte, len(flattened.Magic))
	if _, err := s.ReadAt(magic, 0); err != nil {
		t.Fatal(err)
	}
	if string(magic) == flattened.Magic {
		flat, err := flattened.Open(file, size, name)
		if err != nil {
			t.Fatal(err)
		}
		s.ReaderAt, size = flat, flat.Size()
		if _, err := s.ReadAt(magic, 0); err != nil {
			t.Fatal(err)
		}
	}
	if s.kdump = bytes.HasPrefix(magic, []byte(kdump.Magic)); !s.kdump {
		s.from, s.end = elfNotes(t, s.ReaderAt)
	}
	source, err := newSource(context.Background(), s, size, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imageOf(sourceFiles{source})
	if err != nil {
		t.Fatal(err)
	}
	if texts {
		img.phys = hiddenText{img.phys}
	}
	img.searchKernel(context.Background(), nil)
	return img
}

// TestLabSearch takes the notes away from the lab's dumps, of all formats, and then the text
// of VMCOREINFO as well: the kernel that is found must be the one that they told of.
func TestLabSearch(t *testing.T) {
	dir := results.Dir(t)
	for _, file := range results.Find(t, "*.elf", "formats/*", "vmcore-formats/*31", "vmcore-formats/zlib1") {
		if strings.Contains(file, "incomplete") {
			continue // what is searched for need not be there
		}
		t.Run(strings.TrimPrefix(file, dir+"/"), func(t *testing.T) {
			searchDump(t, file)
		})
	}
}

func searchDump(t *testing.T, file string) {
	want, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	for _, texts := range []bool{false, true} {
		start := time.Now()
		img := openStripped(t, file, texts)
		t.Logf("text hidden: %v: %v, %q", texts, time.Since(start), img.Remarks())
		if img.tablesErr != nil {
			t.Errorf("text hidden: %v: %v", texts, img.tablesErr)
			continue
		}
		if img.content.Note("VMCOREINFO") != nil || img.content.Note("QEMU") != nil {
			t.Fatal("the notes are still there")
		}
		info := img.VMCoreInfo()
		if texts != (info == nil) {
			t.Errorf("text hidden: %v: VMCOREINFO %v", texts, info)
		}
		if info != nil && (info.Release() != want.VMCoreInfo().Release() || info.BuildID() != want.VMCoreInfo().BuildID()) {
			t.Errorf("found the VMCOREINFO of %s", info.Release())
		}
		for _, sym := range want.VMCoreInfo().imageSymbols() {
			a, err := want.Translate(sym.Addr)
			b, err2 := img.Translate(sym.Addr)
			if err != nil || err2 != nil || a != b {
				t.Errorf("%s at %v, %v and at %v, %v", sym.Name, a, err, b, err2)
			}
		}
		syms, err := img.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		own, err := want.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"init_net", "_stext", "page_offset_base"} {
			a, _ := syms.Lookup(name)
			b, ok := own.Lookup(name)
			if a != b || !ok {
				t.Errorf("%s: %+v, want %+v", name, a, b)
			}
		}
	}
}
