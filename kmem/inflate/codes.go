package inflate

import (
	"io"
	"math/bits"
	"sync"
)

// A code is decoded by a table: the next bits of the stream are an index into it, and the
// entry there tells the symbol and how long its code is. Codes that are longer than
// the index lead to a second table behind the first. An entry:
//
//	bits 0-4    bits that it takes from the stream: those of the code, and of what follows it
//	bits 8-11   bits of the code alone; of a link, those that index the second table
//	bit 13      invalid: no code, or a symbol without a meaning
//	bit 14      the end of the block
//	bit 15      set with either of these, and of a link, which has neither
//	bits 16-30  the literal; the least length or distance, to which the bits behind the code
//	            are added; where the second table begins
//	bit 31      a literal
//
// All bits below 16 of the templates that symbols have are added to those of the code.
type entry = uint32

const (
	entryBits    = 0x1f
	entryCode    = 8
	entryCodeLen = 0xf
	entryInvalid = 1 << 13
	entryEnd     = 1 << 14
	entrySpecial = 1 << 15
	entryValue   = 16
	entryLiteral = 1 << 31
	oneBit       = 1 | 1<<entryCode // what a bit of a code adds

	invalid = entrySpecial | entryInvalid
)

const (
	maxCode    = 15 // bits
	maxLit     = 288
	maxSymbols = maxLit + maxDist
	maxDist    = 32
	endBlock   = 256

	litIndex  = 10
	distIndex = 8
	preIndex  = 7

	// A second table of 2^k entries holds k+1 codes at least, since the code is complete. So the
	// 286 symbols fill fewer than 286/6*32 entries behind the first 1024, and the 30
	// distances fewer than 30/8*128 behind the first 256.
	litSize  = 4096
	distSize = 1024
)

// tables are those of a block.
type tables struct {
	lit  [litSize]entry
	dist [distSize]entry
}

// preTable is that of the code for lengths: symbol<<3 | length of the code.
type preTable [1 << preIndex]uint8

// litTemplates and distTemplates are the symbols' entries without a code.
var litTemplates, distTemplates = func() (lit, dist [maxLit]entry) {
	for i := range lit {
		switch {
		case i < endBlock:
			lit[i] = entryLiteral | entry(i)<<entryValue
		case i == endBlock:
			lit[i] = entrySpecial | entryEnd
		default:
			lit[i] = invalid
		}
	}
	base := entry(3)
	for i := range 28 {
		extra := entry(max(0, i/4-1))
		lit[endBlock+1+i] = base<<entryValue | extra
		base += 1 << extra
	}
	lit[285] = 258 << entryValue
	base = 1
	for i := range maxDist {
		extra := entry(max(0, i/2-1))
		dist[i] = base<<entryValue | extra
		base += 1 << extra
	}
	dist[30], dist[31] = invalid, invalid
	return lit, dist
}()

// fixed are the tables of the codes that need no description.
var fixed = sync.OnceValue(func() *tables {
	lengths := func(symbol int) uint8 {
		switch {
		case symbol < 144:
			return 8
		case symbol < 256:
			return 9
		case symbol < 280:
			return 7
		case symbol < maxLit:
			return 8
		}
		return 5 // distances
	}
	var d description
	for i := range maxLit + maxDist {
		d.lens[i] = lengths(i)
		d.count[d.lens[i]]++
		d.used[i] = uint16(i)
	}
	d.n = maxLit + maxDist
	f := new(tables)
	d.build(f, maxLit)
	return f
})

// preOrder is the order in which the lengths of the code for lengths stand.
var preOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// description is what describes both codes of a block.
type description struct {
	lens  [maxSymbols]uint8  // of the codes of literals and lengths, then of the distances
	used  [maxSymbols]uint16 // those of them that are not 0, upwards
	n     int                // that many are used
	count [maxCode + 1]uint16
}

