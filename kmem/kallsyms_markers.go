package kmem

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// foundMarkers is what the markers led to.
type foundMarkers struct {
	names, numSyms Addr
	n              int
}

// findMarkers finds the markers below the token table, with nothing but padding
// or seqs_of_names between them, and by them the names and their number.
//
// It goes back from the table, and does not search: a running kernel frees what its
// read-only data leaves of a huge page (arch/x86/mm/init_64.c, mark_rodata_ro), and
// who reads the tables leaves copies of their pages behind, there as anywhere. Most of
// what looks like a token table may be such a copy, before which other things are.
func (s *shapeScan) findMarkers(table Addr) (foundMarkers, error) {
	none := fmt.Errorf("%w: %w at %v", ErrBadKallsyms, errNoMarkers, table)
	switch m, found := s.markersBefore(table, 0, 8); {
	case m.n > 0:
		return m, nil
	case found:
		return m, none
	}
	// Where seqs_of_names begins is known but for some numbers: the last markers may pass for such.
	const some = 256
	for pad, size := range s.seqsBefore(table) {
		if size == 0 {
			continue
		}
		if m, _ := s.markersBefore(table, uint64(pad)+size-min(size, some), some+16); m.n > 0 {
			return m, nil
		}
	}
	return foundMarkers{}, none
}

// markersBefore tries the markers that end between gap and gap+slack bytes before the table, and reports whether any were
// found: m.n is 0 where there are no names before them.
func (s *shapeScan) markersBefore(table Addr, gap, slack uint64) (m foundMarkers, found bool) {
	end := table.Add(-int64(gap)) &^ 3
	for _, size := range []int{64, (maxKallsyms/bucketSize + 2) * 8} { // the last of them tell mostly that they are none
		buf := s.readBefore(end, int(slack)+size)
		more := false
		for off := len(buf); off > 0 && len(buf)-off <= int(slack); off -= 4 {
			for _, width := range []int{4, 8} {
				markers, cut := lastMarkers(buf[:off], width)
				more = more || cut
				behind := end.Add(int64(off - len(buf)))
				if markers == nil || !seqsFit(uint64(table-behind), uint64(len(markers)/width)) {
					continue
				}
				found = true
				if m, ok := s.tryNames(behind.Add(-int64(len(markers))), markers, width); ok {
					return m, true
				}
			}
		}
		if !more {
			break
		}
	}
	return m, found
}

// lastMarkers goes back from the end of data as long as numbers of width bytes fall as
// markers do, to the 0 that these begin with. It returns them, at least two: nil where these are no
// markers, or are cut off by the beginning of data.
func lastMarkers(data []byte, width int) (markers []byte, cut bool) {
	for at := len(data) - width; at >= width; at -= width {
		before := marker(data[at-width:], width)
		if !markerStep(before, marker(data[at:], width)) {
			return nil, false
		}
		if before == 0 {
			return data[at-width:], false
		}
	}
	return nil, true
}

// seqsFit reports whether so many bytes between markers and token table are padding alone, or also seqs_of_names of
// as many symbols as there are markers for.
func seqsFit(size, markers uint64) bool {
	const padding = 2 * 7
	most := 3 * bucketSize * markers
	return size <= padding || size > most-3*bucketSize && size <= most+padding
}

// seqsBefore tells how many bytes before the table, and before so many of padding, may be seqs_of_names: numbers of
// symbols, of three bytes each; 0 where none are.
func (s *shapeScan) seqsBefore(table Addr) (sizes [8]uint64) {
	const some = 64 // that are not all the same symbol
	tail := s.readBefore(table, 3*some+len(sizes))
	for pad := range sizes {
		end := len(tail) - pad
		if end < 3*some || pad > 0 && tail[end] != 0 {
			break
		}
		if last := tail[end-3*some : end]; !bytes.Equal(last[3:], last[:len(last)-3]) {
			sizes[pad] = s.seqsRun(table.Add(-int64(pad)))
		}
	}
	return sizes
}

// seqsRun is how many bytes before end may be numbers of symbols.
func (s *shapeScan) seqsRun(end Addr) (size uint64) {
	const most = 3 * (maxKallsyms + 2)
	for chunk := 3 * 64; size < most && !s.spent(); chunk = 3 << 14 {
		buf := s.readBefore(end.Add(-int64(size)), chunk)
		for i := len(buf) - 3; i >= 0; i -= 3 {
			if buf[i] >= 1<<(hashSeqBits-16) {
				return size
			}
			size += 3
		}
		if len(buf) < chunk {
			break
		}
	}
	return size
}

func marker(data []byte, width int) uint64 {
	if width == 8 {
		return binary.LittleEndian.Uint64(data)
	}
	return uint64(binary.LittleEndian.Uint32(data))
}

func markerStep(before, v uint64) bool {
	return v >= before+2*bucketSize && v <= before+maxMarkerStep
}

// tryNames goes from the markers at the address to the names before them, and to their number before these.
func (s *shapeScan) tryNames(at Addr, markers []byte, width int) (m foundMarkers, ok bool) {
	count := len(markers) / width
	second, last := marker(markers[width:], width), marker(markers[len(markers)-width:], width)
	if last > maxKallsymsText {
		return m, false
	}
	// The last bucket has 1 to 256 names. Before the names comes their number,
	// alone in 8 bytes, or in 4 since 7.0.
	end := at.Add(-int64(last)) &^ 3
	room := s.readBefore(end, maxMarkerStep+16)
	for off := len(room); off >= 8; off -= 4 {
		names := end.Add(int64(off - len(room)))
		for _, gap := range []int{8, 4} {
			n := binary.LittleEndian.Uint32(room[off-gap:])
			if n > maxKallsyms || (n+bucketSize-1)/bucketSize != uint32(count) || gap == 8 && binary.LittleEndian.Uint32(room[off-4:]) != 0 {
				continue
			}
			if s.firstBucket(names, second) {
				return foundMarkers{names: names, numSyms: names.Add(-int64(gap)), n: int(n)}, true
			}
		}
	}
	return m, false
}

// firstBucket reports whether the first 256 names at the address take size bytes.
func (s *shapeScan) firstBucket(names Addr, size uint64) bool {
	c := nameCursor{m: newLazyMemory(s.r, names, size), end: size}
	return c.pass(bucketSize) == nil && c.off() == size
}
