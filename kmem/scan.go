package kmem

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"

	"kinspect/kmem/dump"
)

const (
	// scanUnit is how much a goroutine reads at a time, in bytes; it has a buffer of that size, and
	// another for what the file holds of it: small enough for the CPU's cache.
	scanUnit = 256 << 10
	// maxScanWorkers bounds the goroutines, and with them the memory: 16 MiB.
	maxScanWorkers = 32
	// scanMapped is how much a goroutine takes at a time where the file is mapped and no buffer needed: what
	// it costs to go from one part of a file to another is then seldom paid.
	scanMapped = 2 << 20
	// maxScanSpans bounds the ranges of a unit.
	maxScanSpans = scanUnit / PageSize
)

// errScanLive is the error of a scan of the running kernel: to read all of it would be to read
// what nobody asked for.
var errScanLive = errors.New("the memory of a running kernel is not searched: it changes meanwhile, and kinspect reads only what a question needs of it; take a dump, and name it with --core")

// ScanPiece is memory without a gap.
type ScanPiece struct {
	Addr uint64 // physical, or virtual (see ScanStats)
	Size uint64 // in bytes
	Data []byte // nil: Size zeros
}

// ScanStats is what became of a scan.
type ScanStats struct {
	// Virtual: addresses are virtual ones, as the image is a snapshot or holds no physical memory.
	Virtual bool
	Read    uint64            // bytes that were read
	Failed  map[Reason]uint64 // bytes that should have been, by the reason why not
	Absent  dump.Absent       // what the dump is known not to hold
}

// AllRead reports whether all could be read that the dump should hold.
func (s *ScanStats) AllRead() bool { return len(s.Failed) == 0 && s.Absent.CutOff == 0 }

// ScanIsVirtual reports whether a scan goes by virtual addresses, as the image is a snapshot or
// holds no physical memory.
func ScanIsVirtual(img *Image) bool { return img.noPhys() || img.saved != nil }

// Scan reads all memory that a dump holds, once, on all cores. look is called with each piece of it,
// by several goroutines at a time; the piece is gone when it returns. What it returns goes to
// take, in the order of addresses and one call at a time, until that returns false. Pages that cannot be read are
// counted, and end nothing; only ctx does, or an image that cannot be scanned.
//
// Pieces have a page at least where the dump has whole pages, and what lies in two of them with adjacent
// addresses is in neither: take has to put the edges together.
func Scan[T any](ctx context.Context, img *Image, progress Progress, look func(ScanPiece) T, take func(T) bool) (*ScanStats, error) {
	if img.live {
		return nil, errScanLive
	}
	s := &scan[T]{ctx: ctx, img: img, progress: progress, look: look, take: take, done: make(map[int]scanned[T])}
	s.stats.Failed = make(map[Reason]uint64)
	s.stats.Virtual = ScanIsVirtual(img)
	s.turn.L = &s.mu
	if a, ok := img.phys.(dump.Absentee); ok && !s.stats.Virtual {
		absent, err := a.Absent()
		if err != nil {
			return nil, err
		}
		s.stats.Absent = absent
	}
	for span := range s.spans(func(why error, bytes uint64) { s.stats.Failed[reasonOf(why)] += bytes }) {
		s.all += span.Size
	}
	if bulk, ok := img.phys.(dump.Bulk); ok {
		// A bitmap that could not be read to its end.
		if want := bulk.Pages() * PageSize; want > s.all {
			s.stats.Failed[dump.Failed] += want - s.all
		}
	}
	s.room = scanUnit
	if m := s.mapped(); m != nil {
		s.room = scanMapped
	}
	next, stop := iter.Pull(s.spans(nil))
	defer stop()
	s.next = next
	workers := min(runtime.GOMAXPROCS(0), maxScanWorkers)
	s.ahead = 4 * workers
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(s.work)
	}
	s.work()
	wg.Wait()
	return &s.stats, ctx.Err()
}

