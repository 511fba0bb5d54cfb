package expr

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"kinspect/btf"
	"kinspect/expr/value"
)

// number is an operand of arithmetic. Plain numbers of the language are Go values
// that stand for C's types: int for int, int64 for long, uint32 for unsigned int,
// uint64 for unsigned long, bool for the result of a comparison; float64 has no
// counterpart in the kernel.
type number struct {
	value.Num
	float   float64
	isFloat bool
	k       *value.Kernel // where it comes from; nil for a plain number
}

// numberOf reads an operand; ok is false where it is no number at all.
func numberOf(x any) (n number, ok bool, err error) {
	switch x := x.(type) {
	case int:
		return number{Num: value.IntNum(int64(x))}, true, nil
	case int64:
		return number{Num: value.Num{Bits: uint64(x), Size: 8, Signed: true}}, true, nil
	case uint32:
		return number{Num: value.Num{Bits: uint64(x), Size: 4}}, true, nil
	case uint64:
		return number{Num: value.UintNum(x)}, true, nil
	case bool:
		if x {
			return number{Num: value.IntNum(1)}, true, nil
		}
		return number{Num: value.IntNum(0)}, true, nil
	case float64:
		return number{float: x, isFloat: true}, true, nil
	case value.Value:
		if !x.IsScalar() {
			return number{}, false, nil
		}
		v, err := x.Num()
		return number{Num: v, k: x.Kernel()}, true, err
	}
	return number{}, false, faultOf(x)
}

// characterOf is the number that a string of one character stands for where an
// integer is expected, as C's 'c' does; anything else is passed on.
func characterOf(x any) any {
	if s, ok := x.(string); ok && len(s) == 1 {
		return int(s[0]) // unsigned, as in kernels since 6.2
	}
	return x
}

// plain turns a number into the Go value that stands for its C type.
func plain(n value.Num) any {
	switch {
	case n.Signed && n.Size <= 4:
		return int(int64(n.Bits))
	case n.Signed:
		return int64(n.Bits)
	case n.Size < 4: // promoted
		return int(n.Bits)
	case n.Size == 4:
		return uint32(n.Bits)
	}
	return n.Bits
}

// result is the number as a value of kernel k, or plain where k is nil.
func result(n value.Num, k *value.Kernel) any {
	if k == nil {
		return plain(n)
	}
	return k.FromNum(n)
}

// asFloat converts as C does.
func (n number) asFloat() float64 {
	switch {
	case n.isFloat:
		return n.float
	case n.Signed:
		return float64(int64(n.Bits))
	}
	return float64(n.Bits)
}

// isInt reports whether the number promotes to int.
func (n number) isInt() bool { return !n.isFloat && (n.Size < 4 || n.Size == 4 && n.Signed) }

// int64 is the number's mathematical value; ok is false where it does not fit.
func (n number) int64() (i int64, ok bool) {
	if n.isFloat {
		return int64(n.float), n.float == math.Trunc(n.float) && math.Abs(n.float) < 1<<53
	}
	return int64(n.Bits), n.Signed || n.Bits <= math.MaxInt64
}

// truth is C's.
func (n *number) truth() bool {
	if n.isFloat {
		return n.float != 0
	}
	return n.Bool()
}

// computeNumber is compute for what needs no box.
func computeNumber(op string, a, b number) (number, error) {
	k := a.k
	if k == nil {
		k = b.k
	}
	if !a.isFloat && !b.isFloat && k != nil {
		n, err := value.Compute(op, a.Num, b.Num)
		return number{Num: n, k: k}, err
	}
	v, err := compute(op, a, b)
	if err != nil {
		return number{}, err
	}
	n, _, err := numberOf(v)
	return n, err
}

// compute is a op b. Between plain numbers of type int the result is not cut to
// 32 bits: in C that would be an overflow, which is undefined, and at a prompt it
// would be a surprise.
func compute(op string, a, b number) (any, error) {
	k := a.k
	if k == nil {
		k = b.k
	}
	if a.isFloat || b.isFloat {
		return computeFloat(op, a.asFloat(), b.asFloat())
	}
	if op == "**" {
		return power(a, b, k)
	}
	if k == nil && a.isInt() && b.isInt() {
		a.Size, b.Size = 8, 8
		a.Signed, b.Signed = true, true
		n, err := value.Compute(op, a.Num, b.Num)
		if err != nil {
			return nil, err
		}
		return small(n), nil
	}
	n, err := value.Compute(op, a.Num, b.Num)
	if err != nil {
		return nil, err
	}
	return result(n, k), nil
}

// small is a signed number as int where it fits, else as long.
func small(n value.Num) any {
	if i := int64(n.Bits); int64(int32(i)) == i {
		return int(i)
	}
	return int64(n.Bits)
}

func computeFloat(op string, a, b float64) (any, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		if b == 0 {
			return nil, value.ErrDivide
		}
		return a / b, nil
	case "**":
		p := math.Pow(a, b)
		switch {
		case math.IsNaN(p) && !math.IsNaN(a) && !math.IsNaN(b):
			return nil, fmt.Errorf("%g ** %g is no real number", a, b)
		case math.IsInf(p, 0) && a == 0:
			return nil, value.ErrDivide
		case math.IsInf(p, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0):
			return nil, fmt.Errorf("%g ** %g is too large for a number with a fraction: 1.8e308 is the limit", a, b)
		}
		return p, nil
	}
	return nil, fmt.Errorf("no operator %s for numbers with a fraction", op)
}

