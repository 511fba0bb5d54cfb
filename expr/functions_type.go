package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
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
			return "other", nil
		},
	},
}

// typeArg reads an argument that is the text of a C type.
func (c *Call) typeArg(i int) (btf.Type, error) {
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

// cast is (TYPE)x.
func (s *Session) cast(t btf.Type, x any) (any, error) {
	if v, ok := x.(value.Value); ok {
		_, toPointer := btf.Underlying(t).(*btf.Pointer)
		if toPointer && !v.IsScalar() {
			return castAddress(v, t)
		}
		return v.Cast(t)
	}
	n, ok, err := numberOf(characterOf(x))
	if err != nil {
		return nil, err
	}
	if !ok || n.isFloat {
		return nil, fmt.Errorf("cannot cast %s to %s", describe(x), t)
	}
	if s.kernel == nil {
		return nil, errNoKernel
	}
	if _, ok := btf.Underlying(t).(*btf.Struct); ok {
		return nil, fmt.Errorf("a number is no %s: cast('%s *', …) takes it for the address of one", t, t)
	}
	return s.kernel.FromNum(n.Num).Cast(t)
}

// castAddress casts what decays to its address: an array, or a function.
func castAddress(v value.Value, t btf.Type) (any, error) {
	switch btf.Underlying(v.Type()).(type) {
	case *btf.Array, *btf.FuncProto:
	default:
		return nil, fmt.Errorf("cannot cast %s to %s: addr(…) is its address", v.Type(), t)
	}
	a, ok := v.Addr()
	if !ok {
		return nil, errors.New("it has no address that could be cast")
	}
	return v.Kernel().Pointer(&btf.Void{}, kmem.Addr(a)).Cast(t)
}
