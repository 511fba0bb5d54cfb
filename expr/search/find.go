package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// The bounds of the number of matches that are told.
const (
	DefaultLimit = 1000
	MaxLimit     = 100_000
	// MaxAlign is the largest alignment that one can ask for: a page's.
	MaxAlign = kmem.PageSize
)

// Options are what else there is to say of a search.
type Options struct {
	Limit    int  // of matches; 0 is DefaultLimit
	Context  bool // with the bytes around each
	Progress kmem.Progress
}

// limit is that of the matches, for a pattern that can be searched.
func (o Options) limit(p *Pattern) (int, error) {
	if len(p.Bytes) == 0 || len(p.Bytes) > maxPattern || p.Align == 0 || p.Align&(p.Align-1) != 0 || p.Align > MaxAlign {
		return 0, fmt.Errorf("a pattern of %d bytes, aligned to %d", len(p.Bytes), p.Align)
	}
	if o.Limit <= 0 {
		return DefaultLimit, nil
	}
	return o.Limit, nil
}

// Find searches the memory of a kernel's dump. Where ctx is done before the end, the answer has what
// was found so far, and says so.
func Find(ctx context.Context, k *value.Kernel, img *kmem.Image, p Pattern, o Options) (*Answer, error) {
	limit, err := o.limit(&p)
	if err != nil {
		return nil, err
	}
	s := seam{p: &p, limit: limit + 1, zeros: p.zeros()}
	stats, err := kmem.Scan(ctx, img, o.Progress, s.look, s.take)
	interrupted := stats != nil && errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		return nil, err
	}
	a := newAnswer(k, img, &p, stats)
	if len(s.hits) > limit {
		s.hits, a.More = s.hits[:limit], true
	}
	a.Interrupted = interrupted
	if len(s.hits) == 0 {
		return a, nil
	}
	w := newWhere(k, img, stats.Virtual)
	a.addrs = s.hits
	a.hit = func(addr uint64) Hit {
		h := w.hit(addr)
		if o.Context {
			h.Context = w.context(addr, len(p.Bytes))
		}
		return h
	}
	return a, nil
}

// found is what there is in a piece of memory, and its edges: one byte less than the pattern has, or
// the piece.
type found struct {
	addr, size uint64
	head, tail []byte
	hits       []uint64
}

// seam puts the pieces together.
type seam struct {
	p     *Pattern
	limit int
	zeros bool // zeros match

	hits []uint64
	end  uint64 // of the last piece
	tail []byte // what lies before end without a gap, as much as a match may need
}

// look searches a piece. Several goroutines do so at a time.
func (s *seam) look(piece kmem.ScanPiece) found {
	f := found{addr: piece.Addr, size: piece.Size}
	edge := min(uint64(len(s.p.Bytes)-1), piece.Size)
	if piece.Data == nil {
		if s.zeros {
			f.hits = s.p.findZeros(nil, piece.Addr, piece.Size, s.limit)
		}
		f.head = make([]byte, edge)
		f.tail = f.head
		return f
	}
	f.hits = s.p.find(nil, piece.Data, piece.Addr, s.limit)
	both := make([]byte, 2*edge)
	f.head, f.tail = both[:edge:edge], both[edge:]
	copy(f.head, piece.Data)
	copy(f.tail, piece.Data[piece.Size-edge:])
	return f
}

// take adds what was found in the next piece, and before it what lies in both.
func (s *seam) take(f found) bool {
	if f.addr != s.end {
		s.tail = s.tail[:0]
	}
	if len(s.tail) > 0 {
		joint := append(bytes.Clone(s.tail), f.head...)
		s.hits = s.p.find(s.hits, joint, s.end-uint64(len(s.tail)), s.limit)
	}
	s.hits = append(s.hits, f.hits[:min(len(f.hits), s.limit-len(s.hits))]...)
	// A piece may be shorter than the pattern, and the one before it still count.
	s.tail = append(s.tail, f.tail...)
	if most := len(s.p.Bytes) - 1; len(s.tail) > most {
		s.tail = s.tail[len(s.tail)-most:]
	}
	s.end = f.addr + f.size
	return len(s.hits) < s.limit
}
