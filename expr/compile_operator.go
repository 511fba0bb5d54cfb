package expr

import (
	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// site is a place in the source that an operator's function needs to know of: its
// warnings are given once each.
type site struct {
	op       string
	warned   bool
	negative int8 // 1 or 2: the left or right side is a constant below zero
}

func (c *compiler) unary(n *syntax.Unary) *compiled {
	switch n.Op {
	case "!":
		x := c.condition(n.X)
		return boolean(func(f *frame) (bool, error) {
			b, err := x(f)
			return !b, err
		})
	case "&":
		return c.addressOf(n)
	case "*":
		return c.deref(n)
	case "sizeof":
		return c.sizeof(n.X, n.At)
	}
	x, at := c.node(n.X), n.At
	s := c.s
	apply := map[string]func(any) (any, error){
		"-": func(x any) (any, error) {
			v, err := negate(x)
			return s.networkOrder("-", x, nil, v), err
		},
		"+": plus,
		"~": func(x any) (any, error) {
			v, err := complement(x)
			return s.networkOrder("^", x, nil, v), err
		},
	}[n.Op]
	if apply == nil {
		return c.fail(at, "the operator %s is not in the language", n.Op)
	}
	out := &compiled{run: func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		if v, err = apply(v); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
	return fold(out, x)
}

// fold computes at once what is made of constants, where that is no error: -1 is a
// number, and 1/0 an error where it is evaluated.
func fold(out *compiled, operands ...*compiled) *compiled {
	for _, o := range operands {
		if !o.constant {
			return out
		}
		if v, ok := o.val.(value.Value); ok && v.InMemory() {
			return out // its content is read when it is asked for
		}
	}
	if v, err := out.run(nil); err == nil {
		return constant(v)
	}
	return out
}

func (c *compiler) binary(n *syntax.Binary) *compiled {
	at := n.At
	switch n.Op {
	case "&&":
		x, y := c.condition(n.X), c.condition(n.Y)
		return boolean(func(f *frame) (bool, error) {
			if ok, err := x(f); !ok || err != nil {
				return false, err
			}
			return y(f)
		})
	case "||":
		x, y := c.condition(n.X), c.condition(n.Y)
		return boolean(func(f *frame) (bool, error) {
			if ok, err := x(f); ok || err != nil {
				return ok, err
			}
			return y(f)
		})
	case "??":
		x, y := c.node(n.X), c.node(n.Y)
		return &compiled{run: func(f *frame) (any, error) {
			if v, err := x.run(f); v != nil || err != nil {
				return v, err
			}
			return y.run(f)
		}}
	case "==", "!=", "<", ">", "<=", ">=":
		x, y := c.node(n.X), c.node(n.Y)
		return c.comparison(compared(n.Op, x, y), x, y, at)
	case "+", "-", "*", "/", "%", "&", "^", "<<", ">>", "**":
		return c.arithmetic(n.Op, c.node(n.X), c.node(n.Y), at)
	case "|":
		if name, ok := n.Y.(*syntax.Name); ok && c.unknownFunction(name) {
			return constant(nil)
		}
		return c.arithmetic("|", c.node(n.X), c.node(n.Y), at)
	case "in":
		return c.in(n)
	case "..":
		return c.apply(n, c.s.rangeOf)
	case "contains", "startsWith", "endsWith", "matches":
		return c.text(n)
	}
	return c.fail(at, "the operator %s is not in the language", n.Op)
}

// unknownFunction is the error for a misspelt function behind a pipe.
func (c *compiler) unknownFunction(n *syntax.Name) bool {
	if c.isVariable(n.Name) {
		return false
	}
	if _, err := c.s.global(n.Name); err == nil || len(btf.Near(n.Name, c.s.functionNames())) == 0 {
		return false
	}
	c.fail(n.At, "%s", c.s.noFunction(n.Name))
	return true
}

// apply compiles an operator that needs both operands.
func (c *compiler) apply(n *syntax.Binary, op func(a, b any) (any, error)) *compiled {
	x, y, at := c.node(n.X), c.node(n.Y), n.At
	return &compiled{run: func(f *frame) (any, error) {
		a, err := x.run(f)
		if err != nil {
			return nil, err
		}
		b, err := y.run(f)
		if err != nil {
			return nil, err
		}
		v, err := op(a, b)
		if err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
}

// in compiles x in a list. One that is written out, x in [a, b], is x == a || x == b:
// what comes after the one that equals x is not evaluated, in the kernel neither.
func (c *compiler) in(n *syntax.Binary) *compiled {
	list, ok := n.Y.(*syntax.List)
	if !ok || len(list.Items) == 0 {
		return c.apply(n, func(a, b any) (any, error) { return c.s.in(a, b) })
	}
	x, items, where, at := c.node(n.X), c.list(list).items, &site{op: "=="}, n.At
	return &compiled{run: func(f *frame) (any, error) {
		a, err := x.run(f)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			b, err := orFault(item.run(f))
			if err != nil {
				return nil, err
			}
			eq, err := c.s.compare(where, a, b)
			if err != nil {
				return nil, place(err, at)
			}
			if eq {
				return true, nil
			}
		}
		return false, nil
	}}
}

// text compiles contains, startsWith, endsWith and matches.
func (c *compiler) text(n *syntax.Binary) *compiled {
	var m matcher
	return c.apply(n, func(a, b any) (any, error) { return m.operator(n.Op, a, b) })
}

func (c *compiler) arithmetic(op string, x, y *compiled, at int) *compiled {
	out := &compiled{run: func(f *frame) (any, error) {
		a, err := x.run(f)
		if err != nil {
			return nil, err
		}
		b, err := y.run(f)
		if err != nil {
			return nil, err
		}
		v, err := arithmetic(op, a, b)
		if err != nil {
			return nil, place(err, at)
		}
		return c.s.networkOrder(op, a, b, v), nil
	}}
	if x.num != nil && y.num != nil && op != "**" {
		out.num = func(f *frame) (number, bool, error) {
			a, ok, err := x.num(f)
			if !ok || err != nil {
				return a, false, err
			}
			b, ok, err := y.num(f)
			if !ok || err != nil {
				return b, false, err
			}
			if a, err = computeNumber(op, a, b); err != nil {
				return a, false, place(err, at)
			}
			return a, true, nil
		}
	}
	return fold(out, x, y)
}

func (c *compiler) comparison(where *site, x, y *compiled, at int) *compiled {
	s := c.s
	slow := func(f *frame) (bool, error) {
		a, err := x.run(f)
		if err != nil {
			return false, err
		}
		b, err := y.run(f)
		if err != nil {
			return false, err
		}
		ok, err := s.compare(where, a, b)
		if err != nil {
			return false, place(err, at)
		}
		return ok, nil
	}
	if x.num == nil || y.num == nil {
		return boolean(slow)
	}
	return boolean(func(f *frame) (bool, error) {
		a, ok, err := x.num(f)
		if err != nil {
			return false, err
		}
		if !ok {
			return slow(f)
		}
		b, ok, err := y.num(f)
		if err != nil {
			return false, err
		}
		if !ok {
			return slow(f)
		}
		if a.isFloat || b.isFloat {
			return holds(where.op, order(a, b)), nil
		}
		if where.negative != 0 && !where.warned && !value.Common(a.Num, b.Num).Signed {
			return slow(f) // which warns
		}
		return holds(where.op, value.Compare(a.Num, b.Num)), nil
	})
}

// holds reports what an operator says of two things that relate as c.
func holds(op string, c int) bool {
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case ">":
		return c > 0
	case "<=":
		return c <= 0
	}
	return c >= 0
}

// chain is a < b < c: each operand is evaluated once, and none behind a comparison
// that does not hold.
func (c *compiler) chain(n *syntax.Chain) *compiled {
	var xs []*compiled
	for _, x := range n.X {
		xs = append(xs, c.node(x))
	}
	sites := make([]site, len(n.Ops))
	for i, op := range n.Ops {
		sites[i] = *compared(op, xs[i], xs[i+1])
	}
	return boolean(func(f *frame) (bool, error) {
		left, err := xs[0].run(f)
		if err != nil {
			return false, err
		}
		for i := range sites {
			right, err := xs[i+1].run(f)
			if err != nil {
				return false, err
			}
			ok, err := c.s.compare(&sites[i], left, right)
			if err != nil {
				return false, place(err, n.At[i])
			}
			if !ok {
				return false, nil
			}
			left = right
		}
		return true, nil
	})
}