// power is a to the b, exactly: ** has no counterpart in C, and so none of its
// wrapping. The result has a's type where it fits into that, after promotion, else
// it is long or unsigned long.
func power(a, b number, k *value.Kernel) (any, error) {
	base, exponent := a.big(), b.big()
	if exponent.Sign() < 0 {
		return nil, errors.New("a negative exponent makes a fraction: write the base with one, as in 2.0 ** -1")
	}
	// No base but these stays within 64 bits for longer than 64 steps.
	if base.CmpAbs(big.NewInt(1)) > 0 && exponent.Cmp(big.NewInt(64)) > 0 {
		return nil, fmt.Errorf("%s ** %s does not fit into 64 bits: %s.0 ** %s is an approximation", base, exponent, base, exponent)
	}
	// The base's powers repeat by two for 0, 1 and -1.
	if base.CmpAbs(big.NewInt(1)) <= 0 && exponent.Cmp(big.NewInt(64)) > 0 {
		exponent = big.NewInt(64 + int64(exponent.Bit(0)))
	}
	p := new(big.Int).Exp(base, exponent, nil)
	size, signed := max(a.Size, 4), a.Signed || a.Size < 4
	var n value.Num
	switch bits := uint(8 * size); {
	case signed && fitsSigned(p, bits):
		n = value.Num{Bits: uint64(p.Int64()), Size: size, Signed: true}
	case !signed && p.BitLen() <= int(bits):
		n = value.Num{Bits: p.Uint64(), Size: size}
	case signed && p.IsInt64():
		n = value.Num{Bits: uint64(p.Int64()), Size: 8, Signed: true}
	case p.IsUint64():
		n = value.UintNum(p.Uint64())
	default:
		return nil, fmt.Errorf("%s ** %s does not fit into 64 bits: %s.0 ** %s is an approximation", base, exponent, base, exponent)
	}
	if k == nil && n.Signed {
		return small(n), nil
	}
	return result(n, k), nil
}

func fitsSigned(p *big.Int, bits uint) bool {
	return p.IsInt64() && p.Int64()<<(64-bits)>>(64-bits) == p.Int64()
}

// big is the mathematical value of an integer.
func (n number) big() *big.Int {
	if n.Signed {
		return big.NewInt(int64(n.Bits))
	}
	return new(big.Int).SetUint64(n.Bits)
}

// order is the mathematical order of two numbers, whatever their types: unlike
// C's comparison it is an order that one can sort by.
func order(a, b number) int {
	if a.isFloat || b.isFloat {
		x, y := a.asFloat(), b.asFloat()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	an, bn := a.Signed && int64(a.Bits) < 0, b.Signed && int64(b.Bits) < 0
	switch {
	case an != bn && an:
		return -1
	case an != bn:
		return 1
	case a.Bits < b.Bits:
		return -1
	case a.Bits > b.Bits:
		return 1
	}
	return 0
}

// describe names the kind of an operand for an error.
func describe(x any) string {
	switch x := x.(type) {
	case nil:
		return "nil"
	case bool:
		return "a boolean"
	case string:
		return "the string " + value.Quote(cut(x, 40))
	case []any:
		return "a list"
	case *Sequence:
		return "a sequence of " + x.Of
	case map[string]any:
		return "a map"
	case int, int64, uint32, uint64:
		return fmt.Sprintf("the number %d", x)
	case float64:
		return "the number " + floatText(x)
	case value.Value:
		return x.Type().String()
	case Fault:
		return "a fault"
	}
	return "this"
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// isPointer reports whether a value is a pointer, or an array, which decays.
func isPointer(x any) (v value.Value, elem btf.Type, ok bool) {
	v, ok = x.(value.Value)
	if !ok {
		return v, nil, false
	}
	switch t := btf.Underlying(v.Type()).(type) {
	case *btf.Pointer:
		return v, t.Target(), true
	case *btf.Array:
		return v, t.Elem(), true
	}
	return v, nil, false
}

// isText reports whether a value is a char array or points to a char.
func isText(x any) (v value.Value, array, ok bool) {
	v, elem, ok := isPointer(x)
	if !ok {
		return v, false, false
	}
	if !value.IsChar(elem) {
		return v, false, false
	}
	_, array = btf.Underlying(v.Type()).(*btf.Array)
	return v, array, true
}

// text is the string that x is, or that it holds as a char array or char pointer.
func text(x any) (s string, ok bool, err error) {
	if s, ok := x.(string); ok {
		return s, true, nil
	}
	if v, _, ok := isText(x); ok {
		s, err := v.CString()
		return s, true, err
	}
	if v, ok := x.(formatted); ok {
		s, err := v.Text(value.DefaultFormat)
		return s, true, err
	}
	return "", false, faultOf(x)
}

// floatText writes a number with a fraction as people do: with an exponent only where it is
// so large or small that there would be more zeros than digits.
func floatText(x float64) string {
	form := byte('g')
	if a := math.Abs(x); a >= 1e-4 && a < 1e15 {
		form = 'f'
	}
	return strconv.FormatFloat(x, form, -1, 64)
}
