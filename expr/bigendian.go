package expr

import (
	"kinspect/btf"
	"kinspect/expr/value"
)

// networkOrder gives what op made of a and b the mark of values in network order, where it
// leaves their bytes in their places. What else computes with such a value earns a warning:
// C takes the bytes as they are, and hardly anybody means that.
func (s *Session) networkOrder(op string, a, b, result any) any {
	v, width := inNetworkOrder(a)
	if width == 0 {
		if v, width = inNetworkOrder(b); width == 0 {
			return result
		}
	}
	switch op {
	case "&", "|", "^":
		if r, ok := result.(value.Value); ok {
			return r.InNetworkOrder(width)
		}
		return result
	}
	if op == "<<" || op == ">>" {
		if _, left := inNetworkOrder(a); left == 0 {
			return result
		}
	}
	s.warn("%s", WarnOrder(v.Type(), op, width))
	return result
}

func inNetworkOrder(x any) (value.Value, int) {
	if v, ok := x.(value.Value); ok {
		return v, v.NetworkBits()
	}
	return value.Value{}, 0
}

// warnNegative tells of an order between an unsigned value and a constant below zero: C turns
// the constant into a large number, so that the comparison says the same of all values.
func (s *Session) warnNegative(where *site, a, b any, x, y number) {
	if where.negative == 0 || where.warned {
		return
	}
	constant, other, v := x, y, b
	if where.negative == 2 {
		constant, other, v = y, x, a
	}
	as := value.Common(constant.Num, other.Num)
	if as.Signed || constant.isFloat || other.isFloat {
		return
	}
	if _, _, pointer := isPointer(v); pointer {
		return
	}
	where.warned = true
	var t btf.Type
	if v, ok := v.(value.Value); ok {
		t = v.Type()
	}
	s.warn("%s", WarnNegative(t, int64(constant.Bits), as.Bits))
}

// negativeConstant reports whether a compiled operand is a constant below zero.
func negativeConstant(c *compiled) bool {
	if !c.constant {
		return false
	}
	if v, ok := c.val.(value.Value); ok && v.InMemory() {
		return false
	}
	n, ok, err := numberOf(c.val)
	return ok && err == nil && !n.isFloat && n.Signed && int64(n.Bits) < 0
}

// compared makes the site of a comparison.
func compared(op string, x, y *compiled) *site {
	where := &site{op: op}
	switch {
	case negativeConstant(x):
		where.negative = 1
	case negativeConstant(y):
		where.negative = 2
	}
	return where
}
