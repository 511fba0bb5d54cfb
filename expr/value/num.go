package value

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"kinspect/btf"
)

// Num is an integer as C computes with it: 64 bits, extended as its type says,
// that type's size in bytes, and its signedness.
type Num struct {
	Bits   uint64
	Size   uint32
	Signed bool
}

// IntNum is the value of a plain literal or of a Go integer: int where it fits,
// else long, as in C.
func IntNum(i int64) Num {
	if int64(int32(i)) == i {
		return Num{uint64(i), 4, true}
	}
	return Num{uint64(i), 8, true}
}

// UintNum is an unsigned long.
func UintNum(u uint64) Num { return Num{u, 8, false} }

// Bool reports whether the number is not zero.
func (n Num) Bool() bool { return n.Bits != 0 }

// wrap cuts the bits to the size and extends them again.
func (n Num) wrap() Num {
	switch n.Size {
	case 1, 2, 4:
		shift := 64 - 8*n.Size
		if n.Signed {
			n.Bits = uint64(int64(n.Bits<<shift) >> shift)
		} else {
			n.Bits = n.Bits << shift >> shift
		}
	}
	return n
}

// promote is C's integer promotion: what is smaller than int becomes int.
func (n Num) promote() Num {
	if n.Size < 4 {
		return Num{n.Bits, 4, true}
	}
	return n
}

// common is C's usual arithmetic conversions, for types of 4 and 8 bytes.
func common(a, b Num) (Num, Num) {
	a, b = a.promote(), b.promote()
	size := max(a.Size, b.Size)
	signed := a.Signed && b.Signed
	if a.Size != b.Size {
		// The larger type can hold all of the smaller one's values.
		if a.Size > b.Size {
			signed = a.Signed
		} else {
			signed = b.Signed
		}
	}
	a.Size, a.Signed, b.Size, b.Signed = size, signed, size, signed
	return a.wrap(), b.wrap()
}

// Common is a with the type that C's usual arithmetic conversions give it beside b.
func Common(a, b Num) Num {
	a, _ = common(a, b)
	return a
}

// Compare is -1, 0 or 1 as a is below, equal to or above b after C's usual
// arithmetic conversions: -1 compared with an unsigned long is its largest value.
func Compare(a, b Num) int {
	a, b = common(a, b)
	less := a.Bits < b.Bits
	if a.Signed {
		less = int64(a.Bits) < int64(b.Bits)
	}
	switch {
	case a.Bits == b.Bits:
		return 0
	case less:
		return -1
	}
	return 1
}

// ErrDivide is the error of a division by zero.
var ErrDivide = errors.New("division by zero")

// Compute is a op b in C; op is one of + - * / % & | ^ << >>.
func Compute(op string, a, b Num) (Num, error) {
	if op == "<<" || op == ">>" {
		// The operands of a shift are promoted one by one: the result has the
		// left one's type. A count beyond the width is undefined in C.
		a, b = a.promote(), b.promote()
		if b.Bits >= uint64(a.Size)*8 {
			return Num{}, fmt.Errorf("shift by %d: the left side has %d bits", int64(b.Bits), a.Size*8)
		}
		switch {
		case op == "<<":
			a.Bits <<= b.Bits
		case a.Signed:
			a.Bits = uint64(int64(a.Bits) >> b.Bits)
		default:
			a.Bits >>= b.Bits
		}
		return a.wrap(), nil
	}
	a, b = common(a, b)
	r := a
	switch op {
	case "+":
		r.Bits = a.Bits + b.Bits
	case "-":
		r.Bits = a.Bits - b.Bits
	case "*":
		r.Bits = a.Bits * b.Bits
	case "&":
		r.Bits = a.Bits & b.Bits
	case "|":
		r.Bits = a.Bits | b.Bits
	case "^":
		r.Bits = a.Bits ^ b.Bits
	case "/", "%":
		if b.Bits == 0 {
			return Num{}, ErrDivide
		}
		r.Bits = divide(op, a, b)
	default:
		return Num{}, fmt.Errorf("no operator %s for integers", op)
	}
	return r.wrap(), nil
}

func divide(op string, a, b Num) uint64 {
	if !a.Signed {
		if op == "/" {
			return a.Bits / b.Bits
		}
		return a.Bits % b.Bits
	}
	// Go defines the one overflow, the smallest number / -1, as wrap-around.
	if op == "/" {
		return uint64(int64(a.Bits) / int64(b.Bits))
	}
	return uint64(int64(a.Bits) % int64(b.Bits))
}

// Type is the C type that the number has.
func (n Num) Type() btf.Type {
	switch {
	case n.Size <= 4 && n.Signed:
		return intType
	case n.Size <= 4:
		return unsignedType
	case n.Signed:
		return longType
	}
	return unsignedLongType
}

// FromNum is the number as an rvalue.
func (k *Kernel) FromNum(n Num) Value {
	v, err := k.fromNum(n, n.promote().Type())
	if err != nil { // cannot be: the four types above are plain integers
		return k.U64(n.Bits, "")
	}
	return v
}

