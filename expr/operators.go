package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// truth is C's: what is not zero is true. An array has an address and so would
// always be true, which nobody means who writes it: it is an error.
func truth(x any) (bool, error) {
	switch x := x.(type) {
	case bool:
		return x, nil
	case nil:
		return false, nil
	case value.Value:
		if btfArray(x) {
			return false, fmt.Errorf("%s is an array, which is true in C whatever it holds: compare it with something", x.Type())
		}
	}
	n, ok, err := numberOf(x)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("%s is neither true nor false: compare it with something", describe(x))
	}
	if n.isFloat {
		return n.float != 0, nil
	}
	return n.Bool(), nil
}

func btfArray(v value.Value) bool {
	_, ok := btf.Underlying(v.Type()).(*btf.Array)
	return ok
}

// arithmetic is a op b.
func arithmetic(op string, a, b any) (any, error) {
	if op == "+" {
		if s, ok, err := concat(a, b); ok || err != nil {
			return s, err
		}
	}
	_, _, ap := isPointer(a)
	_, _, bp := isPointer(b)
	if ap || bp {
		return pointerArithmetic(op, a, b)
	}
	x, okA, err := numberOf(a)
	if err != nil {
		return nil, err
	}
	y, okB, err := numberOf(b)
	if err != nil {
		return nil, err
	}
	if !okA || !okB {
		return nil, fmt.Errorf("%s %s %s: both sides have to be numbers", describe(a), op, describe(b))
	}
	return compute(op, x, y)
}

// maxText bounds the strings that expressions make, in bytes.
const maxText = 1 << 20

// concat joins strings, where at least one side is a string of the language.
func concat(a, b any) (any, bool, error) {
	_, sa := a.(string)
	_, sb := b.(string)
	if !sa && !sb {
		return nil, false, nil
	}
	x, okA, err := text(a)
	if err != nil {
		return nil, false, err
	}
	y, okB, err := text(b)
	if err != nil {
		return nil, false, err
	}
	if !okA || !okB {
		return nil, false, fmt.Errorf("%s + %s: use string(…) to make a string of the number", describe(a), describe(b))
	}
	if len(x)+len(y) > maxText {
		return nil, false, fmt.Errorf("the string is longer than %d bytes", maxText)
	}
	return x + y, true, nil
}

// pointerArithmetic scales by the size of what is pointed to, as C does; void and
// functions count as one byte, as gcc has it.
func pointerArithmetic(op string, a, b any) (any, error) {
	av, aElem, ap := isPointer(a)
	bv, bElem, bp := isPointer(b)
	wrong := func() error {
		return fmt.Errorf("%s %s %s: pointers take + and - with an integer, and - with one another; int(p) is the address", describe(a), op, describe(b))
	}
	switch {
	case ap && bp && op == "-":
		return difference(av, bv, aElem, bElem)
	case ap && !bp && (op == "+" || op == "-"):
		return offset(av, aElem, b, op == "-", wrong)
	case bp && !ap && op == "+":
		return offset(bv, bElem, a, false, wrong)
	}
	return nil, wrong()
}

func elemSize(t btf.Type) (uint64, error) {
	switch btf.Underlying(t).(type) {
	case *btf.Void, *btf.FuncProto:
		return 1, nil
	}
	return btf.Sizeof(t)
}

func offset(p value.Value, elem btf.Type, by any, minus bool, wrong func() error) (any, error) {
	n, ok, err := numberOf(by)
	if err != nil {
		return nil, err
	}
	if !ok || n.isFloat {
		return nil, wrong()
	}
	a, err := p.Pointer()
	if err != nil {
		return nil, err
	}
	size, err := elemSize(elem)
	if err != nil {
		return nil, err
	}
	d := n.Bits * size // wraps, as addresses do
	if minus {
		d = -d
	}
	return p.Kernel().Pointer(elem, a.Add(int64(d))), nil
}

