package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"
)

// kdumpMemory is the physical memory of a kdump-compressed dump, of one file or
// split over several. It is safe for concurrent use.
type kdumpMemory struct {
	bitmap *pageBitmap
	memory uint64      // offset in bitmap's file of that of the pages that exist; 0: not known
	parts  []kdumpPart // sorted by start, disjoint
	pages  [pageSlots]atomic.Pointer[cachedPage]
}

// kdumpPart is one file of the dump.
type kdumpPart struct {
	f          *coreFile
	name       string
	descs      uint64 // offset of the first descriptor
	first      uint64 // pages in the dump before start
	count      uint64 // pages in the dump from start to end
	start, end uint64
	status     uint32
}

// pageSlots is the number of unpacked pages that are kept: 4 MiB.
const pageSlots = 1024

// cachedPage is never changed, only replaced.
type cachedPage struct {
	page uint64
	data [PageSize]byte
}

// pageDesc is a page's descriptor.
type pageDesc struct {
	off   uint64
	size  uint32
	flags uint32
}

// kdumpFile is a file whose headers were read.
type kdumpFile struct {
	f    *coreFile
	name string
	head *kdumpHeader
}

// newKdumpMemory reads the bitmaps, and checks that files belong together.
func newKdumpMemory(files []kdumpFile) (*kdumpMemory, error) {
	slices.SortStableFunc(files, func(a, b kdumpFile) int {
		switch {
		case a.head.start != b.head.start:
			return compareUint64(a.head.start, b.head.start)
		default:
			return compareUint64(a.head.end, b.head.end) // an empty part goes first
		}
	})
	one := files[0]
	for i, f := range files[1:] {
		if !f.head.split || !one.head.split {
			return nil, &FormatError{Source: f.name, What: "no part of a split dump, which alone may have several files"}
		}
		if f.head.pages != one.head.pages || f.head.descs != one.head.descs || f.head.bitmap != one.head.bitmap || f.head.physBase != one.head.physBase {
			return nil, &FormatError{Source: f.name, What: "not of the same dump as " + one.name}
		}
		if prev := files[i]; f.head.start < prev.head.end {
			return nil, &FormatError{Source: f.name, What: fmt.Sprintf("holds the same part of the dump as %s (pages from %#x on)", prev.name, f.head.start)}
		}
	}
	m := &kdumpMemory{}
	bitmap, stray, err := readPageBitmap(one.f, one.head.bitmap, one.head.pages, one.head.memory)
	if err != nil {
		return nil, bitmapError(one, err)
	}
	if stray >= 0 {
		return nil, &FormatError{Source: one.name, Off: one.head.bitmap, What: fmt.Sprintf("damaged bitmaps: page %#x is said to be in the dump, and not to exist", stray)}
	}
	m.bitmap = bitmap
	m.memory = one.head.memory
	for _, f := range files {
		p := kdumpPart{f: f.f, name: f.name, descs: f.head.descs, start: f.head.start, end: f.head.end, status: f.head.status}
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

func compareUint64(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func bitmapError(f kdumpFile, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &FormatError{Source: f.name, Off: f.head.bitmap, What: "truncated: the file ends within its bitmaps"}
	}
	return fmt.Errorf("%s: cannot read the bitmaps: %w", f.name, err)
}

// check compares the first descriptor with the bitmap. The pages begin right behind
// the descriptors, with the page of zeros that the others share; so the first
// page is that one, or the next thing behind it. A bitmap with a bit too many or
// too few would lead to the descriptors of other pages: better no answer than theirs.
func (p *kdumpPart) check(all uint64) error {
	if p.count == 0 {
		return nil
	}
	var raw [kdumpDescSize]byte
	if err := p.f.readAt(p.descs, raw[:]); err != nil {
		return nil // cut off: each page says so
	}
	d := parsePageDesc(raw[:])
	if d.off == 0 {
		return nil
	}
	for _, n := range []uint64{p.count, all} {
		data := p.descs + n*kdumpDescSize
		if d.off == data || d.off == data+PageSize {
			return nil
		}
	}
	return &FormatError{Source: p.name, Off: p.descs, What: fmt.Sprintf("damaged: %d pages are in the dump by its bitmap, and the first lies at %#x, which is not behind as many descriptors", p.count, d.off)}
}

// incomplete tells what a user should know about missing pages, "" where there is
// nothing.
func (p *kdumpPart) incomplete() string {
	if p.status&kdumpIncomplete != 0 {
		return remarkIncomplete
	}
	// Pages lie in the order of their descriptors, but for those of zeros.
	const last = 1024
	n := min(p.count, last)
	raw := make([]byte, n*kdumpDescSize)
	if n > 0 && p.f.readAt(p.descs+(p.count-n)*kdumpDescSize, raw) != nil {
		return "the dump is cut off: the file ends within its page descriptors"
	}
	for ; len(raw) > 0; raw = raw[kdumpDescSize:] {
		d := parsePageDesc(raw)
		if d.off+uint64(d.size) > uint64(max(p.f.size, 0)) || d.off == 0 {
			return fmt.Sprintf("the dump is cut off: the file has %d bytes, and pages behind them cannot be read", p.f.size)
		}
	}
	return ""
}

// remarkIncomplete is for dumps whose writer said so.
const remarkIncomplete = "the dump is incomplete: whoever wrote it ran out of space, and what did not fit cannot be read"

// remarks tells what is missing of the files.
func (m *kdumpMemory) remarks() []string {
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
				s = p.name + ": " + s
			}
			out = append(out, s)
		}
	}
	gap(m.bitmap.pages)
	return out
}

