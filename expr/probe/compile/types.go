package compile

import (
	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"

	"github.com/cilium/ebpf/asm"
)

// cast is (TYPE)x.
func (c *compiler) cast(n *syntax.Cast) *operand {
	x := c.node(n.X)
	if c.err != nil {
		return x
	}
	var t btf.Type
	switch {
	case n.Of != nil:
		if t = c.typeOf(n.Of); c.err != nil {
			return x
		}
	case n.Type == "double" || n.Type == "float" || n.Type == "long double":
		return c.fail(n.At, "a program in the kernel has no numbers with a fraction")
	default:
		var err error
		if t, err = c.s.Type(n.Type); err != nil {
			return c.fail(n.At+1, "%s", err)
		}
	}
	if x.constant {
		return c.evaluate(n)
	}
	return c.castTo(x, t, n.At)
}

func (c *compiler) castTo(x *operand, t btf.Type, at int) *operand {
	x = c.character(x)
	to, ok := numType(t)
	switch {
	case x.kind == kindString || x.kind == kindNil:
		return c.fail(at, "cannot cast %s to %s", x.describe(), t)
	case !ok:
		if _, isStruct := btf.Underlying(t).(*btf.Struct); isStruct && x.kind == kindPlace && btf.Underlying(x.val.Type()).String() == btf.Underlying(t).String() {
			return x
		}
		return c.fail(at, "cannot cast %s to %s in the kernel: *(%s *)x is what there is at an address", x.describe(), t, t)
	}
	if _, isStruct := btf.Underlying(x.ctype()).(*btf.Struct); isStruct {
		return c.fail(at, "cannot cast %s to %s: cast a member of it, or its address (&)", x.describe(), t)
	}
	a := c.decayed(x, at)
	if c.err != nil {
		return a
	}
	out := &operand{kind: kindNumber, num: to, typ: t, at: at}
	if b, ok := btf.Underlying(t).(*btf.Int); ok && b.Bool {
		out.emit = func(g *Gen) {
			g.number(a)
			g.flag(func(yes string) { g.Add(asm.JNE.Imm(asm.R0, 0, yes)) })
		}
		return out
	}
	out.emit = func(g *Gen) {
		g.number(a)
		if to.Size < a.num.Size || to.Size == a.num.Size && to.Signed != a.num.Signed || a.typ == nil || a.num.Signed && !to.Signed {
			g.wrap(asm.R0, to)
		}
	}
	out.raw = a.raw
	if a.num.Size != 8 || to.Size != 8 {
		out.raw = nil
	}
	return out
}

// typeOf is what a typeof is.
func (c *compiler) typeOf(n *syntax.TypeOf) btf.Type {
	var t btf.Type
	switch x := n.X.(type) {
	case nil:
		var err error
		if t, err = c.s.Type(n.Type); err != nil {
			c.fail(n.At, "%s", err)
			return nil
		}
	case *syntax.TypeOf:
		t = c.typeOf(x)
	default:
		t = c.staticType(n.X)
	}
	if c.err != nil {
		return nil
	}
	for range n.Stars {
		t = btf.NewPointer(t)
	}
	for i := len(n.Len) - 1; i >= 0; i-- {
		t = btf.NewArray(t, n.Len[i])
	}
	return t
}

// staticType is the type of an expression, which is not computed.
func (c *compiler) staticType(n syntax.Node) btf.Type {
	x := c.node(n)
	if c.err != nil {
		return nil
	}
	switch {
	case x.kind == kindString:
		t, err := c.s.Type(x.text)
		if err != nil {
			c.fail(n.Where().At, "%s", err)
		}
		return t
	case x.kind == kindNil:
		c.fail(n.Where().At, "nil has no type of C's")
		return nil
	case x.kind == kindPlace && x.val.IsBitField():
		c.fail(n.Where().At, "a bit-field has no size in bytes")
		return nil
	}
	return x.typeOf()
}

// sizeof is sizeof x.
func (c *compiler) sizeof(whole, n syntax.Node) *operand {
	if !c.moving(n) {
		return c.evaluate(whole)
	}
	var t btf.Type
	if of, ok := n.(*syntax.TypeOf); ok {
		t = c.typeOf(of)
	} else {
		t = c.staticType(n)
	}
	if c.err != nil {
		return c.fail(0, "")
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return c.fail(whole.Where().At, "%s", err)
	}
	o := c.known(size, whole.Where().At)
	return o
}