// scan is one that is under way.
type scan[T any] struct {
	ctx      context.Context
	img      *Image
	progress Progress
	look     func(ScanPiece) T
	take     func(T) bool
	ahead    int    // how many units may be taken before the oldest is done
	room     uint64 // bytes of a unit

	mu     sync.Mutex
	turn   sync.Cond // taken grew, or ended was set
	next   func() (dump.Span, bool)
	rest   dump.Span // of a span that began in the last unit
	begun  int       // units that somebody reads, or has read
	taken  int       // units whose results were taken
	done   map[int]scanned[T]
	ended  bool
	all    uint64 // bytes to read
	passed uint64 // bytes that were taken
	stats  ScanStats
}

// scanned is what came of a unit.
type scanned[T any] struct {
	results []T
	size    uint64
	read    uint64
	failed  [dump.Reasons]uint64
}

// spans are the ranges to be read; gap is told of those that are known to be unreadable.
func (s *scan[T]) spans(gap func(error, uint64)) iter.Seq[dump.Span] {
	if saved := s.img.saved; saved != nil {
		return saved.virtual
	}
	if s.stats.Virtual {
		return s.img.virt.Spans(gap)
	}
	return s.img.physSpans(gap)
}

// physSpans are the ranges of physical memory that the dump's file holds: what a header claims and the file
// does not have after all, which may be any amount, is passed by, and gap, which may be nil, told of it.
func (img *Image) physSpans(gap func(error, uint64)) iter.Seq[dump.Span] {
	if space, ok := img.phys.(*dump.Space); ok {
		return space.Spans(gap)
	}
	return func(yield func(dump.Span) bool) {
		for addr, size := range img.phys.Ranges() {
			if !yield(dump.Span{Addr: uint64(addr), Size: size}) {
				return
			}
		}
	}
}

// mapped is the memory as it lies in the file, nil where it does not.
func (s *scan[T]) mapped() *mappedMemory {
	switch {
	case s.img.saved != nil:
		return nil
	case s.stats.Virtual:
		return newMappedMemory(s.img.virt)
	}
	return newMappedMemory(s.img.phys)
}

// unit takes the next spans, and tells their number; none where all is done.
func (s *scan[T]) unit(spans []dump.Span) (int, []dump.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && s.begun >= s.taken+s.ahead {
		s.turn.Wait()
	}
	if s.ctx.Err() != nil {
		s.end()
	}
	spans = spans[:0]
	for room := s.room; !s.ended && room > 0 && len(spans) < maxScanSpans; {
		if s.rest.Size == 0 {
			var ok bool
			if s.rest, ok = s.next(); !ok {
				break
			}
			continue
		}
		n := min(room, s.rest.Size)
		spans = append(spans, dump.Span{Addr: s.rest.Addr, Size: n})
		s.rest.Addr, s.rest.Size = s.rest.Addr+n, s.rest.Size-n
		room -= n
	}
	s.begun++
	return s.begun - 1, spans
}

// end ends the scan. The caller holds the lock.
func (s *scan[T]) end() {
	s.ended = true
	s.turn.Broadcast()
}

// work reads units until there are no more.
func (s *scan[T]) work() {
	w := scanWorker[T]{scan: s, buf: make([]byte, scanUnit), mapped: s.mapped()}
	defer w.mapped.close()
	if bulk, ok := s.img.phys.(dump.Bulk); ok && !s.stats.Virtual {
		w.bulk = bulk.NewBulkReader()
	}
	var spans []dump.Span
	for {
		var n int
		if n, spans = s.unit(spans); len(spans) == 0 {
			return
		}
		w.out = scanned[T]{}
		for _, span := range spans {
			w.out.size += span.Size
		}
		if w.bulk != nil {
			w.readBulk(spans)
		} else {
			for _, span := range spans {
				w.span(span)
			}
		}
		s.deliver(n, w.out)
	}
}

