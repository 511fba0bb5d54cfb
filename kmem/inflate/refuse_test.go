package inflate

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"testing"
)

// bitWriter makes a stream by hand.
type bitWriter struct {
	out []byte
	n   uint
}

// put adds the lowest n bits of v, the lowest first.
func (w *bitWriter) put(v uint64, n uint) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// code adds a code of n bits, which starts with its highest.
func (w *bitWriter) code(v uint16, n uint) *bitWriter {
	return w.put(uint64(bits.Reverse16(v)>>(16-n)), n)
}

// lengths starts a last block with these lengths of codes. They are written with a code
// in which each length from 0 to 15 has 4 bits.
func (w *bitWriter) lengths(lits, dists []uint8) *bitWriter {
	w.put(1, 1).put(2, 2).put(uint64(len(lits)-257), 5).put(uint64(len(dists)-1), 5).put(15, 4)
	for _, symbol := range preOrder {
		if symbol < 16 {
			w.put(4, 3)
		} else {
			w.put(0, 3)
		}
	}
	for _, l := range append(append([]uint8{}, lits...), dists...) {
		w.code(uint16(l), 4)
	}
	return w
}

// lits are the lengths of literals and lengths: n of them, all 0 but those of the pairs
// of symbol and length.
func lits(n int, pairs ...int) []uint8 {
	out := make([]uint8, n)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = uint8(pairs[i+1])
	}
	return out
}

func fixedBlock() *bitWriter { return new(bitWriter).put(1, 1).put(1, 2) }

// handmade is a stream without header and checksum, and what is to come of it.
type handmade struct {
	name string
	w    *bitWriter
	want error // nil: nothing, it is good
	out  string
}

// src is the zlib stream, its checksum right.
func (h handmade) src() []byte {
	src := append([]byte{0x78, 0x01}, h.w.out...)
	return binary.BigEndian.AppendUint32(src, adler32([]byte(h.out)))
}

var refused = []handmade{
	{"fixed: a, end", fixedBlock().code(0x30+'a', 8).code(0, 7), nil, "a"},
	{"fixed: a, match of 258 is out of room", fixedBlock().code(0x30+'a', 8).code(0xc0+285-280, 8).code(0, 5).code(0, 7), ErrTooLong, ""},
	{"fixed: a, match of 3", fixedBlock().code(0x30+'a', 8).code(1, 7).code(0, 5).code(0, 7), nil, "aaaa"},
	{"fixed: match before the start", fixedBlock().code(0x30+'a', 8).code(1, 7).code(1, 5).code(0, 7), ErrCorrupt, ""},
	{"fixed: match without anything", fixedBlock().code(1, 7).code(0, 5).code(0, 7), ErrCorrupt, ""},
	{"fixed: length symbol 286", fixedBlock().code(0x30+'a', 8).code(0xc0+286-280, 8).code(0, 5).code(0, 7), ErrCorrupt, ""},
	{"fixed: length symbol 287", fixedBlock().code(0x30+'a', 8).code(0xc0+287-280, 8).code(0, 5).code(0, 7), ErrCorrupt, ""},
	{"fixed: distance symbol 30", fixedBlock().code(0x30+'a', 8).code(1, 7).code(30, 5).code(0, 7), ErrCorrupt, ""},
	{"fixed: distance symbol 31", fixedBlock().code(0x30+'a', 8).code(1, 7).code(31, 5).code(0, 7), ErrCorrupt, ""},
	{"block of kind 3", new(bitWriter).put(1, 1).put(3, 2).put(0, 40), ErrCorrupt, ""},
	{"stored", new(bitWriter).put(1, 1).put(0, 7).put(2, 16).put(0xfffd, 16).put('a', 8).put('b', 8), nil, "ab"},
	{"stored, no complement", new(bitWriter).put(1, 1).put(0, 7).put(2, 16).put(0xfffc, 16).put('a', 8).put('b', 8), ErrCorrupt, ""},
	{"stored, longer than the stream", new(bitWriter).put(1, 1).put(0, 7).put(90, 16).put(^uint64(90), 16).put('a', 8), io.ErrUnexpectedEOF, ""},
	{"stored, longer than the place", new(bitWriter).put(1, 1).put(0, 7).put(17, 16).put(^uint64(17), 16).put(0, 64).put(0, 64).put(0, 8), ErrTooLong, ""},
	{"two blocks", new(bitWriter).put(0, 1).put(1, 2).code(0x30+'a', 8).code(0, 7).put(1, 1).put(1, 2).code(0x30+'b', 8).code(0, 7), nil, "ab"},
	{"no last block", new(bitWriter).put(0, 1).put(1, 2).code(0, 7), io.ErrUnexpectedEOF, ""},

	{"one literal, no distances", new(bitWriter).lengths(lits(257, 'a', 1, 256, 1), lits(1)).code(0, 1).code(1, 1), nil, "a"},
	{"the end alone", new(bitWriter).lengths(lits(257, 256, 1), lits(1)).code(0, 1), nil, ""},
	{"the end alone, and its other bit", new(bitWriter).lengths(lits(257, 256, 1), lits(1)).code(1, 1), ErrCorrupt, ""},
	{"the end alone, in two bits", new(bitWriter).lengths(lits(257, 256, 2), lits(1)).code(0, 2), ErrCorrupt, ""},
	{"no end", new(bitWriter).lengths(lits(257, 'a', 1, 'b', 1), lits(1)).code(0, 1).put(0, 64), ErrCorrupt, ""},
	{"a match without distances", new(bitWriter).lengths(lits(258, 'a', 2, 256, 2, 257, 1), lits(1)).code(2, 2).code(0, 1).put(0, 64), ErrCorrupt, ""},
	{"one distance", new(bitWriter).lengths(lits(258, 'a', 2, 256, 2, 257, 1), lits(1, 0, 1)).code(2, 2).code(0, 1).code(0, 1).code(3, 2), nil, "aaaa"},
	{"one distance, and its other bit", new(bitWriter).lengths(lits(258, 'a', 2, 256, 2, 257, 1), lits(1, 0, 1)).code(2, 2).code(0, 1).code(1, 1).code(3, 2).put(0, 64), ErrCorrupt, ""},
	{"one distance in two bits", new(bitWriter).lengths(lits(258, 'a', 2, 256, 2, 257, 1), lits(1, 0, 2)).code(2, 2).code(0, 1).code(0, 2).code(3, 2), ErrCorrupt, ""},
	{"too many literals of a length", new(bitWriter).lengths(lits(257, 'a', 1, 'b', 1, 256, 1), lits(1)).put(0, 64), ErrCorrupt, ""},
	{"too few literals of a length", new(bitWriter).lengths(lits(257, 'a', 2, 'b', 2, 256, 2), lits(1)).put(0, 64), ErrCorrupt, ""},
	{"too many distances of a length", new(bitWriter).lengths(lits(257, 'a', 1, 256, 1), lits(3, 0, 1, 1, 1, 2, 1)).put(0, 64), ErrCorrupt, ""},
	{"too few distances of a length", new(bitWriter).lengths(lits(257, 'a', 1, 256, 1), lits(3, 0, 2, 1, 2, 2, 2)).put(0, 64), ErrCorrupt, ""},
	{"the longest codes", new(bitWriter).lengths(lits(271, 'a', 1, 'b', 2, 'c', 3, 'd', 4, 'e', 5, 'f', 6, 'g', 7, 'h', 8, 'i', 9, 'j', 10, 'k', 11, 'l', 12, 'm', 13, 'n', 14, 256, 15, 270, 15), lits(1, 0, 1)).
		code(0, 1).code(0x7fff, 15).put(0, 2).put(0, 1).code(0x3ffe, 14).code(0x7fe, 11).code(0x7ffe, 15), nil, "aaaaaaaaaaaaaaaaaaaaaaaank"},
	{"287 literals", new(bitWriter).put(1, 1).put(2, 2).put(30, 5).put(0, 5).put(0, 4).put(0, 64), ErrCorrupt, ""},
	{"31 distances", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(30, 5).put(0, 4).put(0, 64), ErrCorrupt, ""},
	{"no code for lengths", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(0, 5).put(0, 4).put(0, 64), ErrCorrupt, ""},
	{"too many codes for lengths", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(0, 5).put(0, 4).put(1, 3).put(1, 3).put(1, 3).put(0, 64), ErrCorrupt, ""},
	{"a single code for lengths", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(0, 5).put(0, 4).put(0, 6).put(1, 3).put(0, 64), ErrCorrupt, ""},
	{"a repetition of nothing", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(0, 5).put(0, 4).put(1, 3).put(0, 3).put(1, 3).put(0, 3).put(0, 64), ErrCorrupt, ""},
	{"a repetition beyond the end", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(0, 5).put(0, 4).put(0, 3).put(1, 3).put(1, 3).put(0, 3).put(^uint64(0), 64), ErrCorrupt, ""},
}