func difference(a, b value.Value, aElem, bElem btf.Type) (any, error) {
	x, err := a.Pointer()
	if err != nil {
		return nil, err
	}
	y, err := b.Pointer()
	if err != nil {
		return nil, err
	}
	sa, err := elemSize(aElem)
	if err != nil {
		return nil, err
	}
	sb, err := elemSize(bElem)
	if err != nil {
		return nil, err
	}
	if sa != sb || sa == 0 {
		return nil, fmt.Errorf("%s - %s: they point to things of different size; int(p) is the address", a.Type(), b.Type())
	}
	d := int64(x-y) / int64(sa)
	return a.Kernel().FromNum(value.Num{Bits: uint64(d), Size: 8, Signed: true}), nil
}

// negate is -x.
func negate(x any) (any, error) {
	if _, _, ok := isPointer(x); ok {
		return nil, fmt.Errorf("- does not take %s", describe(x))
	}
	n, ok, err := numberOf(x)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("- does not take %s", describe(x))
	case n.isFloat:
		return -n.float, nil
	}
	return compute("-", number{Num: value.IntNum(0), k: n.k}, n)
}

// plus is +x: C's integer promotion.
func plus(x any) (any, error) {
	n, ok, err := numberOf(x)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("+ does not take %s", describe(x))
	case n.isFloat:
		return n.float, nil
	}
	return compute("+", n, number{Num: value.IntNum(0), k: n.k})
}

// compare is a op b for == != < > <= >=.
func (s *Session) compare(where *site, a, b any) (bool, error) {
	c, ordered, err := s.relation(where, a, b)
	if err != nil {
		return false, err
	}
	switch where.op {
	case "==":
		return c == 0, nil
	case "!=":
		return c != 0, nil
	}
	if !ordered {
		return false, fmt.Errorf("%s %s %s: there is no order between them", describe(a), where.op, describe(b))
	}
	switch where.op {
	case "<":
		return c < 0, nil
	case ">":
		return c > 0, nil
	case "<=":
		return c <= 0, nil
	}
	return c >= 0, nil
}

// relation is how a relates to b: below, equal or above zero. ordered is false
// where they can be equal or different, but not smaller or larger.
func (s *Session) relation(where *site, a, b any) (c int, ordered bool, err error) {
	if a == nil || b == nil {
		return unequal(isNil(a) && isNil(b)), false, nil
	}
	if c, done, err := compareText(a, b); done || err != nil {
		return c, true, err
	}
	x, okA, err := numberOf(pointerTo(a))
	if err != nil {
		return 0, false, err
	}
	y, okB, err := numberOf(pointerTo(b))
	if err != nil {
		return 0, false, err
	}
	switch {
	case okA && okB && (x.isFloat || y.isFloat):
		return order(x, y), true, nil
	case okA && okB:
		s.warnBigEndian(where, a, b)
		return value.Compare(x.Num, y.Num), true, nil
	}
	la, okA := a.([]any)
	lb, okB := b.([]any)
	if !okA || !okB {
		return 0, false, fmt.Errorf("cannot compare %s with %s", describe(a), describe(b))
	}
	if len(la) != len(lb) {
		return 1, false, nil
	}
	for i := range la {
		if c, _, err := s.relation(where, la[i], lb[i]); c != 0 || err != nil {
			return c, false, err
		}
	}
	return 0, false, nil
}

func unequal(equal bool) int {
	if equal {
		return 0
	}
	return 1
}

// isNil reports whether x is nil, or a NULL pointer.
func isNil(x any) bool {
	v, ok := x.(value.Value)
	if !ok {
		return x == nil
	}
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); !ok {
		return false
	}
	a, err := v.Pointer()
	return err == nil && a == 0
}

// pointerTo is what C's arrays and functions decay to, and anything else as it is.
func pointerTo(x any) any {
	if v, ok := x.(value.Value); ok {
		if _, ok := btf.Underlying(v.Type()).(*btf.FuncProto); ok {
			if a, ok := v.Addr(); ok {
				return v.Kernel().Pointer(v.Type(), a)
			}
		}
	}
	v, elem, ok := isPointer(x)
	if !ok || !btfArray(v) {
		return x
	}
	if a, err := v.Pointer(); err == nil {
		return v.Kernel().Pointer(elem, a)
	}
	return x
}

