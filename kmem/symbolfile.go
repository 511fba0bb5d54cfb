package kmem

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// SymbolFile is a symbol table from a file: a System.map, a saved
// /proc/kallsyms, or an ELF vmlinux. Its addresses are the file's, until
// [SymbolFile.For] puts them where a kernel has them.
//
// A System.map is what nm printed of vmlinux, sorted by address, and reads like
// /proc/kallsyms without modules (see [ParseProcKallsyms]). It and vmlinux have
// the addresses that the kernel was linked at; KASLR moves all of the image by
// one distance.
type SymbolFile struct {
	*procSymbols
	path    string
	banner  string // vmlinux's linux_banner, "" where it is not known
	buildID string // of vmlinux, in hexadecimal, or ""
	elf     bool   // a vmlinux
	placed  bool   // the addresses are a running kernel's: see Placed
}

// OpenSymbolFile reads the file whole, also one packed with zstd, gzip or xz.
func OpenSymbolFile(path string) (*SymbolFile, error) {
	f := &SymbolFile{procSymbols: newProcSymbols(path), path: path}
	var err error
	if st, serr := os.Stat(path); serr == nil && (st.Mode()&os.ModeNamedPipe != 0 || st.Mode().IsRegular() && st.Size() == 0) {
		err = f.readStream()
	} else {
		err = f.readFile()
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *SymbolFile) readFile() error {
	file, err := OpenSideFile(f.path, "symbols")
	if err != nil {
		return err
	}
	defer file.Close()
	if bytes.Equal(file.Magic, []byte("\x7fELF")) {
		err = f.readELF(file)
	} else {
		err = f.readText(io.NewSectionReader(file, 0, min(file.Size, maxSymbolText)))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

// readStream reads text alone, such as that of <(ssh host cat /proc/kallsyms), or of
// /proc/kallsyms itself, whose size is 0.
func (f *SymbolFile) readStream() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("cannot open the symbols: %w", err)
	}
	defer file.Close()
	if err := f.readText(io.LimitReader(file, maxSymbolText)); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

// errNoSymbols is the error of a file that names nothing.
var errNoSymbols = errors.New("it holds no symbols")

// placeholder is how the file begins that Debian's packages have in place of the
// System.map.
var placeholder = []byte("ffffffffffffffff B The real System.map is in ")

func (f *SymbolFile) readText(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if start, _ := in.Peek(len(placeholder)); bytes.Equal(start, placeholder) {
		return errors.New("a placeholder: the real System.map is in the package with the kernel's debug symbols (linux-image-RELEASE-dbg); /proc/kallsyms of the running kernel does as well")
	}
	hidden, err := f.parse(in)
	switch {
	case errors.Is(err, ErrBadProcKallsyms):
		return fmt.Errorf("neither a System.map, nor a saved /proc/kallsyms, nor an ELF vmlinux: %w", err)
	case err != nil:
		return err
	case hidden:
		return errors.New("all addresses in it are 0: it was saved without privilege, or under kernel.kptr_restrict=2")
	case f.n == 0:
		return errNoSymbols
	}
	return nil
}

// linkedAt is where the image begins before KASLR moves it: startKMap and
// CONFIG_PHYSICAL_START, which nobody changes.
const linkedAt = startKMap + 16<<20

// LinkTime reports whether the addresses are those that the kernel was linked at, and the
// kernel one that KASLR moves when it boots: then none of its addresses is to be looked up
// here before [SymbolFile.Placed]. Of symbols of modules there are none in such a file, and
// a copy of /proc/kallsyms begins elsewhere, but for a kernel booted with nokaslr.
func (f *SymbolFile) LinkTime() bool {
	if f.placed || f.HasModules() {
		return false
	}
	text, ok := f.Lookup("_text")
	if !ok {
		text, ok = f.Lookup("_stext")
	}
	if !ok || text.Addr != linkedAt && !f.elf {
		return false
	}
	// What comes with CONFIG_RANDOMIZE_BASE: arch/x86/mm/kaslr.c, arch/x86/lib/kaslr.c,
	// arch/x86/kernel/module.c (3.14 and later).
	for _, name := range []string{"kernel_randomize_memory", "kaslr_get_random_long", "module_load_offset"} {
		if _, ok := f.Lookup(name); ok {
			return true
		}
	}
	return false
}

// Placed is the table with the addresses of a kernel that KASLR moved by offset, which a kernel
// prints when it panics ("Kernel Offset") and tells in VMCOREINFO (KERNELOFFSET).
func (f *SymbolFile) Placed(offset uint64) (*SymbolFile, error) {
	if offset%kernelAlign != 0 || offset >= kernelMapEnd-startKMap {
		return nil, fmt.Errorf("KASLR does not move a kernel by %#x, but by a multiple of 2 MiB below 1 GiB", offset)
	}
	text, ok := f.Lookup("_text")
	switch {
	case f.HasModules():
		return nil, fmt.Errorf("%s names symbols of modules: its addresses are a running kernel's already", f.path)
	case ok && !f.elf && text.Addr != linkedAt:
		return nil, fmt.Errorf("%s begins at %v, and a kernel is linked at %v: its addresses are a running kernel's already", f.path, text.Addr, Addr(linkedAt))
	}
	m := f.moved(int64(offset))
	m.placed = true
	return m, nil
}

// HasModules reports whether the file names symbols of modules.
func (f *SymbolFile) HasModules() bool { return len(f.modules) > 1 }

// Bounds are the lowest and the highest kernel address in the file.
func (f *SymbolFile) Bounds() (low, high Addr) {
	for _, i := range f.byAddr {
		if a := f.sym(i).addr; a.IsKernel() {
			if low == 0 {
				low = a
			}
			high = a
		}
	}
	return low, high
}
