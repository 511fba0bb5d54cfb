package kmem

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"kinspect/kmem/packed"
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
}

// OpenSymbolFile reads the file whole, also one packed with zstd.
func OpenSymbolFile(path string) (*SymbolFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the symbols: %w", err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot open the symbols: %w", err)
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s: not symbols but a directory", path)
	}
	f := &SymbolFile{procSymbols: newProcSymbols(path), path: path}
	in := bufio.NewReaderSize(file, 64<<10) // a pipe, too
	magic, _ := in.Peek(4)
	switch {
	case bytes.Equal(magic, []byte("\x7fELF")):
		err = f.readELF(file)
	case bytes.Equal(magic, packed.ZstdMagic):
		var data []byte
		if data, err = packed.Zstd(file, st.Size(), maxSymbolText); err == nil {
			if bytes.HasPrefix(data, []byte("\x7fELF")) {
				err = f.readELF(bytes.NewReader(data))
			} else {
				err = f.readText(bytes.NewReader(data))
			}
		}
	default:
		err = f.readText(in)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
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
