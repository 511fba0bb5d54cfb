package compile

import (
	"math"

	"kinspect/btf"
	"kinspect/expr/value"
)

// kind is what an operand is.
type kind uint8

const (
	kindNumber kind = iota // an integer, an enum, a bool or a pointer
	kindPlace              // a piece of memory
	kindString             // a string of the language
	kindNil                // nil
)

// operand is a node of the tree with its type, and how its value is computed.
type operand struct {
	kind kind
	at   int // its place in the text

	// Of a number: the type that C computes with, and the value of a constant.
	num      value.Num
	constant bool
	// typ is the kernel's type. A plain number has none: those of the language's own
	// literals and comparisons, which are int, or wider where they do not fit.
	typ btf.Type
	// lo and hi bound a plain number that is no constant.
	lo, hi int64
	truth  bool // true or false
	wire   int  // see [value.Value.NetworkBits]
	// emit leaves the number in R0, extended to 64 bits as its type says.
	emit func(g *Gen)
	// raw is emit, or base, for an address that is only read from, at offsets that are
	// known: the verifier may take it for a pointer, which has no other arithmetic. It may be nil.
	raw func(g *Gen)

	// Of a place: its type and all else that is known of it, at the address off; and what
	// leaves in R0 the address that off counts from.
	val  value.Value
	base func(g *Gen)
	off  int64
	// set says that base is a pointer that must not be NULL for the place to be one.
	set bool

	text string // of a string
}

// pointer is the type that a pointer or array points to; ok is false for others.
func (o *operand) pointer() (elem btf.Type, ok bool) {
	switch t := btf.Underlying(o.ctype()).(type) {
	case *btf.Pointer:
		return t.Target(), o.kind == kindNumber || o.kind == kindPlace
	case *btf.Array:
		return t.Elem(), o.kind == kindPlace
	}
	return nil, false
}

// ctype is the type that the kernel has for an operand, or void.
func (o *operand) ctype() btf.Type {
	switch {
	case o.kind == kindPlace:
		return o.val.Type()
	case o.typ != nil:
		return o.typ
	}
	return &btf.Void{}
}

// typeOf is C's type of any number or place.
func (o *operand) typeOf() btf.Type {
	if o.kind == kindNumber && o.typ == nil {
		return o.num.Type()
	}
	return o.ctype()
}

// numType is the number type of what has one integer as its content.
func numType(t btf.Type) (value.Num, bool) {
	if _, ok := btf.Underlying(t).(*btf.Pointer); ok {
		return value.Num{Size: 8}, true
	}
	n, ok := value.TypeNum(t)
	switch n.Size {
	case 1, 2, 4, 8:
		return n, ok
	}
	return n, false
}

// network is [value.Value.NetworkBits].
func (o *operand) network() int {
	switch {
	case o.wire != 0:
		return o.wire
	case o.kind == kindPlace:
		return o.val.NetworkBits()
	case o.typ != nil:
		return bigEndianBits(o.typ)
	}
	return 0
}

func bigEndianBits(t btf.Type) int {
	v := (&value.Kernel{}).Ref(t, 0)
	return v.BigEndianBits()
}

// describe names an operand for an error.
func (o *operand) describe() string {
	switch o.kind {
	case kindString:
		return "the string " + value.Quote(o.text)
	case kindNil:
		return "nil"
	case kindNumber:
		if o.truth {
			return "a boolean"
		}
		if o.typ == nil {
			return "a number"
		}
	}
	return o.ctype().String()
}

// isInt reports whether a number promotes to int.
func isInt(n value.Num) bool { return n.Size < 4 || n.Size == 4 && n.Signed }

// promoted is the C type that arithmetic has for a number.
func promoted(n value.Num) value.Num { return value.Common(n, value.IntNum(0)) }

// boolean is a number that is 0 or 1.
func boolean(emit func(g *Gen)) *operand {
	return &operand{kind: kindNumber, num: value.Num{Size: 4, Signed: true}, truth: true, hi: 1, emit: emit}
}

// bounds are the least and the largest value that a plain int may have.
func (o *operand) bounds() (lo, hi int64) {
	if o.constant {
		return int64(o.num.Bits), int64(o.num.Bits)
	}
	return o.lo, o.hi
}

func fitsInt(lo, hi int64) bool { return lo >= math.MinInt32 && hi <= math.MaxInt32 }

// plainBounds are those of x op y; ok is false where nothing is known of them.
func plainBounds(op string, x, y *operand) (lo, hi int64, ok bool) {
	a, b := x.bounds()
	p, q := y.bounds()
	if !fitsInt(a, b) || !fitsInt(p, q) {
		return 0, 0, false
	}
	most := max(a, b, p, q, -a, -b, -p, -q)
	switch op {
	case "+":
		return a + p, b + q, true
	case "-":
		return a - q, b - p, true
	case "*":
		return min(a*p, a*q, b*p, b*q), max(a*p, a*q, b*p, b*q), true
	case "/":
		return -max(-a, b, a), max(-a, b, a), true
	case "%":
		return -most, most, true
	case "&", "|", "^":
		n := int64(1)
		for n <= most {
			n <<= 1
		}
		if a >= 0 && p >= 0 {
			return 0, n - 1, true
		}
		return -n, n - 1, true
	case ">>":
		return min(a, 0), max(b, 0), true
	case "<<":
		if p >= 0 && q < 31 {
			return min(a<<p, a<<q), max(b<<p, b<<q), true
		}
	}
	return 0, 0, false
}
