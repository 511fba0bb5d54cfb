// Package flattened reads flattened dumps.
//
// Such a file is another file taken apart so that it can go through a pipe, which
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
package flattened

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"kinspect/kmem/dump"
)

// Magic is how a flattened file begins.
const Magic = "makedumpfile\x00\x00\x00\x00"

const (
	headerSize = 4096
	recordSize = 16 // of a record's head

	// groupRecords is the number of records of a group, at most.
	groupRecords = 32
	// maxGroups bounds the memory for groups: 32 bytes each. No dump of less
	// than a TiB has as many.
	maxGroups = 1 << 21
	// maxOverlap bounds the groups that overlap one another: a header or two.
	maxOverlap = 1 << 16
	// maxRecords bounds the walk.
	maxRecords = 1 << 26
	cacheSlots = 64
)

// File is the file inside a flattened one. It is an [io.ReaderAt], safe for concurrent use.
type File struct {
	r      io.ReaderAt
	size   int64   // of the flattened file
	groups []group // sorted by start, disjoint
	end    uint64  // size of the file inside
	cut    bool    // the end record is missing
	cache  [cacheSlots]atomic.Pointer[recordList]
}

// group is a range of the inner file that stands in consecutive records.
type group struct {
	start, end uint64
	at         uint64 // where the first record's head is
	skip       uint64 // bytes of the records that are before start: later ones replaced them
}

// recordList is where the records of a group are. It is never changed.
type recordList struct {
	group   uint64   // its start
	records []record // in their order; the last is where they end
}

type record struct {
	start uint64 // of its bytes, counted from the group's first
	data  uint64 // their offset in the flattened file
}

// Size is that of the file inside, in bytes.
func (f *File) Size() int64 { return int64(f.end) }

// Cut reports whether the end record is missing: the file is cut off.
func (f *File) Cut() bool { return f.cut }

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

