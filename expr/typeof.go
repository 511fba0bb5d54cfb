package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// typeResult is a typeof as an argument that is a type.
type typeResult struct{ t btf.Type }

// null is the name of C's null pointer constant. No symbol of a kernel has it.
const null = "NULL"

// nullPointer is NULL: C's ((void *)0), which compares with every pointer.
func (s *Session) nullPointer() value.Value {
	k := s.kernel
	if k == nil {
		k = value.New(nil, nil)
	}
	return k.Pointer(&btf.Void{}, 0)
}

var errNoType = errors.New("this has no type of C's: sizeof and typeof take a type, as in sizeof(struct net_device), or a value of the kernel or a number")

// typeOf compiles the type of a node. What C would not evaluate is not: in
// sizeof(*p), sizeof(p->x) and typeof(p->x + 1) p may be NULL.
func (c *compiler) typeOf(n syntax.Node) func(f *frame) (btf.Type, error) {
	at := n.Where().At
	switch n := n.(type) {
	case *syntax.TypeOf:
		return c.typeOfType(n)
	case *syntax.Cast:
		if n.Of != nil {
			return c.typeOfType(n.Of)
		}
		return c.parsedType(n.Type, at)
	case *syntax.Seq:
		return c.typeOf(n.Nodes[len(n.Nodes)-1])
	case *syntax.Unary:
		switch n.Op {
		case "*":
			x := c.typeOf(n.X)
			return func(f *frame) (btf.Type, error) { return target(x, f, at) }
		case "&":
			x := c.typeOf(n.X)
			return func(f *frame) (btf.Type, error) {
				t, err := x(f)
				if err != nil {
					return nil, err
				}
				return btf.NewPointer(t), nil
			}
		case "!":
			return intAlways
		case "sizeof":
			return func(*frame) (btf.Type, error) { return value.UintNum(0).Type(), nil }
		case "-", "+", "~":
			return c.arithmeticType(n, n.X)
		}
	case *syntax.Binary:
		switch n.Op {
		case "+", "-", "*", "/", "%", "&", "|", "^":
			return c.arithmeticType(n, n.X, n.Y)
		case "<<", ">>":
			return c.arithmeticType(n, n.X)
		case "==", "!=", "<", ">", "<=", ">=", "&&", "||", "in", "contains", "startsWith", "endsWith", "matches":
			return intAlways
		}
	case *syntax.Chain, *syntax.Bool:
		return intAlways
	case *syntax.Cond:
		return c.arithmeticType(n, n.Then, n.Else)
	case *syntax.Index:
		x := c.typeOf(n.X)
		return func(f *frame) (btf.Type, error) { return target(x, f, at) }
	case *syntax.Member:
		if n.Optional {
			break
		}
		return c.memberType(n)
	}
	return c.valueType(n)
}

func intAlways(*frame) (btf.Type, error) { return value.IntNum(0).Type(), nil }

// parsedType is a type that is written out.
func (c *compiler) parsedType(text string, at int) func(*frame) (btf.Type, error) {
	return func(*frame) (btf.Type, error) {
		t, err := c.s.parseType(text)
		if err != nil {
			return nil, place(err, at)
		}
		return t, nil
	}
}

// typeOfType is what a typeof is, with the pointers and arrays behind it.
func (c *compiler) typeOfType(n *syntax.TypeOf) func(*frame) (btf.Type, error) {
	inner := c.parsedType(n.Type, n.At)
	if n.X != nil {
		inner = c.typeOf(n.X)
	}
	return func(f *frame) (btf.Type, error) {
		t, err := inner(f)
		if err != nil {
			return nil, err
		}
		for range n.Stars {
			t = btf.NewPointer(t)
		}
		for i := len(n.Len) - 1; i >= 0; i-- {
			t = btf.NewArray(t, n.Len[i])
		}
		return t, nil
	}
}

// typeOfArgument is a typeof as an argument.
func (c *compiler) typeOfArgument(n *syntax.TypeOf) *compiled {
	t := c.typeOfType(n)
	return &compiled{run: func(f *frame) (any, error) {
		out, err := t(f)
		return typeResult{out}, err
	}}
}