func parsePageDesc(b []byte) pageDesc {
	le := binary.LittleEndian
	return pageDesc{off: le.Uint64(b), size: le.Uint32(b[8:]), flags: le.Uint32(b[12:])}
}

// readPhys implements physMemory.
func (m *kdumpMemory) readPhys(addr uint64, buf []byte) error {
	for len(buf) > 0 {
		page, at := addr/PageSize, int(addr%PageSize)
		n := min(len(buf), PageSize-at)
		if whole := len(buf) / PageSize; at == 0 && whole >= minBatch {
			n = whole * PageSize
			if err := m.readPages(page, buf[:n]); err != nil {
				return longer(err, len(buf)-n)
			}
		} else if err := m.readPart(page, at, buf[:n]); err != nil {
			return longer(err, len(buf)-n)
		}
		buf, addr = buf[n:], addr+uint64(n)
		if addr == 0 && len(buf) > 0 {
			return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Unmapped, Detail: "the range passes the end of the address space"}
		}
	}
	return nil
}

// longer adds to a fault what the caller asked for behind it.
func longer(err error, n int) error {
	if f := AsFault(err); f != nil && n > 0 {
		g := *f
		g.Len += uint64(n)
		return &g
	}
	return err
}

// readPart reads a part of one page, through the cache.
func (m *kdumpMemory) readPart(page uint64, at int, buf []byte) error {
	slot := page * 0x9e3779b97f4a7c15 >> 32 % pageSlots
	for _, i := range [...]uint64{slot, slot ^ 1} {
		if p := m.pages[i].Load(); p != nil && p.page == page {
			copy(buf, p.data[at:])
			return nil
		}
	}
	desc, part, err := m.desc(page)
	if err != nil {
		return faultAt(err, page*PageSize+uint64(at), len(buf))
	}
	p := &cachedPage{page: page}
	dec := pageDecoders.Get().(*pageDecoder)
	err = m.load(dec, part, page, desc, p.data[:])
	pageDecoders.Put(dec)
	if err != nil {
		return faultAt(err, page*PageSize+uint64(at), len(buf))
	}
	copy(buf, p.data[at:])
	if old := m.pages[slot].Load(); old != nil {
		m.pages[slot^1].Store(old)
	}
	m.pages[slot].Store(p)
	return nil
}

// faultAt moves a page's fault to the bytes that were asked for.
func faultAt(err error, addr uint64, n int) error {
	if f := AsFault(err); f != nil {
		f.Addr, f.Len = addr, uint64(n)
		return f
	}
	return err
}

