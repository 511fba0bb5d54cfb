// Package inflate unpacks short zlib and deflate streams (RFC 1950, RFC 1951) from one
// byte slice into another: the pages of a dump, of which there are millions, each a stream of
// its own. A general decoder, which reads from and writes to streams, spends most of a page's time on
// setting itself up.
//
// A stream is hostile input. What zlib's inflate refuses is refused here: codes
// that are over-subscribed or incomplete (but for a single code of one bit), symbols
// without a meaning, distances beyond the start of the output, blocks of unknown type, a
// wrong checksum. What follows the stream's end is not looked at.
package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

// The errors of this package; the third kind is [io.ErrUnexpectedEOF], of a stream that is cut off.
var (
	// ErrCorrupt is the error of what no compressor writes.
	ErrCorrupt = errors.New("damaged deflate data")
	// ErrHeader is the error of a zlib header that is none, or wants a dictionary.
	ErrHeader = errors.New("no zlib data")
	// ErrChecksum is the error of data that unpacks and is not what was packed.
	ErrChecksum = errors.New("wrong checksum of zlib data")
	// ErrTooLong is the error of data that unpacks to more than there is room for.
	ErrTooLong = errors.New("deflate data for more than its place")
)

// Decoder holds the tables of the stream that is unpacked: 24 KiB, which are not to be
// allocated for each. Its zero value is ready; it is for one goroutine at a time.
type Decoder struct {
	tables
	pre  preTable
	desc description
}

// Zlib unpacks a zlib stream into dst and returns its length. After an error dst
// holds nothing of use.
func (d *Decoder) Zlib(dst, src []byte) (int, error) {
	const method, maxWindow, dictionary = 8, 7, 0x20
	if len(src) < 2 {
		return 0, io.ErrUnexpectedEOF
	}
	if h := binary.BigEndian.Uint16(src); h>>8&0xf != method || h>>12 > maxWindow || h%31 != 0 || h&dictionary != 0 {
		return 0, ErrHeader
	}
	n, used, err := d.Flate(dst, src[2:])
	if err != nil {
		return 0, err
	}
	sum := src[2+used:]
	if len(sum) < 4 {
		return 0, io.ErrUnexpectedEOF
	}
	if adler32(dst[:n]) != binary.BigEndian.Uint32(sum) {
		return 0, ErrChecksum
	}
	return n, nil
}

// Flate unpacks a deflate stream into dst. It returns how many bytes it wrote, and how many
// of src's bytes the stream has. After an error dst holds nothing of use.
func (d *Decoder) Flate(dst, src []byte) (n, used int, err error) {
	s := stream{src: src, dst: dst}
	for last := false; !last; {
		s.fill()
		if s.n < 3 {
			return 0, 0, io.ErrUnexpectedEOF
		}
		last = s.bits&1 != 0
		kind := s.bits >> 1 & 3
		s.drop(3)
		switch kind {
		case 0:
			err = s.stored()
		case 1:
			err = s.block(fixed())
		case 2:
			if err = d.codes(&s); err == nil {
				err = s.block(&d.tables)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return s.out, s.in - int(s.n/8), nil
}

// stream is how far a stream is read and written.
//
// The next bit of the stream is the lowest of bits. n of them are known; those
// above are 0, or are what the bytes from src[in] on will make them again.
type stream struct {
	src, dst []byte
	in, out  int
	bits     uint64
	n        uint
}

// fill takes as many bytes as bits has room for. At least 56 bits are known then, unless src
// ends.
func (s *stream) fill() {
	if s.in+8 <= len(s.src) {
		s.bits |= binary.LittleEndian.Uint64(s.src[s.in:]) << (s.n & 63)
		s.in += int((63 - s.n) >> 3)
		s.n |= 56
		return
	}
	for s.n <= 55 && s.in < len(s.src) {
		s.bits |= uint64(s.src[s.in]) << (s.n & 63)
		s.in++
		s.n += 8
	}
}

// drop takes k bits, which are known.
func (s *stream) drop(k uint) {
	s.bits >>= k & 63
	s.n -= k
}

// stored copies a block that is not compressed: from the next byte on a length, its
// complement, the bytes.
func (s *stream) stored() error {
	s.in -= int(s.n / 8)
	s.bits, s.n = 0, 0
	rest := s.src[s.in:]
	if len(rest) < 4 {
		return io.ErrUnexpectedEOF
	}
	size := int(binary.LittleEndian.Uint16(rest))
	if size != int(^binary.LittleEndian.Uint16(rest[2:])) {
		return ErrCorrupt
	}
	rest = rest[4:]
	switch {
	case size > len(rest):
		return io.ErrUnexpectedEOF
	case size > len(s.dst)-s.out:
		return ErrTooLong
	}
	copy(s.dst[s.out:], rest[:size])
	s.in, s.out = s.in+4+size, s.out+size
	return nil
}
