package kdump

import (
	"fmt"
	"sync"

	"kinspect/kmem/dump"
)

// Descriptors have no checksum, but makedumpfile and QEMU write pages in the order of
// their descriptors, each right behind the one before; but for pages of zeros, which share the
// first. So a page's place follows from its neighbours', and one that fits neither of them was
// changed.

// orderSample is the number of descriptors that tell whether a file is packed so.
const orderSample = 40

// orderReach is how far a neighbour is looked for that is no page of zeros.
const orderReach = 1024

// end is where what is behind the page begins.
func (d pageDesc) end() uint64 { return d.off + uint64(d.size) }

// shared reports whether a descriptor is that of the page of zeros that others share.
func (p *part) shared(d pageDesc) bool {
	return d.size == dump.PageSize && d.flags&flagsPacked == 0 && d.off == p.data
}

// findOrder looks whether the file's first pages lie one behind the other: then all
// must.
func (p *part) findOrder() {
	n := min(p.count, orderSample)
	raw := make([]byte, n*descSize)
	if n < 2 || p.f.ReadFull(p.descs, raw) != nil {
		return
	}
	var good, bad int
	var last pageDesc
	for ; len(raw) > 0; raw = raw[descSize:] {
		d := parsePageDesc(raw)
		if d.off == 0 || p.shared(d) {
			continue
		}
		switch {
		case last.off == 0:
		case last.end() == d.off:
			good++
		default:
			bad++
		}
		last = d
	}
	// A few may be what is damaged.
	p.inOrder = good >= 4*bad
}

// place checks a page's place in the file against its neighbours'.
func (p *part) place(page uint64, d pageDesc) error {
	if !p.inOrder || d.off == 0 {
		return nil
	}
	before, ok1 := p.neighbour(d.n, -1)
	if d.n == 0 { // which check has seen
		before = pageDesc{off: d.off}
	}
	after, ok2 := p.neighbour(d.n, 1)
	good := false
	switch {
	case p.shared(d) && ok1 && !ok2 && p.count-d.n <= orderReach:
		// Only pages of zeros follow: the file has no room for this one.
		good = before.end()+dump.PageSize > uint64(max(p.f.Size, 0))
	case p.shared(d) && d.n > 0:
		good = !ok1 || !ok2 || before.end() == after.off
	case ok1 && ok2 && before.end() == after.off:
		// There is nothing between them: it was a page of zeros.
	default:
		good = !ok1 && !ok2 || ok1 && before.end() == d.off || ok2 && d.end() == after.off
	}
	if !good {
		return pageFault(page, dump.Failed, fmt.Sprintf("damaged page descriptor: offset %#x is not where the page belongs, between its neighbours'", d.off))
	}
	return nil
}

// descChunks are what neighbour reads into: a scan asks for those of each page.
var descChunks = sync.Pool{New: func() any { return new([32 * descSize]byte) }}

// neighbour finds the next page before or behind the n-th that was written and is not the shared one; ok
// is false where there is none near.
func (p *part) neighbour(n uint64, step int) (d pageDesc, ok bool) {
	raw := descChunks.Get().(*[32 * descSize]byte)
	defer descChunks.Put(raw)
	for at, size := int64(n), int64(1); ; size = 32 {
		// A chunk of descriptors before or behind.
		from, to := at+1, at+1+size
		if step < 0 {
			from, to = at-size, at
		}
		from, to = max(from, 0), min(to, int64(p.count))
		if from >= to && step < 0 { // before all pages is that of zeros
			return pageDesc{off: p.data, size: dump.PageSize}, true
		}
		if from >= to || max(at-int64(n), int64(n)-at) > orderReach {
			return pageDesc{}, false
		}
		part := raw[:(to-from)*descSize]
		if p.f.ReadFull(p.descs+uint64(from)*descSize, part) != nil {
			return pageDesc{}, false
		}
		for i := range to - from {
			k := i
			if step < 0 {
				k = to - from - 1 - i
			}
			if d := parsePageDesc(part[k*descSize:]); d.off != 0 && !p.shared(d) {
				return d, true
			}
		}
		at = to - 1
		if step < 0 {
			at = from
		}
	}
}
