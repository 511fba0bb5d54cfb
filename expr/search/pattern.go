// Package search finds a pattern of bytes in all memory that a dump holds: who points to
// an object, where a string is, whether a key is still there.
//
// Memory is searched by physical address, each page once, and a match in two pages whose physical
// addresses follow one another is found; on snapshots, which may not know a page's, by
// virtual ones. What the dump does not hold is not searched, and the answer says so.
package search

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxPattern bounds a pattern, in bytes.
const maxPattern = 4096

// Pattern is what is looked for: bytes, as they lie in memory.
type Pattern struct {
	Bytes []byte
	Mask  []byte // of these bits alone; nil is all
	Align uint64 // addresses of matches are multiples of this
	Text  string // for people
}

// Uint is the pattern of a little-endian number of size bytes, 4 or 8, of which the bits of
// mask count.
func Uint(v, mask uint64, size int) Pattern {
	var b, m [8]byte
	binary.LittleEndian.PutUint64(b[:], v&mask)
	binary.LittleEndian.PutUint64(m[:], mask)
	p := Pattern{Bytes: b[:size], Align: uint64(size), Text: fmt.Sprintf("u%d %#x", 8*size, v)}
	if full := ^uint64(0) >> (64 - 8*size); mask&full != full {
		p.Mask = m[:size]
		p.Text += fmt.Sprintf(" under the mask %#x", mask)
	}
	return p
}

// Bytes reads hexadecimal digits, which may be apart: "0180c2000000", "01:80:c2:00:00:00", "01 80".
func Bytes(digits string) (Pattern, error) {
	plain := strings.NewReplacer(" ", "", ":", "", "-", "").Replace(digits)
	if len(plain) > 2 && (plain[:2] == "0x" || plain[:2] == "0X") {
		plain = plain[2:]
	}
	b, err := hex.DecodeString(plain)
	if err != nil || len(b) == 0 {
		return Pattern{}, fmt.Errorf("--bytes wants pairs of hexadecimal digits, in the order of memory: --bytes 0180c2000000")
	}
	return sized(Pattern{Bytes: b, Align: 1, Text: "bytes " + hex.EncodeToString(b)})
}

// String is the pattern of a text, without a NUL behind it.
func String(s string) (Pattern, error) {
	if s == "" {
		return Pattern{}, errors.New("--string wants a text")
	}
	return sized(Pattern{Bytes: []byte(s), Align: 1, Text: fmt.Sprintf("string %+q", s)})
}

func sized(p Pattern) (Pattern, error) {
	if len(p.Bytes) > maxPattern {
		return Pattern{}, fmt.Errorf("a pattern of %d bytes: %d are the most", len(p.Bytes), maxPattern)
	}
	if len(p.Text) > 200 {
		p.Text = p.Text[:200] + "…"
	}
	return p, nil
}

// zeros reports whether memory of zeros matches.
func (p *Pattern) zeros() bool { return p.at(make([]byte, len(p.Bytes)), 0) }

// at reports whether b matches at i. b reaches that far.
func (p *Pattern) at(b []byte, i int) bool {
	b = b[i : i+len(p.Bytes)]
	if p.Mask == nil {
		return bytes.Equal(b, p.Bytes)
	}
	for j, m := range p.Mask {
		if b[j]&m != p.Bytes[j]&m {
			return false
		}
	}
	return true
}

// find appends the addresses of up to limit matches in b, which lies at addr. Matches may
// overlap.
func (p *Pattern) find(hits []uint64, b []byte, addr uint64, limit int) []uint64 {
	i := int(-addr & (p.Align - 1))
	if i < 0 || len(b) < len(p.Bytes) || i > len(b)-len(p.Bytes) {
		return hits
	}
	switch size := len(p.Bytes); {
	case size == 8 && p.Align == 8:
		return p.find64(hits, b, i, addr, limit)
	case size == 4 && p.Align == 4:
		return p.find32(hits, b, i, addr, limit)
	case p.Mask == nil:
		for len(hits) < limit {
			n := bytes.Index(b[i:], p.Bytes)
			if n < 0 {
				break
			}
			if i += n; (addr+uint64(i))%p.Align == 0 {
				hits = append(hits, addr+uint64(i))
			}
			i++
		}
		return hits
	}
	for ; i <= len(b)-len(p.Bytes) && len(hits) < limit; i += int(p.Align) {
		if p.at(b, i) {
			hits = append(hits, addr+uint64(i))
		}
	}
	return hits
}

