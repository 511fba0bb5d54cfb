package dump

import "iter"

// Bulk is a [Memory] that can be read whole faster than piece by piece.
type Bulk interface {
	Memory
	// Pages is the number of pages in all of Ranges.
	Pages() uint64
	// NewBulkReader returns a reader for one goroutine.
	NewBulkReader() BulkReader
}

// BulkReader reads many pages at a time. It is for one goroutine.
type BulkReader interface {
	// ReadSpans reads spans of whole pages, upwards and from Ranges, into buf one
	// behind the other, and tells of each page in states what became of it. Pages that are
	// not [PageRead] leave their place in buf as it was, or undefined.
	ReadSpans(spans []Span, buf []byte, states []PageState)
}

// Span is a range of memory.
type Span struct {
	Addr uint64
	Size uint64 // in bytes
}

// PageState is what became of a page.
type PageState uint8

// The states of a page, of which those from pageFaulty on are reasons.
const (
	PageRead PageState = iota
	PageZero           // it is all zeros, and stands for many in the file
	pageFaulty
)

// PageFault is the state of a page that could not be read.
func PageFault(err error) PageState {
	reason := Failed
	if f := AsFault(err); f != nil {
		reason = f.Reason
	}
	return pageFaulty + PageState(reason)
}

// Fault is the reason why a page could not be read; ok is false where it was.
func (s PageState) Fault() (r Reason, ok bool) {
	if s < pageFaulty {
		return 0, false
	}
	return Reason(s - pageFaulty), true
}

// Spans are the ranges whose bytes are in the file, upwards. What should be there and is not
// is passed by, whatever its size: gap, which may be nil, is told of it.
func (m *Space) Spans(gap func(why error, bytes uint64)) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for i := range m.Segments {
			s := &m.Segments[i]
			for at, left := s.Start, s.Last-s.Start+1; s.Kind == InFile && left > 0; {
				off := s.Off + (at - s.Start)
				start, end := m.File.DataAt(off)
				if skip := min(start-off, left); skip > 0 || start == end {
					if start == end {
						skip = left
					}
					if gap != nil {
						var b [1]byte
						gap(m.Read(s, at, b[:], 1), skip)
					}
					at, left = at+skip, left-skip
					continue
				}
				n := min(end-start, left)
				if !yield(Span{Addr: at, Size: n}) {
					return
				}
				at, left = at+n, left-n
			}
		}
	}
}

// Absent is memory that the machine had, as far as the dump tells, and that it does not hold.
type Absent struct {
	LeftOut uint64 // bytes that its writer filtered out
	CutOff  uint64 // bytes that the file ends before
	Unknown bool   // the dump does not tell what was filtered out
}

// Absentee is a [Memory] that knows what it does not hold.
type Absentee interface {
	Absent() (Absent, error)
}

// Absent implements [Absentee].
func (m *Space) Absent() (Absent, error) {
	var a Absent
	for i := range m.Segments {
		s := &m.Segments[i]
		switch s.Kind {
		case LeftOut:
			a.LeftOut += s.Last - s.Start + 1
		case CutOff:
			a.CutOff += s.Last - s.Start + 1
		}
	}
	return a, nil
}
