// Package match copies matches, which is half of what unpacking LZ77's descendants (deflate, LZO) is.
package match

import "encoding/binary"

// margin is how many bytes behind a match may be written: two words.
const margin = 16

// Short is [Copy] for most matches: it reports whether it has copied one that is short and not of the last few
// bytes. The compiler puts it where it is called, which saves the call.
func Short(dst []byte, out, length, back int) bool {
	if back < 8 || length > 16 || len(dst)-out < margin {
		return false
	}
	from, to := dst[out-back:], dst[out:]
	*(*[8]byte)(to) = *(*[8]byte)(from)
	*(*[8]byte)(to[8:]) = *(*[8]byte)(from[8:])
	return true
}

// Copy copies length bytes to dst[out], from back bytes before it on, as if byte by byte: what is copied may be
// copied again. back is from 1 to out, and dst has room for the match; what follows that in dst is written over.
func Copy(dst []byte, out, length, back int) {
	from, end := out-back, out+length
	if end+margin > len(dst) {
		source, to := dst[from:end-back], dst[out:end]
		for i := range to {
			to[i] = source[i]
		}
		return
	}
	// What is written beyond the end is written again.
	w := binary.LittleEndian.Uint64(dst[from : from+8])
	if back >= 8 {
		binary.LittleEndian.PutUint64(dst[out:out+8], w)
		w = binary.LittleEndian.Uint64(dst[from+8 : from+16])
		binary.LittleEndian.PutUint64(dst[out+8:out+16], w)
		for length > 16 {
			from, out, length = from+16, out+16, length-16
			w = binary.LittleEndian.Uint64(dst[from : from+8])
			binary.LittleEndian.PutUint64(dst[out:out+8], w)
			w = binary.LittleEndian.Uint64(dst[from+8 : from+16])
			binary.LittleEndian.PutUint64(dst[out+8:out+16], w)
		}
		return
	}
	// The bytes that are known, as often as they fit into a word.
	r := &repeats[back&7]
	w = w & r.known * r.times
	binary.LittleEndian.PutUint64(dst[out:out+8], w)
	for step := int(r.step); length > step; {
		out, length = out+step, length-step
		binary.LittleEndian.PutUint64(dst[out:out+8], w)
	}
}

// repeats tell how to fill a word with the 1 to 7 bytes before it: those that are known,
// times a one at each place where they begin again; the whole repetitions are step bytes.
var repeats = func() (r [8]struct {
	known, times uint64
	step         uint8
},
) {
	for back := 1; back < len(r); back++ {
		r[back].known = 1<<(8*back) - 1
		r[back].step = uint8(8 / back * back)
		for at := 0; at < 8; at += back {
			r[back].times |= 1 << (8 * at)
		}
	}
	return r
}()
