package debuginfo

import (
	"cmp"
	"debug/elf"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"kinspect/kmem"
)

// A module's file is a relocatable object: its sections have no addresses until the kernel loads them, each where
// there is room, and what refers to an address, in the debug information as well, is a row of a table of relocations.
// Here the sections get places of their own, one behind the other from firstPlace on, and the relocations are applied
// for these. [File.Place] tells them.

const (
	firstPlace = 1 << 24
	placeAlign = 1 << 12
	// maxObject bounds a section that relocations are applied to, in bytes, and together with maxSymbols
	// what is made of a file. amdgpu, the largest module, has some 100 MB of debug information.
	maxObject  = 1 << 30
	maxSymbols = 1 << 20
)

// object is what is known of a module's file.
type object struct {
	sections []objectSection // by their index in the file
	symbols  []elf.Symbol
}

type objectSection struct {
	name  string
	place uint64 // 0: it is not loaded
	size  uint64
}

// ObjectSymbol is a symbol of a module's file.
type ObjectSymbol struct {
	Name    string
	Section int
	Offset  uint64 // in the section
	Size    uint64
}

// newObject gives the sections their places, and finds the relocations of the debug information.
func (f *File) newObject(file *elf.File) error {
	o := &object{}
	next := uint64(firstPlace)
	for _, s := range file.Sections {
		p := objectSection{name: s.Name, size: s.Size}
		if s.Flags&elf.SHF_ALLOC != 0 && s.Size < maxObject {
			p.place = next
			next += (s.Size + 2*placeAlign) &^ (placeAlign - 1)
		}
		if s.Name == ".data..percpu" {
			f.perCPU = span{p.place, p.place + p.size}
		}
		o.sections = append(o.sections, p)
	}
	for _, s := range file.Sections {
		if s.Type == elf.SHT_SYMTAB && s.Size/24 > maxSymbols {
			return fmt.Errorf("%d symbols, and at most %d are read", s.Size/24, maxSymbols)
		}
	}
	var err error
	if o.symbols, err = file.Symbols(); err != nil {
		return fmt.Errorf("its symbols: %w", err)
	}
	for _, s := range file.Sections {
		if s.Type != elf.SHT_RELA || s.Info >= uint32(len(file.Sections)) {
			continue
		}
		to := file.Sections[s.Info]
		if p := f.raw[strings.TrimPrefix(to.Name, debugPrefix)]; p != nil && p.name == to.Name {
			p.r = &relocated{section: p, from: p.r, table: s, object: o}
		}
	}
	f.object = o
	return nil
}

// relocated is a section with its relocations applied, which happens when it is first read.
type relocated struct {
	section *section
	from    io.ReaderAt
	table   *elf.Section
	object  *object
	once    sync.Once
	data    []byte
	err     error
}

func (r *relocated) ReadAt(p []byte, off int64) (n int, err error) {
	r.once.Do(func() { r.data, r.err = r.apply() })
	if r.err != nil {
		return 0, r.err
	}
	if off < 0 || off >= int64(len(r.data)) {
		return 0, io.EOF
	}
	if n = copy(p, r.data[off:]); n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (r *relocated) apply() (data []byte, err error) {
	defer func() { // debug/elf is careful, but not ours
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged relocations of %s: %v", r.section.name, p)
		}
	}()
	if r.section.size > maxObject || r.table.Size > 4*maxObject {
		return nil, fmt.Errorf("%s has %d bytes and %d of relocations, more than are read", r.section.name, r.section.size, r.table.Size)
	}
	if data, err = readSection(r.from, r.section.name, 0, r.section.size); err != nil {
		return nil, err
	}
	table, err := r.table.Data()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.table.Name, err)
	}
	// Elf64_Rela: r_offset, r_info (the symbol above, the kind below), r_addend.
	for ; len(table) >= 24; table = table[24:] {
		off, info, addend := le.Uint64(table), le.Uint64(table[8:]), le.Uint64(table[16:])
		size := uint64(4)
		switch elf.R_X86_64(uint32(info)) {
		case elf.R_X86_64_NONE:
			continue
		case elf.R_X86_64_64:
			size = 8
		case elf.R_X86_64_32, elf.R_X86_64_32S:
		default:
			return nil, fmt.Errorf("%s: %v, and only absolute relocations are known", r.table.Name, elf.R_X86_64(uint32(info)))
		}
		if off > uint64(len(data)) || size > uint64(len(data))-off {
			return nil, &FormatError{r.table.Name, off, "a relocation beyond the end of its section"}
		}
		value, ok := r.object.value(info >> 32)
		if !ok {
			return nil, &FormatError{r.table.Name, off, fmt.Sprintf("a relocation by the symbol %d, and there are %d", info>>32, len(r.object.symbols))}
		}
		if value += addend; size == 8 {
			le.PutUint64(data[off:], value)
		} else {
			le.PutUint32(data[off:], uint32(value))
		}
	}
	return data, nil
}

