package value

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/kmem"
)

// LookupSymbol finds a symbol of vmlinux, or of a module.
func (k *Kernel) LookupSymbol(name string) (kmem.Symbol, bool) {
	if syms, err := k.Symbols(); err == nil {
		if s, ok := syms.Lookup(name); ok {
			return s, true
		}
	}
	mods, _ := k.Modules()
	for _, m := range mods {
		syms, err := m.symbols()
		if err != nil {
			continue
		}
		if i, ok := m.byName[name]; ok {
			return syms[i], true
		}
	}
	return kmem.Symbol{}, false
}

// SymbolAt finds the symbol of vmlinux or of a module that holds a, and a's
// distance from its start in bytes.
func (k *Kernel) SymbolAt(a kmem.Addr) (kmem.Symbol, uint64, bool) {
	if !a.IsKernel() {
		return kmem.Symbol{}, 0, false
	}
	if syms, err := k.Symbols(); err == nil {
		if s, off, ok := syms.At(a); ok {
			return s, off, true
		}
	}
	if m := k.ModuleAt(a); m != nil {
		return m.symbolAt(a)
	}
	return kmem.Symbol{}, 0, false
}

// Symbolize names an address as the kernel's %pS does,
// "bond_handle_frame+0x0 [bonding]", or gives it in hexadecimal.
func (k *Kernel) Symbolize(a kmem.Addr) string {
	s, off, ok := k.SymbolAt(a)
	if !ok {
		return a.String()
	}
	if off > 0 && k.mayBePerCPU(a) {
		return SymbolText(s, off) + " or per-CPU"
	}
	return SymbolText(s, off)
}

// SymbolText is an address that lies off bytes behind a symbol's start, as the kernel prints it.
func SymbolText(s kmem.Symbol, off uint64) string {
	out := fmt.Sprintf("%s+%#x", Printable(s.Name), off)
	if s.Module != "" {
		out += " [" + Printable(s.Module) + "]"
	}
	return out
}

// FuncName is the bare name of the function that starts at a, without module
// and offset, or "" where none starts there.
func (k *Kernel) FuncName(a kmem.Addr) string {
	if s, off, ok := k.SymbolAt(a); ok && off == 0 {
		return s.Name
	}
	return ""
}

// SymbolsNamed are the symbols of one name, in vmlinux and the modules, of each module one. All of vmlinux is looked
// through only where it has the name at all.
func (k *Kernel) SymbolsNamed(name string, limit int) ([]kmem.Symbol, error) {
	syms, err := k.Symbols()
	if err != nil {
		return nil, err
	}
	var out []kmem.Symbol
	listed := map[string]bool{}
	if _, ok := syms.Lookup(name); ok {
		syms.All(func(s kmem.Symbol) bool {
			if s.Name == name {
				out = append(out, s)
				listed[s.Module] = true
			}
			return len(out) < limit
		})
	}
	mods, err := k.Modules()
	for _, m := range mods {
		own, merr := m.symbols()
		if merr != nil {
			err = errors.Join(err, merr)
			continue
		}
		if i, ok := m.byName[name]; ok && !listed[m.Name] && len(out) < limit {
			out = append(out, own[i])
		}
	}
	return out, err
}

// EachSymbol calls yield for the symbols of vmlinux and of the modules until it
// returns false, in no certain order. Modules whose symbols cannot be read are
// left out, and are in the error.
func (k *Kernel) EachSymbol(yield func(kmem.Symbol) bool) error {
	return k.eachSymbol(kmem.SymbolTable.All, nil, yield)
}

// EachSymbolNamed is [Kernel.EachSymbol] for those whose names begin with prefix.
func (k *Kernel) EachSymbolNamed(prefix string, yield func(kmem.Symbol) bool) error {
	table := func(t kmem.SymbolTable, yield func(kmem.Symbol) bool) { kmem.EachPrefix(t, prefix, yield) }
	return k.eachSymbol(table, nil, func(s kmem.Symbol) bool { return !strings.HasPrefix(s.Name, prefix) || yield(s) })
}

// EachSymbolAt is [Kernel.EachSymbol] for those that begin at an address. A module's lie in the module.
func (k *Kernel) EachSymbolAt(addr kmem.Addr, yield func(kmem.Symbol) bool) error {
	table := func(t kmem.SymbolTable, yield func(kmem.Symbol) bool) { kmem.EachAt(t, addr, yield) }
	at := k.ModuleAt(addr)
	return k.eachSymbol(table, func(m *Module) bool { return m == at }, func(s kmem.Symbol) bool { return s.Addr != addr || yield(s) })
}

// eachSymbol calls yield for what table lists, and for the symbols of the modules that it lacks: of all, or of those that are wanted.
func (k *Kernel) eachSymbol(table func(kmem.SymbolTable, func(kmem.Symbol) bool), wanted func(*Module) bool, yield func(kmem.Symbol) bool) error {
	syms, err := k.Symbols()
	if err != nil {
		return err
	}
	listed := map[string]bool{} // modules that the table has already
	more := true
	table(syms, func(s kmem.Symbol) bool {
		if s.Module != "" {
			listed[s.Module] = true
		}
		more = yield(s)
		return more
	})
	mods, err := k.Modules()
	for _, m := range mods {
		if !more {
			return nil
		}
		if listed[m.Name] || wanted != nil && !wanted(m) {
			continue
		}
		own, merr := m.symbols()
		if err == nil {
			err = merr
		}
		for _, s := range own {
			if more = yield(s); !more {
				break
			}
		}
	}
	return err
}
