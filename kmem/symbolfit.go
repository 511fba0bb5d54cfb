package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrOtherKernel is wrapped by the errors of symbols and types that belong to
// another kernel than the one that they were given for.
var ErrOtherKernel = errors.New("of another kernel")

// kernelAlign is what KASLR moves the image by a multiple of: CONFIG_PHYSICAL_ALIGN,
// 2 MiB at least.
const kernelAlign = 2 << 20

// For makes a table of the file's symbols with the addresses that they have in
// the kernel that info is of: all of the image is moved by what _stext is away
// from where VMCOREINFO has it. Modules are left out, since each boot puts them
// elsewhere; a kernel's memory names them.
//
// It is refused, with [ErrOtherKernel], unless
//
//   - three other symbols in VMCOREINFO at least are where they would be then, and
//     none is elsewhere;
//   - linux_banner, read through r, is this release's; of a vmlinux all of it,
//     build and time, is what the file has. Where memory has no banner, a build ID
//     or ten symbols must agree instead.
//
// The build ID alone does not refuse: see [VMCoreInfo.BuildID]. Where info is nil the image
// is found by its banner, and symbols have to agree with more of it.
func (f *SymbolFile) For(r Reader, info *VMCoreInfo) (*SymbolFile, error) {
	const enough, plenty = 3, 10
	if info == nil {
		return f.findFit(r, nil)
	}
	want, ok := info.Symbol("_stext")
	if !ok {
		return nil, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: VMCOREINFO has no _stext", f.path)
	}
	have, ok := f.Lookup("_stext")
	if !ok {
		return nil, fmt.Errorf("%s: there is no _stext among its %d symbols", f.path, f.n)
	}
	shift := int64(want - have.Addr)
	if shift%kernelAlign != 0 {
		return nil, f.other("_stext is at %v there and at %v here, and KASLR moves by multiples of 2 MiB", have.Addr, want)
	}
	m := f.moved(shift)
	same := 0
	for _, sym := range info.imageSymbols() {
		switch first, ok := m.Lookup(sym.Name); {
		case !ok || sym.Name == "_stext":
		case first.Addr == sym.Addr || m.has(sym):
			same++
		default:
			return nil, f.other("%s would be at %v, and is at %v", sym.Name, first.Addr, sym.Addr)
		}
	}
	if same < enough {
		return nil, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: only %d of those in VMCOREINFO are among them, and %d are wanted", f.path, same, enough)
	}
	banner, ok := m.Lookup("linux_banner")
	if !ok {
		return nil, fmt.Errorf("%s: there is no linux_banner among its %d symbols", f.path, f.n)
	}
	text, err := readString(r, banner.Addr, maxBanner)
	if err != nil {
		if same >= plenty || f.buildID != "" && strings.EqualFold(f.buildID, info.BuildID()) {
			return m, nil
		}
		return nil, fmt.Errorf("%s: whether these symbols are this kernel's cannot be told: linux_banner: %w", f.path, err)
	}
	if !strings.HasPrefix(text, "Linux version "+info.Release()+" ") {
		return nil, f.other("where linux_banner would be there is no banner of %s", info.Release())
	}
	if f.banner != "" && f.banner != text {
		return nil, f.other("its banner is %q (build ID %s), and the kernel's %q (%s)", f.banner, f.buildID, text, info.BuildID())
	}
	return m, nil
}

func (f *SymbolFile) other(format string, args ...any) error {
	return fmt.Errorf("%s: these symbols are %w: %s", f.path, ErrOtherKernel, fmt.Sprintf(format, args...))
}

// moved is a copy with the image's own symbols moved, and without modules.
func (f *SymbolFile) moved(shift int64) *SymbolFile {
	source := f.source
	if shift != 0 {
		source += fmt.Sprintf(", moved by %#x", shift)
	}
	m := &SymbolFile{procSymbols: newProcSymbols(source), path: f.path, banner: f.banner, buildID: f.buildID, elf: f.elf}
	for i := range uint32(f.n) {
		s := *f.sym(i)
		if s.module != 0 {
			continue
		}
		// Per-CPU symbols before 6.15 and the vsyscall page do not move.
		if s.addr >= startKMap && s.addr < kernelMapEnd {
			s.addr = s.addr.Add(shift)
		}
		m.add(s, f.name(i))
	}
	m.sortAddrs()
	return m
}

// has reports whether one of the symbols is sym.
func (p *procSymbols) has(sym Symbol) bool {
	for i := range uint32(p.n) {
		if p.sym(i).addr == sym.Addr && string(p.name(i)) == sym.Name {
			return true
		}
	}
	return false
}

// text is the table as /proc/kallsyms would have it.
func (p *procSymbols) text() []byte {
	var b bytes.Buffer
	p.All(func(s Symbol) bool {
		fmt.Fprintf(&b, "%016x %c %s", uint64(s.Addr), s.Type, s.Name)
		if s.Module != "" {
			fmt.Fprintf(&b, "\t[%s]", s.Module)
		}
		b.WriteByte('\n')
		return true
	})
	return b.Bytes()
}

// readString reads a string of at most limit bytes, its NUL not counted.
func readString(r Reader, at Addr, limit int) (string, error) {
	buf := make([]byte, limit)
	for n := 0; n < limit; {
		// Up to the end of a page at a time: what follows may not be there.
		size := min(limit-n, int(PageSize-uint64(at.Add(int64(n)))%PageSize))
		if err := r.ReadMem(at.Add(int64(n)), buf[n:n+size]); err != nil {
			return "", err
		}
		if i := bytes.IndexByte(buf[n:n+size], 0); i >= 0 {
			return string(buf[:n+i]), nil
		}
		n += size
	}
	return string(buf), nil
}

// UseSymbols makes the image's symbols those of a file, which is verified first
// (see [SymbolFile.For]). It must be called before [Image.Symbols].
func (img *Image) UseSymbols(f *SymbolFile) error {
	var table *SymbolFile
	var err error
	if img.info == nil {
		if table, err = f.findFit(img, img.tables); err == nil && img.tables != nil {
			img.info = infoFromMemory(table, img.tables)
		}
	} else {
		table, err = f.For(img, img.info)
	}
	if err != nil {
		return err
	}
	img.symbolsOnce.Do(func() { img.symbols = table })
	if img.symbols != SymbolTable(table) {
		return errors.New("the symbols were in use before")
	}
	return nil
}
