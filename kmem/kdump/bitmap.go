package kdump

import (
	"bytes"
	"encoding/binary"
	"math/bits"

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

// readBitmap counts a bitmap. Where memory is not 0, it is the offset of another
// bitmap that must have all of its bits: stray tells a page that it lacks.
func readBitmap(f *dump.File, off, pages, memory uint64) (b *bitmap, stray int64, err error) {
	b = &bitmap{f: f, off: off, pages: pages}
	lines := (pages + rankPages - 1) / rankPages
	const chunk = 256 << 10
	size := lines * rankLine
	buf, other := make([]byte, min(size, chunk)), []byte(nil)
	if memory != 0 {
		other = make([]byte, len(buf))
	}
	stray = -1
	var count uint64
	for done := uint64(0); done < size; {
		n := min(size-done, uint64(len(buf)))
		// A flattened file has no more of the last block than there are pages.
		inFile := min(n, (pages+7)/8-done)
		if err := f.ReadFull(off+done, buf[:inFile]); err != nil {
			return nil, 0, err
		}
		clear(buf[inFile:n])
		clearFrom(buf[:n], pages-done*8)
		if other != nil {
			if err := f.ReadFull(memory+done, other[:inFile]); err != nil {
				return nil, 0, err
			}
			if i := lacks(buf[:n], other); i >= 0 && stray < 0 {
				stray = int64(done*8) + int64(i)
			}
		}
		// Only what was read is worth memory: the list grows with the file.
		for line := range n / rankLine {
			b.ranks = append(b.ranks, count)
			count += popcount(buf[line*rankLine : (line+1)*rankLine])
		}
		if done += n; done == size {
			b.tail = bytes.Clone(buf[n-rankLine : n])
		}
	}
	b.ranks = append(b.ranks, count)
	return b, stray, nil
}

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
		line, err := b.line(page + n)
		if err != nil {
			return n, err
		}
		at := (page + n) % rankPages
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

// line returns the bytes that hold a page's bit.
func (b *bitmap) line(page uint64) ([]byte, error) {
	if b.tail != nil && page/rankPages == (b.pages-1)/rankPages {
		return b.tail, nil
	}
	return b.f.View(b.off+page/rankPages*rankLine, rankLine)
}