// codes reads the description of a block's codes, and makes their tables.
func (d *Decoder) codes(s *stream) error {
	s.fill()
	if s.n < 14 {
		return io.ErrUnexpectedEOF
	}
	lits, dists, pres := int(s.bits&31)+257, int(s.bits>>5&31)+1, int(s.bits>>10&15)+4
	s.drop(14)
	if lits > 286 || dists > 30 {
		return ErrCorrupt
	}
	var pre [19]uint8
	for i := range pres {
		if s.n < 3 {
			if s.fill(); s.n < 3 {
				return io.ErrUnexpectedEOF
			}
		}
		pre[preOrder[i]] = uint8(s.bits & 7)
		s.drop(3)
	}
	if !d.pre.build(&pre) {
		return ErrCorrupt
	}
	if err := d.desc.read(s, &d.pre, lits+dists); err != nil {
		return err
	}
	if d.desc.lens[endBlock] == 0 || !d.desc.build(&d.tables, lits) {
		return ErrCorrupt
	}
	return nil
}

// read reads n lengths. Most symbols that a page does not have come in long runs: all
// that is to be known of the lengths is collected on the way, so that nobody has to look for the others.
func (d *description) read(s *stream, pre *preTable, n int) error {
	in := *s
	var count [maxCode + 1]uint16
	used := 0
	for i := 0; i < n; {
		if in.n < preIndex+7 {
			in.fill()
		}
		e := pre[in.bits&(1<<preIndex-1)]
		length, symbol := uint(e&7), e>>3
		if in.n < length {
			return io.ErrUnexpectedEOF
		}
		in.drop(length)
		if symbol <= maxCode {
			d.lens[i%maxSymbols] = symbol
			d.used[used%maxSymbols] = uint16(i)
			if symbol != 0 {
				used++
			}
			count[symbol%(maxCode+1)]++
			i++
			continue
		}
		repeat, extra, value := 3, uint(2), uint8(0)
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value = d.lens[(i-1)%maxSymbols]
		case 17:
			extra = 3
		default:
			repeat, extra = 11, 7
		}
		if in.n < extra {
			return io.ErrUnexpectedEOF
		}
		repeat += int(in.bits & (1<<extra - 1))
		in.drop(extra)
		if repeat > n-i {
			return ErrCorrupt
		}
		run := d.lens[i : i+repeat]
		for j := range run {
			run[j] = value
		}
		if value != 0 {
			for j := range repeat {
				d.used[(used+j)%maxSymbols] = uint16(i + j)
			}
			used += repeat
		}
		count[value%(maxCode+1)] += uint16(repeat)
		i += repeat
	}
	d.n, d.count = used, count
	*s = in
	return nil
}

// build makes the tables; lits is the number of literals and lengths. ok is false where
// there are no such codes.
func (d *description) build(t *tables, lits int) (ok bool) {
	first := d.n
	c := code{lens: &d.lens, first: lits}
	for first > 0 && int(d.used[first-1]) >= lits {
		first--
		c.count[d.lens[d.used[first]]%(maxCode+1)]++
	}
	c.used = d.used[first:d.n]
	if !c.build(t.dist[:], &distTemplates, distIndex) {
		return false
	}
	for l, n := range c.count {
		c.count[l] = d.count[l] - n
	}
	c.used, c.first = d.used[:first], 0
	return c.build(t.lit[:], &litTemplates, litIndex)
}

// build makes the table of the code for lengths. ok is false where the lengths are
// none of a complete code.
func (t *preTable) build(lens *[19]uint8) (ok bool) {
	var next [8]uint
	var count [8]uint8
	for _, l := range lens {
		count[l&7]++
	}
	code := uint(0)
	for l := 1; l < len(count); l++ {
		next[l] = code
		code = (code + uint(count[l])) << 1
	}
	if code != 1<<(preIndex+1) {
		return false
	}
	for symbol, l := range lens {
		if l == 0 {
			continue
		}
		at := uint(bits.Reverse8(uint8(next[l&7])) >> (8 - l&7))
		next[l&7]++
		e := uint8(symbol)<<3 | l
		for ; at < uint(len(t)); at += 1 << (l & 7) {
			t[at] = e
		}
	}
	return true
}

