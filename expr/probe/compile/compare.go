package compile

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// compare is x op y for == != < > <= >=.
func (c *compiler) compare(op string, x, y *operand, at int) *operand {
	equality := op == "==" || op == "!="
	switch {
	case x.kind == kindNil || y.kind == kindNil:
		return c.compareNil(op, x, y, at)
	case x.kind == kindString && y.kind == kindString:
		return c.fail(at, "both sides are strings")
	case isEnum(x) && y.kind == kindString:
		return c.compareEnum(op, x, y.text, at)
	case isEnum(y) && x.kind == kindString:
		return c.compareEnum(op, y, x.text, at)
	case y.kind == kindString && isText(x):
		return c.compareText(op, x, y.text, at)
	case x.kind == kindString && isText(y):
		return c.compareText(op, y, x.text, at)
	case isText(x) && isText(y) && (isArray(x) || isArray(y)):
		return c.fail(at, "two strings in the kernel's memory cannot be compared in the kernel: one side has to be written out, in quotes")
	}
	x, y = c.character(x), c.character(y)
	if x.kind == kindString || y.kind == kindString {
		return c.fail(at, "cannot compare %s with %s", x.describe(), y.describe())
	}
	a, b := c.decayed(x, at), c.decayed(y, at)
	if c.err != nil {
		return c.fail(at, "cannot compare %s with %s", x.describe(), y.describe())
	}
	c.warnCompared(op, x, y, a, b)
	to := value.Common(a.num, b.num)
	jump := map[string]asm.JumpOp{"==": asm.JEq, "!=": asm.JNE, "<": asm.JLT, "<=": asm.JLE, ">": asm.JGT, ">=": asm.JGE}[op]
	if to.Signed && !equality {
		jump = map[string]asm.JumpOp{"<": asm.JSLT, "<=": asm.JSLE, ">": asm.JSGT, ">=": asm.JSGE}[op]
	}
	return boolean(func(g *Gen) {
		g.two(a, b, to, to)
		g.flag(func(yes string) { g.Add(jump.Reg(asm.R0, asm.R1, yes)) })
	})
}

// warnCompared gives the warnings that the language gives of comparisons.
func (c *compiler) warnCompared(op string, x, y, a, b *operand) {
	if w := x.network(); w != 0 && y.typ == nil && y.constant {
		if text := expr.WarnSwapped(x.typeOf(), w, b.num.Bits); text != "" {
			c.warn("%s", text)
		}
	} else if w := y.network(); w != 0 && x.typ == nil && x.constant {
		if text := expr.WarnSwapped(y.typeOf(), w, a.num.Bits); text != "" {
			c.warn("%s", text)
		}
	}
	negative := func(o *operand) bool { return o.constant && o.num.Signed && int64(o.num.Bits) < 0 }
	constant, other := a, y
	switch {
	case negative(a):
	case negative(b):
		constant, other = b, x
	default:
		return
	}
	as := value.Common(constant.num, value.Num{Size: max(a.num.Size, b.num.Size), Signed: a.num.Signed && b.num.Signed})
	if as = value.Common(constant.num, c.number(other, 0).num); as.Signed {
		return
	}
	if _, pointer := other.pointer(); pointer {
		return
	}
	var t btf.Type
	if other.kind == kindPlace || other.typ != nil {
		t = other.ctype()
	}
	c.warn("%s", expr.WarnNegative(t, int64(constant.num.Bits), as.Bits))
}

// compareNil asks whether a pointer is NULL; nothing else is nil.
func (c *compiler) compareNil(op string, x, y *operand, at int) *operand {
	o := x
	if x.kind == kindNil {
		o = y
	}
	if op != "==" && op != "!=" {
		return c.fail(at, "there is no order between nil and %s", o.describe())
	}
	if o.kind == kindNil || o.kind == kindString {
		return c.known((o.kind == kindNil) == (op == "=="), at)
	}
	if _, ok := btf.Underlying(o.ctype()).(*btf.Pointer); !ok {
		return c.known(op == "!=", at)
	}
	p := c.number(o, at)
	if c.err != nil {
		return p
	}
	return boolean(func(g *Gen) {
		g.number(p)
		g.flag(func(yes string) {
			if op == "==" {
				g.Add(asm.JEq.Imm(asm.R0, 0, yes))
			} else {
				g.Add(asm.JNE.Imm(asm.R0, 0, yes))
			}
		})
	})
}

