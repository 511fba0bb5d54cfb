package expr

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"kinspect/expr/value"
)

// summand reads what sum, min, max or mean take.
func summand(name string, x any, n *number) error {
	v, ok, err := numberOf(x)
	if err != nil {
		return err
	}
	if _, _, ptr := isPointer(x); !ok || ptr && name == "sum" {
		return fmt.Errorf("%s: %s is not a number", name, describe(x))
	}
	*n = v
	return nil
}

// total adds integers without cutting them to their types: the sum of a thousand
// u32 is no u32.
type total struct {
	lo, hi  uint64 // 128 bits, two's complement
	float   float64
	isFloat bool
	signed  bool // one or more of them
	n       int
	k       *value.Kernel
}

func (t *total) add(n *number) {
	t.n++
	if n.k != nil {
		t.k = n.k
	}
	if n.isFloat {
		t.isFloat = true
		t.float += n.float
		return
	}
	t.float += n.asFloat()
	t.signed = t.signed || n.Signed
	var ext, carry uint64
	if n.Signed && int64(n.Bits) < 0 {
		ext = math.MaxUint64
	}
	t.lo, carry = bits.Add64(t.lo, n.Bits, 0)
	t.hi, _ = bits.Add64(t.hi, ext, carry)
}

// result is the sum: long, or unsigned long where all of them are unsigned.
func (t *total) result() (any, error) {
	unsigned := t.n > 0 && !t.signed
	switch {
	case t.isFloat:
		return t.float, nil
	case t.hi == 0 && (unsigned || t.lo > math.MaxInt64):
		return result(value.UintNum(t.lo), t.k), nil
	case t.hi == 0 || t.hi == math.MaxUint64 && t.lo > math.MaxInt64:
		n := value.Num{Bits: t.lo, Size: 8, Signed: true}
		if t.k == nil {
			return small(n), nil
		}
		return result(n, t.k), nil
	}
	return nil, errors.New("sum: more than 64 bits")
}

func (t *total) mean() (any, error) {
	if t.n == 0 {
		return nil, errors.New("mean of an empty list")
	}
	return t.float / float64(t.n), nil
}

// extremum keeps the smallest or the largest number, in mathematical order.
type extremum struct {
	name string
	best any
	num  number
	any  bool
}

// add compares n; x is asked for it in a box where it is the best so far.
func (m *extremum) add(n *number, x func() any) {
	c := 0
	if m.any {
		c = order(*n, m.num)
	}
	if !m.any || m.name == "min" && c < 0 || m.name == "max" && c > 0 {
		m.any, m.best, m.num = true, x(), *n
	}
}

// eachNumber goes through a list of numbers.
func (s *Session) eachNumber(name string, list any, add func(n *number, x func() any)) error {
	var n number
	return s.iterate(s.frame(), list, func(e *elem) error {
		if err := summand(name, e.value(), &n); err != nil {
			return err
		}
		add(&n, e.value)
		return nil
	})
}

func callSum(c *Call) (any, error) {
	var t total
	if err := c.Session.eachNumber("sum", c.Arg(0), func(n *number, _ func() any) { t.add(n) }); err != nil {
		return nil, err
	}
	return t.result()
}

func callMean(c *Call) (any, error) {
	var t total
	if err := c.Session.eachNumber("mean", c.Arg(0), func(n *number, _ func() any) { t.add(n) }); err != nil {
		return nil, err
	}
	return t.mean()
}

// extreme is the smallest or the largest element of a list, or of the arguments.
func (s *Session) extreme(name string, args []any) (any, error) {
	var list any = args
	if len(args) == 1 {
		list = args[0]
		if err := s.listable(list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	m := extremum{name: name}
	err := s.eachNumber(name, list, m.add)
	return m.best, err
}
