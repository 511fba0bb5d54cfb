package kdump

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"kinspect/kmem/dump"
)

// memory is the physical memory of a kdump-compressed dump, of one file or
// split over several. It is safe for concurrent use.
type memory struct {
	bitmap *bitmap
	memory uint64 // offset in bitmap's file of that of the pages that exist; 0: not known
	parts  []part // sorted by start, disjoint
	cache  atomic.Pointer[pageCache]
	misses atomic.Int32 // how many pages were unpacked for it, up to growAfter
}

// pageCache keeps unpacked pages. A page has two slots, the older one in the second.
type pageCache []atomic.Pointer[cachedPage]

const (
	// pageSlots is the number of unpacked pages that are kept: 4 MiB.
	pageSlots = 1024
	// growAfter is after how many of them the walk is a long one, over some structure that is
	// gone through again, and manySlots the number of pages that are kept from then on: 32 MiB.
	growAfter = 4 * pageSlots
	manySlots = 8 * pageSlots
)

func (m *memory) newCache(slots int) *pageCache {
	c := make(pageCache, slots)
	m.cache.Store(&c)
	return &c
}

// slots are those of a page.
func (c pageCache) slots(page uint64) (first, second *atomic.Pointer[cachedPage]) {
	i := page * 0x9e3779b97f4a7c15 >> 32 % uint64(len(c))
	return &c[i], &c[i^1]
}

// missed counts a page that had to be unpacked.
func (m *memory) missed() {
	if m.misses.Load() < growAfter && m.misses.Add(1) == growAfter {
		m.newCache(manySlots)
	}
}

// cachedPage is never changed, only replaced.
type cachedPage struct {
	page uint64
	data [dump.PageSize]byte
}

// partFile is a file whose headers were read.
type partFile struct {
	*dump.File
	head *header
}

// newMemory reads the bitmaps, and checks that files belong together.
func newMemory(files []partFile) (*memory, error) {
	slices.SortStableFunc(files, func(a, b partFile) int {
		return cmp.Or(cmp.Compare(a.head.start, b.head.start), cmp.Compare(a.head.end, b.head.end)) // an empty part goes first
	})
	one := files[0]
	for i, f := range files[1:] {
		if !f.head.split || !one.head.split {
			return nil, &dump.FormatError{Source: f.Name, What: "no part of a split dump, which alone may have several files"}
		}
		if f.head.pages != one.head.pages || f.head.descs != one.head.descs || f.head.bitmap != one.head.bitmap || f.head.physBase != one.head.physBase {
			return nil, &dump.FormatError{Source: f.Name, What: "not of the same dump as " + one.Name}
		}
		if prev := files[i]; f.head.start < prev.head.end {
			return nil, &dump.FormatError{Source: f.Name, What: fmt.Sprintf("holds the same part of the dump as %s (pages from %#x on)", prev.Name, f.head.start)}
		}
	}
	m := &memory{}
	m.newCache(pageSlots)
	bitmap, stray, err := readBitmap(one.File, one.head.bitmap, one.head.pages, one.head.memory)
	if err != nil {
		return nil, bitmapError(one, err)
	}
	if stray >= 0 {
		return nil, &dump.FormatError{Source: one.Name, Off: one.head.bitmap, What: fmt.Sprintf("damaged bitmaps: page %#x is said to be in the dump, and not to exist", stray)}
	}
	m.bitmap = bitmap
	m.memory = one.head.memory
	for _, f := range files {
		p := part{f: f.File, descs: f.head.descs, start: f.head.start, end: f.head.end, status: f.head.status}
		from, _, err := bitmap.rank(p.start)
		if err != nil {
			return nil, bitmapError(f, err)
		}
		to, _, err := bitmap.rank(p.end)
		if err != nil {
			return nil, bitmapError(f, err)
		}
		p.first, p.count = from, to-from
		if err := p.check(bitmap.count()); err != nil {
			return nil, err
		}
		m.parts = append(m.parts, p)
	}
	return m, nil
}

func bitmapError(f partFile, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &dump.FormatError{Source: f.Name, Off: f.head.bitmap, What: "truncated: the file ends within its bitmaps"}
	}
	return fmt.Errorf("%s: cannot read the bitmaps: %w", f.Name, err)
}

// remarks tells what is missing of the files.
func (m *memory) remarks() []string {
	var out []string
	next := uint64(0)
	gap := func(to uint64) {
		if from, _, err := m.bitmap.rank(next); err == nil {
			if n, _, err := m.bitmap.rank(to); err == nil && n > from {
				out = append(out, fmt.Sprintf("%d of the dump's %d pages are in parts of it that were not given: name each part with --core", n-from, m.bitmap.count()))
			}
		}
	}
	for i := range m.parts {
		p := &m.parts[i]
		gap(p.start)
		next = max(next, p.end)
		if s := p.incomplete(); s != "" {
			if len(m.parts) > 1 {
				s = p.f.Name + ": " + s
			}
			out = append(out, s)
		}
	}
	gap(m.bitmap.pages)
	return out
}

// ReadPhys implements [dump.Memory].
func (m *memory) ReadPhys(phys dump.PhysAddr, buf []byte) error {
	for addr := uint64(phys); len(buf) > 0; {
		page, at := addr/dump.PageSize, int(addr%dump.PageSize)
		n := min(len(buf), dump.PageSize-at)
		if whole := len(buf) / dump.PageSize; at == 0 && whole >= minBatch {
			n = whole * dump.PageSize
			if err := m.readPages(page, buf[:n]); err != nil {
				return longer(err, len(buf)-n)
			}
		} else if err := m.readPart(page, at, buf[:n]); err != nil {
			return longer(err, len(buf)-n)
		}
		buf, addr = buf[n:], addr+uint64(n)
		if addr == 0 && len(buf) > 0 {
			return dump.PastTheEnd(addr, len(buf), true)
		}
	}
	return nil
}

