package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"sync/atomic"
)

// A flattened dump is another file taken apart so that it can go through a pipe, which
// makedumpfile -F and QEMU's dump-guest-memory write. After a header of 4096 bytes ("makedumpfile"
// in 16 bytes, a type and a version, both 1) come records: an offset and a size, 64 bits
// each, and the bytes that belong at that offset. A record whose offset and size are -1 ends the
// file. Numbers are big-endian on every machine. Of two records for one byte the later counts,
// as writers go back to complete their headers.
//
// Records have no index, and to find them all takes a walk from each to the next: some
// hundred thousand for a dump of a few GiB, as QEMU writes 16 KiB at a time. What is kept
// of them is where each group of records begins that continue one another; within one the walk is
// repeated when somebody asks for it.
const (
	flatMagic      = "makedumpfile\x00\x00\x00\x00"
	flatHeaderSize = 4096
	flatRecordSize = 16 // of a record's head

	// flatGroupRecords is the number of records of a group, at most.
	flatGroupRecords = 32
	// maxFlatGroups bounds the memory for groups: 32 bytes each. No dump of less
	// than a TiB has as many.
	maxFlatGroups = 1 << 21
	// maxFlatOverlap bounds the groups that overlap one another: a header or two.
	maxFlatOverlap = 1 << 16
	// maxFlatRecords bounds the walk.
	maxFlatRecords = 1 << 26
	flatSlots      = 64
)

// flatFile is the file inside a flattened one. It is an [io.ReaderAt], safe for concurrent use.
type flatFile struct {
	r      io.ReaderAt
	size   int64       // of the flattened file
	groups []flatGroup // sorted by start, disjoint
	end    uint64      // size of the file inside
	cut    bool        // the end record is missing
	cache  [flatSlots]atomic.Pointer[flatRecords]
}

// flatGroup is a range of the inner file that stands in consecutive records.
type flatGroup struct {
	start, end uint64
	at         uint64 // where the first record's head is
	skip       uint64 // bytes of the records that are before start: later ones replaced them
}

// flatRecords is where the records of a group are. It is never changed.
type flatRecords struct {
	at      uint64
	records []flatRecord // in their order; the last is where they end
}

type flatRecord struct {
	start uint64 // of its bytes, counted from the group's first
	data  uint64 // their offset in the flattened file
}

// holeError tells that no record holds what should be at an offset of the inner file.
type holeError struct {
	off uint64
	cut bool
}

func (e *holeError) Error() string {
	if e.cut {
		return fmt.Sprintf("it belongs at offset %#x, which the flattened file does not reach", e.off)
	}
	return fmt.Sprintf("damaged flattened file: no record holds offset %#x", e.off)
}

// Is makes a hole of a file that is cut off the end of the file.
func (e *holeError) Is(err error) bool { return e.cut && err == io.ErrUnexpectedEOF }

// openFlat reads the heads of all records.
func openFlat(r io.ReaderAt, size int64, name string) (*flatFile, error) {
	f := &flatFile{r: r, size: size}
	errorf := func(off uint64, format string, args ...any) error {
		return &FormatError{Source: name, Off: off, What: fmt.Sprintf(format, args...)}
	}
	be := binary.BigEndian
	var head [32]byte
	if n, err := r.ReadAt(head[:], 0); n < len(head) {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: cannot read: %w", name, err)
		}
		return nil, errorf(0, "truncated: a flattened dump of %d bytes", size)
	}
	if typ, version := be.Uint64(head[16:]), be.Uint64(head[24:]); typ != 1 || version != 1 {
		return nil, errorf(16, "a flattened dump of type %d, version %d, and only 1 and 1 are known", typ, version)
	}
	b := flatBuilder{}
	at := uint64(flatHeaderSize)
	for n := 0; ; n++ {
		var rec [flatRecordSize]byte
		got, err := r.ReadAt(rec[:], int64(at))
		if got < len(rec) {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("%s: cannot read its records: %w", name, err)
			}
			f.cut = true
			break
		}
		off, length := int64(be.Uint64(rec[:])), int64(be.Uint64(rec[8:]))
		if off == -1 && length == -1 {
			break
		}
		if off < 0 || length < 0 || off > math.MaxInt64-length {
			return nil, errorf(at, "damaged flattened dump: a record of %d bytes for offset %#x", length, uint64(off))
		}
		data := at + flatRecordSize
		inFile := min(uint64(length), uint64(size)-data)
		if err := b.add(uint64(off), inFile, at); err != nil || n >= maxFlatRecords {
			return nil, errorf(at, "more records than a dump has: rearrange it (makedumpfile -R) and open the result")
		}
		f.end = max(f.end, uint64(off)+uint64(length))
		if inFile < uint64(length) {
			f.cut = true
			break
		}
		at = data + uint64(length)
	}
	var err error
	if f.groups, err = b.sorted(); err != nil {
		return nil, errorf(0, "damaged flattened dump: %v", err)
	}
	f.end = min(f.end, math.MaxInt64)
	return f, nil
}

// flatBuilder collects groups in the order of their records.
type flatBuilder struct {
	groups []flatGroup
	n      int // records in the last group
}

