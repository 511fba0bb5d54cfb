package value

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
		return nil, fmt.Errorf("this kernel has no BTF, and the types of its vmlinux could not be read: %w", err)
	}
	return parseBTF(data, v.file.Path())
}

// ErrNoDebuginfo says that no debug information was given.
var ErrNoDebuginfo = errors.New("lines of the source are not known: --vmlinux FILE gives the kernel's debug information (Debian: the package linux-image-RELEASE-dbg)")

// UseVmlinux takes lines of the source from a vmlinux with debug information, and types where the kernel has none. It is
// refused, with [kmem.ErrOtherKernel], where it is another kernel's: its build ID must be that in the kernel's memory
// or, where either is not known, its symbols must fit as those of [kmem.SymbolFile.For].
//
// Its types are read when they are first asked for, which takes seconds: progress, which may be nil, is told of that, and
// ctx ends it. They are not used where the kernel has BTF, or after [Kernel.UseTypes].
func (k *Kernel) UseVmlinux(ctx context.Context, path string, progress kmem.Progress) error {
	f, err := debuginfo.Open(path)
	if err != nil {
		return err
	}
	shift, err := k.place(f)
	if err != nil {
		_ = f.Close()
		return err
	}
	k.debug = &vmlinux{f, shift, ctx, progress}
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

// Vmlinux is the file of [Kernel.UseVmlinux], "" where there is none.
func (k *Kernel) Vmlinux() string {
	if k.debug == nil {
		return ""
	}
	return k.debug.file.Path()
}

// CloseFiles closes what was opened beside the image.
func (k *Kernel) CloseFiles() {
	if k.debug != nil {
		_ = k.debug.file.Close()
		k.debug = nil
	}
}

// Frames tells the functions that an address of code is in and their lines, the innermost first. What is in a module has
// none, since debug information is vmlinux's alone.
func (k *Kernel) Frames(a kmem.Addr) ([]debuginfo.Frame, error) {
	if k.debug == nil {
		return nil, ErrNoDebuginfo
	}
	sym, _, ok := k.SymbolAt(a)
	if ok && sym.Module != "" {
		return nil, fmt.Errorf("%s is in the module %s, of which there is no debug information: --vmlinux has the kernel's own", a, Printable(sym.Module))
	}
	frames, err := k.debug.file.Lookup(a - kmem.Addr(k.debug.shift))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", k.debug.file.Path(), k.Symbolize(a), err)
	}
	if last := &frames[len(frames)-1]; last.Function == "" && ok { // assembly
		last.Function = Printable(sym.Name)
	}
	for i := range frames {
		frames[i].File = Printable(frames[i].File)
	}
	return frames, nil
}

// TypesFromVmlinux reports whether the types were made of debug information.
func (k *Kernel) TypesFromVmlinux() bool {
	if k.debug == nil || k.typesFile != "" {
		return false
	}
	_, _, err := k.BTFRange()
	return errors.Is(err, errNoBTF)
}