// value is a symbol's: the place of its section, and its offset there. Of what the module takes from others it is 0.
func (o *object) value(i uint64) (uint64, bool) {
	if i == 0 {
		return 0, true
	}
	if i > uint64(len(o.symbols)) {
		return 0, false
	}
	s := o.symbols[i-1] // debug/elf leaves the first, empty one out
	if s.Section == elf.SHN_ABS {
		return s.Value, true
	}
	if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(o.sections) {
		return 0, true
	}
	return o.sections[s.Section].place + s.Value, true
}

// IsModule reports whether the file is a module's, and not a vmlinux.
func (f *File) IsModule() bool { return f.object != nil }

// EachSymbol calls yield for the symbols of a module's file that are in sections which the kernel loads.
func (f *File) EachSymbol(yield func(ObjectSymbol)) {
	if f.object == nil {
		return
	}
	for _, s := range f.object.symbols {
		if t := elf.ST_TYPE(s.Info); t == elf.STT_SECTION || t == elf.STT_FILE || s.Name == "" {
			continue
		}
		if i := int(s.Section); i > 0 && i < len(f.object.sections) && f.object.sections[i].place != 0 {
			yield(ObjectSymbol{s.Name, i, s.Value, s.Size})
		}
	}
}

// Section is the name and size of a module's section, by its number.
func (f *File) Section(i int) (name string, size uint64) {
	if f.object == nil || i < 0 || i >= len(f.object.sections) {
		return "", 0
	}
	return f.object.sections[i].name, f.object.sections[i].size
}

// Place is the address that [File.Lookup] knows an offset in a module's section by.
func (f *File) Place(section int, off uint64) (kmem.Addr, bool) {
	if f.object == nil || section < 0 || section >= len(f.object.sections) {
		return 0, false
	}
	s := f.object.sections[section]
	return kmem.Addr(s.place + off), s.place != 0 && off < s.size
}

// ModuleOf is the name that the kernel gives a module of that file: a dash becomes an underscore. It is "" where the
// name is no module's. Debian's files with debug information are called NAME.ko, others' NAME.ko.debug; they may
// be packed.
func ModuleOf(file string) string {
	name, rest, ok := strings.Cut(path.Base(file), ".ko")
	if !ok || name == "" {
		return ""
	}
	switch rest = strings.TrimPrefix(rest, ".debug"); rest {
	case "", ".gz", ".xz", ".zst":
		return strings.ReplaceAll(name, "-", "_")
	}
	return ""
}

// sectionBase is where the kernel has put a section of a module.
type sectionBase struct {
	low, size uint64
	section   int
}

// Loaded is a module's file with the places that its sections have in a kernel.
type Loaded struct {
	*File
	bases []sectionBase // upwards
	// Same and Other count the symbols that agree about these places, and those that do not.
	Same, Other int
}

// Load finds out where the kernel has put the sections, from the addresses of symbols there, of which each name may
// appear once. A section is where most of its symbols say.
func (f *File) Load(addresses map[string]kmem.Addr) *Loaded {
	l := &Loaded{File: f}
	times := map[string]int{}
	f.EachSymbol(func(s ObjectSymbol) { times[s.Name]++ })
	votes := map[int]map[uint64]int{}
	f.EachSymbol(func(s ObjectSymbol) {
		a, ok := addresses[s.Name]
		if !ok || times[s.Name] > 1 {
			return
		}
		if votes[s.Section] == nil {
			votes[s.Section] = map[uint64]int{}
		}
		votes[s.Section][uint64(a)-s.Offset]++
	})
	for i, bases := range votes {
		best := sectionBase{section: i}
		for low, n := range bases {
			if n > bases[best.low] || n == bases[best.low] && low < best.low {
				best.low = low
			}
		}
		for low, n := range bases {
			if low == best.low {
				l.Same += n
			} else {
				l.Other += n
			}
		}
		best.size = f.object.sections[i].size
		l.bases = append(l.bases, best)
	}
	slices.SortFunc(l.bases, func(a, b sectionBase) int { return cmp.Compare(a.low, b.low) })
	return l
}

// Lookup tells the functions that an address of the kernel is in.
func (l *Loaded) Lookup(a kmem.Addr) ([]Frame, error) {
	for _, b := range l.bases {
		off := uint64(a) - b.low
		if off >= b.size {
			continue
		}
		if place, ok := l.Place(b.section, off); ok {
			return l.File.Lookup(place)
		}
	}
	return nil, fmt.Errorf("%w: none of the module's symbols tells which section it is in", ErrNoLine)
}
