package debuginfo

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"sync"

	"kinspect/kmem"
)

const (
	// maxSection bounds what is unpacked of a compressed section, in bytes.
	maxSection = 1 << 30
	// maxWhole bounds a section that is read as a whole: tables and strings. vmlinux's have up to 6 MB.
	maxWhole = 256 << 20
	// maxUnit bounds a unit, in bytes. The largest of Debian's kernels has 2 MB; with LTO all of the kernel's
	// code may be in one.
	maxUnit = 512 << 20
)

// File is an opened vmlinux with debug information, or a module's.
type File struct {
	path    string
	side    *kmem.SideFile
	buildID string
	text    kmem.Addr
	raw     map[string]*section // by name without ".debug_"
	perCPU  span                // of the section .data..percpu
	object  *object             // of a module's file, else nil

	mu      sync.Mutex
	whole   map[string][]byte
	tables  map[uint64]*abbreviations // by their offset
	ranges  []arange                  // of .debug_aranges, upwards; nil: not read yet
	units   []header                  // nil: not listed yet
	rooted  []arange                  // of the units themselves; nil: not read yet
	loaded  []*unit                   // the last used first
	failure error                     // why units could not be listed to the end
}

// span is the addresses from low up to high, which is not among them.
type span struct{ low, high uint64 }

func (s span) holds(a uint64) bool { return s.low <= a && a < s.high }

// section is one that can be read in parts.
type section struct {
	name string
	r    io.ReaderAt
	size uint64
}

// ErrNoDebuginfo is wrapped by the error of an ELF file without DWARF.
var ErrNoDebuginfo = errors.New("it has no debug information")

// FormatError tells what is damaged in a file.
type FormatError struct {
	Section string
	Offset  uint64
	What    string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("damaged debug information: %s at %#x: %s", e.Section, e.Offset, e.What)
}

// Open opens a vmlinux or a module with debug information, or the file of it that a package for debugging brings; also
// one that is packed with zstd, gzip or xz.
func Open(path string) (*File, error) {
	side, err := kmem.OpenSideFile(path, "debug information")
	if err != nil {
		return nil, err
	}
	f, err := open(side, path)
	if err != nil {
		_ = side.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.side = side
	return f, nil
}

func open(r io.ReaderAt, path string) (f *File, err error) {
	defer func() { // debug/elf is careful, but not ours
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged ELF file: %v", p)
		}
	}()
	var magic [4]byte
	if _, err := r.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return nil, errors.New("no ELF file: a vmlinux with debug information is wanted (Debian: the package linux-image-RELEASE-dbg)")
	}
	file, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("damaged ELF file: %w", err)
	}
	switch {
	case file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64:
		return nil, fmt.Errorf("an ELF file of another architecture (%v): only x86-64 is known", file.Machine)
	case file.Type == elf.ET_CORE:
		return nil, errors.New("a dump: give it with --core")
	}
	f = &File{path: path, raw: map[string]*section{}, whole: map[string][]byte{}, tables: map[uint64]*abbreviations{}}
	for _, s := range file.Sections {
		f.addSection(s)
	}
	if f.raw["info"] == nil || f.raw["abbrev"] == nil {
		return nil, fmt.Errorf("%w (no sections .debug_info and .debug_abbrev): Debian has it in the package linux-image-RELEASE-dbg, Fedora in kernel-debuginfo", ErrNoDebuginfo)
	}
	f.buildID = kmem.ELFBuildID(file)
	if file.Type == elf.ET_REL {
		if err := f.newObject(file); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// debugPrefix is how the names of the sections with debug information begin.
const debugPrefix = ".debug_"

func (f *File) addSection(s *elf.Section) {
	const prefix = debugPrefix
	switch {
	case s.Name == ".text":
		f.text = kmem.Addr(s.Addr)
	case s.Name == ".data..percpu":
		f.perCPU = span{s.Addr, s.Addr + s.Size}
	case len(s.Name) > len(prefix) && s.Name[:len(prefix)] == prefix && s.Type != elf.SHT_NOBITS:
		name := s.Name[len(prefix):]
		if s.Flags&elf.SHF_COMPRESSED != 0 {
			f.raw[name] = &section{s.Name, &unpacking{s: s}, s.Size}
			return
		}
		f.raw[name] = &section{s.Name, s.ReaderAt, s.FileSize}
	}
}

// unpacking is a compressed section, which is unpacked when it is first read.
type unpacking struct {
	s    *elf.Section
	once sync.Once
	data []byte
	err  error
}

func (u *unpacking) ReadAt(p []byte, off int64) (n int, err error) {
	u.once.Do(func() {
		defer func() {
			if p := recover(); p != nil {
				u.err = fmt.Errorf("unpacking %s: %v", u.s.Name, p)
			}
		}()
		if u.s.Size > maxSection {
			u.err = fmt.Errorf("%s has %d bytes when unpacked, more than are read: unpack it (objcopy --decompress-debug-sections)", u.s.Name, u.s.Size)
			return
		}
		u.data, u.err = u.s.Data()
	})
	if u.err != nil {
		return 0, u.err
	}
	if off >= int64(len(u.data)) {
		return 0, io.EOF
	}
	if n = copy(p, u.data[off:]); n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Path is the file's name.
func (f *File) Path() string { return f.path }

// BuildID is the kernel's GNU build ID in hexadecimal, "" where the file has none.
func (f *File) BuildID() string { return f.buildID }

// Text is where the kernel's code begins: _text, by the section that begins with it (arch/x86/kernel/vmlinux.lds.S).
func (f *File) Text() kmem.Addr { return f.text }

// Close closes the file. No method may be called after it.
func (f *File) Close() error {
	if f.side == nil {
		return nil
	}
	return f.side.Close()
}

// read reads a part of a section.
func (f *File) read(name string, off, n uint64) ([]byte, error) {
	s := f.raw[name]
	if s == nil {
		return nil, fmt.Errorf("the file has no section .debug_%s", name)
	}
	if off > s.size || n > s.size-off {
		return nil, &FormatError{s.name, off, fmt.Sprintf("%d bytes are wanted, and the section has %d", n, s.size)}
	}
	return readSection(s.r, s.name, off, n)
}

// readSection reads n bytes of a section.
func readSection(r io.ReaderAt, name string, off, n uint64) ([]byte, error) {
	// What a damaged header claims may not be in the file: read it in parts.
	const step = 16 << 20
	buf := make([]byte, min(n, step))
	for at := uint64(0); ; {
		if k, err := r.ReadAt(buf[at:], int64(off+at)); uint64(k) < uint64(len(buf))-at {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if at = uint64(len(buf)); at == n {
			return buf, nil
		}
		buf = append(buf, make([]byte, min(n-at, step))...)
	}
}

// all reads a section as a whole, once; nil where there is none, or it cannot be read. f.mu must be held.
func (f *File) all(name string) []byte {
	if data, ok := f.whole[name]; ok {
		return data
	}
	var data []byte
	if s := f.raw[name]; s != nil && s.size <= maxWhole {
		data, _ = f.read(name, 0, s.size)
	}
	f.whole[name] = data
	return data
}