// swaps are the functions of byte order, with the width and the type of what they return.
var swaps = map[string]struct {
	width  int
	result string
}{
	"ntohs": {16, "u16"}, "htons": {16, "__be16"}, "ntohl": {32, "u32"}, "htonl": {32, "__be32"},
	"be16_to_cpu": {16, "u16"}, "be32_to_cpu": {32, "u32"}, "be64_to_cpu": {64, "u64"},
	"cpu_to_be16": {16, "__be16"}, "cpu_to_be32": {32, "__be32"}, "cpu_to_be64": {64, "__be64"},
}

// bitOperators are the functions that are operators, for pointers too.
var bitOperators = map[string]string{"bitand": "&", "bitor": "|", "bitxor": "^", "bitshl": "<<", "bitshr": ">>"}

// Functions are those that can be computed in the kernel; of others the arguments have to be known
// before.
func Functions() []string {
	out := []string{"abs", "bitnot", "cast", "container_of", "int", "sizeof"}
	for name := range swaps {
		out = append(out, name)
	}
	for name := range bitOperators {
		out = append(out, name)
	}
	return out
}

func (c *compiler) call(n *syntax.Call) *operand {
	if !c.moving(n) {
		return c.evaluate(n)
	}
	want := map[string]int{"abs": 1, "bitnot": 1, "cast": 2, "container_of": 3, "int": 1, "sizeof": 1}[n.Name]
	swap, isSwap := swaps[n.Name]
	op, isOp := bitOperators[n.Name]
	switch {
	case isSwap:
		want = 1
	case isOp:
		want = 2
	}
	if want == 0 {
		if _, ok := c.s.Names().Function(n.Name); !ok {
			return c.fail(n.At, "%s", c.s.NoFunction(n.Name))
		}
		return c.fail(n.At, "%s cannot be computed in the kernel: it can be called here with what is known before, and not with an argument of %s", n.Name, c.scope.Context)
	}
	if len(n.Args) != want {
		return c.fail(n.At, "%s takes %d arguments, not %d", n.Name, want, len(n.Args))
	}
	switch n.Name {
	case "sizeof":
		return c.sizeof(n, n.Args[0])
	case "cast":
		t := c.typeArgument(n.Args[0])
		x := c.node(n.Args[1])
		if c.err != nil {
			return x
		}
		return c.castTo(x, t, n.At)
	case "container_of":
		return c.containerOf(n)
	}
	x := c.character(c.node(n.Args[0]))
	if c.err != nil {
		return x
	}
	if x.kind == kindPlace && isArray(x) {
		return c.fail(n.At, "%s takes integers, not %s", n.Name, x.describe())
	}
	if x = c.number(x, n.At); c.err != nil {
		return x
	}
	switch {
	case isSwap:
		return c.swap(n, x, swap.width, swap.result)
	case isOp:
		y := c.character(c.node(n.Args[1]))
		if c.err != nil {
			return y
		}
		if y = c.number(y, n.At); c.err != nil {
			return y
		}
		out := c.compute(op, x, y, n.At)
		out.wire = max(x.network(), y.network())
		return out
	case n.Name == "bitnot":
		out := c.compute("^", x, &operand{kind: kindNumber, constant: true, num: value.IntNum(-1)}, n.At)
		out.wire = x.network()
		return out
	case n.Name == "abs":
		return c.abs(n, x)
	}
	return c.toInt(n, x)
}

// typeArgument is an argument that is a type.
func (c *compiler) typeArgument(n syntax.Node) btf.Type {
	switch n := n.(type) {
	case *syntax.TypeOf:
		return c.typeOf(n)
	case *syntax.String:
		t, err := c.s.Type(n.Value)
		if err != nil {
			c.fail(n.At, "%s", err)
		}
		return t
	}
	c.fail(n.Where().At, "a type is written in quotes, 'struct net_device *'")
	return nil
}

