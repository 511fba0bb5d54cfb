package value

import (
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/kmem"
)

// perCPUNote is the note of a pointer that is known to be per-CPU.
const perCPUNote = "a per-CPU pointer: per_cpu(…, CPU) is one CPU's"

// isPerCPUMember reports whether the table has a member, which is of type t: a pointer, or an
// array of them.
func isPerCPUMember(st, name string, t btf.Type) bool {
	if !slices.Contains(perCPUMembers[st], name) {
		return false
	}
	if a, ok := btf.Underlying(t).(*btf.Array); ok {
		t = a.Elem()
	}
	_, ok := btf.Underlying(t).(*btf.Pointer)
	return ok
}

// hasTag reports whether the target of a pointer carries a type tag, such as "percpu".
func hasTag(t btf.Type, tag string) bool {
	for range 16 {
		switch u := t.(type) {
		case *btf.TypeTag:
			if u.Value == tag {
				return true
			}
			t = u.Target()
		case *btf.Qualifier:
			t = u.Target()
		default:
			return false
		}
	}
	return false
}

// IsPerCPUPointer reports whether the value is a pointer that [Kernel.PerCPU] takes: a member
// that the kernel declares __percpu, or what was computed or cast from one.
func (v Value) IsPerCPUPointer() bool {
	p, ok := btf.Underlying(v.typ).(*btf.Pointer)
	return ok && (v.ofPerCPU || hasTag(p.Target(), "percpu"))
}

// FromPerCPU returns v as what was computed from another value: a per-CPU pointer where that
// is one.
func (v Value) FromPerCPU(of Value) Value {
	v.ofPerCPU = of.ofPerCPU || of.IsPerCPUPointer()
	return v
}

// Template is what all CPUs' copies behind a per-CPU pointer have in common: its members have
// addresses, and no content.
func (v Value) Template() (Value, error) {
	p, ok := btf.Underlying(v.typ).(*btf.Pointer)
	if !ok || !v.IsPerCPUPointer() {
		return Value{}, fmt.Errorf("%s is no per-CPU pointer", v.typ)
	}
	a, err := v.Pointer()
	return Value{k: v.k, typ: p.Target(), place: perCPU, addr: a}, err
}

// Followed is the error of a pointer that cannot be followed, whatever there is in memory: one
// that is per-CPU, or no kernel address.
func (v Value) Followed() error {
	p, ok := btf.Underlying(v.typ).(*btf.Pointer)
	if !ok || v.place == perCPU {
		return nil
	}
	if v.IsPerCPUPointer() {
		return fmt.Errorf("the %s is a per-CPU pointer: per_cpu(…, CPU) is what one CPU has behind it", v.typ)
	}
	a, err := v.Pointer()
	switch {
	case err != nil:
		return err
	case a == 0:
		return nil
	case a.IsKernel():
		if err := v.k.perCPUFault(a, 1); err != nil {
			return err
		}
		return v.k.aliasFault(a)
	case hasTag(p.Target(), "user"):
		return Faultf("the %s is %s, in the memory of a process: task_mem(TASK, ADDRESS) reads there", v.typ, a)
	case a >= maxPerCPUOffset && a < userEnd:
		// What the later chunks have, the distance of one from the first, may be in this half, too.
		return Faultf("the %s is %s, in the memory of a process, as it seems: task_mem(TASK, ADDRESS) reads there; if it is a per-CPU pointer, say per_cpu(…, CPU)", v.typ, a)
	}
	return Faultf("the %s is %s, which is no kernel address; if it is a per-CPU pointer, say per_cpu(…, CPU)", v.typ, a)
}

// SymbolPointer is a void pointer to a symbol, a per-CPU one where the symbol is a per-CPU variable.
func (k *Kernel) SymbolPointer(sym kmem.Symbol) Value {
	v := k.Pointer(&btf.Void{}, sym.Addr)
	v.ofPerCPU = k.isPerCPU(sym)
	return v
}

const (
	// maxPerCPUOffset is above the per-CPU offsets of kernels before 6.15: a unit of the first
	// chunk has some 2 MiB, and what others need is rarely as much.
	maxPerCPUOffset kmem.Addr = 4 << 20
	// userEnd is where the memory of processes ends with page tables of 5 levels.
	userEnd kmem.Addr = 1 << 56
)
