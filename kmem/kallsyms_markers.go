package kmem

import (
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
func (s *shapeScan) findMarkers(table Addr) (foundMarkers, error) {
	const step = 64 << 10
	// A chunk has some markers more than those that may begin in it.
	const more = 64
	for end := table; table-end < maxMarkerScan; end -= step {
		over := min(table-end, more)
		buf := s.readBefore(end+over, step+int(over))
		from := (end + over).Add(-int64(len(buf)))
		for i := (len(buf) - int(over) - 4) &^ 3; i >= 0; i -= 4 {
			for _, width := range []int{4, 8} {
				if !beginMarkers(buf[i:], width) {
					continue
				}
				if m, ok := s.tryNames(from.Add(int64(i)), table, width); ok {
					return m, nil
				}
			}
		}
		if len(buf) < step+int(over) {
			break
		}
	}
	return foundMarkers{}, fmt.Errorf("%w: %w at %v", ErrBadKallsyms, errNoMarkers, table)
}

// beginMarkers reports whether data begins as markers of width bytes do: with 0,
// and rising by what 256 names can take. Four, or as many as there are.
func beginMarkers(data []byte, width int) bool {
	if len(data) < 2*width || marker(data, width) != 0 {
		return false
	}
	before := uint64(0)
	for i := 1; i < 5 && (i+1)*width <= len(data); i++ {
		v := marker(data[i*width:], width)
		if !markerStep(before, v) {
			return i > 1 // the last of few
		}
		before = v
	}
	return true
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

// tryNames goes from markers that may begin at the address to the names before
// them, and to their number before these.
func (s *shapeScan) tryNames(at, table Addr, width int) (m foundMarkers, ok bool) {
	raw := make([]byte, min(uint64(table-at), uint64(maxKallsyms/bucketSize+1)*uint64(width)))
	if s.r.ReadMem(at, raw) != nil {
		return m, false
	}
	var last, second uint64
	count := 1
	for ; (count+1)*width <= len(raw); count++ {
		v := marker(raw[count*width:], width)
		if !markerStep(last, v) {
			break
		}
		if last = v; count == 1 {
			second = v
		}
	}
	if count < 2 || last > maxKallsymsText {
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
