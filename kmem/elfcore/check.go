package elfcore

import (
	"cmp"
	"debug/elf"
	"slices"

	"kinspect/kmem/dump"
)

// imageStart and imageEnd enclose the addresses of the kernel's image
// (arch/x86/include/asm/page_64_types.h: __START_KERNEL_map, KERNEL_IMAGE_SIZE).
const (
	imageStart = 0xffffffff80000000
	imageEnd   = imageStart + 1<<30
)

// extent is a range that a PT_LOAD claims, of the file or of addresses.
type extent struct {
	from, to uint64 // the end exclusive
	load     int    // its number, or headers
}

// headers stands for the ELF header, the program headers and the notes.
const headers = -1

// checkLoads refuses segments that contradict each other: there a number was changed, and
// one segment's memory would be taken for another's. What real writers do:
//
//   - The segments' bytes lie one behind the other. QEMU, asked for virtual addresses, lets several
//     segments that map the same memory share its bytes: their offset less their physical
//     address is one number.
//   - No virtual address is described twice. A physical one is where QEMU does that, and in
//     kexec's vmcore, which has the kernel's image by itself and in its RAM.
//   - No segment has more bytes in the file than in memory.
func (p *parser) checkLoads(phoff, phnum uint64, notes []elf.ProgHeader) error {
	size := uint64(max(p.f.Size, 0))
	var file, virt, phys []extent
	// Of the file, the headers and notes are nobody's memory.
	file = append(file, extent{0, headerSize, headers}, extent{phoff, phoff + phnum*progHeaderSize, headers})
	for _, h := range notes {
		if h.Filesz > 0 && h.Off < size {
			file = append(file, extent{h.Off, h.Off + min(h.Filesz, size-h.Off), headers})
		}
	}
	for i := range p.loads {
		h := &p.loads[i]
		if h.Filesz > h.Memsz {
			return p.f.Errorf(phoff, "damaged program headers: %d bytes of a segment are in the file, and %d in memory", h.Filesz, h.Memsz)
		}
		add := func(list *[]extent, from, n uint64) {
			if n > 0 {
				*list = append(*list, extent{from, max(from, from+n), i})
			}
		}
		if h.Off < size { // else it is cut off
			add(&file, h.Off, min(h.Filesz, size-h.Off))
		}
		if h.Vaddr != 0 && h.Vaddr != h.Paddr {
			add(&virt, h.Vaddr, h.Memsz)
		}
		if h.Paddr != dump.UnknownPhys {
			add(&phys, h.Paddr, h.Memsz)
		}
	}
	l := p.loads
	sameBytes := func(a, b *elf.ProgHeader) bool {
		known := a.Paddr != dump.UnknownPhys && b.Paddr != dump.UnknownPhys
		return known && a.Off-a.Paddr == b.Off-b.Paddr || a.Off == b.Off && a.Filesz == b.Filesz && a.Memsz == b.Memsz && a.Vaddr == b.Vaddr
	}
	inImage := func(h *elf.ProgHeader) bool { return h.Vaddr >= imageStart && h.Vaddr < imageEnd }
	for _, c := range []struct {
		what  string
		list  []extent
		agree func(a, b *elf.ProgHeader) bool
	}{
		{"have the same bytes of the file", file, sameBytes},
		{"describe the same virtual addresses", virt, func(a, b *elf.ProgHeader) bool {
			return a.Vaddr-a.Paddr == b.Vaddr-b.Paddr && a.Paddr != dump.UnknownPhys && b.Paddr != dump.UnknownPhys
		}},
		{"describe the same physical addresses", phys, func(a, b *elf.ProgHeader) bool {
			// A writer that does not know the addresses leaves 0.
			return sameBytes(a, b) || inImage(a) != inImage(b) || a.Paddr == 0 && b.Paddr == 0 && a.Vaddr != 0 && b.Vaddr != 0
		}},
	} {
		slices.SortFunc(c.list, func(a, b extent) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.load, b.load)) })
		widest := -1 // of the extents so far the one that ends last
		for i, e := range c.list {
			if widest >= 0 && e.from < c.list[widest].to {
				switch a, b := c.list[widest].load, e.load; {
				case a == headers && b == headers:
				case a == headers || b == headers:
					return p.f.Errorf(phoff, "damaged program headers: memory is said to be where the headers are, at %#x of the file", e.from)
				case !c.agree(&l[a], &l[b]):
					return p.f.Errorf(phoff, "damaged program headers: two segments %s, from %#x on", c.what, e.from)
				}
			}
			if widest < 0 || e.to > c.list[widest].to {
				widest = i
			}
		}
	}
	return nil
}
