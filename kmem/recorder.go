package kmem

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"sync"
)

const (
	// maxRecorded bounds what a recorder keeps, in bytes.
	maxRecorded = 512 << 20
	// maxFaults bounds the failed reads that it remembers.
	maxFaults = 4096
)

// Recorder is a [Reader] over another one that keeps a copy of each page the
// first time that it is touched, and serves all later reads from the copy: what it
// hands out never changes, and is exactly what a snapshot of it holds. Where a page
// cannot be read whole, it keeps the bytes that were asked for and could be.
//
// It is safe for concurrent use. It holds at most 512 MiB; a read beyond that
// fails.
type Recorder struct {
	r     Reader
	limit int  // pages
	exact bool // see KeepAskedOnly

	mu     sync.RWMutex
	pages  map[Addr]*recordedPage
	faults map[uint64]Fault // by the first address that could not be read
}

// recordedPage is a copy of a page, or of parts of it.
type recordedPage struct {
	data  *[PageSize]byte
	parts []part // the bytes that are known, sorted and disjoint; nil: all
	asked *askedBytes
}

// askedBytes has a bit for each byte of a page that somebody asked for.
type askedBytes [PageSize / 64]uint64

// add sets the bits of a range that is not empty.
func (a *askedBytes) add(from, to int) {
	first, last := from/64, (to-1)/64
	for i := first; i <= last; i++ {
		mask := ^uint64(0)
		if i == first {
			mask <<= from % 64
		}
		if i == last {
			mask &= ^uint64(0) >> (63 - (to-1)%64)
		}
		a[i] |= mask
	}
}

// parts are the ranges of set bits.
func (a *askedBytes) parts() []part {
	var out []part
	for at := 0; at < PageSize; at++ {
		if w := a[at/64] >> (at % 64); w == 0 {
			at |= 63
			continue
		} else if at += bits.TrailingZeros64(w); at >= PageSize {
			break
		}
		p := part{from: at}
		for at < PageSize {
			ones := bits.TrailingZeros64(^(a[at/64] >> (at % 64)))
			if at += min(ones, 64-at%64); at%64 != 0 || ones == 0 {
				break
			}
		}
		p.to = at
		out = append(out, p)
	}
	return out
}

// part is a range of bytes of a page, the end exclusive.
type part struct{ from, to int }

// NewRecorder returns a recorder that reads from r.
func NewRecorder(r Reader) *Recorder {
	return &Recorder{r: r, limit: maxRecorded / PageSize, pages: make(map[Addr]*recordedPage), faults: make(map[uint64]Fault)}
}

// KeepAskedOnly makes the recorder keep no more of its pages in the end than the bytes
// that somebody asked for. It is called before the first read.
func (rec *Recorder) KeepAskedOnly() { rec.exact = true }

// AskedOnly reports whether [Recorder.KeepAskedOnly] was called.
func (rec *Recorder) AskedOnly() bool { return rec.exact }

// Pages is the number of pages that it holds so far.
func (rec *Recorder) Pages() int {
	rec.mu.RLock()
	defer rec.mu.RUnlock()
	return len(rec.pages)
}

// AddRange records n bytes at addr although nobody asked for their content.
func (rec *Recorder) AddRange(addr Addr, n uint64) error {
	if _, ok := addr.End(n); !ok {
		return &Fault{Addr: uint64(addr), Len: n, Reason: Unmapped, Detail: "the range passes the end of the address space"}
	}
	buf := make([]byte, min(n, 4<<20))
	for n > 0 {
		chunk := buf[:min(n, uint64(len(buf)))]
		if err := rec.ReadMem(addr, chunk); err != nil {
			return err
		}
		addr, n = addr.Add(int64(len(chunk))), n-uint64(len(chunk))
	}
	return nil
}

