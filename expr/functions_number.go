package expr

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/expr/value"
)

const topicNumber = "numbers"

var numberFunctions = []Function{
	{
		Name: "int", Signature: "int(VALUE)", Topic: topicNumber,
		Doc:      "a number, pointer or enum of the kernel, or the number in a string, as a plain number",
		Examples: []string{"int(netdev('lo').mtu)", "int('0x88cc')"},
		MinArgs:  1, MaxArgs: 1,
		Call: callInt,
	},
	{
		Name: "hex", Signature: "hex(NUMBER)", Topic: topicNumber,
		Doc:      "a number in hexadecimal, as a string",
		Examples: []string{"hex(34525)", "hex(netdev('lo').flags)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			n, err := c.number(0, "hex")
			if err != nil {
				return nil, err
			}
			bits := n.Bits
			if n.Size < 8 {
				bits &= 1<<(8*n.Size) - 1
			}
			return fmt.Sprintf("%#x", bits), nil
		},
	},
	{
		Name: "abs", Signature: "abs(NUMBER)", Topic: topicNumber,
		Doc:      "a number without its sign",
		Examples: []string{"abs(-5)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			n, ok, err := numberOf(c.Arg(0))
			switch {
			case err != nil:
				return nil, err
			case !ok:
				return nil, fmt.Errorf("abs takes a number, not %s", describe(c.Arg(0)))
			case n.isFloat && n.float < 0 || !n.isFloat && n.Signed && int64(n.Bits) < 0:
				return negate(c.Arg(0))
			}
			return c.Arg(0), nil
		},
	},
	bitFunction("bitand", "&", "a & b of C, for pointers too", "bitand(netdev('lo').flags, 8)"),
	bitFunction("bitor", "|", "a | b of C, for pointers too", "bitor(0x10, 0x01)"),
	bitFunction("bitxor", "^", "a ^ b of C, for pointers too", "bitxor(0xff, 0x0f)"),
	bitFunction("bitshl", "<<", "a << b of C, for pointers too", "bitshl(1, 40)"),
	bitFunction("bitshr", ">>", "a >> b of C, for pointers too", "bitshr(0x8000000000000000, 63)"),
	{
		Name: "bitnot", Signature: "bitnot(A)", Topic: topicNumber,
		Doc:      "~a of C, for pointers too",
		Examples: []string{"bitnot(0)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			n, err := c.number(0, "bitnot")
			if err != nil {
				return nil, err
			}
			v, err := compute("^", n, number{Num: value.IntNum(-1), k: n.k})
			return c.Session.networkOrder("^", c.Arg(0), nil, v), err
		},
	},
}

func bitFunction(name, op, doc, example string) Function {
	return Function{
		Name: name, Signature: name + "(A, B)", Topic: topicNumber, Doc: doc,
		Examples: []string{example},
		MinArgs:  2, MaxArgs: 2,
		Call: func(c *Call) (any, error) {
			a, err := c.number(0, name)
			if err != nil {
				return nil, err
			}
			b, err := c.number(1, name)
			if err != nil {
				return nil, err
			}
			v, err := compute(op, a, b)
			return c.Session.networkOrder(op, c.Arg(0), c.Arg(1), v), err
		},
	}
}

// number is an argument that is an integer of any kind.
func (c *Call) number(i int, name string) (number, error) {
	n, ok, err := numberOf(characterOf(c.Arg(i)))
	if err == nil && (!ok || n.isFloat) {
		err = fmt.Errorf("%s takes integers, not %s", name, describe(c.Arg(i)))
	}
	return n, err
}

func callInt(c *Call) (any, error) {
	if s, ok := c.Arg(0).(string); ok {
		if err := notOctal(s); err != nil {
			return nil, err
		}
		if i, err := strconv.ParseInt(s, 0, 64); err == nil {
			return plain(value.IntNum(i)), nil
		}
		u, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not an integer", value.Quote(cut(s, 40)))
		}
		return plain(value.UintNum(u)), nil
	}
	n, ok, err := numberOf(c.Arg(0))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s is not a number", describe(c.Arg(0)))
	}
	if n.isFloat {
		i := int64(n.float)
		if d := n.float - float64(i); d <= -1 || d >= 1 {
			return nil, fmt.Errorf("%g does not fit into 64 bits", n.float)
		}
		return plain(value.IntNum(i)), nil
	}
	if i, ok := n.int64(); ok {
		return plain(value.IntNum(i)), nil
	}
	return n.Bits, nil
}

// notOctal is the error for a number with leading zeros, which is one of the language's own
// numbers, too.
func notOctal(s string) error {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) < 2 || digits[0] != '0' || strings.Trim(digits, "0123456789_") != "" {
		return nil
	}
	bare := strings.TrimLeft(digits, "0_")
	if bare == "" {
		bare = "0"
	}
	return fmt.Errorf("%s: C reads this as octal: write 0o%s for that, or leave the leading zeros out", cut(s, 40), bare)
}
