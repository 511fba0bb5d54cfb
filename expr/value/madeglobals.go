package value

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value/globals"
	"kinspect/kmem"
)

// fromMadeTable gives a variable of vmlinux the type that the table of the package globals has for it. That is a fact of
// the kernels which the table was made of. In another one a name may belong to another file's variable, so it is only
// believed if nothing speaks against it: there must be one symbol of the name, and that not in the kernel's code; the names in the type must mean
// one type in BTF; and the type must fit into the room up to the next symbol, at an address that is aligned for it. An
// array may be shorter than in those kernels, and then has what there is room for.
func (k *Kernel) fromMadeTable(types *btf.Spec, sym kmem.Symbol) (Value, error) {
	if sym.Module != "" || !sym.Addr.IsKernel() {
		return Value{}, errNoType
	}
	c, ok := globals.Type(sym.Name)
	switch {
	case k.isCode(sym.Addr):
		return Value{}, errNoType
	case kmem.Several(k.syms, sym.Name):
		return Value{}, fmt.Errorf("its type is not known: this kernel has several symbols called %s", sym.Name)
	case !ok:
		return Value{}, errNoType
	}
	t, err := types.ParseType(c)
	if err != nil {
		return Value{}, fmt.Errorf("its type is not known: it is %s elsewhere, which this kernel does not have", c)
	}
	if name, ok := types.Ambiguous(t); ok {
		return Value{}, fmt.Errorf("its type is not known: it is %s elsewhere, and this kernel has several types called %s", c, name)
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return Value{}, fmt.Errorf("its type is not known: it is %s elsewhere: %w", c, err)
	}
	if room, known := k.room(sym); known && size > room {
		array, ok := t.(*btf.Array)
		each := size
		if ok && array.Len > 0 {
			each = size / uint64(array.Len)
		}
		if room < each || each == 0 {
			return Value{}, fmt.Errorf("its type is not known: it is %s elsewhere, of %d bytes, and here it has room for %d", c, size, room)
		}
		t = btf.NewArray(array.Elem(), uint32(room/each))
	}
	if align := btf.Alignof(t); uint64(sym.Addr)%align != 0 {
		return Value{}, fmt.Errorf("its type is not known: it is %s elsewhere, which is aligned to %d bytes", c, align)
	}
	return k.placed(types, sym, t)
}

// isCode reports whether an address is in vmlinux's section .text. The letter of a symbol does not tell: in 7.3 all that is
// global has a T, data as well.
func (k *Kernel) isCode(a kmem.Addr) bool {
	start, ok1 := k.syms.Lookup("_stext")
	end, ok2 := k.syms.Lookup("_etext")
	return ok1 && ok2 && a >= start.Addr && a < end.Addr
}

// fromDebuginfo gives a variable the type that debug information has for it. What of that type the kernel's own types have
// alike is theirs. The error wraps [ErrNoDebuginfo], or says errNoModuleFile, where none was given.
func (k *Kernel) fromDebuginfo(sym kmem.Symbol) (Value, error) {
	types, err := k.Types()
	if err != nil {
		return Value{}, err
	}
	var own *btf.Spec
	if sym.Module != "" {
		own, err = k.moduleFileTypes(sym.Module, types)
	} else {
		own, err = k.unitTypes(types, sym)
	}
	if err != nil {
		return Value{}, err
	}
	v, err := own.Var(sym.Name)
	if err != nil {
		return Value{}, err
	}
	if _, err := btf.Sizeof(v.Type()); err != nil {
		return Value{}, fmt.Errorf("%s: %w", v, err)
	}
	return k.placed(types, sym, v.Type())
}

// unitTypes is the types of the unit of vmlinux that has a variable.
func (k *Kernel) unitTypes(types *btf.Spec, sym kmem.Symbol) (*btf.Spec, error) {
	debug := k.debug.vmlinux
	if debug == nil {
		return nil, ErrNoDebuginfo
	}
	at := sym.Addr
	if at.IsKernel() {
		at -= kmem.Addr(debug.shift)
	}
	blob, err := debug.file.Variable(debug.ctx, at, sym.Name, types)
	if err != nil {
		return nil, err
	}
	return btf.ParseSplit(blob, debug.file.Path(), types)
}
