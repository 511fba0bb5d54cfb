package kmem

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinspect/kmem/dump"
	"kinspect/kmem/flattened"
	"kinspect/kmem/kdump"
)

// stripped hides things from whoever reads a dump: the notes, which are in its first MiB or
// which a kdump header leads to.
type stripped struct {
	io.ReaderAt
	kdump bool
}

func (s stripped) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if s.kdump {
		// Offsets and sizes of both.
		for i := max(off, PageSize+32); i < min(off+int64(n), PageSize+64); i++ {
			p[i-off] = 0
		}
	} else if off < 1<<20 {
		hide(p[:n], "VMCOREINFO\x00")
		hide(p[:n], "QEMU\x00")
	}
	return n, err
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
	s.kdump = bytes.HasPrefix(magic, []byte(kdump.Magic))
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
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	var dumps []string
	for _, pattern := range []string{"*.elf", "formats/*", "vmcore-formats/*31", "vmcore-formats/zlib1"} {
		found, err := filepath.Glob(filepath.Join(dir, "*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		dumps = append(dumps, found...)
	}
	for _, file := range dumps {
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
