package value

import (
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// Since 6.15 the pointers to per-CPU memory that was allocated go on where the image's copy of the
// per-CPU variables ends: they are addresses of what lies behind that, the memory of the kernel's start and
// other variables (mm/percpu.c: __addr_to_pcpu_ptr). The first chunk has some 30 KiB for that, at pcpu_base_addr
// plus what the same distance from __per_cpu_start is; later chunks' pointers are no kernel addresses.

// maxFirstChunk bounds what the first chunk may be said to have, in bytes: a unit of it has 2 MiB.
const maxFirstChunk = 4 << 20

// allocatedPerCPU is the addresses that pointers to such memory of the first chunk have.
func (k *Kernel) allocatedPerCPU() imageSpan {
	r := k.ranges()
	if r.perCPU.end == 0 {
		return imageSpan{}
	}
	k.allocatedOnce.Do(func() {
		end, err := k.firstChunkEnd()
		if err == nil && end > r.perCPU.end && end-r.perCPU.start <= maxFirstChunk {
			k.allocated = imageSpan{r.perCPU.end, end}
		}
	})
	return k.allocated
}

// firstChunkEnd is where the pointers into the first chunk end.
func (k *Kernel) firstChunkEnd() (kmem.Addr, error) {
	syms, err := k.Symbols()
	if err != nil {
		return 0, err
	}
	var at [2]kmem.Addr
	for i, name := range []string{"pcpu_base_addr", "pcpu_first_chunk"} {
		sym, ok := syms.Lookup(name)
		if !ok {
			return 0, fmt.Errorf("no symbol %s", name)
		}
		if at[i], err = kmem.ReadAddr(k.Reader, sym.Addr); err != nil {
			return 0, err
		}
	}
	if !at[1].IsKernel() || at[1] >= image {
		return 0, fmt.Errorf("the first chunk is at %s", at[1])
	}
	st, err := k.Struct("pcpu_chunk")
	if err != nil {
		return 0, err
	}
	chunk := k.Ref(st, at[1])
	base, err := chunk.PointerPath("base_addr")
	if err != nil {
		return 0, err
	}
	pages, err := chunk.UintPath("nr_pages")
	if err != nil {
		return 0, err
	}
	if pages > maxFirstChunk/kmem.PageSize {
		return 0, fmt.Errorf("the first chunk has %d pages", pages)
	}
	return k.ranges().perCPU.start + (base - at[0]) + kmem.Addr(pages*kmem.PageSize), nil
}

// mayBePerCPU reports whether an address is one that a pointer to allocated per-CPU memory has, and
// not known to be a variable's: the start of one, or within one whose type is known.
func (k *Kernel) mayBePerCPU(a kmem.Addr) bool {
	if a < image || !k.allocatedPerCPU().overlaps(a, 1) {
		return false
	}
	sym, off, ok := k.SymbolAt(a)
	if !ok || off == 0 {
		return !ok
	}
	t, ok := k.VariableType(sym.Name)
	if !ok {
		return true
	}
	size, err := btf.Sizeof(t)
	return err != nil || off >= size
}

// aliasFault is the error of a pointer that is followed, where it may be a per-CPU one.
func (k *Kernel) aliasFault(a kmem.Addr) error {
	if !k.mayBePerCPU(a) {
		return nil
	}
	r := k.allocatedPerCPU()
	return Faultf("%s is what a pointer to allocated per-CPU memory looks like, %s to %s: per_cpu(POINTER, CPU) is what one CPU has behind the member that it comes from; if it is an address, mem(%s, N) reads there", a, r.start, r.end, a)
}