// ReadMem implements [Reader].
func (rec *Recorder) ReadMem(addr Addr, buf []byte) error {
	if _, ok := addr.End(uint64(len(buf))); !ok {
		return &Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: Unmapped, Detail: "the range passes the end of the address space"}
	}
	if !rec.exact {
		rec.mu.RLock()
		ok := rec.serve(addr, buf)
		rec.mu.RUnlock()
		if ok {
			return nil
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	err := rec.read(addr, buf)
	if rec.exact {
		n := uint64(len(buf))
		if f := AsFault(err); f != nil && !f.Physical && f.Addr >= uint64(addr) {
			n = min(n, f.Addr-uint64(addr)) // the fault is met again only behind what comes before it
		} else if err != nil {
			n = 0
		}
		rec.ask(addr, int(n))
	}
	return err
}

func (rec *Recorder) read(addr Addr, buf []byte) error {
	if rec.serve(addr, buf) {
		return nil
	}
	if err := rec.fetch(addr, uint64(len(buf))); err != nil {
		return err
	}
	if rec.serve(addr, buf) {
		return nil
	}
	return rec.fetchExact(addr, buf)
}

// ask remembers that a range was asked for, as far as it is known.
func (rec *Recorder) ask(addr Addr, n int) {
	for n > 0 {
		from := int(addr - addr.Page())
		to := min(from+n, PageSize)
		if page := rec.pages[addr.Page()]; page != nil && page.has(from, to) {
			if page.asked == nil {
				page.asked = new(askedBytes)
			}
			page.asked.add(from, to)
		}
		n, addr = n-(to-from), addr.Add(int64(to-from))
	}
}

// serve answers from the copies alone, if they have it all.
func (rec *Recorder) serve(addr Addr, buf []byte) bool {
	for len(buf) > 0 {
		page := rec.pages[addr.Page()]
		from := int(addr - addr.Page())
		to := min(from+len(buf), PageSize)
		if page == nil || !page.has(from, to) {
			return false
		}
		n := copy(buf, page.data[from:to])
		buf, addr = buf[n:], addr.Add(int64(n))
	}
	return true
}

// fetch copies the missing pages of a range whole, neighbours with one read. A
// run that cannot be read is tried page by page; pages that fail stay missing.
func (rec *Recorder) fetch(addr Addr, n uint64) error {
	const maxRun = 4 << 20 / PageSize
	page := addr.Page()
	count := (uint64(addr-page) + n + PageSize - 1) / PageSize
	for i := uint64(0); i < count; {
		run := uint64(0)
		for i+run < count && run < maxRun && rec.pages[page.Add(int64((i+run)*PageSize))] == nil {
			run++
		}
		if run == 0 {
			i++
			continue
		}
		if len(rec.pages)+int(run) > rec.limit {
			return rec.full(addr, n)
		}
		at := page.Add(int64(i * PageSize))
		if !rec.fetchRun(at, int(run)) && run > 1 {
			for j := range run {
				rec.fetchRun(at.Add(int64(j*PageSize)), 1)
			}
		}
		i += run
	}
	return nil
}

func (rec *Recorder) fetchRun(at Addr, pages int) bool {
	buf := make([]byte, pages*PageSize)
	if rec.r.ReadMem(at, buf) != nil {
		return false
	}
	for ; len(buf) > 0; buf = buf[PageSize:] {
		rec.pages[at] = &recordedPage{data: (*[PageSize]byte)(buf)}
		at = at.Add(PageSize)
	}
	return true
}

// fetchExact reads a range that touches pages that cannot be read whole. What was
// known before stays as it was.
func (rec *Recorder) fetchExact(addr Addr, buf []byte) error {
	if err := rec.r.ReadMem(addr, buf); err != nil {
		if f := AsFault(err); f != nil && !f.Physical && len(rec.faults) < maxFaults {
			rec.faults[f.Addr] = Fault{Addr: f.Addr, Len: 1, Reason: f.Reason, Detail: f.Detail}
		}
		return err
	}
	for len(buf) > 0 {
		from := int(addr - addr.Page())
		n := min(len(buf), PageSize-from)
		page := rec.pages[addr.Page()]
		if page == nil {
			if len(rec.pages) >= rec.limit {
				return rec.full(addr, uint64(len(buf)))
			}
			page = &recordedPage{data: new([PageSize]byte), parts: []part{}}
			rec.pages[addr.Page()] = page
		}
		page.keep(from, buf[:n])
		buf, addr = buf[n:], addr.Add(int64(n))
	}
	return nil
}

func (rec *Recorder) full(addr Addr, n uint64) error {
	return &Fault{Addr: uint64(addr), Len: n, Reason: Failed, Detail: fmt.Sprintf("the snapshot would pass its limit of %d MiB: ask for less", rec.limit*PageSize>>20)}
}

// has reports whether the bytes from..to are known.
func (p *recordedPage) has(from, to int) bool {
	if p.parts == nil {
		return true
	}
	for _, q := range p.parts {
		if q.from <= from && to <= q.to {
			return true
		}
	}
	return from == to
}

// keep adds the bytes b at from. Bytes that were known before win, and b is set
// to them: two readers of one byte see one value.
func (p *recordedPage) keep(from int, b []byte) {
	for _, q := range p.parts {
		if lo, hi := max(q.from, from), min(q.to, from+len(b)); lo < hi {
			copy(b[lo-from:hi-from], p.data[lo:hi])
		}
	}
	copy(p.data[from:], b)
	p.addPart(part{from, from + len(b)})
}

// addPart joins a range with those that it touches.
func (p *recordedPage) addPart(n part) {
	if p.parts == nil {
		return
	}
	kept := make([]part, 0, len(p.parts)+1)
	for _, q := range p.parts {
		if q.to < n.from || n.to < q.from {
			kept = append(kept, q)
			continue
		}
		n.from, n.to = min(n.from, q.from), max(n.to, q.to)
	}
	kept = append(kept, n)
	slices.SortFunc(kept, func(a, b part) int { return a.from - b.from })
	p.parts = kept
}

// recordedRange is a range of recorded memory in pieces: data's pieces follow each
// other from addr on.
type recordedRange struct {
	addr Addr
	data [][]byte
	size uint64
}

// kept are the parts of a page that a snapshot holds; nil: all.
func (rec *Recorder) kept(p *recordedPage) []part {
	if !rec.exact {
		return p.parts
	}
	if p.asked == nil { // it was fetched with a read that failed
		return []part{}
	}
	return p.asked.parts()
}

// ranges returns what a snapshot holds, by address, neighbouring pages joined.
func (rec *Recorder) ranges() []recordedRange {
	rec.mu.RLock()
	defer rec.mu.RUnlock()
	addrs := make([]Addr, 0, len(rec.pages))
	for a := range rec.pages {
		addrs = append(addrs, a)
	}
	slices.Sort(addrs)
	var out []recordedRange
	add := func(addr Addr, data []byte) {
		if n := len(out); n > 0 && out[n-1].addr.Add(int64(out[n-1].size)) == addr {
			out[n-1].data = append(out[n-1].data, data)
			out[n-1].size += uint64(len(data))
			return
		}
		out = append(out, recordedRange{addr: addr, data: [][]byte{data}, size: uint64(len(data))})
	}
	for _, a := range addrs {
		p := rec.pages[a]
		parts := rec.kept(p)
		if parts == nil {
			add(a, p.data[:])
			continue
		}
		for _, q := range parts {
			add(a.Add(int64(q.from)), p.data[q.from:q.to:q.to])
		}
	}
	return out
}

// sortedFaults returns the failed reads by address.
func (rec *Recorder) sortedFaults() []Fault {
	rec.mu.RLock()
	defer rec.mu.RUnlock()
	return slices.SortedFunc(maps.Values(rec.faults), func(a, b Fault) int { return cmp.Compare(a.Addr, b.Addr) })
}
