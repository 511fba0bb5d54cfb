package elfcore

import (
	"debug/elf"
	"math"

	"kinspect/kmem/dump"
)

// addLoad appends what one PT_LOAD says of the range at start, in up to three
// pieces. A range that would wrap around the address space is cut.
func addLoad(segs []dump.Segment, h *elf.ProgHeader, start, phys uint64, order int, fileSize int64) []dump.Segment {
	size := uint64(max(fileSize, 0))
	mem := max(h.Memsz, h.Filesz)
	if mem == 0 {
		return segs
	}
	inFile := uint64(0)
	if h.Off < size {
		inFile = min(h.Filesz, size-h.Off)
	}
	last := start + (mem - 1)
	if last < start {
		last = math.MaxUint64
	}
	piece := func(from, to uint64, kind dump.SegmentKind) { // bytes of the range
		if from >= to || from > last-start {
			return
		}
		s := dump.Segment{Start: start + from, Last: start + min(to-1, last-start), Off: h.Off + from, Phys: dump.UnknownPhys, Kind: kind, Order: order}
		if phys != dump.UnknownPhys {
			s.Phys = phys + from
		}
		segs = append(segs, s)
	}
	piece(0, inFile, dump.InFile)
	piece(inFile, h.Filesz, dump.CutOff)
	piece(h.Filesz, mem, dump.LeftOut)
	return segs
}

// addressSpaces builds the virtual and the physical view of a file's PT_LOADs.
//
// A p_vaddr of 0, or one that repeats p_paddr, means "not known by virtual
// address": QEMU's dump-guest-memory writes both. Physical addresses count unless they are unknown, or 0 in
// more than one segment with a virtual address: then the writer did not know
// them (ELF leaves p_paddr undefined, and some writers leave 0).
func addressSpaces(loads []elf.ProgHeader, fileSize int64) (virt, phys dump.Segments) {
	zero := 0
	for i := range loads {
		if loads[i].Paddr == 0 && loads[i].Vaddr != 0 && loads[i].Memsz != 0 {
			zero++
		}
	}
	v, p := make([]dump.Segment, 0, len(loads)), make([]dump.Segment, 0, len(loads))
	for i := range loads {
		h := &loads[i]
		paddr := h.Paddr
		if paddr == 0 && h.Vaddr != 0 && zero > 1 {
			paddr = dump.UnknownPhys
		}
		if h.Vaddr != 0 && h.Vaddr != h.Paddr {
			v = addLoad(v, h, h.Vaddr, paddr, i, fileSize)
		}
		if paddr != dump.UnknownPhys {
			p = addLoad(p, h, paddr, paddr, i, fileSize)
		}
	}
	return dump.NewSegments(v), dump.NewSegments(p)
}
