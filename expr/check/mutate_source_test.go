package check_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/kmem/wholedump"
	"kinspect/testdata/kernels"
)

// source is a dump that the mutation test spoils, of one file or of several.
type source struct {
	name  string
	files []*wholedump.File
	// where finds the bytes of virtual memory in the files.
	where func(virt uint64) (frame uint64, at int, ok bool)
	// tables are the physical addresses of the page-table entries that lead to an
	// address; none where the file has no page tables.
	tables func(virt uint64) []uint64
	parts  map[uint64][]place // of frames, by their content
	want   *check.Report
	keep   [][]span            // by file: bytes that are left alone, sorted
	kinds  map[string][]place  // all bytes, by what they are for
	aims   map[string][]target // bytes that the answer is made of, by the same
	names  []string            // of kinds, sorted
	aimed  []string            // of aims, sorted
}

// place is a part of one of a source's files.
type place struct {
	file int
	wholedump.Part
}

// target is a range of bytes of one of a source's files.
type target struct{ file, off, n int }

// span is a range of offsets, the end exclusive.
type span struct{ from, to int }

// reader is what a file of the source is read through.
type reader func(file int, data []byte) io.ReaderAt

// explainFiles is explain bond0 as the command gives it, on the source's files as
// they come through r.
func explainFiles(files [][]byte, wrap reader, see func(*value.Kernel), memory func(kmem.Reader) kmem.Reader) (*check.Report, error) {
	img, err := openFiles(files, wrap)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return explainImage(img, see, memory)
}

func explainImage(img *kmem.Image, see func(*value.Kernel), memory func(kmem.Reader) kmem.Reader) (*check.Report, error) {
	var facts host.Facts = host.None{}
	if snap := img.Snapshot(); snap != nil && snap.Facts[host.FactsKey] != nil {
		recorded, err := host.NewRecorded(snap.Facts[host.FactsKey])
		if err != nil {
			return nil, err
		}
		facts = recorded
	}
	var r kmem.Reader = img
	if memory != nil {
		r = memory(img)
	}
	k := value.New(img, r)
	s := knet.New(k, facts)
	if see != nil {
		defer see(k)
	}
	nss, err := s.ResolveNS("")
	if err != nil {
		return nil, err
	}
	d, err := s.Device("bond0", nss[0])
	if err != nil {
		return nil, err
	}
	report, err := check.Explain(s, d)
	if err != nil {
		return nil, err
	}
	_ = report.Text()
	_, err = json.Marshal(report)
	return report, err
}