// find64 is find for aligned numbers of 8 bytes.
func (p *Pattern) find64(hits []uint64, b []byte, i int, addr uint64, limit int) []uint64 {
	le := binary.LittleEndian
	v, mask := le.Uint64(p.Bytes), ^uint64(0)
	if p.Mask != nil {
		mask = le.Uint64(p.Mask)
		v &= mask
	}
	b, addr = b[i:], addr+uint64(i)
	if rare := p.rareByte(); rare >= 0 {
		return p.findRare(hits, b, addr, rare, limit)
	}
	return find64Scalar(hits, b, addr, v, mask, limit)
}

// rareByte is the place of a byte of the pattern that memory has few of, as far as one can tell; -1 where there
// is none.
func (p *Pattern) rareByte() int {
	if p.Mask != nil {
		return -1
	}
	for i, c := range p.Bytes {
		if c != 0 && c != 1 && c != 0xff {
			return i
		}
	}
	return -1
}

// findRare looks for a byte of an aligned number of 8 bytes, and at what is around it: the byte is found
// by many at a time. Where a page has it all over, the page is gone through as others are.
func (p *Pattern) findRare(hits []uint64, b []byte, addr uint64, rare, limit int) []uint64 {
	const block, most = 4096, 48
	le := binary.LittleEndian
	v := le.Uint64(p.Bytes)
	for len(b) >= 8 && len(hits) < limit {
		part := b[:min(len(b)&^7, block)]
		seen, at := 0, 0
		for at < len(part) && len(hits) < limit {
			n := bytes.IndexByte(part[at:], p.Bytes[rare])
			if n < 0 {
				at = len(part)
				break
			}
			at += n
			if word := at &^ 7; at-word == rare && le.Uint64(part[word:]) == v {
				hits = append(hits, addr+uint64(word))
			}
			at++
			if seen++; seen == most {
				break
			}
		}
		if at < len(part) && len(hits) < limit {
			// Words that were looked at in part are looked at again where the byte may yet come.
			word := at &^ 7
			if at-word > rare {
				word += 8
			}
			hits = find64Scalar(hits, part[word:], addr+uint64(word), v, ^uint64(0), limit)
		}
		b, addr = b[len(part):], addr+uint64(len(part))
	}
	return hits
}

// find64Scalar goes through aligned numbers of 8 bytes, four at a time, of which mostly none matches.
func find64Scalar(hits []uint64, b []byte, addr, v, mask uint64, limit int) []uint64 {
	le := binary.LittleEndian
	for len(b) >= 8 && len(hits) < limit {
		n := min(len(b)/8, 4)
		if n == 4 {
			w := (*[32]byte)(b)
			if le.Uint64(w[:8])&mask != v && le.Uint64(w[8:16])&mask != v && le.Uint64(w[16:24])&mask != v && le.Uint64(w[24:])&mask != v {
				b, addr = b[32:], addr+32
				continue
			}
		}
		for ; n > 0; n-- {
			if le.Uint64(b)&mask == v {
				if hits = append(hits, addr); len(hits) >= limit {
					return hits
				}
			}
			b, addr = b[8:], addr+8
		}
	}
	return hits
}

// find32 is find for aligned numbers of 4 bytes, two at a time.
func (p *Pattern) find32(hits []uint64, b []byte, i int, addr uint64, limit int) []uint64 {
	le := binary.LittleEndian
	v, mask := le.Uint32(p.Bytes), ^uint32(0)
	if p.Mask != nil {
		mask = le.Uint32(p.Mask)
		v &= mask
	}
	for b, addr = b[i:], addr+uint64(i); len(b) >= 4; {
		n := min(len(b)/4, 4)
		if n == 4 {
			w := (*[16]byte)(b)
			x, y := le.Uint64(w[:8]), le.Uint64(w[8:])
			if uint32(x)&mask != v && uint32(x>>32)&mask != v && uint32(y)&mask != v && uint32(y>>32)&mask != v {
				b, addr = b[16:], addr+16
				continue
			}
		}
		for ; n > 0; n-- {
			if le.Uint32(b)&mask == v {
				if hits = append(hits, addr); len(hits) >= limit {
					return hits
				}
			}
			b, addr = b[4:], addr+4
		}
	}
	return hits
}

// findZeros is find in size zeros.
func (p *Pattern) findZeros(hits []uint64, addr, size uint64, limit int) []uint64 {
	end := addr + size
	for at := (addr + p.Align - 1) &^ (p.Align - 1); at >= addr && at < end && end-at >= uint64(len(p.Bytes)) && len(hits) < limit; at += p.Align {
		hits = append(hits, at)
	}
	return hits
}