// deliver hands over what units brought, in their order.
func (s *scan[T]) deliver(n int, out scanned[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[n] = out
	for !s.ended {
		out, ok := s.done[s.taken]
		if !ok {
			break
		}
		delete(s.done, s.taken)
		s.taken++
		s.passed += out.size
		s.stats.Read += out.read
		for reason, bytes := range out.failed {
			if bytes > 0 {
				s.stats.Failed[Reason(reason)] += bytes
			}
		}
		for _, r := range out.results {
			if !s.take(r) {
				s.end()
				return
			}
		}
	}
	if s.progress != nil {
		s.progress(s.img.source, int64(s.passed), int64(s.all))
	}
	s.turn.Broadcast()
}

// scanWorker is what a goroutine has.
type scanWorker[T any] struct {
	scan   *scan[T]
	buf    []byte
	mapped *mappedMemory // nil where all has to be read
	bulk   dump.BulkReader
	states [maxScanSpans]dump.PageState
	out    scanned[T]
}

func (w *scanWorker[T]) piece(addr, size uint64, data []byte) {
	result := w.scan.look(ScanPiece{Addr: addr, Size: size, Data: data})
	w.out.read += size
	w.out.results = append(w.out.results, result)
}

// readBulk reads whole pages, and makes pieces of those in one state.
func (w *scanWorker[T]) readBulk(spans []dump.Span) {
	w.bulk.ReadSpans(spans, w.buf, w.states[:])
	page := 0
	for i := 0; i < len(spans); i++ {
		addr, first := spans[i].Addr, page
		n := int(spans[i].Size / PageSize)
		for page < first+n {
			state, start := w.states[page], page
			for page < first+n && w.states[page] == state {
				page++
			}
			from, size := addr+uint64(start-first)*PageSize, uint64(page-start)*PageSize
			if reason, ok := state.Fault(); ok {
				w.out.failed[knownReason(reason)] += size
			} else if state == dump.PageZero {
				w.piece(from, size, nil)
			} else {
				w.piece(from, size, w.buf[start*PageSize:page*PageSize])
			}
		}
	}
}

// span looks at a span: where it is in the file, and at a copy of what is not there in one piece.
func (w *scanWorker[T]) span(span dump.Span) {
	for span.Size > 0 {
		n := w.mapped.look(span, func(data []byte) { w.piece(span.Addr, uint64(len(data)), data) })
		if n == 0 {
			n = min(span.Size, scanUnit)
			w.read(dump.Span{Addr: span.Addr, Size: n}, w.buf)
		}
		span.Addr, span.Size = span.Addr+n, span.Size-n
	}
}

// read reads a span that fits into buf: at once, or page by page where that fails.
func (w *scanWorker[T]) read(span dump.Span, buf []byte) {
	buf = buf[:span.Size]
	if w.readAt(span.Addr, buf) == nil {
		w.piece(span.Addr, span.Size, buf)
		return
	}
	for addr := span.Addr; len(buf) > 0; {
		n := min(uint64(len(buf)), PageSize-addr%PageSize)
		err := w.readAt(addr, buf[:n])
		if err == nil {
			w.piece(addr, n, buf[:n])
		} else {
			w.out.failed[reasonOf(err)] += n
		}
		buf, addr = buf[n:], addr+n
	}
}

func (w *scanWorker[T]) readAt(addr uint64, buf []byte) error {
	if w.scan.stats.Virtual {
		return w.scan.img.ReadMem(Addr(addr), buf)
	}
	return w.scan.img.readPhys(addr, buf)
}

// reasonOf is why memory could not be read.
func reasonOf(err error) Reason {
	if f := AsFault(err); f != nil {
		return knownReason(f.Reason)
	}
	return dump.Failed
}

// knownReason is one of the reasons: a snapshot's note may hold any number.
func knownReason(r Reason) Reason {
	if r < dump.Reasons {
		return r
	}
	return dump.Failed
}
