package symbol

import (
	"errors"
	"fmt"

	"kinspect/expr/debuginfo"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// File is the table of a file alone, with the addresses that are in it.
func File(f *kmem.SymbolFile) Table { return fileTable{f} }

type fileTable struct{ f *kmem.SymbolFile }

func (t fileTable) At(a kmem.Addr) (kmem.Symbol, uint64, bool) { return t.f.At(a) }
func (t fileTable) Source() string                             { return t.f.Source() }

func (t fileTable) Each(yield func(kmem.Symbol) bool) error {
	t.f.All(yield)
	return nil
}

func (t fileTable) EachNamed(prefix string, yield func(kmem.Symbol) bool) error {
	kmem.EachPrefix(t.f, prefix, yield)
	return nil
}

func (t fileTable) EachAt(a kmem.Addr, yield func(kmem.Symbol) bool) error {
	kmem.EachAt(t.f, a, yield)
	return nil
}

func (t fileTable) Explain(a kmem.Addr) string {
	if !a.IsKernel() {
		return notKernel
	}
	low, high := t.f.Bounds()
	if a >= low && a <= high {
		if t.f.LinkTime() {
			return "it lies between sections; and " + t.Warning()
		}
		return "it lies between sections"
	}
	s := fmt.Sprintf("%s names addresses from %s to %s", t.f.Source(), low, high)
	if t.f.LinkTime() {
		return s + ", and none of modules; " + t.Warning()
	}
	if !t.f.HasModules() {
		s += ", and none of modules: /proc/kallsyms, saved as root on that host, names these, too; with KASLR, only one saved since its last boot"
	}
	return s
}

func (t fileTable) Warning() string {
	if !t.f.LinkTime() {
		return ""
	}
	return t.f.Source() + " has the addresses that the kernel was linked at, and KASLR moves this kernel when it boots: with --kaslr-offset 0x… (\"Kernel Offset\" of a panic, KERNELOFFSET of VMCOREINFO; 0 for nokaslr) or --core DUMP it answers for the one that ran, and so does its /proc/kallsyms in place of this file"
}

// Kernel is the table of an opened kernel and its modules.
func Kernel(k *value.Kernel) (Table, error) {
	syms, err := k.Symbols()
	if err != nil {
		return nil, err
	}
	return kernelTable{k, syms.Source()}, nil
}

type kernelTable struct {
	k      *value.Kernel
	source string
}

func (t kernelTable) At(a kmem.Addr) (kmem.Symbol, uint64, bool) { return t.k.SymbolAt(a) }
func (t kernelTable) Source() string                             { return t.source }
func (t kernelTable) Each(yield func(kmem.Symbol) bool) error    { return t.k.EachSymbol(yield) }

func (t kernelTable) EachNamed(prefix string, yield func(kmem.Symbol) bool) error {
	return t.k.EachSymbolNamed(prefix, yield)
}

func (t kernelTable) EachAt(a kmem.Addr, yield func(kmem.Symbol) bool) error {
	return t.k.EachSymbolAt(a, yield)
}

// Lines tells where code comes from; nothing where no debug information was given.
func (t kernelTable) Lines(a kmem.Addr) ([]debuginfo.Frame, error) {
	frames, err := t.k.Frames(a)
	if errors.Is(err, value.ErrNoDebuginfo) {
		return nil, nil
	}
	return frames, err
}

func (t kernelTable) Warning() string { return "" }

func (t kernelTable) Explain(a kmem.Addr) string {
	if !a.IsKernel() {
		return notKernel
	}
	if m := t.k.ModuleAt(a); m != nil {
		return "it is in module " + value.Printable(m.Name) + ", beyond the end of what begins before it"
	}
	if _, err := t.k.Modules(); err != nil {
		return "and the modules could not be read: " + err.Error()
	}
	return "neither the kernel nor one of its modules"
}

const notKernel = "not an address of the kernel, which all begin with 0xff"