// desc finds a page's descriptor.
func (m *kdumpMemory) desc(page uint64) (pageDesc, *kdumpPart, error) {
	n, set, err := m.bitmap.rank(page)
	if err != nil {
		return pageDesc{}, nil, pageFault(page, Failed, "the bitmap: "+err.Error())
	}
	if !set {
		return pageDesc{}, nil, m.absent(page)
	}
	part := m.part(page)
	if part == nil {
		return pageDesc{}, nil, pageFault(page, Truncated, "it is in a part of the split dump that was not given: name each part with --core")
	}
	var raw [kdumpDescSize]byte
	if err := part.f.readAt(part.descs+(n-part.first)*kdumpDescSize, raw[:]); err != nil {
		return pageDesc{}, nil, part.fault(page, "descriptor", err)
	}
	return parsePageDesc(raw[:]), part, nil
}

// part returns the file that holds a page, or nil.
func (m *kdumpMemory) part(page uint64) *kdumpPart {
	i, _ := slices.BinarySearchFunc(m.parts, page, func(p kdumpPart, page uint64) int {
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
func (m *kdumpMemory) absent(page uint64) *Fault {
	if page >= m.bitmap.pages {
		return pageFault(page, Unmapped, "the machine had no memory there (the dump describes less)")
	}
	if m.memory == 0 {
		return pageFault(page, Filtered, "")
	}
	var b [1]byte
	switch err := m.bitmap.f.readAt(m.memory+page/8, b[:]); {
	case err != nil:
		return pageFault(page, Failed, "the bitmap: "+err.Error())
	case b[0]>>(page%8)&1 == 0:
		return pageFault(page, Unmapped, "the machine had no memory there")
	}
	return pageFault(page, Filtered, "")
}

func pageFault(page uint64, reason Reason, detail string) *Fault {
	return &Fault{Addr: page * PageSize, Physical: true, Len: PageSize, Reason: reason, Detail: detail}
}

// fault explains an error of the file.
func (p *kdumpPart) fault(page uint64, what string, err error) *Fault {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return pageFault(page, Truncated, "its "+what+" is behind the end of the file")
	}
	return pageFault(page, Failed, "its "+what+": "+err.Error())
}

// load reads and unpacks a page.
func (m *kdumpMemory) load(dec *pageDecoder, part *kdumpPart, page uint64, d pageDesc, out []byte) error {
	if err := part.sound(page, d); err != nil {
		return err
	}
	if d.flags&kdumpPacked == 0 {
		if err := part.f.readAt(d.off, out); err != nil {
			return part.fault(page, "data", err)
		}
		return nil
	}
	if cap(dec.raw) < int(d.size) {
		dec.raw = make([]byte, PageSize)
	}
	raw := dec.raw[:d.size]
	if err := part.f.pread(int64(d.off), raw); err != nil {
		return part.fault(page, "data", err)
	}
	return unpackPage(dec, page, out, raw, d)
}

func unpackPage(dec *pageDecoder, page uint64, out, raw []byte, d pageDesc) error {
	if err := dec.unpack(out, raw, d.flags); err != nil {
		return pageFault(page, Failed, fmt.Sprintf("damaged page at offset %#x of the file: %v", d.off, err))
	}
	return nil
}

const kdumpPacked = kdumpZlib | kdumpLZO | kdumpSnappy | kdumpZstd

// sound checks a descriptor.
func (p *kdumpPart) sound(page uint64, d pageDesc) error {
	size := uint64(max(p.f.size, 0))
	switch {
	case d.off == 0:
		return pageFault(page, Truncated, "whoever wrote the dump stopped before this page")
	case d.size == 0 || d.size > PageSize || (d.flags&kdumpPacked == 0 && d.size != PageSize):
		return pageFault(page, Failed, fmt.Sprintf("damaged page descriptor: %d bytes", d.size))
	case d.off < p.descs+p.count*kdumpDescSize:
		return pageFault(page, Failed, fmt.Sprintf("damaged page descriptor: offset %#x", d.off))
	case d.off > size || size-d.off < uint64(d.size):
		return pageFault(page, Truncated, fmt.Sprintf("it belongs at offset %#x, and the file has %#x bytes", d.off, size))
	}
	return nil
}

// ranges implements physMemory.
func (m *kdumpMemory) ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
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
			if !yield(PhysAddr(page*PageSize), n*PageSize) {
				return
			}
			page += n
		}
	}
}
