// Package lzo unpacks LZO1X data, as makedumpfile -l and QEMU's kdump-lzo pack the pages
// of a dump, from one byte slice into another.
//
// The data is a row of instructions. Each begins with a byte that tells by its highest bits what it is, and
// may be followed by bytes of a length (zeros of 255 each, then the rest), of a distance,
// and by literals, which are copied as they are. A match copies what is a distance back in the
// output:
//
//	1LLDDDSS H   match of 5 + L bytes, distance H·8 + D + 1
//	01LDDDSS H   match of 3 + L, distance H·8 + D + 1
//	001LLLLL …   match of 2 + L (0: 31 and a length), distance in 14 bits of two bytes, plus 1
//	0001HLLL …   match of 2 + L (0: 7 and a length), distance H·16384 in 14 bits of two bytes, plus 16384;
//	             one of just 16384 is the end
//	0000LLLL     behind an instruction without literals: 3 + L literals (0: 15 and a length)
//	0000DDSS H   behind 1 to 3 literals: match of 2, distance H·4 + D + 1;
//	             behind more: of 3, distance H·4 + D + 2049
//
// S, or the lowest two bits of the two bytes, are literals that follow a match. The very
// first byte may be 18 or more: that many less 17 literals.
//
// Data is hostile input: whatever it holds, nothing is read or written beyond the slices.
package lzo

import (
	"encoding/binary"
	"errors"
	"io"

	"kinspect/kmem/match"
)

// The errors of this package; another is [io.ErrUnexpectedEOF], of data that is cut off.
var (
	// ErrCorrupt is the error of what no compressor writes.
	ErrCorrupt = errors.New("damaged LZO data")
	// ErrTooLong is the error of data that unpacks to more than there is room for.
	ErrTooLong = errors.New("LZO data for more than its place")
)

// literals4 stands for all numbers of literals from 4 on.
const literals4 = 4

// Decompress unpacks src, which ends with the data, into dst and returns the length. After an
// error dst holds nothing of use.
func Decompress(dst, src []byte) (int, error) {
	dst, src = dst[:len(dst):len(dst)], src[:len(src):len(src)]
	in, out, before := 0, 0, 0
	if len(src) > 0 && src[0] > 17 {
		n := int(src[0]) - 17
		if n > len(src)-1 {
			return 0, io.ErrUnexpectedEOF
		}
		if n > len(dst) {
			return 0, ErrTooLong
		}
		copy(dst, src[1:1+n])
		in, out, before = 1+n, n, min(n, literals4)
	}
	for {
		if in+2 >= len(src) { // the end takes three bytes
			return 0, io.ErrUnexpectedEOF
		}
		c := int(src[in])
		in++
		var length, back, next int
		switch {
		case c >= 64:
			length, back, next = c>>5+1, int(src[in])<<3+c>>2&7+1, c&3
			in++
		case c >= 16:
			// Two kinds that differ in how many bits the length has, and in the distance.
			bits := 31
			if c < 32 {
				bits = 7
			}
			if length = c & bits; length == 0 {
				if length, in = more(src, in); in < 0 {
					return 0, io.ErrUnexpectedEOF
				}
				length += bits
			}
			length += 2
			if in+2 > len(src) {
				return 0, io.ErrUnexpectedEOF
			}
			w := int(binary.LittleEndian.Uint16(src[in : in+2]))
			in += 2
			back, next = w>>2+1, w&3
			if c < 32 {
				back = c&8<<11 + w>>2 + 16384
				if back == 16384 {
					if length != 3 || in != len(src) {
						return 0, ErrCorrupt
					}
					return out, nil
				}
			}
		case before == 0:
			n := c
			if n == 0 {
				if n, in = more(src, in); in < 0 {
					return 0, io.ErrUnexpectedEOF
				}
				n += 15
			}
			n += 3
			if n > len(src)-in {
				return 0, io.ErrUnexpectedEOF
			}
			if n > len(dst)-out {
				return 0, ErrTooLong
			}
			if n <= 16 && in+16 <= len(src) && out+16 <= len(dst) {
				binary.LittleEndian.PutUint64(dst[out:out+8], binary.LittleEndian.Uint64(src[in:in+8]))
				binary.LittleEndian.PutUint64(dst[out+8:out+16], binary.LittleEndian.Uint64(src[in+8:in+16]))
			} else {
				copy(dst[out:out+n], src[in:in+n])
			}
			in, out, before = in+n, out+n, literals4
			continue
		case before == literals4:
			length, back, next = 3, int(src[in])<<2+c>>2+2049, c&3
			in++
		default:
			length, back, next = 2, int(src[in])<<2+c>>2+1, c&3
			in++
		}
		if back > out {
			return 0, ErrCorrupt
		}
		if length > len(dst)-out {
			return 0, ErrTooLong
		}
		if !match.Short(dst, out, length, back) {
			match.Copy(dst, out, length, back)
		}
		out, before = out+length, next
		if next == 0 {
			continue
		}
		if in+4 <= len(src) && out+4 <= len(dst) {
			binary.LittleEndian.PutUint32(dst[out:out+4], binary.LittleEndian.Uint32(src[in:in+4]))
		} else if next > len(src)-in {
			return 0, io.ErrUnexpectedEOF
		} else if next > len(dst)-out {
			return 0, ErrTooLong
		} else {
			copy(dst[out:], src[in:in+next])
		}
		in, out = in+next, out+next
	}
}

// more reads the rest of a length: zeros that stand for 255 each, and what is left. in is
// negative where the data ends before.
func more(src []byte, in int) (length, next int) {
	for ; in < len(src); in++ {
		if c := src[in]; c != 0 {
			return length + int(c), in + 1
		}
		length += 255
	}
	return 0, -1
}