var errFlatLimit = errors.New("too many records")

func (b *flatBuilder) add(off, size, at uint64) error {
	if size == 0 {
		b.n = flatGroupRecords // the next does not follow the last
		return nil
	}
	if len(b.groups) > 0 && b.n < flatGroupRecords {
		if g := &b.groups[len(b.groups)-1]; g.end == off {
			g.end += size
			b.n++
			return nil
		}
	}
	if len(b.groups) >= maxFlatGroups {
		return errFlatLimit
	}
	b.groups = append(b.groups, flatGroup{start: off, end: off + size, at: at})
	b.n = 1
	return nil
}

// sorted returns the groups by start, and disjoint.
func (b *flatBuilder) sorted() ([]flatGroup, error) {
	in := b.groups
	overlap, inOrder := false, true
	for i := 1; i < len(in); i++ {
		inOrder = inOrder && in[i-1].start <= in[i].start
		overlap = overlap || in[i].start < in[i-1].end
	}
	if inOrder && !overlap {
		return in, nil
	}
	slices.SortFunc(in, func(a, b flatGroup) int {
		if a.start != b.start {
			return compareUint64(a.start, b.start)
		}
		return compareUint64(a.at, b.at)
	})
	out := make([]flatGroup, 0, len(in))
	for len(in) > 0 {
		n, end := 1, in[0].end
		for n < len(in) && in[n].start < end {
			end = max(end, in[n].end)
			n++
		}
		if n == 1 {
			out = append(out, in[0])
		} else if n > maxFlatOverlap {
			return nil, fmt.Errorf("%d groups of records overlap", n)
		} else {
			out = append(out, latest(in[:n])...)
		}
		in = in[n:]
	}
	return out, nil
}

// latest resolves overlaps among sorted groups: the record that comes last counts.
func latest(in []flatGroup) []flatGroup {
	byAt := slices.Clone(in)
	slices.SortFunc(byAt, func(a, b flatGroup) int { return compareUint64(b.at, a.at) }) // best first
	segs := make([]segment, len(byAt))
	for i, g := range byAt {
		segs[i] = segment{start: g.start, last: g.end - 1, phys: unknownPaddr, order: i}
	}
	slices.SortFunc(segs, func(a, b segment) int {
		if a.start != b.start {
			return compareUint64(a.start, b.start)
		}
		return a.order - b.order
	})
	var out []flatGroup
	for _, s := range flatten(segs) {
		g := byAt[s.order]
		out = append(out, flatGroup{start: s.start, end: s.last + 1, at: g.at, skip: s.start - g.start})
	}
	return out
}

// ReadAt implements [io.ReaderAt] on the file inside. Bytes that no record holds are a *holeError.
func (f *flatFile) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := uint64(off) + uint64(done)
		if off < 0 || at >= f.end {
			return done, io.EOF
		}
		i := sort.Search(len(f.groups), func(i int) bool { return f.groups[i].end > at })
		if i == len(f.groups) || f.groups[i].start > at {
			return done, &holeError{off: at, cut: f.cut}
		}
		n, err := f.readGroup(&f.groups[i], p[done:], at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readGroup reads from one record of the group, which holds the offset at.
func (f *flatFile) readGroup(g *flatGroup, p []byte, at uint64) (int, error) {
	recs, err := f.records(g)
	if err != nil {
		return 0, err
	}
	in := at - g.start + g.skip // within the records
	i := sort.Search(len(recs), func(i int) bool { return recs[i].start > in })
	if i == 0 || i == len(recs) {
		return 0, &holeError{off: at, cut: f.cut} // the file changed under us
	}
	rec := &recs[i-1]
	n := min(uint64(len(p)), recs[i].start-in, g.end-at)
	got, err := f.r.ReadAt(p[:n], int64(rec.data+(in-rec.start)))
	if got == int(n) {
		err = nil
	} else if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return got, err
}

// records walks the records of a group, or remembers them.
func (f *flatFile) records(g *flatGroup) ([]flatRecord, error) {
	slot := &f.cache[g.at*0x9e3779b97f4a7c15>>32%flatSlots]
	if c := slot.Load(); c != nil && c.at == g.at {
		return c.records, nil
	}
	c := &flatRecords{at: g.at, records: make([]flatRecord, 0, 4)}
	at, start, next := g.at, uint64(0), uint64(0)
	for range flatGroupRecords {
		var rec [flatRecordSize]byte
		if n, err := f.r.ReadAt(rec[:], int64(at)); n < len(rec) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		off, size := binary.BigEndian.Uint64(rec[:]), binary.BigEndian.Uint64(rec[8:])
		if len(c.records) > 0 && off != next {
			break
		}
		if size == 0 || at > math.MaxInt64-flatRecordSize || size > math.MaxInt64-at-flatRecordSize {
			break
		}
		next = off + size
		c.records = append(c.records, flatRecord{start: start, data: at + flatRecordSize})
		start, at = start+size, at+flatRecordSize+size
		if at >= uint64(f.size) {
			break
		}
	}
	c.records = append(c.records, flatRecord{start: start})
	slot.Store(c)
	return c.records, nil
}
