package compile

import (
	"strings"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

func (c *compiler) unary(n *syntax.Unary) *operand {
	switch n.Op {
	case "!":
		x := c.truth(c.node(n.X), n.X.Where().At)
		if c.err == nil && x.constant {
			return c.known(!x.num.Bool(), n.At)
		}
		return boolean(func(g *Gen) {
			g.number(x)
			g.Add(asm.Xor.Imm(asm.R0, 1))
		})
	case "&":
		return c.addressOf(n)
	case "*":
		return c.deref(n)
	case "sizeof":
		return c.sizeof(n, n.X)
	}
	x := c.node(n.X)
	if c.err != nil {
		return x
	}
	if x.constant {
		return c.evaluate(n)
	}
	if _, ok := x.pointer(); ok {
		return c.fail(n.At, "%s does not take %s", n.Op, x.describe())
	}
	if x = c.number(x, n.At); c.err != nil {
		return x
	}
	// As the language has them: 0 - x, x + 0 and x ^ -1, of x's own kind.
	with := func(i int64) *operand {
		o := &operand{kind: kindNumber, constant: true, num: value.IntNum(i)}
		if x.typ != nil {
			o.typ = o.num.Type()
		}
		return o
	}
	switch n.Op {
	case "-":
		c.warnOrder("-", x, x)
		return c.compute("-", with(0), x, n.At)
	case "+":
		return c.compute("+", x, with(0), n.At)
	case "~":
		out := c.compute("^", x, with(-1), n.At)
		out.wire = x.network()
		return out
	}
	return c.fail(n.At, "the operator %s is not in the language", n.Op)
}

func (c *compiler) binary(n *syntax.Binary) *operand {
	switch n.Op {
	case "&&", "||":
		return c.logical(n)
	case "==", "!=", "<", ">", "<=", ">=":
		x, y := c.node(n.X), c.node(n.Y)
		if c.err != nil {
			return x
		}
		if x.constant && y.constant {
			return c.evaluate(n)
		}
		return c.compare(n.Op, x, y, n.At)
	case "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>":
		x, y := c.node(n.X), c.node(n.Y)
		if c.err != nil {
			return x
		}
		if x.constant && y.constant {
			return c.evaluate(n)
		}
		return c.arithmetic(n.Op, x, y, n.At)
	case "in":
		return c.in(n)
	}
	if !c.moving(n) {
		return c.evaluate(n)
	}
	switch n.Op {
	case "**":
		return c.fail(n.At, "powers cannot be computed in the kernel")
	case "??":
		return c.fail(n.At, "nothing in the kernel is nil: c ? a : b asks for NULL")
	case "contains", "startsWith", "endsWith", "matches":
		return c.fail(n.At, "%s cannot be computed in the kernel: == and != compare strings there", n.Op)
	}
	return c.fail(n.At, "the operator %s cannot be computed in the kernel", n.Op)
}

// truth is C's: 1 for what is not zero.
func (c *compiler) truth(o *operand, at int) *operand {
	switch o.kind {
	case kindNil:
		return c.known(false, at)
	case kindString:
		return c.fail(at, "%s is neither true nor false: compare it with something", o.describe())
	}
	if o.truth {
		return o
	}
	if _, ok := btf.Underlying(o.ctype()).(*btf.Array); ok {
		return c.fail(at, "%s is an array, which is true in C whatever it holds: compare it with something", o.describe())
	}
	if _, ok := numType(o.ctype()); !ok && o.kind == kindPlace {
		return c.fail(at, "%s is neither true nor false: compare it with something", o.describe())
	}
	x := c.number(o, at)
	if c.err != nil {
		return x
	}
	if x.constant {
		return c.known(x.num.Bool(), at)
	}
	return boolean(func(g *Gen) {
		g.number(x)
		g.flag(func(yes string) { g.Add(asm.JNE.Imm(asm.R0, 0, yes)) })
	})
}

func (c *compiler) logical(n *syntax.Binary) *operand {
	x := c.truth(c.node(n.X), n.X.Where().At)
	y := c.truth(c.node(n.Y), n.Y.Where().At)
	if c.err != nil {
		return x
	}
	and := n.Op == "&&"
	if x.constant {
		if x.num.Bool() == and {
			return y
		}
		return x
	}
	return boolean(func(g *Gen) {
		end := g.NewLabel()
		g.number(x)
		if and {
			g.Add(asm.JEq.Imm(asm.R0, 0, end))
		} else {
			g.Add(asm.JNE.Imm(asm.R0, 0, end))
		}
		g.number(y)
		g.Place(end)
	})
}

// arithmetic is x op y.
func (c *compiler) arithmetic(op string, x, y *operand, at int) *operand {
	if op == "+" && (x.kind == kindString && len(x.text) != 1 || y.kind == kindString && len(y.text) != 1) {
		return c.fail(at, "strings cannot be made in the kernel")
	}
	x, y = c.character(x), c.character(y)
	_, px := x.pointer()
	_, py := y.pointer()
	if px || py {
		return c.pointerArithmetic(op, x, y, px, py, at)
	}
	if x.kind == kindString || x.kind == kindNil || y.kind == kindString || y.kind == kindNil {
		return c.fail(at, "%s %s %s: both sides have to be numbers", x.describe(), op, y.describe())
	}
	a, b := c.number(x, at), c.number(y, at)
	if c.err != nil {
		return a
	}
	out := c.compute(op, a, b, at)
	switch op {
	case "&", "|", "^":
		if out.wire = a.network(); out.wire == 0 {
			out.wire = b.network()
		}
	default:
		c.warnOrder(op, a, b)
	}
	return out
}

// warnOrder tells of arithmetic with values in network order.
func (c *compiler) warnOrder(op string, x, y *operand) {
	o := x
	if x.network() == 0 {
		if o = y; y.network() == 0 || op == "<<" || op == ">>" {
			return
		}
	}
	c.warn("%s", expr.WarnOrder(o.typeOf(), op, o.network()))
}

// character is the number that a string of one character is where a number is wanted.
func (c *compiler) character(o *operand) *operand {
	if o.kind == kindString && len(o.text) == 1 {
		return c.known(int(o.text[0]), o.at)
	}
	return o
}

// compute is the arithmetic of two numbers.
func (c *compiler) compute(op string, x, y *operand, at int) *operand {
	plain := x.typ == nil && y.typ == nil
	out := &operand{kind: kindNumber, at: at}
	shift := op == "<<" || op == ">>"
	var a, b value.Num // what the operands are converted to
	switch {
	case plain && isInt(x.num) && isInt(y.num):
		lo, hi, ok := plainBounds(op, x, y)
		if !ok || !fitsInt(lo, hi) {
			return c.fail(at, "the type of this depends on its value, as it may not fit into 32 bits: cast one side, (s64)x")
		}
		a = value.Num{Size: 8, Signed: true}
		b = a
		out.num, out.lo, out.hi = value.Num{Size: 4, Signed: true}, lo, hi
	case shift:
		a, b = promoted(x.num), promoted(y.num)
		out.num = a
	default:
		a = value.Common(x.num, y.num)
		b = a
		out.num = a
	}
	out.num.Bits = 0
	if !plain {
		out.typ = out.num.Type()
	}
	if shift {
		if y.constant && y.num.Bits >= uint64(a.Size)*8 {
			return c.fail(at, "shift by %d: the left side has %d bits", int64(y.num.Bits), a.Size*8)
		}
	} else if (op == "/" || op == "%") && y.constant && y.num.Bits == 0 {
		return c.fail(at, "%s", value.ErrDivide)
	}
	result := out.num
	out.emit = func(g *Gen) {
		g.two(x, y, a, b)
		g.arithmetic(op, a)
		if !fitsResult(op) {
			g.wrap(asm.R0, result)
		}
	}
	return out
}

// fitsResult reports whether the result of an operator has the form of its operands.
func fitsResult(op string) bool { return strings.Contains("&|^", op) }

// pointerArithmetic scales by the size of what is pointed to, as C does.
func (c *compiler) pointerArithmetic(op string, x, y *operand, px, py bool, at int) *operand {
	switch {
	case px && py && op == "-":
		return c.difference(x, y, at)
	case px && !py && (op == "+" || op == "-"):
		return c.shifted(x, y, op == "-", at)
	case py && !px && op == "+":
		return c.shifted(y, x, false, at)
	}
	return c.fail(at, "%s %s %s: pointers take + and - with an integer, and - with one another; (u64)p is the address", x.describe(), op, y.describe())
}

func elemSize(t btf.Type) (uint64, error) {
	switch btf.Underlying(t).(type) {
	case *btf.Void, *btf.FuncProto:
		return 1, nil
	}
	return btf.Sizeof(t)
}

func (c *compiler) shifted(p, by *operand, minus bool, at int) *operand {
	elem, _ := p.pointer()
	size, err := elemSize(elem)
	if err != nil {
		return c.fail(at, "%s", err)
	}
	if by.kind == kindString || by.kind == kindNil {
		return c.fail(at, "%s + %s: pointers take + and - with an integer", p.describe(), by.describe())
	}
	a, b := c.decayed(p, at), c.number(by, at)
	if c.err != nil {
		return a
	}
	out := &operand{kind: kindNumber, num: value.Num{Size: 8}, typ: btf.NewPointer(elem), at: at}
	out.emit = func(g *Gen) {
		g.two(a, b, value.Num{Size: 8}, value.Num{Size: 8})
		g.imm(asm.R2, int64(size))
		g.Add(asm.Mul.Reg(asm.R1, asm.R2))
		if minus {
			g.Add(asm.Sub.Reg(asm.R0, asm.R1))
		} else {
			g.Add(asm.Add.Reg(asm.R0, asm.R1))
		}
	}
	return out
}

func (c *compiler) difference(x, y *operand, at int) *operand {
	xe, _ := x.pointer()
	ye, _ := y.pointer()
	sx, err := elemSize(xe)
	if err != nil {
		return c.fail(at, "%s", err)
	}
	sy, err := elemSize(ye)
	if err != nil {
		return c.fail(at, "%s", err)
	}
	if sx != sy || sx == 0 {
		return c.fail(at, "%s - %s: they point to things of different size; (u64)p is the address", x.describe(), y.describe())
	}
	a, b := c.decayed(x, at), c.decayed(y, at)
	if c.err != nil {
		return a
	}
	long := value.Num{Size: 8, Signed: true}
	return &operand{kind: kindNumber, num: long, typ: long.Type(), at: at, emit: func(g *Gen) {
		g.two(a, b, value.Num{Size: 8}, value.Num{Size: 8})
		g.Add(asm.Sub.Reg(asm.R0, asm.R1))
		g.imm(asm.R1, int64(sx))
		g.arithmetic("/", long)
	}}
}

// conditional is a ? b : c, of the type that C gives it.
func (c *compiler) conditional(n *syntax.Cond) *operand {
	cond := c.truth(c.node(n.If), n.If.Where().At)
	x, y := c.node(n.Then), c.node(n.Else)
	if c.err != nil {
		return x
	}
	if cond.constant && x.constant && y.constant {
		return c.evaluate(n)
	}
	_, px := x.pointer()
	_, py := y.pointer()
	out := &operand{kind: kindNumber, at: n.At}
	var a, b *operand
	switch {
	case px || py:
		a, b = c.decayed(x, n.At), c.decayed(y, n.At)
		if c.err != nil {
			return a
		}
		switch {
		case px && (!py || null(b)):
			out.typ = a.typ
		case py && (!px || null(a)):
			out.typ = b.typ
		case a.typ.String() != b.typ.String():
			return c.fail(n.At, "one side is %s and the other %s: cast one of them", a.describe(), b.describe())
		default:
			out.typ = a.typ
		}
		if (!px || !py) && !(a.constant && a.num.Bits == 0 || b.constant && b.num.Bits == 0) {
			return c.fail(n.At, "one side is a pointer, and the other is not")
		}
		out.num = value.Num{Size: 8}
	case x.kind == kindString || y.kind == kindString || x.kind == kindNil || y.kind == kindNil:
		return c.fail(n.At, "both sides have to be numbers, as a program in the kernel has nothing else to choose from")
	default:
		a, b = c.number(x, n.At), c.number(y, n.At)
		if c.err != nil {
			return a
		}
		same := a.typ != nil && a.typ == b.typ && !a.val.IsBitField() && !b.val.IsBitField()
		switch {
		case same:
			out.num, out.typ = a.num, a.typ
		case a.truth && b.truth:
			out.num, out.truth, out.hi = a.num, true, 1
		default:
			out.num = value.Common(a.num, b.num)
			if a.typ != nil || b.typ != nil {
				out.typ = out.num.Type()
			}
			al, ah := a.bounds()
			bl, bh := b.bounds()
			out.lo, out.hi = min(al, bl), max(ah, bh)
		}
		out.num.Bits = 0
	}
	num := out.num
	out.emit = func(g *Gen) {
		other, end := g.NewLabel(), g.NewLabel()
		g.number(cond)
		g.Add(asm.JEq.Imm(asm.R0, 0, other))
		g.as(a, num)
		g.Add(asm.Ja.Label(end))
		g.Place(other)
		g.as(b, num)
		g.Place(end)
	}
	return out
}

// null reports whether an operand is C's NULL.
func null(o *operand) bool {
	p, ok := btf.Underlying(o.ctype()).(*btf.Pointer)
	if !ok || !o.constant || o.num.Bits != 0 {
		return false
	}
	_, void := btf.Underlying(p.Target()).(*btf.Void)
	return void
}
