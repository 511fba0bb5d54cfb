package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/knet"
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
	a, b = characterOf(a), characterOf(b)
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
		if op == "|" {
			return nil, fmt.Errorf("| passes a value on to a function, as in list | filter(…), or is C's of two integers: %s | %s is neither", describe(a), describe(b))
		}
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
	return p.Kernel().Pointer(elem, a.Add(int64(d))).FromPerCPU(p), nil
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

// complement is ~x.
func complement(x any) (any, error) {
	x = characterOf(x)
	_, _, ptr := isPointer(x)
	n, ok, err := numberOf(x)
	switch {
	case err != nil:
		return nil, err
	case !ok || ptr || n.isFloat:
		return nil, fmt.Errorf("~ does not take %s", describe(x))
	}
	return compute("^", n, number{Num: value.IntNum(-1), k: n.k})
}

// in reports whether a list holds x, a map the key, or a struct a member of that
// name: kernels differ in these, and a script has to ask.
func (s *Session) in(x, list any) (bool, error) {
	switch l := list.(type) {
	case map[string]any:
		key, err := key(x)
		if err != nil {
			return false, err
		}
		_, ok := l[key]
		return ok, nil
	case *Record:
		if name, ok := x.(string); ok {
			return slices.Contains(l.names, name), nil
		}
	case value.Value:
		if name, ok := x.(string); ok {
			if st := structOf(l); st != nil {
				return s.hasMember(l, st, name), nil
			}
		}
	case nil:
		return false, nil
	}
	if q, ok := list.(*Sequence); ok && q.span != nil {
		if in, ok := q.span.has(x); ok {
			return in, nil
		}
	}
	where := &site{op: "=="}
	found := false
	if err := s.listable(list); err != nil {
		return false, fmt.Errorf("in takes a list or a map on its right: %w", err)
	}
	err := s.iterate(s.frame(), list, func(e *elem) error {
		eq, err := s.compare(where, x, e.value())
		if eq && err == nil {
			found, err = true, value.Stop()
		}
		return err
	})
	return found, err
}

// matcher keeps the regular expression that it saw last.
type matcher struct {
	text string
	re   *regexp.Regexp
}

// operator is contains, startsWith, endsWith or matches.
func (m *matcher) operator(op string, a, b any) (any, error) {
	x, okA, err := text(a)
	if err != nil {
		return nil, err
	}
	y, okB, err := text(b)
	if err != nil {
		return nil, err
	}
	if !okA || !okB {
		return nil, fmt.Errorf("%s %s %s: both sides have to be strings", describe(a), op, describe(b))
	}
	switch op {
	case "contains":
		return strings.Contains(x, y), nil
	case "startsWith":
		return strings.HasPrefix(x, y), nil
	case "endsWith":
		return strings.HasSuffix(x, y), nil
	}
	if m.re == nil || m.text != y {
		if m.re, err = regexp.Compile(y); err != nil {
			return nil, fmt.Errorf("not a regular expression: %w", err)
		}
		m.text = y
	}
	return m.re.MatchString(x), nil
}

// structOf is the type of a struct, or of what a pointer to one points to; else nil.
func structOf(v value.Value) *btf.Struct {
	t := btf.Underlying(v.Type())
	if p, ok := t.(*btf.Pointer); ok {
		t = btf.Underlying(p.Target())
	}
	st, _ := t.(*btf.Struct)
	return st
}

func (s *Session) hasMember(v value.Value, st *btf.Struct, name string) bool {
	if _, err := st.FindMember(name); err == nil {
		return true
	}
	if _, ok := commonOfSocket(st); ok && name == "__sk_common" {
		return true
	}
	if s.stack == nil || !isNetDevice(st) || !knet.IsCoreCounter(name) {
		return false
	}
	_, err := s.valueMember(v, name)
	return err == nil
}
