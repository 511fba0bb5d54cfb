package kmem

import (
	"bytes"
	"fmt"
	"sync"

	"kinspect/kmem/dump"
	"kinspect/kmem/packed"
)

// A kdump-compressed file compresses page by page, and so finds little that repeats. What a snapshot has
// most of, the kernel's types, is therefore in a note: the bytes of some virtual ranges, one behind the
// other, compressed with zstd as a whole, a fifth smaller. The map names the ranges, and where in
// the stream each is. Other tools do not find them, and have no use for them: they bring debuginfo.
const (
	noteStream = "KINSPECT_STREAM"

	// streamPlace marks a place in the stream.
	streamPlace = strayPlace | 1<<62

	// maxStream bounds the stream, in bytes: kernels have 5 to 8 MB of types, and all modules of a
	// distribution about as much. A writer leaves the rest in pages.
	maxStream = 32 << 20
)

// streamSpans are the spans of ranges, as many as the stream may hold.
func streamSpans(ranges []Range) []span {
	var out []span
	size := uint64(0)
	for _, r := range ranges {
		if _, ok := r.Addr.End(r.Len); !ok || r.Len == 0 || r.Len > maxStream-size {
			continue
		}
		size += r.Len
		out = append(out, span{uint64(r.Addr), uint64(r.Addr) + r.Len - 1})
	}
	return joinSpans(out)
}

// savedStream is the stream of a snapshot, which is unpacked when something of it is first read.
type savedStream struct {
	streamSize uint64 // 0: there is none

	once   sync.Once
	stream []byte
	fault  string // why there is none
}

// openStream bounds what the map may say of the stream: only when it is unpacked it is known how
// much there is.
func (s *savedMemory) openStream() {
	if s.img.content.Note(noteStream) != nil {
		s.streamSize = maxStream
	}
}

func (s *savedMemory) unpackStream() {
	n := s.img.content.Note(noteStream)
	raw, err := s.img.content.File.ReadNote(n, maxStream)
	if err == nil {
		s.stream, err = packed.Zstd(bytes.NewReader(raw), int64(len(raw)), maxStream)
	}
	if err != nil {
		s.fault = fmt.Sprintf("the file is damaged: the snapshot's note %s: %v", noteStream, err)
	}
}

// readStream reads n bytes at a place in the stream, which are asked for at addr. It returns n.
func (s *savedMemory) readStream(addr, place uint64, buf []byte, n int) (int, error) {
	s.once.Do(s.unpackStream)
	if have := uint64(len(s.stream)); s.fault == "" && place < have && uint64(n) <= have-place {
		return copy(buf, s.stream[place:place+uint64(n)]), nil
	}
	why := s.fault
	if why == "" {
		why = fmt.Sprintf("the file is damaged: the snapshot's note %s has only %d bytes", noteStream, len(s.stream))
	}
	return 0, &Fault{Addr: addr, Len: uint64(len(buf)), Reason: dump.Failed, Detail: why}
}
