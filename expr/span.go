package expr

import (
	"fmt"

	"kinspect/expr/value"
)

// span is lo..hi, both included: what a range is made of.
type span struct{ lo, hi int64 }

func (r *span) len() uint64 {
	if r.hi < r.lo {
		return 0
	}
	return uint64(r.hi) - uint64(r.lo) + 1 // 0 for all of 64 bits, which nobody can go through
}

// rangeOf is lo..hi as a sequence: it takes no memory, whatever its length.
func (s *Session) rangeOf(lo, hi any) (any, error) {
	a, err := integer(lo, "the start of a range")
	if err != nil {
		return nil, err
	}
	b, err := integer(hi, "the end of a range")
	if err != nil {
		return nil, err
	}
	r := &span{a, b}
	q := newSequence("numbers", func(visit func(*elem) error) error {
		var e elem
		for i := r.lo; i <= r.hi; i++ {
			e = elem{v: plain(value.IntNum(i))}
			if err := visit(&e); err != nil || i == r.hi { // which may be the last number there is
				return err
			}
		}
		return nil
	})
	q.span = r
	return q, nil
}

// at is the number at an index, which counts from the end where it is negative.
func (r *span) at(i int64) (any, error) {
	n := r.len()
	k := uint64(i)
	if i < 0 {
		k = n - uint64(-i)
	}
	if i >= 0 && k >= n || i < 0 && uint64(-i) > n {
		return nil, fmt.Errorf("index %d is outside the range %d..%d, which has %d elements", i, r.lo, r.hi, n)
	}
	return plain(value.IntNum(r.lo + int64(k))), nil
}

// has reports whether a number is in the range; ok is false for what is no integer, and has to be
// compared with each.
func (r *span) has(x any) (in, ok bool) {
	n, ok, err := numberOf(x)
	if !ok || err != nil || n.isFloat {
		return false, false
	}
	i, fits := n.int64()
	return fits && r.lo <= i && i <= r.hi, true
}
