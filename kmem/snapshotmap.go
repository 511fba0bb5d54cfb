package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"kinspect/kmem/dump"
)

const (
	// maxSavedRanges bounds the ranges of memory in a snapshot, and so what opening one takes.
	maxSavedRanges = 1 << 18
	// maxSavedMap bounds the note that has them, in bytes when unpacked: of two lists of that many.
	maxSavedMap = 2 * maxSavedRanges * 3 * binary.MaxVarintLen64
)

// savedRange is a range of virtual memory in a snapshot, the last address inclusive, and its
// place: a physical address, or an offset among the stray pages or in the stream.
type savedRange struct{ start, last, place uint64 }

// savedMap tells what a snapshot holds.
type savedMap struct {
	ranges []savedRange // sorted by address, disjoint
	spans  []span       // what is known by physical address, sorted and disjoint
}

// parseSavedMap reads what encodeSavedMap wrote. stray is the size of the stray pages, stream the stream's.
func parseSavedMap(b []byte, stray, stream uint64) (*savedMap, error) {
	c := &varints{b: b}
	m := &savedMap{}
	var phys []span
	next, place := uint64(0), uint64(0)
	for i := range c.count() {
		gap, length := c.unsigned(), c.unsigned()
		r := savedRange{start: next + gap, place: place + uint64(c.signed())}
		r.last = r.start + length
		end := r.place + length
		switch {
		case c.err != nil:
			return nil, c.err
		case i > 0 && next == 0, r.start < next, r.last < r.start:
			return nil, errors.New("its ranges are out of order")
		case end < r.place, (r.place^end)&streamPlace != 0,
			r.place < strayPlace && end >= 1<<52,
			r.place >= strayPlace && r.place < streamPlace && end-strayPlace >= stray,
			r.place >= streamPlace && end-streamPlace >= stream:
			return nil, fmt.Errorf("the range at %#x is said to be at %#x, where nothing can be", r.start, r.place)
		}
		m.ranges = append(m.ranges, r)
		if r.place < strayPlace {
			phys = append(phys, span{r.place, end})
		}
		next, place = r.last+1, end+1
	}
	next = 0
	for i := range c.count() {
		gap, length := c.unsigned(), c.unsigned()
		s := span{first: next + gap}
		s.last = s.first + length
		switch {
		case c.err != nil:
			return nil, c.err
		case i > 0 && next == 0, s.first < next, s.last < s.first, s.last >= 1<<52:
			return nil, errors.New("its ranges are out of order")
		}
		phys = append(phys, s)
		next = s.last + 1
	}
	if c.err != nil {
		return nil, c.err
	}
	if len(c.b) > 0 {
		return nil, fmt.Errorf("%d bytes too many", len(c.b))
	}
	m.spans = joinSpans(phys)
	return m, nil
}

// varints takes numbers off bytes. Its error stays.
type varints struct {
	b   []byte
	err error
}

var errVarint = errors.New("it is cut off")

func (c *varints) unsigned() uint64 {
	v, n := binary.Uvarint(c.b)
	c.skip(n)
	return v
}

func (c *varints) signed() int64 {
	v, n := binary.Varint(c.b)
	c.skip(n)
	return v
}

// skip takes n bytes off, which is 0 or less where there was no number.
func (c *varints) skip(n int) {
	if n <= 0 && c.err == nil {
		c.err = errVarint
	}
	c.b = c.b[max(n, 0):]
}

// count takes the number of a list's elements.
func (c *varints) count() uint64 {
	n := c.unsigned()
	if n > maxSavedRanges && c.err == nil {
		c.err = fmt.Errorf("%d ranges, more than %d", n, maxSavedRanges)
	}
	if c.err != nil {
		return 0
	}
	return n
}

// find returns the range that holds an address, or nil.
func (m *savedMap) find(addr uint64) *savedRange {
	i := sort.Search(len(m.ranges), func(i int) bool { return m.ranges[i].last >= addr })
	if i < len(m.ranges) && m.ranges[i].start <= addr {
		return &m.ranges[i]
	}
	return nil
}

// virtual yields the ranges.
func (m *savedMap) virtual(yield func(dump.Span) bool) {
	for _, r := range m.ranges {
		if !yield(dump.Span{Addr: r.start, Size: r.last - r.start + 1}) {
			return
		}
	}
}

// touches reports whether anything of the page at an address is known.
func (m *savedMap) touches(page uint64) bool {
	i := sort.Search(len(m.ranges), func(i int) bool { return m.ranges[i].last >= page })
	return i < len(m.ranges) && m.ranges[i].start <= page+(PageSize-1)
}

// known returns how many bytes are known from a physical address on.
func (m *savedMap) known(addr uint64) uint64 {
	i, ok := slices.BinarySearchFunc(m.spans, addr, func(s span, addr uint64) int {
		switch {
		case s.last < addr:
			return -1
		case s.first > addr:
			return 1
		}
		return 0
	})
	if !ok {
		return 0
	}
	return m.spans[i].last - addr + 1
}

// touchesPhys reports the same of a physical address.
func (m *savedMap) touchesPhys(page uint64) bool {
	i := sort.Search(len(m.spans), func(i int) bool { return m.spans[i].last >= page })
	return i < len(m.spans) && m.spans[i].first <= page+(PageSize-1)
}

// encodeSavedMap writes ranges, by address, and spans as varints: how many, and of each the
// distance to the one before, its length less 1, and where it is relative to the end of the one before.
func encodeSavedMap(ranges []savedRange, spans []span) []byte {
	b := binary.AppendUvarint(nil, uint64(len(ranges)))
	next, place := uint64(0), uint64(0)
	for _, r := range ranges {
		b = binary.AppendUvarint(b, r.start-next)
		b = binary.AppendUvarint(b, r.last-r.start)
		b = binary.AppendVarint(b, int64(r.place-place))
		next, place = r.last+1, r.place+(r.last-r.start)+1
	}
	b = binary.AppendUvarint(b, uint64(len(spans)))
	next = 0
	for _, s := range spans {
		b = binary.AppendUvarint(b, s.first-next)
		b = binary.AppendUvarint(b, s.last-s.first)
		next = s.last + 1
	}
	return b
}
