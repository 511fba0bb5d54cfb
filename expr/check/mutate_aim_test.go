package check_test

import (
	"bytes"
	"io"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/kmem/wholedump"
)

const pageSize = wholedump.PageSize

// memoryLog is kernel memory that remembers what was read of it.
type memoryLog struct {
	r     kmem.Reader
	reads []kmem.Range
}

// ReadMem implements [kmem.Reader].
func (l *memoryLog) ReadMem(addr kmem.Addr, buf []byte) error {
	l.reads = append(l.reads, kmem.Range{Addr: addr, Len: uint64(len(buf))})
	return l.r.ReadMem(addr, buf)
}

// fileLog is a file that remembers what was read of it.
type fileLog struct {
	r     io.ReaderAt
	file  int
	mu    sync.Mutex // pages are unpacked on all cores
	reads map[target]bool
}

// ReadAt implements [io.ReaderAt].
func (l *fileLog) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.r.ReadAt(p, off)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 {
		l.reads[target{l.file, int(off), n}] = true
	}
	return n, err
}

// study runs the question on the dump as it is, and works out from what it reads
// which bytes are left alone and which are worth spoiling.
//
// Left alone are the bytes that hold the answer: kernel memory that the question
// reads as values (not the BTF, not the symbol tables), and the page-table
// entries that lead there, for no reader can see that such a byte was changed. Where
// the page of such a byte is compressed without a checksum (LZO, snappy, zstd as
// makedumpfile uses it), its compressed bytes are such bytes, too. Where there is a
// checksum (zlib, zstd as kinspect uses it) they are not: the reader must notice.
func (s *source) study(t testing.TB, m *wholedump.Machine) {
	s.parts = map[uint64][]place{}
	s.kinds, s.aims = map[string][]place{}, map[string][]target{}
	s.keep = make([][]span, len(s.files))
	for i, f := range s.files {
		for _, p := range f.Parts {
			switch p.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				s.parts[p.Frame] = append(s.parts[p.Frame], place{i, p})
			}
		}
	}

	var log *memoryLog
	var parts kernelParts
	files := map[target]bool{}
	wrap := func(i int, data []byte) io.ReaderAt {
		return &fileLog{r: bytes.NewReader(data), file: i, reads: files}
	}
	var values []kmem.Range
	report, err := explainFiles(s.data(), wrap, func(k *value.Kernel) {
		values = slices.Clone(log.reads)
		parts = kernelPartsOf(t, k)
	}, func(r kmem.Reader) kmem.Reader {
		log = &memoryLog{r: r}
		return log
	})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if report.Partial() {
		t.Fatalf("%s: undamaged, and the answer lacks %q", s.name, report.Missing)
	}
	s.want = report

	// What is left alone.
	about := slices.Concat(parts.kallsyms, parts.btf, parts.modsyms)
	kept := map[target]bool{}
	for _, r := range values {
		if slices.ContainsFunc(about, func(q kmem.Range) bool { return r.Addr < q.Addr+kmem.Addr(q.Len) && q.Addr < r.Addr+kmem.Addr(r.Len) }) {
			continue
		}
		s.keepRange(uint64(r.Addr), int(r.Len), kept)
	}
	// A snapshot's note holds numbers of the answer, too: what netlink said.
	for i, f := range s.files {
		for _, p := range f.Parts {
			if p.Kind != wholedump.Note {
				continue
			}
			for _, m := range netlinkNumber.FindAllSubmatchIndex(f.Data[p.Off:p.End()], -1) {
				kept[target{i, p.Off + m[2], m[3] - m[2]}] = true
			}
		}
	}
	for k := range kept {
		s.keep[k.file] = append(s.keep[k.file], span{k.off, k.off + k.n})
	}
	for i := range s.keep {
		slices.SortFunc(s.keep[i], func(a, b span) int { return a.from - b.from })
	}

	// What there is.
	what := map[uint64]string{} // by frame
	mark := func(ranges []kmem.Range, name string) {
		for _, r := range ranges {
			for a := uint64(r.Addr) &^ (pageSize - 1); a < uint64(r.Addr)+r.Len; a += pageSize {
				if frame, _, ok := s.where(a); ok {
					what[frame] = name
				}
			}
		}
	}
	mark(parts.modsyms, "module symbols")
	mark(parts.btf, "BTF")
	mark(parts.kallsyms, "kallsyms")
	for i, f := range s.files {
		for _, p := range f.Parts {
			kind := string(p.Kind)
			switch p.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				if kind = what[p.Frame]; m != nil && m.IsTable(p.Frame) {
					kind = "page tables"
				} else if kind == "" {
					kind = "other memory"
				}
				if p.Kind != wholedump.Page {
					kind = "compressed " + kind
				}
			}
			s.kinds[kind] = append(s.kinds[kind], place{i, p})
		}
	}

	// What the answer hangs on.
	aim := func(name string, to ...target) {
		if len(to) > 0 {
			s.aims[name] = append(s.aims[name], to...)
		}
	}
	for r := range files {
		part, ok := s.files[r.file].PartAt(r.off)
		if !ok {
			continue
		}
		// A line that was read for one thing may hold two.
		for at := r.off; at < r.off+r.n; at = part.End() {
			if part, ok = s.files[r.file].PartAt(at); !ok {
				break
			}
			n := min(part.End(), r.off+r.n) - at
			switch part.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				aim("pages that were read", target{r.file, at, n})
			case wholedump.Descriptor:
			default:
				aim(string(part.Kind), target{r.file, at, n})
			}
		}
	}
	used := map[uint64]bool{}
	for _, r := range slices.Concat(values, parts.kallsyms, parts.btf) {
		for a := uint64(r.Addr) &^ (pageSize - 1); a < uint64(r.Addr)+r.Len; a += pageSize {
			used[a] = true
		}
	}
	frames := map[uint64]bool{}
	for a := range used {
		if frame, _, ok := s.where(a); ok {
			frames[frame] = true
		}
		for _, at := range s.tables(a) {
			aim("page tables", s.physical(at, 8)...)
			frames[at/pageSize] = true
		}
	}
	for i, f := range s.files {
		for _, p := range f.Parts {
			if p.Kind == wholedump.Descriptor && frames[p.Frame] {
				aim("descriptor", target{i, p.Off, p.Len})
			}
		}
	}
	for _, b := range parts.blobs {
		for _, r := range btfAims(b) {
			aim("BTF", s.virtual(uint64(r.Addr), int(r.Len))...)
		}
	}
	for _, sym := range parts.symbols {
		for _, r := range sym.ranges {
			aim("kallsyms", s.virtual(uint64(r.Addr), int(r.Len))...)
		}
	}
	for _, r := range parts.modsyms {
		aim("module symbols", s.virtual(uint64(r.Addr), int(r.Len))...)
	}
	for name := range s.aims {
		slices.SortFunc(s.aims[name], func(a, b target) int {
			if a.file != b.file {
				return a.file - b.file
			}
			return a.off - b.off
		})
	}
	s.names = slices.Sorted(maps.Keys(s.kinds))
	s.aimed = slices.Sorted(maps.Keys(s.aims))
}

// netlinkNumber is one of host.LinkStats in a note.
var netlinkNumber = regexp.MustCompile(`"(?:[RT]x[A-Za-z]+|[rt]x_[a-z_]+)":([0-9]+)`)