// memberType is the type of x.name.
func (c *compiler) memberType(n *syntax.Member) func(*frame) (btf.Type, error) {
	find := c.field(n)
	return func(f *frame) (btf.Type, error) {
		field, err := find(f)
		if err == nil && field.BitSize != 0 {
			err = place(fmt.Errorf("%s is a bit-field: it has no size in bytes", n.Name), n.At)
		}
		return field.Type, err
	}
}

// field finds the member of x.name in the type of x.
func (c *compiler) field(n *syntax.Member) func(*frame) (btf.Field, error) {
	x, at := c.typeOf(n.X), n.At
	return func(f *frame) (btf.Field, error) {
		t, err := x(f)
		if err != nil {
			return btf.Field{}, err
		}
		if p, ok := btf.Underlying(t).(*btf.Pointer); ok {
			t = p.Target()
		}
		if fwd, ok := btf.Underlying(t).(*btf.Fwd); ok {
			if whole, err := c.s.parseType(fwd.String()); err == nil {
				t = whole
			}
		}
		st, ok := btf.Underlying(t).(*btf.Struct)
		if !ok {
			return btf.Field{}, place(fmt.Errorf("%s has no members, so no %s", t, n.Name), at)
		}
		field, err := st.FindMember(n.Name)
		if err != nil {
			return field, place(err, at)
		}
		return field, nil
	}
}

// arithmeticType is the type of an operator's result, without its operands' values
// where these are integers; pointers and what else there is are for the value.
func (c *compiler) arithmeticType(n syntax.Node, operands ...syntax.Node) func(*frame) (btf.Type, error) {
	whole := c.valueType(n)
	types := make([]func(*frame) (value.Num, bool), len(operands))
	for i, o := range operands {
		types[i] = c.operandType(o)
	}
	return func(f *frame) (btf.Type, error) {
		sum := value.IntNum(0)
		for _, of := range types {
			num, ok := of(f)
			if !ok {
				return whole(f)
			}
			sum = value.Common(sum, num)
		}
		return sum.Type(), nil
	}
}

// operandType is the type of an integer, before it is promoted; ok is false where it
// is none, or that cannot be told.
func (c *compiler) operandType(n syntax.Node) func(*frame) (value.Num, bool) {
	switch n := n.(type) {
	case *syntax.Seq:
		return c.operandType(n.Nodes[len(n.Nodes)-1])
	case *syntax.Name, *syntax.Element:
		x := c.node(n)
		return func(f *frame) (value.Num, bool) {
			v, err := x.run(f)
			if err != nil {
				return value.Num{}, false
			}
			if v, ok := v.(value.Value); ok {
				return v.NumType()
			}
			num, ok, err := numberOf(v)
			return num.Num, ok && !num.isFloat && err == nil
		}
	case *syntax.Member:
		if n.Optional {
			break
		}
		find := c.field(n)
		return func(f *frame) (value.Num, bool) {
			field, err := find(f)
			if err != nil {
				return value.Num{}, false
			}
			num, ok := value.TypeNum(field.Type)
			return num.BitField(field.BitSize), ok
		}
	}
	typ := c.typeOf(n)
	return func(f *frame) (value.Num, bool) {
		t, err := typ(f)
		if err != nil {
			return value.Num{}, false
		}
		return value.TypeNum(t)
	}
}

// valueType is the type of what a node evaluates to.
func (c *compiler) valueType(n syntax.Node) func(*frame) (btf.Type, error) {
	x, at := c.node(n), n.Where().At
	return func(f *frame) (btf.Type, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case value.Value:
			return v.Type(), nil
		case string:
			t, err := c.s.parseType(v)
			if err != nil {
				return nil, place(err, at)
			}
			return t, nil
		case bool:
			return value.IntNum(0).Type(), nil
		case int, int64, uint32, uint64:
			num, _, _ := numberOf(v)
			return num.Type(), nil
		}
		return nil, place(errNoType, at)
	}
}

func target(x func(*frame) (btf.Type, error), f *frame, at int) (btf.Type, error) {
	t, err := x(f)
	if err != nil {
		return nil, err
	}
	switch u := btf.Underlying(t).(type) {
	case *btf.Pointer:
		return u.Target(), nil
	case *btf.Array:
		return u.Elem(), nil
	}
	return nil, place(fmt.Errorf("%s points to nothing", t), at)
}
