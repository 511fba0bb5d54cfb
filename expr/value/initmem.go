package value

import (
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/kmem"
)

// The kernel's image has memory that is not what its symbols say:
//
//   - From __init_begin to __init_end lies what only the start needs. It is freed after that
//     (init/main.c: free_initmem), and used for something else, but the addresses stay mapped.
//   - From __per_cpu_start to __per_cpu_end lies what each CPU's copy of the per-CPU variables
//     was made of. Since 6.15 these are their symbols' addresses, so that a pointer to a variable
//     looks like any other; before they were offsets from 0. It is within the memory above.

// imageRanges are these places.
type imageRanges struct {
	init, perCPU imageSpan
}

// imageSpan is addresses from start up to end; the zero one has none.
type imageSpan struct{ start, end kmem.Addr }

// overlaps reports whether n bytes at a, at least one, are partly in it.
func (r imageSpan) overlaps(a kmem.Addr, n uint64) bool {
	if a < r.start {
		return uint64(r.start-a) < n && r.start < r.end
	}
	return a < r.end
}

// image is the part of the address space that the kernel's image and modules are in.
const image kmem.Addr = 0xffffffff80000000

// ReadMem implements [kmem.Reader]. What the image's memory no longer holds is an error.
func (k *Kernel) ReadMem(a kmem.Addr, buf []byte) error {
	if a >= image && len(buf) > 0 {
		if err := k.freed(a, uint64(len(buf))); err != nil {
			return err
		}
	}
	return k.Reader.ReadMem(a, buf)
}

// ranges looks the symbols up, once. Nothing is read through k: it is called for each read.
func (k *Kernel) ranges() *imageRanges {
	if k == nil || k.Image == nil { // memory alone
		return &imageRanges{}
	}
	k.rangesOnce.Do(func() {
		syms, err := k.Symbols()
		if err != nil {
			return
		}
		span := func(from, to string) imageSpan {
			a, ok1 := syms.Lookup(from)
			b, ok2 := syms.Lookup(to)
			if !ok1 || !ok2 || a.Addr < image || b.Addr <= a.Addr {
				return imageSpan{}
			}
			return imageSpan{a.Addr, b.Addr}
		}
		k.imageRanges = imageRanges{span("__init_begin", "__init_end"), span("__per_cpu_start", "__per_cpu_end")}
	})
	return &k.imageRanges
}

// freed is the error of a read of n bytes at a, where they are not what they were.
func (k *Kernel) freed(a kmem.Addr, n uint64) error {
	r := k.ranges()
	if err := k.perCPUFault(a, n); err != nil {
		return err
	}
	if !r.init.overlaps(a, n) || !k.started() {
		return nil
	}
	return Faultf("%s is memory of the kernel's start, which was freed when that was over: what is there now is something else", k.name(max(a, r.init.start)))
}

// perCPUFault is the error of a read of n bytes at a that are no CPU's own.
func (k *Kernel) perCPUFault(a kmem.Addr, n uint64) error {
	if r := k.ranges(); a >= image && r.perCPU.overlaps(a, n) {
		return Faultf("%s is a per-CPU variable: per_cpu(…, CPU) is what one CPU has there", k.name(max(a, r.perCPU.start)))
	}
	return nil
}

// name is an address with its symbol.
func (k *Kernel) name(a kmem.Addr) string {
	if s := k.Symbolize(a); s != a.String() {
		return fmt.Sprintf("%s (%s)", a, s)
	}
	return a.String()
}

// perCPUInImage reports whether per-CPU variables have addresses of the kernel's (6.15).
func (k *Kernel) perCPUInImage() bool { return k.ranges().perCPU.end != 0 }

// started reports whether the kernel has freed the memory of its start, or has begun to: system_state
// is 2, SYSTEM_FREEING_INITMEM or, before 5.16, SYSTEM_RUNNING (include/linux/kernel.h). Where that
// cannot be told it has: dumps of the first second are rare.
func (k *Kernel) started() bool {
	k.startedOnce.Do(func() {
		sym, ok := k.syms.Lookup("system_state")
		var state [4]byte
		k.isStarted = !ok || k.Reader.ReadMem(sym.Addr, state[:]) != nil || le32(state[:]) >= 2
	})
	return k.isStarted
}

// perCPUName is how a per-CPU pointer is printed: with the variable that it points to, or just as
// one where what it points to was allocated. It is empty for any other; a pointer into the image's
// copy of the variables is one whatever its type.
func (k *Kernel) perCPUName(a kmem.Addr, known bool) string {
	if a >= image && k.ranges().perCPU.overlaps(a, 1) {
		return "per-CPU " + k.Symbolize(a) + " = " + a.String()
	}
	if !known || a == 0 {
		return ""
	}
	if s := k.PerCPUVariable(a); s != "" {
		return "per-CPU " + s + " = " + a.String()
	}
	return "per-CPU " + a.String()
}

// PerCPUVariable names an offset in the section of per-CPU variables, as BTF lists them: before 6.15 their
// symbols are no kernel addresses.
func (k *Kernel) PerCPUVariable(a kmem.Addr) string {
	if k.perCPUInImage() {
		return ""
	}
	types, err := k.Types()
	if err != nil {
		return ""
	}
	for _, t := range types.All(btf.DataSecs, ".data..percpu") {
		sec, ok := t.(*btf.DataSec)
		if !ok {
			continue
		}
		for _, s := range sec.Vars() {
			if off := kmem.Addr(s.Offset); a >= off && a < off+kmem.Addr(s.Size) {
				return fmt.Sprintf("%s+%#x", Printable(s.Var.TypeName()), uint64(a-off))
			}
		}
	}
	return ""
}

// SymbolizePointer is [Kernel.Symbolize] of what v points to. A per-CPU pointer's address is no symbol's but
// a variable's, or none.
func (k *Kernel) SymbolizePointer(v Value, a kmem.Addr) string {
	if !v.IsPerCPUPointer() || a >= image && k.ranges().perCPU.overlaps(a, 1) {
		return k.Symbolize(a)
	}
	return strings.TrimSuffix(k.perCPUName(a, true), " = "+a.String())
}
