package expr

import (
	"fmt"
	"math"

	"kinspect/btf"
	"kinspect/expr/value"
)

const topicType = "types"

var typeFunctions = []Function{
	{
		Name: "sizeof", Signature: "sizeof('TYPE' or VALUE)", Topic: topicType,
		Doc:      "the size of a type or a value in bytes; sizeof x and sizeof(TYPE) as in C",
		Examples: []string{"sizeof(struct list_head)", "sizeof('struct list_head')", "sizeof(init_net) > 1000"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{TypeArg},
		Call: func(c *Call) (any, error) {
			var t btf.Type
			if v, ok := c.Arg(0).(value.Value); ok {
				t = v.Type()
			} else {
				var err error
				if t, err = c.typeArg(0); err != nil {
					return nil, err
				}
			}
			n, err := btf.Sizeof(t)
			return plain(value.UintNum(n)), err
		},
	},
	{
		Name: "offsetof", Signature: "offsetof('struct TYPE', 'MEMBER')", Topic: topicType,
		Doc:      "where a member lies in a struct, in bytes; MEMBER may be a path, 'a.b[2]'",
		Examples: []string{"offsetof(struct net_device, name)", "offsetof('struct net_device', 'name[3]')"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{TypeArg, MemberArg},
		Call: func(c *Call) (any, error) {
			st, member, err := c.structMember(0)
			if err != nil {
				return nil, err
			}
			f, err := st.FindMember(member)
			return plain(value.UintNum(f.Offset())), err
		},
	},
	{
		Name: "cast", Signature: "cast('TYPE', VALUE)", Topic: topicType,
		Doc:      "a value as another type: (TYPE)VALUE of C, which does the same",
		Examples: []string{"cast('struct net *', addr(init_net)).ns.inum", "cast('u8', -1)"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{TypeArg},
		Call: callCast,
	},
	{
		Name: "type", Signature: "type(VALUE)", Topic: topicType,
		Doc:      "the C type of a value, as a string",
		Examples: []string{"type(netdev('lo').mtu)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			switch x := c.Arg(0).(type) {
			case value.Value:
				return x.Type().String(), nil
			case nil:
				return "nil", nil
			case bool:
				return "bool", nil
			case string:
				return "string", nil
			case int:
				return "int", nil
			case int64:
				return "long", nil
			case uint32:
				return "unsigned int", nil
			case uint64:
				return "unsigned long", nil
			case float64:
				return "double", nil
			case []any:
				return "list", nil
			case *Sequence:
				return "sequence", nil
			case map[string]any:
				return "map", nil
			}
			return typeOfAnswer(c.Arg(0)), nil
		},
	},
}

// typeArg reads an argument that is the text of a C type.
func (c *Call) typeArg(i int) (btf.Type, error) {
	if t, ok := c.Arg(i).(typeResult); ok {
		return t.t, nil
	}
	name, ok := c.Arg(i).(string)
	if !ok {
		return nil, fmt.Errorf("a type is written in quotes, 'struct net_device *': %s is none", describe(c.Arg(i)))
	}
	return c.Session.parseType(name)
}

func callCast(c *Call) (any, error) {
	t, err := c.typeArg(0)
	if err != nil {
		return nil, err
	}
	return c.Session.cast(t, c.Arg(1))
}

// cast is (TYPE)x, as in C: of numbers and pointers the number; of arrays and functions, where a number or a
// pointer is wanted, their address. Beyond C, an array is a view of the memory of what is cast, as far as that reaches.
func (s *Session) cast(t btf.Type, x any) (any, error) {
	if v, ok := x.(value.Value); ok {
		return castValue(t, v)
	}
	n, ok, err := numberOf(characterOf(x))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("cannot cast %s to %s", describe(x), t)
	}
	if s.kernel == nil {
		return nil, errNoKernel
	}
	if _, ok := btf.Underlying(t).(*btf.Struct); ok {
		return nil, fmt.Errorf("a number is no %s: cast('%s *', …) takes it for the address of one", t, t)
	}
	if n.isFloat {
		return s.castFloat(t, n.float)
	}
	return s.kernel.FromNum(n.Num).Cast(t)
}

// castFloat casts a number with a fraction, which C cuts off. What the type does not hold is undefined there, and an
// error here.
func (s *Session) castFloat(t btf.Type, x float64) (any, error) {
	to, ok := value.TypeNum(t)
	if i, isInt := btf.Underlying(t).(*btf.Int); !ok || !isInt {
		return nil, fmt.Errorf("cannot cast the number %v to %s", x, t)
	} else if i.Bool {
		n := value.UintNum(0)
		if x != 0 {
			n = value.UintNum(1)
		}
		return s.kernel.FromNum(n).Cast(t)
	}
	bits := int(8 * to.Size)
	low, high := 0.0, math.Ldexp(1, bits)
	if to.Signed {
		low, high = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)
	}
	whole := math.Trunc(x)
	if !(whole >= low && whole < high) { // nor is it NaN
		return nil, fmt.Errorf("%s does not hold %v", t, x)
	}
	if to.Signed {
		return s.kernel.FromNum(value.IntNum(int64(whole))).Cast(t)
	}
	return s.kernel.FromNum(value.UintNum(uint64(whole))).Cast(t)
}

func castValue(t btf.Type, v value.Value) (any, error) {
	if v.IsScalar() && isScalarType(t) {
		return v.Cast(t)
	}
	from, to := btf.Underlying(v.Type()), btf.Underlying(t)
	switch from.(type) {
	case *btf.Array, *btf.FuncProto:
		if isScalarType(t) {
			return castAddress(v, t)
		}
	case *btf.Struct:
		if isScalarType(t) {
			return nil, fmt.Errorf("cannot cast %s to %s: cast a member of it, or its address (&)", v.Type(), t)
		}
	case *btf.Pointer:
		if array, ok := to.(*btf.Array); ok {
			return nil, fmt.Errorf("cannot cast the pointer %s to %s: *(%s (*)[%d])x is the array that it points to", v.Type(), t, array.Elem(), array.Len)
		}
		return nil, fmt.Errorf("cannot cast the pointer %s to %s: *(%s *)x is what it points to", v.Type(), t, t)
	}
	if _, ok := to.(*btf.Struct); ok && from.String() != to.String() {
		return nil, fmt.Errorf("cannot cast %s to %s: *(%s *)&x takes its memory for one", v.Type(), t, t)
	}
	if want, err := btf.Sizeof(t); err != nil {
		return nil, err
	} else if have, err := btf.Sizeof(v.Type()); err == nil && have > 0 && want > have {
		return nil, fmt.Errorf("cannot cast %s to %s: it has %d bytes, not %d", v.Type(), t, have, want)
	}
	return v.Cast(t)
}

// isScalarType reports whether a type has numbers: integers, enums and pointers.
func isScalarType(t btf.Type) bool {
	_, number := value.TypeNum(t)
	_, pointer := btf.Underlying(t).(*btf.Pointer)
	return number || pointer
}

// castAddress casts what decays to its address: an array, or a function.
func castAddress(v value.Value, t btf.Type) (any, error) {
	p, err := v.AddressOf() // keeps that it is per CPU
	if err != nil {
		return nil, err
	}
	return p.Cast(t)
}

// typeOfAnswer names what is no value of the kernel's, nor a plain one.
func typeOfAnswer(x any) string {
	switch x.(type) {
	case *Record:
		return "record"
	case table:
		return "table"
	case Fault:
		return "fault"
	}
	return "answer"
}
