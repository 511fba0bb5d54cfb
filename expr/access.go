package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// member is x.name, or x->name.
func (s *Session) member(x any, name string, optional bool) (any, error) {
	if optional && isNil(x) {
		return nil, nil
	}
	switch x := x.(type) {
	case map[string]any:
		v, ok := x[name]
		if !ok {
			return nil, fmt.Errorf("the map has no key %s", value.Quote(name))
		}
		return v, nil
	case *Record:
		return x.Field(name)
	case Fault:
		return nil, x.err
	case []any:
		return nil, fmt.Errorf("a list has no member %s: map(.%s) makes a list of its elements' members", name, name)
	case value.Value:
		v, err := s.valueMember(x, name)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	return nil, fmt.Errorf("%s has no members, so no %s", describe(x), name)
}

func (s *Session) valueMember(v value.Value, name string) (value.Value, error) {
	v, err := follow(v)
	if err != nil {
		return v, err
	}
	st, ok := v.StructType()
	if !ok {
		if whole := s.defined(v); whole.Valid() {
			return whole.Member(name)
		}
		return v.Member(name)
	}
	if s.stack != nil && isNetDevice(st) && knet.IsCoreCounter(name) {
		return s.stack.CoreCounter(v, name)
	}
	m, err := v.Member(name)
	var no *btf.MemberError
	if errors.As(err, &no) && isNetDevice(st) {
		// Near names of the counters that no longer are members.
		if near := btf.Near(name, knet.CoreCounters); len(near) > 0 {
			return m, fmt.Errorf("%s has no member %q; did you mean %s?", st, name, joinOr(near))
		}
	}
	if no != nil {
		m, err = s.standInMember(v, st, name, err)
	}
	return m, err
}

func isNetDevice(st *btf.Struct) bool { return st.Name == "net_device" && !st.Union }

// defined is a pointer to a struct that this BTF only declares, as a pointer to
// the struct that another BTF defines under that name; else it is not valid.
func (s *Session) defined(v value.Value) value.Value {
	p, ok := btf.Underlying(v.Type()).(*btf.Pointer)
	if !ok {
		return value.Value{}
	}
	fwd, ok := btf.Underlying(p.Target()).(*btf.Fwd)
	if !ok {
		return value.Value{}
	}
	t, err := s.parseType(fwd.String())
	if err != nil {
		return value.Value{}
	}
	a, err := v.Pointer()
	if err != nil {
		return value.Value{}
	}
	return v.Kernel().Pointer(t, a)
}

// index is x[i].
func (s *Session) index(x, i any, optional bool) (any, error) {
	if optional && isNil(x) {
		return nil, nil
	}
	switch x := x.(type) {
	case []any:
		n, err := integer(i, "an index")
		if err != nil {
			return nil, err
		}
		if n < 0 {
			n += int64(len(x)) // -1 is the last, as in expr-lang
		}
		if n < 0 || n >= int64(len(x)) {
			return nil, fmt.Errorf("index %s is outside the list, which has %d elements", indexText(i), len(x))
		}
		return x[n], nil
	case map[string]any:
		k, err := key(i)
		if err != nil {
			return nil, err
		}
		v, ok := x[k]
		if !ok {
			return nil, fmt.Errorf("the map has no key %s", value.Quote(k))
		}
		return v, nil
	case *Record:
		k, err := key(i)
		if err != nil {
			return nil, err
		}
		return x.Field(k)
	case value.Value:
		if name, ok := i.(string); ok {
			return s.member(x, name, optional)
		}
		n, err := integer(i, "an index")
		if err != nil {
			return nil, err
		}
		if x, err = follow(x); err != nil {
			return nil, err
		}
		e, err := x.Index(n)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	if err := faultOf(x); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s has no elements", describe(x))
}

func indexText(i any) string {
	n, err := integer(i, "")
	if err != nil {
		return "?"
	}
	return fmt.Sprint(n)
}

// slice is x[from:to]; nil stands for a bound that was left out.
func (s *Session) slice(x, from, to any) (any, error) {
	if v, ok := x.(value.Value); ok {
		if _, isPtr := btf.Underlying(v.Type()).(*btf.Pointer); isPtr {
			if _, _, isText := isText(v); !isText {
				return s.pointerSlice(v, from, to)
			}
		}
	}
	n := 0
	switch x := x.(type) {
	case string:
		n = len(x)
	default:
		l, err := s.length(x)
		if err != nil {
			return nil, err
		}
		n = l
	}
	bound := func(b any, otherwise int) (int, error) {
		if b == nil {
			return otherwise, nil
		}
		i, err := integer(b, "a bound of a slice")
		if err != nil {
			return 0, err
		}
		if i < 0 {
			i += int64(n)
		}
		return int(max(0, min(i, int64(n)))), nil
	}
	lo, err := bound(from, 0)
	if err != nil {
		return nil, err
	}
	hi, err := bound(to, n)
	if err != nil {
		return nil, err
	}
	hi = max(lo, hi)
	switch x := x.(type) {
	case string:
		return x[lo:hi], nil
	case []any:
		return x[lo:hi:hi], nil
	case value.Value:
		return s.elements(x, lo, hi)
	}
	return nil, fmt.Errorf("%s cannot be sliced", describe(x))
}

// pointerSlice is p[from:to]: the elements from p + from to the one before p + to.
func (s *Session) pointerSlice(p value.Value, from, to any) (any, error) {
	lo := int64(0)
	if from != nil {
		var err error
		if lo, err = integer(from, "a bound of a slice"); err != nil {
			return nil, err
		}
	}
	if to == nil {
		return nil, fmt.Errorf("a slice of %s, which has no length, needs its end: [%d:N]", p.Type(), lo)
	}
	hi, err := integer(to, "a bound of a slice")
	if err != nil {
		return nil, err
	}
	if p, err = follow(p); err != nil {
		return nil, err
	}
	out := []any{}
	for i := lo; i < hi; i++ {
		if err := s.grow(1); err != nil {
			return nil, err
		}
		e, err := p.Index(i)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// integer reads an index or a count.
func integer(x any, what string) (int64, error) {
	n, ok, err := numberOf(x)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("%s is not a number: %s has to be one", describe(x), what)
	}
	i, fits := n.int64()
	if !fits {
		return 0, fmt.Errorf("%s is not %s", describe(plainOf(n)), what)
	}
	return i, nil
}

func plainOf(n number) any {
	if n.isFloat {
		return n.float
	}
	return plain(n.Num)
}
