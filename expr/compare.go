package expr

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// compare is a op b for == != < > <= >=.
func (s *Session) compare(where *site, a, b any) (bool, error) {
	c, ordered, err := s.relation(where, a, b)
	if err != nil {
		return false, err
	}
	if !ordered && where.op != "==" && where.op != "!=" {
		return false, fmt.Errorf("%s %s %s: there is no order between them", describe(a), where.op, describe(b))
	}
	return holds(where.op, c), nil
}

// relation is how a relates to b: below, equal or above zero. ordered is false
// where they can be equal or different, but not smaller or larger.
func (s *Session) relation(where *site, a, b any) (c int, ordered bool, err error) {
	if err := errors.Join(faultOf(a), faultOf(b)); err != nil {
		return 0, false, err
	}
	if a == nil || b == nil {
		return unequal(isNil(a) && isNil(b)), false, nil
	}
	if c, done, err := compareText(a, b); done || err != nil {
		return c, true, err
	}
	if a, err = s.listOf(a); err != nil {
		return 0, false, err
	}
	if b, err = s.listOf(b); err != nil {
		return 0, false, err
	}
	x, okA, err := numberOf(pointerTo(a))
	if err != nil {
		return 0, false, err
	}
	y, okB, err := numberOf(pointerTo(b))
	if err != nil {
		return 0, false, err
	}
	if okA != okB { // 'c' is a number beside one
		if okB {
			x, okA, err = numberOf(characterOf(a))
		} else {
			y, okB, err = numberOf(characterOf(b))
		}
		if err != nil {
			return 0, false, err
		}
	}
	switch {
	case okA && okB && (x.isFloat || y.isFloat):
		return order(x, y), true, nil
	case okA && okB:
		s.warnBigEndian(where, a, b)
		s.warnNegative(where, a, b, x, y)
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
	_, ok = enumOf(v)
	return ok
}

// enumOf is the enum that names the values of v.
func enumOf(v value.Value) (*btf.Enum, bool) {
	if t, ok := btf.Underlying(v.Type()).(*btf.Enum); ok {
		return t, true
	}
	return v.ValueNames()
}

func compareEnum(v value.Value, name string) (int, error) {
	t, _ := enumOf(v)
	var names []string
	for _, e := range t.Values() {
		if e.Name == name {
			u, err := v.Uint()
			return unequal(u == e.Value), err
		}
		names = append(names, e.Name)
	}
	msg := fmt.Sprintf("%s has no enumerator %s", t, value.Quote(name))
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
	if !ok {
		return
	}
	if w := WarnSwapped(v.(value.Value).Type(), width, n.Bits); w != "" {
		where.warned = true
		s.warn("%s", w)
	}
}

func bigEndian(x any) int {
	_, width := inNetworkOrder(x)
	return width
}
