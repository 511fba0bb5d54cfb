package expr

import (
	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// conditional is a ? b : c. Where both are integers the result has the type that C
// gives it, unless they are of the same type, which then stays as it is: an enum
// prints by name. For the type of the side that is not chosen no more is evaluated
// than variables and members.
func (c *compiler) conditional(n *syntax.Cond) *compiled {
	cond, then, other := c.condition(n.If), c.node(n.Then), c.node(n.Else)
	thenType, otherType := c.intType(n.Then, then), c.intType(n.Else, other)
	return &compiled{run: func(f *frame) (any, error) {
		ok, err := cond(f)
		if err != nil {
			return nil, err
		}
		taken, left := then, otherType
		if !ok {
			taken, left = other, thenType
		}
		v, err := taken.run(f)
		if err != nil || left == nil || !isInteger(v) {
			return v, err
		}
		t, ok := left(f)
		if !ok {
			return v, nil
		}
		return likewise(v, t), nil
	}}
}

// intType is the type of an integer: a number without a value, and the type that C
// knows it by where it is that of a variable.
type intType struct {
	value.Num
	typ btf.Type
	k   *value.Kernel
}

// intType compiles the type of a node that is an integer; ok is false where it is
// none. It is nil where that cannot be told without evaluating what may take long.
func (c *compiler) intType(n syntax.Node, x *compiled) func(f *frame) (t intType, ok bool) {
	is := func(size uint32, signed bool) func(*frame) (intType, bool) {
		return func(*frame) (intType, bool) { return intType{Num: value.Num{Size: size, Signed: signed}}, true }
	}
	switch n := n.(type) {
	case *syntax.Int:
		return is(n.Size, n.Signed)
	case *syntax.Bool, *syntax.Chain:
		return is(4, true)
	case *syntax.Name, *syntax.Element, *syntax.Member:
		if !callsNothing(n) {
			return nil
		}
		return func(f *frame) (intType, bool) {
			v, err := x.run(f)
			if err != nil || !isInteger(v) {
				return intType{}, false
			}
			num, _, err := numberOf(v)
			t := intType{Num: num.Num, k: num.k}
			if v, ok := v.(value.Value); ok && !v.IsBitField() {
				t.typ = v.Type()
			}
			return t, err == nil
		}
	case *syntax.Cast:
		if n.Of != nil {
			to := c.typeOfType(n.Of)
			return func(f *frame) (intType, bool) {
				t, err := to(f)
				if err != nil {
					return intType{}, false
				}
				num, ok := value.TypeNum(t)
				return intType{Num: num, typ: t, k: c.s.kernel}, ok
			}
		}
		t, err := c.s.parseType(n.Type)
		if err != nil {
			return nil
		}
		num, ok := value.TypeNum(t)
		return func(*frame) (intType, bool) { return intType{Num: num, typ: t, k: c.s.kernel}, ok }
	case *syntax.Unary:
		switch n.Op {
		case "!":
			return is(4, true)
		case "sizeof":
			return is(8, false)
		case "-", "+", "~":
			return promoted(c.intType(n.X, c.quiet(n.X)))
		}
	case *syntax.Call:
		if n.Name == "sizeof" || n.Name == "offsetof" {
			return is(8, false)
		}
	case *syntax.Seq:
		last := n.Nodes[len(n.Nodes)-1]
		return c.intType(last, c.quiet(last))
	case *syntax.Binary:
		switch n.Op {
		case "==", "!=", "<", ">", "<=", ">=", "&&", "||", "in", "contains", "startsWith", "endsWith", "matches":
			return is(4, true)
		case "<<", ">>":
			return promoted(c.intType(n.X, c.quiet(n.X)))
		case "+", "-", "*", "/", "%", "&", "|", "^":
			return commonType(c.intType(n.X, c.quiet(n.X)), c.intType(n.Y, c.quiet(n.Y)))
		}
	case *syntax.Cond:
		return commonType(c.intType(n.Then, c.quiet(n.Then)), c.intType(n.Else, c.quiet(n.Else)))
	}
	return nil
}

// quiet compiles a node once more, for its type. Only variables and members are
// evaluated for that, so others are not compiled.
func (c *compiler) quiet(n syntax.Node) *compiled {
	switch n.(type) {
	case *syntax.Name, *syntax.Element, *syntax.Member:
		return c.node(n)
	}
	return nil
}

func promoted(x func(*frame) (intType, bool)) func(*frame) (intType, bool) {
	return commonType(x, func(*frame) (intType, bool) { return intType{Num: value.IntNum(0)}, true })
}

func commonType(x, y func(*frame) (intType, bool)) func(*frame) (intType, bool) {
	if x == nil || y == nil {
		return nil
	}
	return func(f *frame) (intType, bool) {
		a, ok := x(f)
		if !ok {
			return a, false
		}
		b, ok := y(f)
		if !ok {
			return b, false
		}
		k := a.k
		if k == nil {
			k = b.k
		}
		return intType{Num: value.Common(a.Num, b.Num), k: k}, true
	}
}

// callsNothing reports whether a node is a variable, or a member of one.
func callsNothing(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Name, *syntax.Element:
		return true
	case *syntax.Member:
		return callsNothing(n.X)
	}
	return false
}

// isInteger reports whether x is an integer, and no pointer or array.
func isInteger(x any) bool {
	switch x := x.(type) {
	case int, int64, uint32, uint64, bool:
		return true
	case value.Value:
		if !x.IsScalar() {
			return false
		}
		_, ptr := btf.Underlying(x.Type()).(*btf.Pointer)
		return !ptr
	}
	return false
}

// likewise converts v as C does in a conditional whose other side has type t.
func likewise(v any, t intType) any {
	a, ok, err := numberOf(v)
	if !ok || err != nil {
		return v
	}
	if w, isValue := v.(value.Value); isValue {
		if w.Type() == t.typ && !w.IsBitField() {
			return v
		}
	} else if t.Size == a.Size && t.Signed == a.Signed && t.typ == nil {
		return v
	}
	k := a.k
	if k == nil {
		k = t.k
	}
	return result(value.Common(a.Num, t.Num), k)
}