func openFiles(files [][]byte, wrap reader) (*kmem.Image, error) {
	if len(files) == 1 {
		return kmem.OpenReaderAt(wrap(0, files[0]), int64(len(files[0])), "mutant")
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the files stay open
	var paths []string
	for i, b := range files {
		paths = append(paths, filepath.Join(dir, strconv.Itoa(i)))
		if err := os.WriteFile(paths[i], b, 0o600); err != nil {
			return nil, err
		}
	}
	return kmem.Open(paths[0], paths[1:]...)
}

// pagesOf is the memory that the question reads of a snapshot, and what describes the kernel, in whole
// pages. What the snapshot has not of them is zeros.
func pagesOf(t testing.TB, img *kmem.Image) map[uint64][]byte {
	var log *memoryLog
	var parts kernelParts
	var reads []kmem.Range
	_, err := explainImage(img, func(k *value.Kernel) {
		reads = slices.Clone(log.reads)
		parts = kernelPartsOf(t, k)
		// What a dump without VMCOREINFO is recognized by: the banner, and the kernel's first page.
		if syms, err := k.Symbols(); err == nil {
			for _, name := range []string{"linux_banner", "init_uts_ns"} {
				if s, ok := syms.Lookup(name); ok {
					reads = append(reads, kmem.Range{Addr: s.Addr, Len: 512})
				}
			}
			if s, ok := syms.Lookup("_stext"); ok {
				reads = append(reads, kmem.Range{Addr: s.Addr &^ (2<<20 - 1), Len: 1})
			}
		}
	}, func(r kmem.Reader) kmem.Reader {
		log = &memoryLog{r: r}
		return log
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := map[uint64][]byte{}
	for _, r := range slices.Concat(reads, parts.kallsyms, parts.btf, parts.modsyms) {
		for at, end := uint64(r.Addr), uint64(r.Addr)+r.Len; at < end; {
			base := at &^ (wholedump.PageSize - 1)
			to := min(end, base+wholedump.PageSize)
			page, whole := pages[base], false
			if page == nil {
				page = make([]byte, wholedump.PageSize)
				whole = img.ReadMem(kmem.Addr(base), page) == nil
				pages[base] = page
			}
			if !whole {
				_ = img.ReadMem(kmem.Addr(at), page[at-base:to-base])
			}
			at = to
		}
	}
	return pages
}

// machineOf lays what the question reads out in physical memory, and gives it page tables.
func machineOf(t testing.TB, series string) (*wholedump.Machine, []byte) {
	img := kernels.Open(t, series)
	info := img.VMCoreInfo()
	number := func(name string) uint64 {
		n, ok := info.Number(name)
		if !ok {
			t.Fatalf("VMCOREINFO has no %s", name)
		}
		return uint64(n)
	}
	l := wholedump.Layout{Levels: 4, PhysBase: number("phys_base"), Memory: 1 << 30}
	if number("pgtable_l5_enabled") != 0 {
		l.Levels = 5
	}
	top, ok := info.Symbol("init_top_pgt")
	if !ok {
		t.Fatal("VMCOREINFO has no init_top_pgt")
	}
	l.Top = uint64(top)
	section, ok := info.Symbol("mem_section")
	if !ok {
		t.Fatal("VMCOREINFO has no mem_section")
	}
	l.Direct = uint64(section) &^ (1<<30 - 1)
	pages := pagesOf(t, img)
	return wholedump.New(pages, l), info.Raw()
}

// streamSnapshot is a snapshot of the question as the command writes them, with symbols and types in notes.
func streamSnapshot(t testing.TB, series string) []byte {
	img := kernels.Open(t, series)
	var rec *kmem.Recorder
	c := &kmem.SnapshotContent{Info: *img.Snapshot(), VMCoreInfo: img.VMCoreInfo(), Image: img}
	_, err := explainImage(img, func(k *value.Kernel) {
		syms, err := k.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		c.Symbols = syms
		var ok bool
		if c.Kallsyms, ok = kmem.KallsymsText(syms.(*kmem.Kallsyms)); !ok {
			t.Fatal("no text of the symbols")
		}
		start, size, err := k.BTFRange()
		if err != nil {
			t.Fatal(err)
		}
		c.Streams = append(c.Streams, kmem.Range{Addr: start, Len: size})
		mods, err := k.ModuleBTFs()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mods {
			c.Streams = append(c.Streams, kmem.Range{Addr: m.Addr, Len: m.Size})
		}
	}, func(r kmem.Reader) kmem.Reader {
		rec = kmem.NewRecorder(r)
		return rec
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Streams {
		if err := rec.AddRange(r.Addr, r.Len); err != nil {
			t.Fatal(err)
		}
	}
	c.Memory = rec
	path := filepath.Join(t.TempDir(), "stream.kdump")
	if err := kmem.WriteSnapshotFile(path, kmem.SnapshotKdump, c); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// recipe makes a source. cost is how long an answer takes, in units of that on a snapshot.
type recipe struct {
	name  string
	cost  int
	again bool // the format of another recipe, of another kernel
	make  func(t testing.TB) (*wholedump.Machine, []*wholedump.File)
}

// recipes are the dumps of the mutation test: each format on 6.12, and the simple ones
// on the other kernels, too.
func recipes() []recipe {
	var out []recipe
	add := func(cost int, name, series string, files func(m *wholedump.Machine, info []byte, notes []wholedump.ElfNote) []*wholedump.File) {
		out = append(out, recipe{name, cost, strings.HasSuffix(name, "-"+series) && series != "6.12", func(t testing.TB) (*wholedump.Machine, []*wholedump.File) {
			if files == nil {
				snapshot, err := os.ReadFile(kernels.Path(t, series))
				if err != nil {
					t.Fatal(err)
				}
				return nil, []*wholedump.File{wholedump.Parts(snapshot)}
			}
			m, info := machineOf(t, series)
			notes := append(m.QEMUNotes(imageAddr(t, info)), wholedump.ElfNote{Name: "VMCOREINFO", Desc: info})
			return m, files(m, info, notes)
		}})
	}
	one := func(f *wholedump.File) []*wholedump.File { return []*wholedump.File{f} }
	elf := func(m *wholedump.Machine, _ []byte, notes []wholedump.ElfNote) []*wholedump.File {
		return one(m.ELF(notes...))
	}
	kdump := func(method wholedump.Method) func(*wholedump.Machine, []byte, []wholedump.ElfNote) []*wholedump.File {
		return func(m *wholedump.Machine, info []byte, notes []wholedump.ElfNote) []*wholedump.File {
			return one(m.Kdump(wholedump.Kdump{Method: method, VMCoreInfo: info, Notes: notes, Zeros: true}))
		}
	}
	for _, series := range kernels.Series {
		add(5, "snapshot-"+series, series, nil)
		add(1, "elf-"+series, series, elf)
		add(6, "zlib-"+series, series, kdump(wholedump.Zlib))
	}
	const series = "6.12"
	out = append(out, recipe{"stream", 6, false, func(t testing.TB) (*wholedump.Machine, []*wholedump.File) {
		return nil, []*wholedump.File{wholedump.Parts(streamSnapshot(t, series))}
	}})
	add(1, "elf-flat", series, func(m *wholedump.Machine, info []byte, notes []wholedump.ElfNote) []*wholedump.File {
		return one(wholedump.Flatten(elf(m, info, notes)[0], 16<<10))
	})
	add(5, "elf-noinfo", series, func(m *wholedump.Machine, _ []byte, notes []wholedump.ElfNote) []*wholedump.File {
		return one(m.ELF(notes[:2]...))
	})
	add(1, "raw", series, kdump(wholedump.Raw))
	add(3, "lzo", series, kdump(wholedump.LZO))
	add(2, "snappy", series, kdump(wholedump.Snappy))
	add(5, "zstd", series, kdump(wholedump.Zstd))
	add(5, "zstd-checked", series, kdump(wholedump.ZstdChecked))
	add(6, "zlib-flat", series, func(m *wholedump.Machine, info []byte, notes []wholedump.ElfNote) []*wholedump.File {
		return one(wholedump.Flatten(kdump(wholedump.Zlib)(m, info, notes)[0], 20<<10))
	})
	add(3, "snappy-split", series, func(m *wholedump.Machine, info []byte, _ []wholedump.ElfNote) []*wholedump.File {
		frames := m.Frames()
		middle := frames[len(frames)/2]
		a := wholedump.Kdump{Method: wholedump.Snappy, VMCoreInfo: info, Zeros: true, End: middle}
		b := a
		b.Start, b.End = middle, 1<<60
		return []*wholedump.File{m.Kdump(a), m.Kdump(b)}
	})
	return out
}

// source makes the dump and looks at what is in it.
func (r recipe) source(t testing.TB) *source {
	m, files := r.make(t)
	s := &source{name: r.name, files: files}
	s.where = func(uint64) (uint64, int, bool) { return 0, 0, false } // all has checksums
	s.tables = func(uint64) []uint64 { return nil }
	if m != nil {
		s.where = func(virt uint64) (uint64, int, bool) {
			_, phys, ok := m.Walk(virt)
			return phys / wholedump.PageSize, int(phys % wholedump.PageSize), ok
		}
		s.tables = func(virt uint64) []uint64 {
			entries, _, _ := m.Walk(virt)
			return entries
		}
	}
	s.study(t, m)
	return s
}

// imageAddr is an address in the kernel's image, as the one of its interrupt table is.
func imageAddr(t testing.TB, info []byte) uint64 {
	for line := range strings.Lines(string(info)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), "SYMBOL(kallsyms_names)="); ok {
			n, err := strconv.ParseUint(s, 16, 64)
			if err == nil {
				return n
			}
		}
	}
	t.Fatal("no address in the image is known")
	return 0
}

func (s *source) data() [][]byte {
	var out [][]byte
	for _, f := range s.files {
		out = append(out, f.Data)
	}
	return out
}