// containerOf is the struct that what a pointer points to is a member of.
func (c *compiler) containerOf(n *syntax.Call) *operand {
	x := c.node(n.Args[0])
	t := c.typeArgument(n.Args[1])
	member, ok := n.Args[2].(*syntax.String)
	if c.err != nil {
		return x
	}
	if !ok {
		return c.fail(n.Args[2].Where().At, "the name of a member is written in quotes")
	}
	st, isStruct := btf.Underlying(t).(*btf.Struct)
	if !isStruct {
		return c.fail(n.Args[1].Where().At, "%s is not a struct or union", t)
	}
	f, err := st.FindMember(member.Value)
	if err != nil {
		return c.fail(member.At, "%s", err)
	}
	if f.BitSize != 0 {
		return c.fail(member.At, "%s of %s is a bit-field: it has no address", member.Value, st)
	}
	p := c.decayed(x, n.At)
	if x.kind == kindPlace && !isArray(x) && !isPointer(x) {
		p = addressOf(x, x.val.Type())
	}
	if c.err != nil {
		return p
	}
	if target, ok := p.pointer(); ok && !expr.FitsMember(target, f.Type) {
		return c.fail(n.At, "the pointer is to %s, and %s of %s is %s: a void * may be to any", target, member.Value, st, f.Type)
	}
	off := int64(f.Offset())
	return &operand{kind: kindNumber, num: value.Num{Size: 8}, typ: btf.NewPointer(st), at: n.At, emit: func(g *Gen) {
		g.number(p)
		g.check(func(ok string) { g.Add(asm.JNE.Imm(asm.R0, 0, ok)) }, FaultNull)
		g.imm(asm.R1, off)
		g.Add(asm.Sub.Reg(asm.R0, asm.R1))
	}}
}

func isPointer(o *operand) bool {
	_, ok := btf.Underlying(o.ctype()).(*btf.Pointer)
	return ok
}

// swap is a function of byte order. What does not fit into its width is an error in the language.
func (c *compiler) swap(n *syntax.Call, x *operand, width int, result string) *operand {
	t, err := c.s.Type(result)
	if err != nil {
		return c.fail(n.At, "%s", err)
	}
	num, _ := numType(t)
	size := map[int]asm.Size{16: asm.Half, 32: asm.Word, 64: asm.DWord}[width]
	return &operand{kind: kindNumber, num: num, typ: t, at: n.At, emit: func(g *Gen) {
		g.number(x)
		if width < 64 && (int(x.num.Size)*8 > width || x.num.Signed) {
			g.check(func(ok string) {
				g.Add(asm.Mov.Reg(asm.R1, asm.R0), asm.RSh.Imm(asm.R1, int32(width)), asm.JEq.Imm(asm.R1, 0, ok))
			}, FaultRange)
		}
		g.Add(asm.HostTo(asm.BE, asm.R0, size))
	}}
}

// abs is a number without its sign.
func (c *compiler) abs(n *syntax.Call, x *operand) *operand {
	if isPointer(x) {
		return c.fail(n.At, "abs takes a number, not %s", x.describe())
	}
	if !x.num.Signed || x.truth {
		return x
	}
	zero := &operand{kind: kindNumber, constant: true, num: value.IntNum(0)}
	if x.typ != nil {
		zero.typ = zero.num.Type()
	}
	minus := c.compute("-", zero, x, n.At)
	if c.err != nil {
		return minus
	}
	out := *minus
	out.emit = func(g *Gen) {
		end := g.NewLabel()
		g.number(x)
		g.Add(asm.JSGE.Imm(asm.R0, 0, end))
		slot := g.push()
		g.imm(asm.R0, 0)
		g.pop(asm.R1, slot)
		g.Add(asm.Sub.Reg(asm.R0, asm.R1))
		g.wrap(asm.R0, minus.num)
		g.Place(end)
	}
	if x.typ != nil && x.num.Size >= 4 {
		out.typ = x.typ
	}
	return &out
}

// toInt is a number as a plain one. The language's plain numbers are as wide as they have to be,
// which here has to be known before.
func (c *compiler) toInt(n *syntax.Call, x *operand) *operand {
	if x.num.Size > 4 || x.num.Size == 4 && !x.num.Signed {
		return c.fail(n.At, "whether this fits into an int depends on its value: cast it, (s64)x or (u64)x")
	}
	out := &operand{kind: kindNumber, num: value.Num{Size: 4, Signed: true}, at: n.At, emit: x.emit}
	bits := 8*x.num.Size - 1
	if x.num.Signed {
		out.lo, out.hi = -1<<bits, 1<<bits-1
	} else {
		out.hi = 1<<(bits+1) - 1
	}
	return out
}