// compareText compares strings: two of which one is of the language, or char
// arrays. Two char pointers are compared as the pointers that they are. An enum
// compares with the name of an enumerator.
func compareText(a, b any) (c int, done bool, err error) {
	_, sa := a.(string)
	_, sb := b.(string)
	_, arrA, ta := isText(a)
	_, arrB, tb := isText(b)
	switch {
	case sa && isEnum(b):
		c, err = compareEnum(b.(value.Value), a.(string))
		return c, true, err
	case sb && isEnum(a):
		c, err = compareEnum(a.(value.Value), b.(string))
		return c, true, err
	case (sa || ta) && (sb || tb) && (sa || sb || arrA || arrB):
		x, _, err := text(a)
		if err != nil {
			return 0, false, err
		}
		y, _, err := text(b)
		return strings.Compare(x, y), true, err
	}
	return 0, false, nil
}

func isEnum(x any) bool {
	v, ok := x.(value.Value)
	if !ok {
		return false
	}
	_, ok = btf.Underlying(v.Type()).(*btf.Enum)
	return ok
}

func compareEnum(v value.Value, name string) (int, error) {
	t, _ := btf.Underlying(v.Type()).(*btf.Enum)
	var names []string
	for _, e := range t.Values() {
		if e.Name == name {
			u, err := v.Uint()
			return unequal(u == e.Value), err
		}
		names = append(names, e.Name)
	}
	msg := fmt.Sprintf("%s has no enumerator %s", v.Type(), value.Quote(name))
	if near := btf.Near(name, names); len(near) > 0 {
		msg += "; did you mean " + joinOr(near) + "?"
	}
	return 0, errors.New(msg)
}

// warnBigEndian tells of a comparison between a value in network order and a
// plain number: it is done on the raw bytes, as C would, and whoever wrote 0x0800
// most likely meant the other reading.
func (s *Session) warnBigEndian(where *site, a, b any) {
	v, plainSide := a, b
	width := bigEndian(v)
	if width == 0 {
		v, plainSide = b, a
		width = bigEndian(v)
	}
	if width == 0 || where.warned {
		return
	}
	if _, ok := plainSide.(value.Value); ok {
		return
	}
	n, ok, _ := numberOf(plainSide)
	if !ok || n.Bits>>1>>(width-1) != 0 {
		return
	}
	swapped := value.Swap(n.Bits, width)
	if swapped == n.Bits {
		return
	}
	where.warned = true
	conv := map[int]string{16: "htons", 32: "htonl", 64: "cpu_to_be64"}[width]
	digits := width / 4
	s.warn("the %s is in network order, and is compared raw, as C does: 0x%0*x here is 0x%0*x on the wire; for 0x%0*x on the wire write %s(0x%0*x)",
		v.(value.Value).Type(), digits, n.Bits, digits, swapped, digits, n.Bits, conv, digits, n.Bits)
}

func bigEndian(x any) int {
	if v, ok := x.(value.Value); ok {
		return v.BigEndianBits()
	}
	return 0
}

// in reports whether a list holds x, or a map the key.
func (s *Session) in(x, list any) (bool, error) {
	switch l := list.(type) {
	case map[string]any:
		key, err := key(x)
		if err != nil {
			return false, err
		}
		_, ok := l[key]
		return ok, nil
	case nil:
		return false, nil
	}
	l, err := s.list(list)
	if err != nil {
		return false, fmt.Errorf("in takes a list or a map on its right: %w", err)
	}
	where := &site{op: "=="}
	for _, e := range l {
		if eq, err := s.compare(where, x, e); eq || err != nil {
			return eq, err
		}
	}
	return false, nil
}

// textOperator is contains, startsWith, endsWith or matches.
func textOperator(op string, a, b any) (bool, error) {
	x, okA, err := text(a)
	if err != nil {
		return false, err
	}
	y, okB, err := text(b)
	if err != nil {
		return false, err
	}
	if !okA || !okB {
		return false, fmt.Errorf("%s %s %s: both sides have to be strings", describe(a), op, describe(b))
	}
	switch op {
	case "contains":
		return strings.Contains(x, y), nil
	case "startsWith":
		return strings.HasPrefix(x, y), nil
	case "endsWith":
		return strings.HasSuffix(x, y), nil
	}
	re, err := regexp.Compile(y)
	if err != nil {
		return false, fmt.Errorf("not a regular expression: %w", err)
	}
	return re.MatchString(x), nil
}
