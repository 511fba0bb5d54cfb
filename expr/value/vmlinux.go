package value

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"kinspect/btf"
	"kinspect/expr/debuginfo"
	"kinspect/kmem"
)

// vmlinux is a kernel's vmlinux with debug information.
type vmlinux struct {
	file     *debuginfo.File
	shift    uint64 // what KASLR added to the file's addresses
	ctx      context.Context
	progress kmem.Progress
}

// types makes BTF of the file's types.
func (v *vmlinux) types() (*btf.Spec, error) {
	data, err := v.file.BTF(v.ctx, func(done, size int64) {
		if v.progress != nil {
			v.progress(v.file.Path(), done, size)
		}
	})
	if err != nil {
		return nil, err
	}
	return parseBTF(data, v.file.Path())
}

// debugFiles is the debug information of a kernel: its vmlinux, and files of modules.
type debugFiles struct {
	vmlinux *vmlinux
	types   atomic.Bool // made of it

	mu      sync.Mutex
	files   map[string][]string // the files that may be a module's, by its name
	folders []string            // that were given
	modules map[string]*moduleFile
}

// ErrNoDebuginfo says that no debug information was given.
var ErrNoDebuginfo = errors.New("lines of the source are not known: --vmlinux FILE gives the kernel's debug information, of its vmlinux and again of modules (Debian: the package linux-image-RELEASE-dbg)")

// UseVmlinux takes lines of the source from a vmlinux with debug information, and types where the kernel has none. It is
// refused, with [kmem.ErrOtherKernel], where it is another kernel's: its build ID must be that in the kernel's memory
// or, where either is not known, its symbols must fit as those of [kmem.SymbolFile.For].
//
// It may be a module's file as well, or a directory with such files, and be called again: then a module's lines are
// known, and its types where the kernel has none of them. These are looked at when they are first wanted.
//
// Types are read when they are first asked for, which takes seconds: progress, which may be nil, is told of that, and
// ctx ends it. They are not used where the kernel has BTF that can be read, or after [Kernel.UseTypes].
func (k *Kernel) UseVmlinux(ctx context.Context, path string, progress kmem.Progress) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return k.useFolder(ctx, path, progress)
	}
	f, err := debuginfo.Open(path)
	if err != nil {
		return err
	}
	if f.IsModule() {
		_ = f.Close()
		return k.useModuleFile(path)
	}
	if k.debug.vmlinux != nil {
		_ = f.Close()
		return fmt.Errorf("%s: a second vmlinux, after %s: a kernel has one", path, k.debug.vmlinux.file.Path())
	}
	shift, err := k.place(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	k.debug.vmlinux = &vmlinux{f, shift, ctx, progress}
	return nil
}

// place verifies that a file is this kernel's, and finds out how far KASLR moved it.
func (k *Kernel) place(f *debuginfo.File) (shift uint64, err error) {
	syms, err := k.Symbols()
	if err != nil {
		return 0, fmt.Errorf("%s: whether it is this kernel's cannot be told: %w (--symbols takes this file, too)", f.Path(), err)
	}
	text, ok := syms.Lookup("_text")
	if !ok {
		text, ok = syms.Lookup("_stext")
	}
	if !ok {
		return 0, fmt.Errorf("%s: where the kernel's code begins is not known: neither _text nor _stext is among its symbols", f.Path())
	}
	id := kmem.BuildIDInMemory(k, syms)
	switch {
	case id == "" || f.BuildID() == "":
		table, err := kmem.OpenSymbolFile(f.Path())
		if err != nil {
			return 0, fmt.Errorf("whether it is this kernel's cannot be told, since the build ID is not known and its symbols are not: %w", err)
		}
		if _, err := table.For(k, k.Image.VMCoreInfo()); err != nil {
			return 0, err
		}
	case !strings.EqualFold(id, f.BuildID()):
		return 0, fmt.Errorf("%s: it is %w: it has the build ID %s, and the kernel %s", f.Path(), kmem.ErrOtherKernel, f.BuildID(), id)
	}
	if f.Text() == 0 {
		return 0, fmt.Errorf("%s: no vmlinux: it has no section .text at an address", f.Path())
	}
	return uint64(text.Addr - f.Text()), nil
}

// Vmlinux is the vmlinux of [Kernel.UseVmlinux], "" where there is none.
func (k *Kernel) Vmlinux() string {
	if k.debug.vmlinux == nil {
		return ""
	}
	return k.debug.vmlinux.file.Path()
}

// CloseFiles closes what was opened beside the image.
func (k *Kernel) CloseFiles() {
	if k.debug.vmlinux != nil {
		_ = k.debug.vmlinux.file.Close()
		k.debug.vmlinux = nil
	}
	k.closeModuleFiles()
}

// Frames tells the functions that an address of code is in and their lines, the innermost first.
func (k *Kernel) Frames(a kmem.Addr) ([]debuginfo.Frame, error) {
	v := k.debug.vmlinux
	if v == nil && k.debug.files == nil && k.debug.folders == nil {
		return nil, ErrNoDebuginfo
	}
	sym, _, ok := k.SymbolAt(a)
	var frames []debuginfo.Frame
	var err error
	var path string
	switch {
	case ok && sym.Module != "":
		var m *moduleFile
		if m, err = k.moduleFile(sym.Module); err != nil {
			return nil, fmt.Errorf("%s is in the module %s: %w", a, Printable(sym.Module), err)
		}
		path = m.loaded.Path()
		frames, err = m.loaded.Lookup(a)
	case v == nil:
		return nil, fmt.Errorf("%s is in the kernel itself, and --vmlinux gives modules alone: give its vmlinux, too", a)
	default:
		path = v.file.Path()
		frames, err = v.file.Lookup(a - kmem.Addr(v.shift))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, k.Symbolize(a), err)
	}
	if last := &frames[len(frames)-1]; last.Function == "" && ok { // assembly
		last.Function = Printable(sym.Name)
	}
	for i := range frames {
		frames[i].File = Printable(frames[i].File)
	}
	return frames, nil
}

// TypesFromVmlinux reports whether the types are, or will be, made of debug information.
func (k *Kernel) TypesFromVmlinux() bool {
	if k.debug.vmlinux == nil || k.typesFile != "" {
		return false
	}
	_, _, err := k.BTFRange()
	return k.debug.types.Load() || errors.Is(err, errNoBTF)
}
