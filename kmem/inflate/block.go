package inflate

import (
	"encoding/binary"
	"io"

	"kinspect/kmem/match"
)

// block unpacks what follows a block's codes, up to its end.
//
// As long as there are 16 bytes to read and to write, nothing is checked but what the
// data itself decides; the rest, a few symbols, is read by [stream.symbol].
func (s *stream) block(t *tables) error {
	for {
		if done, err := s.fast(t); done || err != nil {
			return err
		}
		if done, err := s.symbol(t); done || err != nil {
			return err
		}
	}
}

// fast unpacks until the margins are reached, or the block's end is. Only the lowest byte
// of an entry's first half counts, so n may be a byte too; and a shift takes the lowest six bits of
// its count by itself.
func (s *stream) fast(t *tables) (done bool, err error) {
	src, dst := s.src[:len(s.src):len(s.src)], s.dst[:len(s.dst):len(s.dst)]
	in, out := s.in, s.out
	bits, n := s.bits, uint8(s.n)
	for in+inMargin <= len(src) && out+outMargin <= len(dst) {
		bits |= binary.LittleEndian.Uint64(src[in:in+8]) << (n & 63)
		in += int((63 - n) >> 3)
		n |= 56
		// Of 56 bits, literals in a row take 10 each.
		e := t.lit[bits&(1<<litIndex-1)]
		if e&entryLiteral != 0 {
			bits >>= e & 63
			n -= uint8(e)
			dst[out] = byte(e >> entryValue)
			out++
			e = t.lit[bits&(1<<litIndex-1)]
			if e&entryLiteral != 0 {
				bits >>= e & 63
				n -= uint8(e)
				dst[out] = byte(e >> entryValue)
				out++
				e = t.lit[bits&(1<<litIndex-1)]
				if e&entryLiteral != 0 {
					bits >>= e & 63
					n -= uint8(e)
					dst[out] = byte(e >> entryValue)
					out++
					continue
				}
			}
			// A match takes 48 bits at most.
			bits |= binary.LittleEndian.Uint64(src[in:in+8]) << (n & 63)
			in += int((63 - n) >> 3)
			n |= 56
		}
		if e&entrySpecial != 0 {
			if e&(entryEnd|entryInvalid) == 0 {
				bits >>= litIndex
				n -= litIndex
				e = t.lit[(uint64(e>>entryValue)+bits&(1<<(e>>entryCode&63)-1))%litSize]
			}
			if e&entryLiteral != 0 {
				bits >>= e & 63
				n -= uint8(e)
				dst[out] = byte(e >> entryValue)
				out++
				continue
			}
			if e&entryInvalid != 0 {
				return false, ErrCorrupt
			}
			if e&entryEnd != 0 {
				bits >>= e & 63
				n -= uint8(e)
				done = true
				break
			}
		}
		length := int(e>>entryValue) + int(bits&(1<<(e&63)-1)>>(e>>entryCode&63))
		bits >>= e & 63
		n -= uint8(e)

		e = t.dist[bits&(1<<distIndex-1)]
		if e&entrySpecial != 0 {
			if e&entryInvalid != 0 {
				return false, ErrCorrupt
			}
			bits >>= distIndex
			n -= distIndex
			e = t.dist[(uint64(e>>entryValue)+bits&(1<<(e>>entryCode&63)-1))%distSize]
			if e&entryInvalid != 0 {
				return false, ErrCorrupt
			}
		}
		back := int(e>>entryValue) + int(bits&(1<<(e&63)-1)>>(e>>entryCode&63))
		bits >>= e & 63
		n -= uint8(e)

		if back > out {
			return false, ErrCorrupt
		}
		if length > len(dst)-out {
			return false, ErrTooLong
		}
		if !match.Short(dst, out, length, back) {
			match.Copy(dst, out, length, back)
		}
		out += length
	}
	s.in, s.out, s.bits, s.n = in, out, bits, uint(n)
	return done, nil
}

const (
	inMargin  = 16
	outMargin = 16
)

// symbol unpacks one symbol with all checks. done is set at the block's end.
func (s *stream) symbol(t *tables) (done bool, err error) {
	s.fill()
	e := t.lit[s.bits&(1<<litIndex-1)]
	if e&(entrySpecial|entryEnd|entryInvalid) == entrySpecial && e&entryLiteral == 0 {
		if s.n < litIndex {
			return false, io.ErrUnexpectedEOF
		}
		s.drop(litIndex)
		e = t.lit[(uint64(e>>entryValue)+s.bits&(1<<(e>>entryCode&entryCodeLen)-1))%litSize]
	}
	take := uint(e & entryBits)
	switch {
	case s.n < take:
		return false, io.ErrUnexpectedEOF
	case e&entryLiteral != 0:
		if s.out == len(s.dst) {
			return false, ErrTooLong
		}
		s.dst[s.out] = byte(e >> entryValue)
		s.out++
		s.drop(take)
		return false, nil
	case e&entryInvalid != 0:
		return false, ErrCorrupt
	case e&entryEnd != 0:
		s.drop(take)
		return true, nil
	}
	length := int(e>>entryValue) + int(s.bits&(1<<take-1)>>(e>>entryCode&entryCodeLen))
	s.drop(take)
	s.fill()
	e = t.dist[s.bits&(1<<distIndex-1)]
	if e&(entrySpecial|entryInvalid) == entrySpecial {
		if s.n < distIndex {
			return false, io.ErrUnexpectedEOF
		}
		s.drop(distIndex)
		e = t.dist[(uint64(e>>entryValue)+s.bits&(1<<(e>>entryCode&entryCodeLen)-1))%distSize]
	}
	take = uint(e & entryBits)
	switch {
	case s.n < take:
		return false, io.ErrUnexpectedEOF
	case e&entryInvalid != 0:
		return false, ErrCorrupt
	}
	back := int(e>>entryValue) + int(s.bits&(1<<take-1)>>(e>>entryCode&entryCodeLen))
	s.drop(take)
	if back > s.out {
		return false, ErrCorrupt
	}
	if length > len(s.dst)-s.out {
		return false, ErrTooLong
	}
	match.Copy(s.dst, s.out, length, back)
	s.out += length
	return false, nil
}