func (k *Kernel) fromNum(n Num, t btf.Type) (Value, error) {
	size, err := btf.Sizeof(t)
	if err != nil || size > 8 {
		return Value{}, fmt.Errorf("cannot make %s out of an integer", t)
	}
	if i, ok := btf.Underlying(t).(*btf.Int); ok && i.Bool {
		n.Bits = map[bool]uint64{true: 1}[n.Bits != 0]
	}
	return k.InHand(t, binary.LittleEndian.AppendUint64(nil, n.Bits)[:size]), nil
}

// isScalar reports whether a type's content is one integer: an int, enum, bool
// or pointer.
func isScalar(t btf.Type) bool {
	switch t := btf.Underlying(t).(type) {
	case *btf.Int:
		return t.Size <= 8
	case *btf.Enum, *btf.Pointer:
		return true
	}
	return false
}

// TypeNum is a number without a value, of an integer, enum or bool type; ok is
// false for other types.
func TypeNum(t btf.Type) (n Num, ok bool) {
	switch t := btf.Underlying(t).(type) {
	case *btf.Int:
		return Num{Size: t.Size, Signed: t.Signed && !t.Bool}, t.Size <= 8
	case *btf.Enum:
		return Num{Size: t.Size, Signed: t.Signed}, true
	}
	return Num{}, false
}

// IsScalar reports whether the value is an integer, enum, bool or pointer.
func (v Value) IsScalar() bool { return isScalar(v.typ) }

// Num is the content of an integer, enum, bool or pointer.
func (v Value) Num() (Num, error) {
	var n Num
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Int:
		n.Size, n.Signed = t.Size, t.Signed && !t.Bool
	case *btf.Enum:
		n.Size, n.Signed = t.Size, t.Signed
	case *btf.Pointer:
		n.Size = 8
	default:
		return n, fmt.Errorf("%s is not a number", v.typ)
	}
	if n.Size > 8 {
		return n, fmt.Errorf("%s is larger than 64 bits", v.typ)
	}
	var raw [16]byte
	if v.place == inMemory && v.bits == 0 {
		err := v.k.ReadMem(v.addr, raw[:n.Size])
		if err != nil {
			return n, err
		}
		n.Bits = le64(raw[:])
		return n.wrap(), nil
	}
	data, err := v.Bytes()
	if err != nil {
		return n, err
	}
	copy(raw[:], data)
	if v.bits == 0 {
		n.Bits = le64(raw[:])
		if v.constant && n.Size <= 4 && n.Bits <= math.MaxInt32 {
			n.Size, n.Signed = 4, true
		}
		return n.wrap(), nil
	}
	if v.bits > 64 {
		return n, fmt.Errorf("a bit-field of %d bits", v.bits)
	}
	lo, hi := le64(raw[:]), le64(raw[8:])
	n.Bits = lo >> v.bitOff
	if v.bitOff > 0 {
		n.Bits |= hi << (64 - v.bitOff)
	}
	shift := 64 - v.bits
	if n.Signed {
		n.Bits = uint64(int64(n.Bits<<shift) >> shift)
	} else {
		n.Bits = n.Bits << shift >> shift
	}
	return n.BitField(v.bits), nil
}

// BitField is the number as C computes with it where it is a bit-field: what int holds
// all values of is promoted to it, whatever the type that it was declared with.
func (n Num) BitField(bits uint32) Num {
	switch {
	case bits == 0:
	case bits < 32 || n.Signed && bits == 32:
		n.Size, n.Signed = 4, true
	case bits == 32:
		n.Size = 4
	}
	return n
}

// NumType is what [Value.Num] gives but for the number itself: nothing is read.
func (v Value) NumType() (n Num, ok bool) {
	n, ok = TypeNum(v.typ)
	return n.BitField(v.bits), ok
}

// BigEndianBits is 16, 32 or 64 for a value whose type says that it is in
// network order (__be16, __be32, __be64), else 0.
func (v Value) BigEndianBits() int {
	t := v.typ
	for range 16 {
		switch u := t.(type) {
		case *btf.Typedef:
			switch u.Name {
			case "__be16":
				return 16
			case "__be32":
				return 32
			case "__be64":
				return 64
			}
			t = u.Target()
		case *btf.Qualifier:
			t = u.Target()
		case *btf.TypeTag:
			t = u.Target()
		default:
			return 0
		}
	}
	return 0
}

// Swap reverses the byte order of the low 16, 32 or 64 bits, as ntohs, ntohl
// and be64_to_cpu do on x86-64.
func Swap(u uint64, width int) uint64 {
	switch width {
	case 16:
		return uint64(bits.ReverseBytes16(uint16(u)))
	case 32:
		return uint64(bits.ReverseBytes32(uint32(u)))
	}
	return bits.ReverseBytes64(u)
}
