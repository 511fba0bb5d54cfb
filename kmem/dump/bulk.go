package dump

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
