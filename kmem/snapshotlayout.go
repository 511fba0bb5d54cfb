package kmem

import (
	"maps"
	"slices"
)

// physPage is a physical page of the file in the making.
type physPage struct {
	data  [PageSize]byte
	known askedBytes
}

// put adds bytes that must not contradict those that are known.
func (p *physPage) put(from int, b []byte) bool {
	if p.known != (askedBytes{}) {
		for i, c := range b {
			if at := from + i; p.known.has(at) && p.data[at] != c {
				return false
			}
		}
	}
	copy(p.data[from:], b)
	p.known.add(from, from+len(b))
	return true
}

// fill adds bytes where none are known.
func (p *physPage) fill(from int, b []byte) {
	for i, c := range b {
		if at := from + i; !p.known.has(at) {
			p.data[at] = c
			p.known.add(at, at+1)
		}
	}
}

func (a *askedBytes) has(at int) bool { return a[at/64]>>(at%64)&1 != 0 }

// physLayout is the physical side of a snapshot in the making.
type physLayout struct {
	pages  map[uint64]*physPage // by page number
	stray  []*physPage
	stream []byte
	ranges []savedRange
}

// layOut finds a place for all that the recorder holds: streams are ranges that go into the stream.
func layOut(rec *Recorder, tables *tableWalk, streams []span) *physLayout {
	l := &physLayout{pages: make(map[uint64]*physPage)}
	size := uint64(0)
	for _, s := range streams {
		size += s.last - s.first + 1
	}
	l.stream = make([]byte, 0, size) // streamSpans bounds it
	strayOf := map[Addr]uint64{}     // virtual page to place
	for _, r := range rec.ranges() {
		addr := r.addr
		for _, b := range r.data {
			for len(b) > 0 {
				page := addr.Page()
				from := int(addr - page)
				n := min(len(b), PageSize-from)
				k, inStream := cutSpan(streams, uint64(addr), n)
				if n = k; inStream {
					l.add(addr, streamPlace|uint64(len(l.stream)), n)
					l.stream = append(l.stream, b[:n]...)
				} else {
					l.add(addr, l.place(page, from, b[:n], tables, strayOf)+uint64(from), n)
				}
				b, addr = b[n:], addr.Add(int64(n))
			}
		}
	}
	tables.each(rec.exact, func(page uint64, from int, b []byte) {
		p := l.pages[page]
		if p == nil {
			p = new(physPage)
			l.pages[page] = p
		}
		p.fill(from, b)
	})
	return l
}

// place keeps the bytes of a virtual page and returns where the page is.
func (l *physLayout) place(page Addr, from int, b []byte, tables *tableWalk, strayOf map[Addr]uint64) uint64 {
	at, isStray := strayOf[page]
	if phys, ok := tables.translate(page); ok && !isStray {
		p := l.pages[phys/PageSize]
		if p == nil {
			p = new(physPage)
			l.pages[phys/PageSize] = p
		}
		if p.put(from, b) {
			return phys
		}
	}
	if !isStray {
		at = strayPlace | uint64(len(l.stray))*PageSize
		strayOf[page] = at
		l.stray = append(l.stray, new(physPage))
	}
	l.stray[at&^strayPlace/PageSize].put(from, b)
	return at
}

// add notes where n bytes at addr are.
func (l *physLayout) add(addr Addr, place uint64, n int) {
	start, last := uint64(addr), uint64(addr)+uint64(n-1)
	if k := len(l.ranges); k > 0 {
		if r := &l.ranges[k-1]; r.last+1 == start && r.place+(r.last-r.start)+1 == place {
			r.last = last
			return
		}
	}
	l.ranges = append(l.ranges, savedRange{start: start, last: last, place: place})
}

// tableSpans are the physical ranges that are known and that no virtual range leads to.
func (l *physLayout) tableSpans() []span {
	var used []span
	for _, r := range l.ranges {
		if r.place < strayPlace {
			used = append(used, span{r.place, r.place + (r.last - r.start)})
		}
	}
	used = joinSpans(used)
	var out []span
	for _, page := range slices.Sorted(maps.Keys(l.pages)) {
		for _, q := range l.pages[page].known.parts() {
			out = append(out, span{page*PageSize + uint64(q.from), page*PageSize + uint64(q.to) - 1})
		}
	}
	return subtractSpans(joinSpans(out), used)
}