// longer adds to a fault what the caller asked for behind it.
func longer(err error, n int) error {
	if f := dump.AsFault(err); f != nil && n > 0 {
		g := *f
		g.Len += uint64(n)
		return &g
	}
	return err
}

// readPart reads a part of one page, through the cache.
func (m *memory) readPart(page uint64, at int, buf []byte) error {
	first, second := m.cache.Load().slots(page)
	if p := first.Load(); p != nil && p.page == page {
		copy(buf, p.data[at:])
		return nil
	}
	if p := second.Load(); p != nil && p.page == page {
		copy(buf, p.data[at:])
		return nil
	}
	m.missed()
	desc, part, err := m.desc(page)
	if err != nil {
		return faultAt(err, page*dump.PageSize+uint64(at), len(buf))
	}
	p := &cachedPage{page: page}
	dec := pageDecoders.Get().(*pageDecoder)
	err = m.load(dec, part, page, desc, p.data[:])
	pageDecoders.Put(dec)
	if err != nil {
		return faultAt(err, page*dump.PageSize+uint64(at), len(buf))
	}
	copy(buf, p.data[at:])
	if old := first.Load(); old != nil {
		second.Store(old)
	}
	first.Store(p)
	return nil
}

// faultAt moves a page's fault to the bytes that were asked for.
func faultAt(err error, addr uint64, n int) error {
	if f := dump.AsFault(err); f != nil {
		f.Addr, f.Len = addr, uint64(n)
		return f
	}
	return err
}

// desc finds a page's descriptor.
func (m *memory) desc(page uint64) (pageDesc, *part, error) {
	n, set, err := m.bitmap.rank(page)
	if err != nil {
		return pageDesc{}, nil, pageFault(page, dump.Failed, "the bitmap: "+err.Error())
	}
	if !set {
		return pageDesc{}, nil, m.absent(page)
	}
	part := m.part(page)
	if part == nil {
		return pageDesc{}, nil, errNoPart(page)
	}
	var raw [descSize]byte
	if err := part.f.ReadFull(part.descs+(n-part.first)*descSize, raw[:]); err != nil {
		return pageDesc{}, nil, part.fault(page, "descriptor", err)
	}
	d := parsePageDesc(raw[:])
	d.n = n - part.first
	return d, part, nil
}

func errNoPart(page uint64) *dump.Fault {
	return pageFault(page, dump.NotGiven, "name each part of the split dump with --core")
}

// part returns the file that holds a page, or nil.
func (m *memory) part(page uint64) *part {
	i, _ := slices.BinarySearchFunc(m.parts, page, func(p part, page uint64) int {
		if p.end <= page {
			return -1
		}
		return 1
	})
	if i < len(m.parts) && m.parts[i].start <= page {
		return &m.parts[i]
	}
	return nil
}

// absent explains a page that is not in the dump.
func (m *memory) absent(page uint64) *dump.Fault {
	if page >= m.bitmap.pages {
		return pageFault(page, dump.Unmapped, "the machine had no memory there (the dump describes less)")
	}
	if m.memory == 0 {
		return pageFault(page, dump.Filtered, "")
	}
	var b [1]byte
	switch err := m.bitmap.f.ReadFull(m.memory+page/8, b[:]); {
	case err != nil:
		return pageFault(page, dump.Failed, "the bitmap: "+err.Error())
	case b[0]>>(page%8)&1 == 0:
		return pageFault(page, dump.Unmapped, "the machine had no memory there")
	}
	return pageFault(page, dump.Filtered, "")
}

func pageFault(page uint64, reason dump.Reason, detail string) *dump.Fault {
	return &dump.Fault{Addr: page * dump.PageSize, Physical: true, Len: dump.PageSize, Reason: reason, Detail: detail}
}

// load reads and unpacks a page.
func (m *memory) load(dec *pageDecoder, part *part, page uint64, d pageDesc, out []byte) error {
	if err := part.sound(page, d); err != nil {
		return err
	}
	if d.flags&flagsPacked == 0 {
		if err := part.f.ReadFull(d.off, out); err != nil {
			return part.fault(page, "data", err)
		}
		return nil
	}
	if cap(dec.raw) < int(d.size) {
		dec.raw = make([]byte, dump.PageSize)
	}
	raw := dec.raw[:d.size]
	if err := part.f.Direct(int64(d.off), raw); err != nil {
		return part.fault(page, "data", err)
	}
	return unpackPage(dec, page, out, raw, d)
}

func unpackPage(dec *pageDecoder, page uint64, out, raw []byte, d pageDesc) error {
	if err := dec.unpack(out, raw, d.flags); err != nil {
		return pageFault(page, dump.Failed, fmt.Sprintf("damaged page at offset %#x of the file: %v", d.off, err))
	}
	return nil
}

// Ranges implements [dump.Memory].
func (m *memory) Ranges() iter.Seq2[dump.PhysAddr, uint64] {
	return func(yield func(dump.PhysAddr, uint64) bool) {
		for page := uint64(0); page < m.bitmap.pages; {
			skip, err := m.bitmap.same(page, m.bitmap.pages-page, false)
			if err != nil {
				return
			}
			page += skip
			n, err := m.bitmap.run(page, m.bitmap.pages)
			if err != nil || n == 0 {
				return
			}
			if !yield(dump.PhysAddr(page*dump.PageSize), n*dump.PageSize) {
				return
			}
			page += n
		}
	}
}
