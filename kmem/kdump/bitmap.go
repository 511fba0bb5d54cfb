package kdump

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"

	"kinspect/kmem/dump"
)

// bitmap is a bitmap in a file, a bit a page, that answers in constant time how
// many bits are set before a page. In memory it keeps a count for each rankLine bytes,
// which is 1/128 of the bitmap; a question reads one line of the file and counts the
// rest. It is safe for concurrent use.
type bitmap struct {
	f     *dump.File
	off   uint64
	pages uint64   // bits behind them are not looked at
	ranks []uint64 // bits set before each line; one more at the end, all of them
	tail  []byte   // the last line, as the file may not have all of it; nil: it does
}

const (
	rankLine  = dump.CacheLine
	rankPages = rankLine * 8
)

// bitmapChunk is how much of a bitmap one core counts at a time, in bytes.
const bitmapChunk = 256 << 10

// readBitmap counts a bitmap, on all cores and without a look at holes of the file. Where
// memory is not 0, it is the offset of another bitmap that must have all of its bits: stray
// tells a page that it lacks.
func readBitmap(f *dump.File, off, pages, memory uint64) (b *bitmap, stray int64, err error) {
	lines := (pages + rankPages - 1) / rankPages
	// The file is as long as that, or the headers would have been refused.
	b = &bitmap{f: f, off: off, pages: pages, ranks: make([]uint64, lines+1)}
	chunks := int((lines*rankLine + bitmapChunk - 1) / bitmapChunk)
	var next atomic.Int64
	var mu sync.Mutex
	bad := chunks // the first chunk with an error, or a bit too many
	stray = -1
	work := func() {
		c := bitmapCounter{b: b, memory: memory}
		for {
			i := int(next.Add(1)) - 1
			if i >= chunks {
				return
			}
			lacking, cerr := c.count(uint64(i) * bitmapChunk)
			if cerr == nil && lacking < 0 {
				continue
			}
			mu.Lock()
			if i < bad {
				bad, stray, err = i, lacking, cerr
			}
			mu.Unlock()
			next.Store(int64(chunks)) // those before are being counted
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), chunks) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err != nil {
		return nil, 0, err
	}
	for i := range lines {
		b.ranks[i+1] += b.ranks[i]
	}
	return b, stray, nil
}

// bitmapCounter counts chunks, one at a time.
type bitmapCounter struct {
	b          *bitmap
	memory     uint64
	buf, other []byte
}

// count puts the number of bits of each line from the bitmap's byte at on, bitmapChunk at
// most, behind the line's place in ranks. lacking is a page that the other bitmap lacks, or -1.
func (c *bitmapCounter) count(at uint64) (lacking int64, err error) {
	b := c.b
	n := min(uint64(len(b.ranks)-1)*rankLine-at, bitmapChunk)
	last := at+n == uint64(len(b.ranks)-1)*rankLine
	// A flattened file has no more of the last block than there are pages.
	inFile := min(n, (b.pages+7)/8-at)
	if !last && b.f.Hole(b.off+at, n) {
		return -1, nil
	}
	if c.buf == nil {
		c.buf = make([]byte, bitmapChunk)
	}
	buf := c.buf[:n]
	if err := b.f.ReadFull(b.off+at, buf[:inFile]); err != nil {
		return -1, err
	}
	clear(buf[inFile:])
	clearFrom(buf, b.pages-at*8)
	if last {
		b.tail = bytes.Clone(buf[n-rankLine:])
	}
	if bytes.Equal(buf, zeros[:n]) {
		return -1, nil
	}
	line := at / rankLine
	for ; len(buf) > 0; buf = buf[rankLine:] {
		line++
		b.ranks[line] = popcount(buf[:rankLine])
	}
	if c.memory == 0 {
		return -1, nil
	}
	if c.other == nil {
		c.other = make([]byte, bitmapChunk)
	}
	if err := b.f.ReadFull(c.memory+at, c.other[:inFile]); err != nil {
		return -1, err
	}
	if i := lacks(c.buf[:n], c.other); i >= 0 {
		return int64(at*8) + int64(i), nil
	}
	return -1, nil
}

var zeros [bitmapChunk]byte

// clearFrom clears the bits of b from the n-th on.
func clearFrom(b []byte, n uint64) {
	if n >= uint64(len(b))*8 {
		return
	}
	b[n/8] &= 1<<(n%8) - 1
	clear(b[n/8+1:])
}

// lacks returns the first bit of b that other does not have, or -1.
func lacks(b, other []byte) int {
	for i := 0; i+8 <= len(b); i += 8 {
		if w := binary.LittleEndian.Uint64(b[i:]) &^ binary.LittleEndian.Uint64(other[i:]); w != 0 {
			return i*8 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// popcount counts the bits of b, whose length is a multiple of 8.
func popcount(b []byte) uint64 {
	n := 0
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	return uint64(n)
}

// count is the number of bits set.
func (b *bitmap) count() uint64 { return b.ranks[len(b.ranks)-1] }

// rank tells how many bits are set before a page, and whether its own is. The page
// may be the first behind the last.
func (b *bitmap) rank(page uint64) (n uint64, set bool, err error) {
	if page >= b.pages {
		return b.count(), false, nil
	}
	line, err := b.line(page)
	if err != nil {
		return 0, false, err
	}
	at := page % rankPages
	word := at / 64 * 8
	w := binary.LittleEndian.Uint64(line[word:])
	n = b.ranks[page/rankPages] + popcount(line[:word]) + uint64(bits.OnesCount64(w&(1<<(at%64)-1)))
	return n, w>>(at%64)&1 != 0, nil
}

// run returns how many of the up to limit pages from page on are set, up to the first that
// is not.
func (b *bitmap) run(page, limit uint64) (uint64, error) {
	limit = min(limit, b.pages-min(page, b.pages))
	return b.same(page, limit, true)
}

// same counts the pages from page on, limit at most, whose bit is want.
func (b *bitmap) same(page, limit uint64, want bool) (uint64, error) {
	for n := uint64(0); n < limit; {
		at := (page + n) % rankPages
		if i := (page + n) / rankPages; b.alike(i, want) {
			n += rankPages - at // without a look at the file
			continue
		}
		line, err := b.line(page + n)
		if err != nil {
			return n, err
		}
		w := binary.LittleEndian.Uint64(line[at/64*8:])
		if want {
			w = ^w
		}
		w >>= at % 64
		step := min(64-at%64, uint64(bits.TrailingZeros64(w)))
		n += step
		if step < 64-at%64 {
			return min(n, limit), nil
		}
		if n >= limit {
			break
		}
	}
	return limit, nil
}

// alike reports whether all bits of a line are want, as its count tells.
func (b *bitmap) alike(line uint64, want bool) bool {
	n := b.ranks[line+1] - b.ranks[line]
	return !want && n == 0 || want && n == rankPages
}

// line returns the bytes that hold a page's bit.
func (b *bitmap) line(page uint64) ([]byte, error) {
	if b.tail != nil && page/rankPages == (b.pages-1)/rankPages {
		return b.tail, nil
	}
	return b.f.View(b.off+page/rankPages*rankLine, rankLine)
}
