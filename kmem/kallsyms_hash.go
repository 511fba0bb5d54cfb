package kmem

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"
)

// nameHash finds symbols by name where the kernel has no sorted index (6.0 and
// 6.1, or one that did not verify). It is an open-addressing table of symbol
// numbers, made in one pass over the codes: the hash is a polynomial modulo
// 2^64, so the hash of a name follows from one multiplication and one addition
// a token, and no name is put together. Its factor is random, so that nobody
// can write a file whose names all collide.
type nameHash struct {
	slots  []uint32 // 0: empty; else the symbol's number + 1, and the tag above it
	shift  uint
	factor uint64
	used   int
	took   time.Duration
}

const (
	hashSeqBits = 21 // maxKallsyms + 1 fits
	hashSeqMask = 1<<hashSeqBits - 1
	hashProbes  = 4096 // of one lookup; a table that is half full needs about ten
)

// tokenHash is one token's part in a hash: h becomes h*pow + sum.
type tokenHash struct{ pow, sum uint64 }

func (h *nameHash) token(text string) tokenHash {
	t := tokenHash{pow: 1}
	for i := range len(text) {
		t.sum = t.sum*h.factor + uint64(text[i]) + 1
		t.pow *= h.factor
	}
	return t
}

// place spreads a hash: the slot to begin at, and the tag that stands in it.
func (h *nameHash) place(sum uint64) (slot int, tag uint32) {
	sum ^= sum >> 32
	sum *= 0x9e3779b97f4a7c15 // 2^64 / golden ratio
	return int(sum >> h.shift), uint32(sum) &^ hashSeqMask
}

// findHashed finds the number of the first symbol with the name.
func (k *Kallsyms) findHashed(name string) (int, error) {
	k.hashOnce.Do(k.makeHash)
	h := k.hash.Load()
	var buf nameBuffer
	slot, tag := h.place(h.token(name).sum)
	for range hashProbes {
		e := h.slots[slot]
		if e == 0 {
			break
		}
		if e&^hashSeqMask == tag {
			i := int(e&hashSeqMask) - 1
			codes, err := k.codes(i, &buf)
			if err != nil {
				return 0, err
			}
			if k.compare(codes, name) == 0 {
				return i, nil
			}
		}
		slot = (slot + 1) & (len(h.slots) - 1)
	}
	return 0, fmt.Errorf("%w: %s", ErrNoSymbol, name)
}

// makeHash makes the table. Of equal names only the first goes in: equal as
// their 64-bit hashes are, which are kept until the table is made.
func (k *Kallsyms) makeHash() {
	start := time.Now()
	size := bits.Len(uint(k.n * 3 / 2))
	h := &nameHash{slots: make([]uint32, 1<<size), shift: uint(64 - size), factor: rand.Uint64() | 1}
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
		slot, tag := h.place(sum)
		for range hashProbes {
			e := h.slots[slot]
			if e == 0 {
				h.slots[slot] = uint32(i+1) | tag
				h.used++
				break
			}
			if e&^hashSeqMask == tag && sums[e&hashSeqMask-1] == sum {
				break
			}
			slot = (slot + 1) & (len(h.slots) - 1)
		}
		return true
	})
	k.failed(err)
	h.took = time.Since(start)
	k.hash.Store(h)
}
