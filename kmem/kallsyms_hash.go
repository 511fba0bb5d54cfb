package kmem

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"
)

// nameHash is an open-addressing table of symbol numbers, for names that nobody
// sorted. It holds no names: whoever asks compares the candidates. Hashes are 64
// bits and seeded at random, so that nobody can write a file whose names all
// collide.
type nameHash struct {
	slots   []uint32 // 0: empty; else the symbol's number + 1, and a tag above it
	shift   uint
	used    int
	several []uint64 // bits of the numbers of symbols that others are called like
	took    time.Duration
}

const (
	hashSeqBits = 21 // maxKallsyms + 1 fits
	hashSeqMask = 1<<hashSeqBits - 1
	hashProbes  = 4096 // of one lookup; a table that is 80 % full needs about twenty
)

// newNameHash makes an empty table for n symbols.
func newNameHash(n int) *nameHash {
	size := bits.Len(uint(n * 5 / 4)) // 40 to 80 % full
	return &nameHash{slots: make([]uint32, 1<<size), shift: uint(64 - size), several: make([]uint64, (n+63)/64)}
}

// place spreads a hash: the slot to begin at, and the tag that stands in it.
func (h *nameHash) place(sum uint64) (slot int, tag uint32) {
	sum ^= sum >> 32
	sum *= 0x9e3779b97f4a7c15 // 2^64 / golden ratio
	return int(sum >> h.shift), uint32(sum) &^ hashSeqMask
}

// add enters symbol i, whose hash is sums[i], unless an equal one is there: of
// equal names the first that is entered counts. It is marked as one of several if
// the others count as well.
func (h *nameHash) add(i int, sums []uint64, counts bool) {
	slot, tag := h.place(sums[i])
	for range hashProbes {
		e := h.slots[slot]
		if e == 0 {
			h.slots[slot] = uint32(i+1) | tag
			h.used++
			return
		}
		if first := e&hashSeqMask - 1; e&^hashSeqMask == tag && sums[first] == sums[i] {
			if counts {
				h.several[first/64] |= 1 << (first % 64)
			}
			return
		}
		slot = (slot + 1) & (len(h.slots) - 1)
	}
}

// find returns the first symbol with the hash that is accepted by is.
func (h *nameHash) find(sum uint64, is func(i int) (bool, error)) (i int, ok bool, err error) {
	slot, tag := h.place(sum)
	for range hashProbes {
		e := h.slots[slot]
		if e == 0 {
			break
		}
		if e&^hashSeqMask == tag {
			i := int(e&hashSeqMask) - 1
			if ok, err := is(i); ok || err != nil {
				return i, ok, err
			}
		}
		slot = (slot + 1) & (len(h.slots) - 1)
	}
	return 0, false, nil
}

// codesHash hashes names by their codes: a polynomial modulo 2^64 with a random
// factor. A token costs one multiplication and one addition, and no name is put
// together.
type codesHash struct {
	*nameHash
	factor uint64
}

// tokenHash is one token's part in a hash: h becomes h*pow + sum.
type tokenHash struct{ pow, sum uint64 }

func (h codesHash) token(text string) tokenHash {
	t := tokenHash{pow: 1}
	for i := range len(text) {
		t.sum = t.sum*h.factor + uint64(text[i]) + 1
		t.pow *= h.factor
	}
	return t
}

// findHashed finds the number of the first symbol with the name.
func (k *Kallsyms) findHashed(name string) (int, error) {
	k.hashOnce.Do(k.makeHash)
	h := k.hash.Load()
	i, ok, err := h.find(h.token(name).sum, func(i int) (bool, error) {
		var buf nameBuffer
		codes, err := k.codes(i, &buf)
		return err == nil && k.compare(codes, name) == 0, err
	})
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", ErrNoSymbol, name)
	}
	return i, err
}

// makeHash makes the table, in one pass over the codes.
func (k *Kallsyms) makeHash() {
	start := time.Now()
	h := &codesHash{newNameHash(k.n), rand.Uint64() | 1}
	var whole, first [256]tokenHash // first: without the type letter
	for i, t := range k.tokens {
		whole[i] = h.token(t)
		if t != "" {
			first[i] = h.token(t[1:])
		}
	}
	sums := make([]uint64, k.n)
	err := k.walk(func(i int, codes []byte) bool {
		sum := first[codes[0]].sum
		for _, c := range codes[1:] {
			t := &whole[c]
			sum = sum*t.pow + t.sum
		}
		sums[i] = sum
		return true
	})
	k.failed(err)
	for i, sum := range sums {
		if sum != 0 { // it could be read
			h.add(i, sums, true)
		}
	}
	h.took = time.Since(start)
	k.hash.Store(h)
}
