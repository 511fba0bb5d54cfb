package kmem

import (
	"fmt"
	"math/bits"

	"kinspect/kmem/dump"
)

// PageSize is the base page size of x86-64, in bytes.
const PageSize = dump.PageSize

// Addr is a kernel virtual address.
type Addr uint64

// String prints the address as the kernel's %px does, with 0x before it.
func (a Addr) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// Add returns a+n, wrapping as the machine would: the caller that needs to know
// about wrap-around asks [Addr.End].
func (a Addr) Add(n int64) Addr { return a + Addr(n) }

// Page returns the start of the page that holds a.
func (a Addr) Page() Addr { return a &^ (PageSize - 1) }

// End returns the first address after the n bytes at a; ok is false where the
// range leaves the address space. A range that ends with the last byte of the
// address space is valid and has end 0.
func (a Addr) End(n uint64) (end Addr, ok bool) {
	sum, carry := bits.Add64(uint64(a), n, 0)
	return Addr(sum), carry == 0 || sum == 0
}

// IsKernel reports whether a lies in the upper, canonical half of the address
// space, where x86-64 kernels live (4- and 5-level page tables alike).
func (a Addr) IsKernel() bool { return a>>56 == 0xff }

// PhysAddr is a physical address of the machine that the image was taken of.
type PhysAddr = dump.PhysAddr
