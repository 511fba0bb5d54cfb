package kdump

import (
	"bytes"

	"kinspect/kmem/dump"
)

// bulkRaw is how much of a file is read at a time, in bytes.
const bulkRaw = 256 << 10

// bulkReader reads pages that lie together: their descriptors at once, and as much of
// their data as fits into a buffer.
type bulkReader struct {
	m     *memory
	dec   pageDecoder
	pages []uint64
	descs []pageDesc
	table []byte // descriptors as they are in the file
	raw   []byte
	zero  map[*part]uint64 // the offset of a part's page of zeros, 0 where it has none
}

// Pages implements [dump.Bulk].
func (m *memory) Pages() uint64 { return m.bitmap.count() }

// NewBulkReader implements [dump.Bulk].
func (m *memory) NewBulkReader() dump.BulkReader {
	return &bulkReader{m: m, raw: make([]byte, bulkRaw), zero: make(map[*part]uint64)}
}

// ReadSpans implements [dump.BulkReader].
func (r *bulkReader) ReadSpans(spans []dump.Span, buf []byte, states []dump.PageState) {
	r.pages = r.pages[:0]
	for _, s := range spans {
		for at := range s.Size / dump.PageSize {
			r.pages = append(r.pages, s.Addr/dump.PageSize+at)
		}
	}
	for done := 0; done < len(r.pages); {
		pages := r.pages[done:]
		part := r.m.part(pages[0])
		n := 1
		if part == nil {
			states[done] = dump.PageFault(errNoPart(pages[0]))
			done += n
			continue
		}
		for n < len(pages) && pages[n] < part.end {
			n++
		}
		r.readPart(part, pages[:n], buf[done*dump.PageSize:], states[done:done+n])
		done += n
	}
}

// readPart reads pages of one file.
func (r *bulkReader) readPart(part *part, pages []uint64, buf []byte, states []dump.PageState) {
	if !r.readDescs(part, pages) {
		// One by one, so that only those fail that have to.
		for i, page := range pages {
			desc, part, err := r.m.desc(page)
			if err == nil {
				err = r.m.load(&r.dec, part, page, desc, buf[i*dump.PageSize:(i+1)*dump.PageSize])
			}
			states[i] = dump.PageRead
			if err != nil {
				states[i] = dump.PageFault(err)
			}
		}
		return
	}
	zero := r.zeroPage(part)
	for i, d := range r.descs {
		states[i] = dump.PageRead
		if d.flags&flagsPacked == 0 && d.off == zero && zero != 0 && d.size == dump.PageSize {
			states[i] = dump.PageZero
		} else if err := part.sound(pages[i], d); err != nil {
			states[i] = dump.PageFault(err)
		}
	}
	for i := 0; i < len(pages); {
		if states[i] != dump.PageRead {
			i++
			continue
		}
		if r.descs[i].flags&flagsPacked == 0 {
			i += r.loadRaw(part, pages[i:], r.descs[i:], buf[i*dump.PageSize:], states[i:])
		} else {
			i += r.loadPacked(part, pages[i:], r.descs[i:], buf[i*dump.PageSize:], states[i:])
		}
	}
}

// readDescs reads the descriptors of pages, which follow one another where no page of the
// dump lies between. ok is false where they do not, or cannot be read.
func (r *bulkReader) readDescs(part *part, pages []uint64) (ok bool) {
	n := uint64(len(pages))
	first, set, err := r.m.bitmap.rank(pages[0])
	if err != nil || !set {
		return false
	}
	last, set, err := r.m.bitmap.rank(pages[n-1])
	if err != nil || !set || last-first != n-1 {
		return false
	}
	if uint64(cap(r.table)) < n*descSize {
		r.table = make([]byte, n*descSize)
	}
	table := r.table[:n*descSize]
	if err := part.f.Direct(int64(part.descs+(first-part.first)*descSize), table); err != nil {
		return false
	}
	r.descs = r.descs[:0]
	for ; len(table) > 0; table = table[descSize:] {
		d := parsePageDesc(table)
		d.n = first - part.first + uint64(len(r.descs))
		r.descs = append(r.descs, d)
	}
	return true
}

