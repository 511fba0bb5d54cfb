package dump

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"sort"
)

// UnknownPhys stands for a physical address that nobody knows: /proc/kcore writes it
// as p_paddr of vmalloc ranges (kernel fs/proc/kcore.c), we write it into snapshots.
const UnknownPhys = math.MaxUint64

// SegmentKind says what a range of addresses has behind it, best first.
type SegmentKind uint8

// The kinds of a [Segment].
const (
	InFile  SegmentKind = iota // in the file
	CutOff                     // should be in the file, which ends before
	LeftOut                    // the machine had it, the file is not to have it
)

// Segment is a range of addresses with one kind of content.
type Segment struct {
	Start, Last uint64 // first and last address, both inclusive: a range may end with the address space
	Off         uint64 // Start's offset in the file; meaningless where it is left out
	Phys        uint64 // Start's physical address, or UnknownPhys
	Kind        SegmentKind
	Order       int // its rank among segments of one kind, the lowest first
}

// Segments finds the segment of an address. They are sorted and disjoint. Read-only,
// so safe for concurrent use.
type Segments []Segment

// Find returns the segment that holds addr, or nil.
func (list Segments) Find(addr uint64) *Segment {
	if len(list) <= 8 { // as most dumps': faster than to halve them
		for i := range list {
			if s := &list[i]; addr <= s.Last {
				if s.Start <= addr {
					return s
				}
				return nil
			}
		}
		return nil
	}
	i := sort.Search(len(list), func(i int) bool { return list[i].Last >= addr })
	if i < len(list) && list[i].Start <= addr {
		return &list[i]
	}
	return nil
}

// Touches reports whether anything from first to last is in a segment.
func (list Segments) Touches(first, last uint64) bool {
	i := sort.Search(len(list), func(i int) bool { return list[i].Last >= first })
	return i < len(list) && list[i].Start <= last
}

// NewSegments sorts segments and resolves overlaps: of several segments with
// one address the better kind wins, then the lower order. (kexec's
// vmcore describes the kernel's text twice: by itself and in its RAM.)
func NewSegments(list []Segment) Segments {
	slices.SortFunc(list, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Order, b.Order))
	})
	overlap := false
	for i := 1; i < len(list) && !overlap; i++ {
		overlap = list[i].Start <= list[i-1].Last
	}
	if overlap {
		list = disjoint(list)
	}
	return list
}

// disjoint cuts sorted segments into disjoint ones in O(n log n): it sweeps the
// addresses upwards and keeps the open segments in a heap, best on top.
func disjoint(sorted []Segment) []Segment {
	out := make([]Segment, 0, len(sorted))
	open := segmentHeap{all: sorted}
	next, at := 0, uint64(0)
	for next < len(sorted) || len(open.open) > 0 {
		if len(open.open) == 0 {
			at = max(at, sorted[next].Start)
		}
		for next < len(sorted) && sorted[next].Start <= at {
			heap.Push(&open, next)
			next++
		}
		best := sorted[open.open[0]]
		if best.Last < at {
			heap.Pop(&open)
			continue
		}
		// best holds from here up to its end, or to the start of a better one.
		last := best.Last
		if next < len(sorted) {
			last = min(last, sorted[next].Start-1)
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
func appendPiece(out []Segment, s Segment, from, last uint64) []Segment {
	if n := len(out); n > 0 && out[n-1].Order == s.Order && out[n-1].Kind == s.Kind && out[n-1].Last+1 == from {
		out[n-1].Last = last
		return out
	}
	delta := from - s.Start
	s.Start, s.Last, s.Off = from, last, s.Off+delta
	if s.Phys != UnknownPhys {
		s.Phys += delta
	}
	return append(out, s)
}

// segmentHeap holds positions in all, the segment that wins an overlap on top.
type segmentHeap struct {
	all  []Segment
	open []int32
}

func (h *segmentHeap) Len() int      { return len(h.open) }
func (h *segmentHeap) Swap(i, j int) { h.open[i], h.open[j] = h.open[j], h.open[i] }
func (h *segmentHeap) Less(i, j int) bool {
	a, b := &h.all[h.open[i]], &h.all[h.open[j]]
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Order, b.Order)) < 0
}
func (h *segmentHeap) Push(x any) { h.open = append(h.open, int32(x.(int))) }
func (h *segmentHeap) Pop() any {
	last := h.open[len(h.open)-1]
	h.open = h.open[:len(h.open)-1]
	return int(last)
}
