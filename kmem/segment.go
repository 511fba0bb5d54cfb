package kmem

import (
	"container/heap"
	"debug/elf"
	"math"
	"slices"
	"sort"
)

// unknownPaddr is what p_paddr holds where the physical address is unknown:
// /proc/kcore writes it for vmalloc ranges (kernel fs/proc/kcore.c), we write
// it into snapshots.
const unknownPaddr = math.MaxUint64

// segmentKind says what a range of addresses has behind it, best first.
type segmentKind uint8

const (
	present   segmentKind = iota // in the file
	truncated                    // should be in the file, which ends before
	filtered                     // p_memsz counts it, p_filesz does not
)

// segment is a range of addresses with one kind of content.
type segment struct {
	start, last uint64 // first and last address, both inclusive: a range may end with the address space
	off         uint64 // start's offset in the file; meaningless where filtered
	phys        uint64 // start's physical address, or unknownPaddr
	kind        segmentKind
	order       int // position in the file's program headers
}

// segmentMap finds the segment of an address. Its segments are sorted and
// disjoint. Read-only, so safe for concurrent use.
type segmentMap struct{ segs []segment }

// find returns the segment that holds addr, or nil.
func (m *segmentMap) find(addr uint64) *segment {
	i := sort.Search(len(m.segs), func(i int) bool { return m.segs[i].last >= addr })
	if i < len(m.segs) && m.segs[i].start <= addr {
		return &m.segs[i]
	}
	return nil
}

// addLoad appends what one PT_LOAD says of the range at start, in up to three
// pieces. A range that would wrap around the address space is cut.
func addLoad(segs []segment, h *elf.ProgHeader, start, phys uint64, order int, fileSize int64) []segment {
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
	piece := func(from, to uint64, kind segmentKind) { // bytes of the range
		if from >= to || from > last-start {
			return
		}
		s := segment{start: start + from, last: start + min(to-1, last-start), off: h.Off + from, phys: unknownPaddr, kind: kind, order: order}
		if phys != unknownPaddr {
			s.phys = phys + from
		}
		segs = append(segs, s)
	}
	piece(0, inFile, present)
	piece(inFile, h.Filesz, truncated)
	piece(h.Filesz, mem, filtered)
	return segs
}

// newSegmentMap sorts segments and resolves overlaps: of several segments with
// one address the better kind wins, then the first in the file. (kexec's
// vmcore describes the kernel's text twice: by itself and in its RAM.)
func newSegmentMap(segs []segment) segmentMap {
	slices.SortFunc(segs, func(a, b segment) int {
		if a.start != b.start {
			if a.start < b.start {
				return -1
			}
			return 1
		}
		return a.order - b.order
	})
	overlap := false
	for i := 1; i < len(segs) && !overlap; i++ {
		overlap = segs[i].start <= segs[i-1].last
	}
	if overlap {
		segs = flatten(segs)
	}
	return segmentMap{segs: segs}
}

// flatten cuts sorted segments into disjoint ones in O(n log n): it sweeps the
// addresses upwards and keeps the open segments in a heap, best on top.
func flatten(sorted []segment) []segment {
	out := make([]segment, 0, len(sorted))
	open := segmentHeap{segs: sorted}
	next, at := 0, uint64(0)
	for next < len(sorted) || len(open.open) > 0 {
		if len(open.open) == 0 {
			at = max(at, sorted[next].start)
		}
		for next < len(sorted) && sorted[next].start <= at {
			heap.Push(&open, next)
			next++
		}
		best := sorted[open.open[0]]
		if best.last < at {
			heap.Pop(&open)
			continue
		}
		// best holds from here up to its end, or to the start of a better one.
		last := best.last
		if next < len(sorted) {
			last = min(last, sorted[next].start-1)
		}
		out = appendPiece(out, best, at, last)
		if last == math.MaxUint64 {
			break
		}
		at = last + 1
	}
	return out
}

// appendPiece adds the part [from, last] of s, joining it with its other half
// where the sweep only stopped to look at another segment.
func appendPiece(out []segment, s segment, from, last uint64) []segment {
	if n := len(out); n > 0 && out[n-1].order == s.order && out[n-1].kind == s.kind && out[n-1].last+1 == from {
		out[n-1].last = last
		return out
	}
	delta := from - s.start
	s.start, s.last, s.off = from, last, s.off+delta
	if s.phys != unknownPaddr {
		s.phys += delta
	}
	return append(out, s)
}

// segmentHeap holds positions in segs, the segment that wins an overlap on top.
type segmentHeap struct {
	segs []segment
	open []int32
}

func (h *segmentHeap) Len() int      { return len(h.open) }
func (h *segmentHeap) Swap(i, j int) { h.open[i], h.open[j] = h.open[j], h.open[i] }
func (h *segmentHeap) Less(i, j int) bool {
	a, b := &h.segs[h.open[i]], &h.segs[h.open[j]]
	if a.kind != b.kind {
		return a.kind < b.kind
	}
	return a.order < b.order
}
func (h *segmentHeap) Push(x any) { h.open = append(h.open, int32(x.(int))) }
func (h *segmentHeap) Pop() any {
	last := h.open[len(h.open)-1]
	h.open = h.open[:len(h.open)-1]
	return int(last)
}

// addressSpaces builds the virtual and the physical view of a file's PT_LOADs.
//
// A p_vaddr of 0, or one that repeats p_paddr, means "not known by virtual
// address": QEMU's dump-guest-memory writes both. Physical addresses count unless they are unknownPaddr, or 0 in
// more than one segment with a virtual address: then the writer did not know
// them (ELF leaves p_paddr undefined, and some writers leave 0).
func addressSpaces(loads []elf.ProgHeader, fileSize int64, noPhys bool) (virt, phys segmentMap) {
	zero := 0
	for i := range loads {
		if loads[i].Paddr == 0 && loads[i].Vaddr != 0 && loads[i].Memsz != 0 {
			zero++
		}
	}
	v, p := make([]segment, 0, len(loads)), make([]segment, 0, len(loads))
	for i := range loads {
		h := &loads[i]
		paddr := h.Paddr
		if noPhys || (paddr == 0 && h.Vaddr != 0 && zero > 1) {
			paddr = unknownPaddr
		}
		if h.Vaddr != 0 && h.Vaddr != h.Paddr {
			v = addLoad(v, h, h.Vaddr, paddr, i, fileSize)
		}
		if paddr != unknownPaddr {
			p = addLoad(p, h, paddr, paddr, i, fileSize)
		}
	}
	return newSegmentMap(v), newSegmentMap(p)
}