// code is one of the two codes of a block.
type code struct {
	lens  *[maxSymbols]uint8
	used  []uint16 // its symbols, by their places in lens
	first int      // where in lens its own begin
	count [maxCode + 1]uint16
}

// build makes the table. ok is false where there is no such code.
func (c *code) build(table []entry, templates *[maxLit]entry, index int) (ok bool) {
	var at [maxCode + 1]uint16
	left, before := 1, uint16(0)
	for l := 1; l <= maxCode; l++ {
		left = left<<1 - int(c.count[l])
		if left < 0 {
			return false
		}
		at[l] = before
		before += c.count[l]
	}
	if left > 0 {
		return c.single(table[:1<<index], templates)
	}
	var sorted [maxLit]uint16 // symbols by their codes
	for _, i := range c.used {
		l := c.lens[i%maxSymbols] & maxCode
		sorted[at[l]%maxLit] = i - uint16(c.first)
		at[l]++
	}
	symbols := sorted[:before]
	// The table grows with the length of the codes: with each bit it doubles, as
	// shorter codes do not depend on the bit.
	next, size := 0, 1
	for l := 1; l <= index; l++ {
		copy(table[size:2*size], table[:size])
		size *= 2
		next <<= 1
		add := entry(l) * oneBit
		n := int(c.count[l])
		for i, symbol := range symbols[:n] {
			table[reversed[(next+i)<<(reverseBits-l)&(1<<reverseBits-1)]] = templates[symbol%maxLit] + add
		}
		next += n
		symbols = symbols[n:]
	}
	if len(symbols) > 0 {
		c.second(table, symbols, templates, index, next)
	}
	return true
}

// single makes the table of an incomplete code. Such is one of a single symbol, whose code is one bit; and
// there may be no symbol at all, as a block may be without matches.
func (c *code) single(table []entry, templates *[maxLit]entry) (ok bool) {
	for i := range table {
		table[i] = invalid
	}
	switch {
	case len(c.used) == 0:
		return true
	case len(c.used) > 1 || c.count[1] != 1:
		return false
	}
	for i := 0; i < len(table); i += 2 {
		table[i] = templates[int(c.used[0])-c.first] + oneBit
	}
	return true
}

// second makes the tables for codes that are longer than the index. next is the first of
// them, as far as the index goes.
func (c *code) second(table []entry, symbols []uint16, templates *[maxLit]entry, index, next int) {
	end, start, prefix := 1<<index, 0, -1
	for l := index + 1; l <= maxCode; l++ {
		next <<= 1
		for n := int(c.count[l]); n > 0; n-- {
			at := int(bits.Reverse16(uint16(next)) >> (16 - l))
			next++
			if at&(1<<index-1) != prefix {
				// As wide as the longest code with this prefix: codes are in order, so
				// those that follow fill it.
				prefix = at & (1<<index - 1)
				start = end
				width := l - index
				for room := 1<<width - n; room > 0 && index+width < maxCode; {
					width++
					room = room<<1 - int(c.count[index+width])
				}
				end += 1 << width
				table[prefix] = entrySpecial | entry(start)<<entryValue | entry(width)<<entryCode | entry(index)
			}
			e := templates[symbols[0]%maxLit] + entry(l-index)*oneBit
			symbols = symbols[1:]
			for i := start + at>>index; i < end; i += 1 << (l - index) {
				table[i] = e
			}
		}
	}
}

// reversed are the numbers of reverseBits bits, their highest first: codes
// are counted from their first bit on, which is the lowest in the stream.
var reversed = func() (r [1 << reverseBits]uint16) {
	for i := range r {
		r[i] = bits.Reverse16(uint16(i)) >> (16 - reverseBits)
	}
	return r
}()

const reverseBits = 10