// enumOf is the enum that names the values of an operand.
func enumOf(o *operand) (*btf.Enum, bool) {
	if o.kind != kindNumber && o.kind != kindPlace {
		return nil, false
	}
	if t, ok := btf.Underlying(o.ctype()).(*btf.Enum); ok {
		return t, true
	}
	if o.val.Valid() && (o.kind == kindPlace || o.typ == o.val.Type()) {
		return o.val.ValueNames()
	}
	return nil, false
}

func isEnum(o *operand) bool {
	_, ok := enumOf(o)
	return ok
}

func (c *compiler) compareEnum(op string, x *operand, name string, at int) *operand {
	t, _ := enumOf(x)
	if op != "==" && op != "!=" {
		return c.fail(at, "there is no order between %s and the name of an enumerator", x.describe())
	}
	var names []string
	for _, e := range t.Values() {
		if e.Name != name {
			names = append(names, e.Name)
			continue
		}
		a := c.number(x, at)
		if c.err != nil {
			return a
		}
		bits := int64(e.Value)
		return boolean(func(g *Gen) {
			g.number(a)
			g.imm(asm.R1, bits)
			g.flag(func(yes string) {
				if op == "==" {
					g.Add(asm.JEq.Reg(asm.R0, asm.R1, yes))
				} else {
					g.Add(asm.JNE.Reg(asm.R0, asm.R1, yes))
				}
			})
		})
	}
	msg := fmt.Sprintf("%s has no enumerator %s", t, value.Quote(name))
	if near := btf.Near(name, names); len(near) > 0 {
		msg += "; did you mean " + joinOr(near) + "?"
	}
	return c.fail(at, "%s", msg)
}

func isArray(o *operand) bool {
	_, ok := btf.Underlying(o.ctype()).(*btf.Array)
	return ok
}

// isText reports whether an operand is a char array, or points to chars.
func isText(o *operand) bool {
	elem, ok := o.pointer()
	return ok && value.IsChar(elem)
}

// chain is a < b < c: each operand is computed where it is compared, and none behind a
// comparison that does not hold.
func (c *compiler) chain(n *syntax.Chain) *operand {
	var all *operand
	xs := make([]*operand, len(n.X))
	for i, x := range n.X {
		xs[i] = c.node(x)
	}
	if c.err != nil {
		return xs[0]
	}
	if !slicesAny(xs) {
		return c.evaluate(n)
	}
	for i, op := range n.Ops {
		next := c.compareAny(op, xs[i], xs[i+1], n.At[i])
		if c.err != nil {
			return next
		}
		if all == nil {
			all = next
			continue
		}
		before := all
		all = boolean(func(g *Gen) {
			end := g.NewLabel()
			g.number(before)
			g.Add(asm.JEq.Imm(asm.R0, 0, end))
			g.number(next)
			g.Place(end)
		})
	}
	return all
}

// slicesAny reports whether any operand is no constant.
func slicesAny(xs []*operand) bool {
	for _, x := range xs {
		if !x.constant {
			return true
		}
	}
	return false
}

// compareAny is compare, of constants too.
func (c *compiler) compareAny(op string, x, y *operand, at int) *operand {
	if x.constant && y.constant && x.kind == kindNumber && y.kind == kindNumber {
		n := value.Compare(x.num, y.num)
		holds := map[string]bool{"<": n < 0, "<=": n <= 0, ">": n > 0, ">=": n >= 0, "==": n == 0, "!=": n != 0}[op]
		return c.known(holds, at)
	}
	return c.compare(op, x, y, at)
}

// in is x in [a, b]: x is one of them.
func (c *compiler) in(n *syntax.Binary) *operand {
	list, ok := n.Y.(*syntax.List)
	if !c.moving(n) {
		return c.evaluate(n)
	}
	if !ok || len(list.Items) == 0 {
		return c.fail(n.At, "in takes a list that is written out, x in [1, 2], where it is computed in the kernel")
	}
	x := c.node(n.X)
	var any *operand
	for _, item := range list.Items {
		y := c.node(item)
		if c.err != nil {
			return y
		}
		next := c.compareAny("==", x, y, n.At)
		if c.err != nil {
			return next
		}
		if any == nil {
			any = next
			continue
		}
		before := any
		any = boolean(func(g *Gen) {
			end := g.NewLabel()
			g.number(before)
			g.Add(asm.JNE.Imm(asm.R0, 0, end))
			g.number(next)
			g.Place(end)
		})
	}
	return any
}