// Open reads the heads of all records.
func Open(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{r: r, size: size}
	errorf := func(off uint64, format string, args ...any) error {
		return &dump.FormatError{Source: name, Off: off, What: fmt.Sprintf(format, args...)}
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
	b := builder{}
	heads := headReader{r: r}
	at := uint64(headerSize)
	for n := 0; ; n++ {
		rec, err := heads.next(at)
		if err != nil {
			return nil, fmt.Errorf("%s: cannot read its records: %w", name, err)
		}
		if rec == nil {
			f.cut = true
			break
		}
		off, length := int64(be.Uint64(rec)), int64(be.Uint64(rec[8:]))
		if off == -1 && length == -1 {
			break
		}
		if off < 0 || length < 0 || off > math.MaxInt64-length {
			return nil, errorf(at, "damaged flattened dump: a record of %d bytes for offset %#x", length, uint64(off))
		}
		data := at + recordSize
		inFile := min(uint64(length), uint64(size)-data)
		if err := b.add(uint64(off), inFile, at); err != nil || n >= maxRecords {
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
	if from, to, found := f.hole(); found && b.overlap && !f.cut {
		return nil, errorf(0, "damaged flattened dump: no record holds what belongs at offsets %#x to %#x, and others have one place", from, to)
	}
	return f, nil
}

// headReader reads the heads of records, one behind the other: by themselves, or with what lies between
// them where records are small.
type headReader struct {
	r      io.ReaderAt
	at     uint64 // the window's offset
	window []byte
	last   uint64 // the head that was read last
	buf    []byte
}

// next returns the head at an offset, which is beyond the last one's; nil where the file ends.
func (h *headReader) next(at uint64) ([]byte, error) {
	// To copy what lies between two heads costs more than another call where it is more than near.
	const near, large = 4 << 10, 64 << 10
	step := at - h.last
	h.last = at
	if at < h.at || at+recordSize > h.at+uint64(len(h.window)) {
		size := recordSize
		if step <= near {
			size = large
		}
		if h.buf == nil {
			h.buf = make([]byte, large)
		}
		n, err := h.r.ReadAt(h.buf[:size], int64(at))
		if n < recordSize {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			return nil, nil
		}
		h.at, h.window = at, h.buf[:n]
	}
	return h.window[at-h.at:][:recordSize], nil
}

// builder collects groups in the order of their records.
type builder struct {
	groups  []group
	n       int  // records in the last group
	overlap bool // found by sorted
}

var errLimit = errors.New("too many records")

func (b *builder) add(off, size, at uint64) error {
	if size == 0 {
		b.n = groupRecords // the next does not follow the last
		return nil
	}
	if len(b.groups) > 0 && b.n < groupRecords {
		if g := &b.groups[len(b.groups)-1]; g.end == off {
			g.end += size
			b.n++
			return nil
		}
	}
	if len(b.groups) >= maxGroups {
		return errLimit
	}
	b.groups = append(b.groups, group{start: off, end: off + size, at: at})
	b.n = 1
	return nil
}

// sorted returns the groups by start, and disjoint.
func (b *builder) sorted() ([]group, error) {
	in := b.groups
	overlap, inOrder := false, true
	for i := 1; i < len(in); i++ {
		inOrder = inOrder && in[i-1].start <= in[i].start
		overlap = overlap || in[i].start < in[i-1].end
	}
	if inOrder && !overlap {
		return in, nil
	}
	slices.SortFunc(in, func(a, b group) int {
		if a.start != b.start {
			return cmp.Compare(a.start, b.start)
		}
		return cmp.Compare(a.at, b.at)
	})
	out := make([]group, 0, len(in))
	for len(in) > 0 {
		n, end := 1, in[0].end
		for n < len(in) && in[n].start < end {
			end = max(end, in[n].end)
			n++
		}
		if n == 1 {
			out = append(out, in[0])
			in = in[n:]
			continue
		}
		b.overlap = true
		if n > maxOverlap {
			return nil, fmt.Errorf("%d groups of records overlap", n)
		}
		out = append(out, latest(in[:n])...)
		in = in[n:]
	}
	return out, nil
}

// latest resolves overlaps among sorted groups: the record that comes last counts.
func latest(in []group) []group {
	byAt := slices.Clone(in)
	slices.SortFunc(byAt, func(a, b group) int { return cmp.Compare(b.at, a.at) }) // best first
	segs := make([]dump.Segment, len(byAt))
	for i, g := range byAt {
		segs[i] = dump.Segment{Start: g.start, Last: g.end - 1, Phys: dump.UnknownPhys, Order: i}
	}
	var out []group
	for _, s := range dump.NewSegments(segs) {
		g := byAt[s.Order]
		out = append(out, group{start: s.Start, end: s.Last + 1, at: g.at, skip: s.Start - g.start})
	}
	return out
}

// ReadAt implements [io.ReaderAt] on the file inside. Bytes that no record holds are a *holeError.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := uint64(off) + uint64(done)
		if off < 0 || at >= f.end {
			return done, io.EOF
		}
		n, err := f.readPiece(p[done:], at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// DataAt is the first range of the file inside, at or behind off, that records hold.
func (f *File) DataAt(off uint64) (start, end uint64) {
	i := sort.Search(len(f.groups), func(i int) bool { return f.groups[i].end > off })
	if i == len(f.groups) {
		return f.end, f.end
	}
	return max(off, f.groups[i].start), f.groups[i].end
}

// readPiece reads from the record that holds the offset at.
func (f *File) readPiece(p []byte, at uint64) (int, error) {
	data, run, err := f.PieceAt(at)
	if err != nil {
		return 0, err
	}
	n := min(uint64(len(p)), run)
	got, err := f.r.ReadAt(p[:n], int64(data))
	if got == int(n) {
		err = nil
	} else if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return got, err
}

// place is where in the flattened file the offset at lies, which the group holds, and how many bytes from
// there on are the same record's.
func (f *File) place(g *group, at uint64) (data, n uint64, err error) {
	recs, err := f.records(g)
	if err != nil {
		return 0, 0, err
	}
	in := at - g.start + g.skip // within the records
	i := sort.Search(len(recs), func(i int) bool { return recs[i].start > in })
	if i == 0 || i == len(recs) {
		return 0, 0, &holeError{off: at, cut: f.cut} // the file changed under us
	}
	rec := &recs[i-1]
	return rec.data + (in - rec.start), min(recs[i].start-in, g.end-at), nil
}

// Whole is the flattened file.
func (f *File) Whole() io.ReaderAt { return f.r }

// PieceAt is where in the flattened file an offset of the file inside lies, and how many bytes from there on are
// the same record's. Offsets that no record holds are a *holeError.
func (f *File) PieceAt(off uint64) (at, n uint64, err error) {
	i := sort.Search(len(f.groups), func(i int) bool { return f.groups[i].end > off })
	if i == len(f.groups) || f.groups[i].start > off {
		return 0, 0, &holeError{off: off, cut: f.cut}
	}
	return f.place(&f.groups[i], off)
}

var errChanged = errors.New("the flattened file has changed since it was opened")

// records walks the records of a group, or remembers them.
func (f *File) records(g *group) ([]record, error) {
	slot := &f.cache[g.start*0x9e3779b97f4a7c15>>32%cacheSlots]
	if c := slot.Load(); c != nil && c.group == g.start {
		return c.records, nil
	}
	c := &recordList{group: g.start, records: make([]record, 0, 4)}
	at, start := g.at, uint64(0)
	for start < g.skip+(g.end-g.start) {
		var rec [recordSize]byte
		if n, err := f.r.ReadAt(rec[:], int64(at)); n < len(rec) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		// Sizes were checked when the file was opened, if it is still the same.
		size := binary.BigEndian.Uint64(rec[8:])
		if size == 0 || size > math.MaxInt64-recordSize-at || len(c.records) == groupRecords {
			return nil, errChanged
		}
		c.records = append(c.records, record{start: start, data: at + recordSize})
		start, at = start+size, at+recordSize+size
	}
	c.records = append(c.records, record{start: start})
	slot.Store(c)
	return c.records, nil
}
