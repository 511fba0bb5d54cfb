package kmem

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"

	"kinspect/kmem/dump"
)

// A dump that tells nothing about its kernel still holds the kernel: the text of
// VMCOREINFO lies in its memory, and so do its page tables. One pass over all of the
// physical memory looks for both; what looks like one of them is then tested against
// the memory itself (see vmcoreInfos and tableFinds).

const (
	// maxMemoryScan bounds the pass, in bytes that the file holds. A dump of more is
	// filtered, as a rule, to much less.
	maxMemoryScan = 256 << 30
	// scanChunk is looked at at a time, and scanCopy of it read where it cannot be seen in the file.
	scanChunk = 1 << 20
	scanCopy  = 64 << 10
)

// memoryScan is one pass.
type memoryScan struct {
	ctx      context.Context
	img      *Image
	progress Progress

	infos  vmcoreInfoFinds
	tables tableFinds

	mu      sync.Mutex
	read    int64 // bytes
	skipped bool  // not all was read
}

// physChunk is a range of physical memory.
type physChunk struct {
	addr uint64
	size int
}

// run reads the memory once, on all cores.
func (s *memoryScan) run() {
	s.tables.init(s.img)
	next, stop := iter.Pull(s.chunks())
	defer stop()
	total := int64(0)
	if s.progress != nil {
		for span := range s.img.physSpans(nil) {
			total += int64(min(span.Size, maxMemoryScan))
		}
	}
	work := func() {
		buf := make([]byte, scanCopy)
		mapped := newMappedMemory(s.img.phys)
		defer mapped.close()
		for {
			s.mu.Lock()
			c, ok := next()
			if ok {
				s.read += int64(c.size)
				if s.progress != nil {
					s.progress(s.img.source, s.read, total)
				}
			}
			s.mu.Unlock()
			if !ok || s.ctx.Err() != nil {
				return
			}
			s.chunk(c, mapped, buf)
		}
	}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	s.infos.sort()
}

// chunks cuts what the dump holds into ranges of up to scanChunk bytes, of whole pages.
func (s *memoryScan) chunks() iter.Seq[physChunk] {
	return func(yield func(physChunk) bool) {
		left := int64(maxMemoryScan)
		for span := range s.img.physSpans(nil) {
			at := (span.Addr + PageSize - 1) &^ (PageSize - 1)
			if at < span.Addr {
				continue // in the last page there is
			}
			end := span.Addr + span.Size // a span of less than a page has no whole one
			if end < span.Addr {
				end = 1<<64 - PageSize // the last page may reach the end of the addresses
			}
			end &^= PageSize - 1
			for at < end {
				if skip := s.img.holeAt(at) &^ (PageSize - 1); skip > 0 {
					at += min(skip, end-at)
					continue
				}
				n := min(end-at, scanChunk-at%scanChunk)
				if left -= int64(n); left < 0 {
					s.skipped = true
					return
				}
				if n >= PageSize && !yield(physChunk{at, int(n &^ (PageSize - 1))}) {
					return
				}
				at += n
			}
		}
	}
}

// holeAt is how many bytes from a physical address on are zeros, as far as that is known without reading.
func (img *Image) holeAt(addr uint64) uint64 {
	space, ok := img.phys.(*dump.Space)
	if !ok {
		return 0
	}
	seg := space.Segments.Find(addr)
	if seg == nil || seg.Kind != dump.InFile {
		return 0
	}
	off := seg.Off + (addr - seg.Start)
	return space.File.NextData(off) - off
}

// chunk looks at one range; pages that cannot be read are left out.
func (s *memoryScan) chunk(c physChunk, mapped *mappedMemory, buf []byte) {
	for c.size > 0 {
		whole := 0 // whole pages
		if mapped.look(dump.Span{Addr: c.addr, Size: uint64(c.size)}, func(data []byte) {
			whole = len(data) &^ (PageSize - 1)
			s.look(c.addr, data[:whole])
		}) == 0 || whole == 0 {
			whole = min(c.size, len(buf))
			s.copy(c.addr, buf[:whole])
		}
		c.addr, c.size = c.addr+uint64(whole), c.size-whole
	}
}

// copy looks at a copy of a range.
func (s *memoryScan) copy(addr uint64, buf []byte) {
	if s.img.readPhys(addr, buf) == nil {
		s.look(addr, buf)
		return
	}
	for at := 0; at < len(buf); at += PageSize {
		page := buf[at : at+PageSize]
		if s.img.readPhys(addr+uint64(at), page) == nil {
			s.look(addr+uint64(at), page)
		}
	}
}

func (s *memoryScan) look(addr uint64, data []byte) {
	s.infos.look(addr, data)
	for at := 0; at < len(data); at += PageSize {
		s.tables.look(addr+uint64(at), (*[PageSize]byte)(data[at:]))
	}
}

// physSamples are up to n pages that the dump holds, from all over it.
func (img *Image) physSamples(n int) []uint64 {
	var starts, sizes []uint64
	total := uint64(0)
	for addr, size := range img.phys.Ranges() {
		if size = size / PageSize; size == 0 {
			continue
		}
		// A dump with holes everywhere is sampled by its first ranges.
		if len(starts) == 1<<16 {
			break
		}
		starts, sizes = append(starts, uint64(addr)&^(PageSize-1)), append(sizes, size)
		total += size
	}
	var out []uint64
	if total == 0 {
		return nil
	}
	step := max(1, total/uint64(n))
	skip := step / 2
	for i := range starts {
		for ; skip < sizes[i]; skip += step {
			out = append(out, starts[i]+skip*PageSize)
		}
		skip -= sizes[i]
	}
	return slices.Clip(out)
}