// zeroPage is the offset of the page of zeros that others share: the first thing behind
// the descriptors, if that is what lies there.
func (r *bulkReader) zeroPage(part *part) uint64 {
	off, known := r.zero[part]
	if known {
		return off
	}
	off = 0
	for _, n := range []uint64{part.count, r.m.bitmap.count()} {
		data := part.descs + n*descSize
		var page [dump.PageSize]byte
		if part.f.ReadFull(data, page[:]) == nil && bytes.Equal(page[:], make([]byte, dump.PageSize)) {
			off = data
			break
		}
	}
	r.zero[part] = off
	return off
}

// loadRaw reads the first pages, which are not compressed, as far as they lie together;
// it returns their number.
func (r *bulkReader) loadRaw(part *part, pages []uint64, descs []pageDesc, buf []byte, states []dump.PageState) int {
	n := 1
	for n < len(descs) && states[n] == dump.PageRead && descs[n].flags&flagsPacked == 0 &&
		descs[n].off == descs[0].off+uint64(n)*dump.PageSize {
		n++
	}
	if part.f.Direct(int64(descs[0].off), buf[:n*dump.PageSize]) == nil {
		return n
	}
	for i := range n {
		r.loadOne(part, pages[i], descs[i], buf[i*dump.PageSize:(i+1)*dump.PageSize], &states[i])
	}
	return n
}

// loadPacked reads the first pages at once, as far as their data lies together, or nearly, and
// unpacks them; it returns how many it has dealt with.
func (r *bulkReader) loadPacked(part *part, pages []uint64, descs []pageDesc, buf []byte, states []dump.PageState) int {
	const near = dump.PageSize // what is read without need costs less than another call
	start := descs[0].off
	end := start + uint64(descs[0].size)
	n := 1
	for ; n < len(descs); n++ {
		if states[n] != dump.PageRead {
			continue
		}
		d := &descs[n]
		if d.off < end || d.off > end+near || d.off+uint64(d.size)-start > uint64(len(r.raw)) {
			break
		}
		end = d.off + uint64(d.size)
	}
	raw := r.raw[:end-start]
	together := part.f.Direct(int64(start), raw) == nil
	for i := range n {
		if states[i] != dump.PageRead {
			continue
		}
		d, page := descs[i], buf[i*dump.PageSize:(i+1)*dump.PageSize]
		if !together {
			r.loadOne(part, pages[i], d, page, &states[i])
		} else if err := unpackPage(&r.dec, pages[i], page, raw[d.off-start:][:d.size], d); err != nil {
			states[i] = dump.PageFault(err)
		}
	}
	return n
}

func (r *bulkReader) loadOne(part *part, page uint64, d pageDesc, buf []byte, state *dump.PageState) {
	if err := r.m.load(&r.dec, part, page, d, buf); err != nil {
		*state = dump.PageFault(err)
	}
}

// Absent implements [dump.Absentee]: it counts the bitmap of the pages that exist.
func (m *memory) Absent() (dump.Absent, error) {
	if m.memory == 0 {
		return dump.Absent{Unknown: true}, nil
	}
	buf := make([]byte, 256<<10)
	exist := uint64(0)
	for done := uint64(0); done < (m.bitmap.pages+7)/8; {
		n := min(uint64(len(buf)), (m.bitmap.pages+7)/8-done)
		if err := m.bitmap.f.ReadFull(m.memory+done, buf[:n]); err != nil {
			return dump.Absent{}, err
		}
		whole := (n + 7) &^ 7
		clear(buf[n:whole])
		clearFrom(buf[:whole], m.bitmap.pages-done*8)
		exist += popcount(buf[:whole])
		done += n
	}
	return dump.Absent{LeftOut: (exist - min(exist, m.bitmap.count())) * dump.PageSize}, nil
}