// TestRefused unpacks streams that no compressor writes.
func TestRefused(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			room := 16
			if len(tt.out) > room {
				room = len(tt.out)
			}
			for range 2 { // with the margins of the fast path, and without
				var d Decoder
				dst := make([]byte, room)
				n, used, err := d.Flate(dst, tt.w.out)
				if (err == nil) != (tt.want == nil) || (err == nil && (string(dst[:n]) != tt.out || used != len(tt.w.out))) {
					t.Errorf("%q, %d of %d bytes, %v; want %q, %v", dst[:n], used, len(tt.w.out), err, tt.out, tt.want)
				}
				if tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if errors.Is(tt.want, ErrTooLong) {
					break
				}
				compare(t, &d, dst, tt.src())
				compare(t, &d, make([]byte, 1000), append(tt.src(), make([]byte, 100)...))
				room = 1000
			}
		})
	}
}

func TestHeader(t *testing.T) {
	good := handmade{w: fixedBlock().code(0x30+'a', 8).code(0, 7), out: "a"}.src()
	for _, tt := range []struct {
		name string
		head [2]byte
		want error
	}{
		{"good", [2]byte{0x78, 0x01}, nil},
		{"good, a small window", [2]byte{0x08, 0x1d}, nil},
		{"another method", [2]byte{0x77, 0x05}, ErrHeader},
		{"a window of 64 KiB", [2]byte{0x88, 0x1c}, ErrHeader},
		{"check bits", [2]byte{0x78, 0x02}, ErrHeader},
		{"a dictionary", [2]byte{0x78, 0x20}, ErrHeader},
	} {
		src := append(tt.head[:], good[2:]...)
		var d Decoder
		dst := make([]byte, 4)
		if _, err := d.Zlib(dst, src); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		compare(t, &d, dst, src)
	}
	good[len(good)-1] ^= 1
	var d Decoder
	if _, err := d.Zlib(make([]byte, 4), good); !errors.Is(err, ErrChecksum) {
		t.Errorf("a wrong checksum: %v", err)
	}
}
