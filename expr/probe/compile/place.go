package compile

import (
	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/syntax"
	"kinspect/expr/value"

	"github.com/cilium/ebpf/asm"
)

// number is what arithmetic makes of an operand: a place's content, where that is a number.
func (c *compiler) number(o *operand, at int) *operand {
	switch o.kind {
	case kindNumber:
		return o
	case kindPlace:
		if n, ok := numType(o.val.Type()); ok {
			return c.content(o, n, at)
		}
	}
	return c.fail(at, "%s is not a number", o.describe())
}

// content is the number in a place.
func (c *compiler) content(o *operand, n value.Num, at int) *operand {
	out := &operand{kind: kindNumber, num: n, typ: o.val.Type(), val: o.val, wire: o.val.NetworkBits(), at: at}
	whole := n
	if o.val.IsBitField() {
		out.num, _ = o.val.NumType()
	}
	bitOff, bits := o.val.BitPlace()
	if bits > 64 {
		return c.fail(at, "a bit-field of %d bits", bits)
	}
	out.emit = func(g *Gen) { g.load(o, whole, bitOff, bits) }
	return out
}

// decayed is a number, or what C makes of an array or function where it is not sizeof's: its address.
func (c *compiler) decayed(o *operand, at int) *operand {
	if o.kind == kindPlace {
		switch t := btf.Underlying(o.val.Type()).(type) {
		case *btf.Array:
			return addressOf(o, t.Elem())
		case *btf.FuncProto:
			return addressOf(o, o.val.Type())
		}
	}
	return c.number(o, at)
}

// addressOf is the address of a place, as a pointer to elem.
func addressOf(o *operand, elem btf.Type) *operand {
	return &operand{
		kind: kindNumber, num: value.Num{Size: 8}, typ: btf.NewPointer(elem), at: o.at,
		emit: func(g *Gen) { g.address(o) },
	}
}

// pointee is what a pointer points to.
func (c *compiler) pointee(p *operand, t btf.Type, at int) *operand {
	v := p.val
	if !v.Valid() {
		v = c.s.Kernel().Ref(p.typ, 0)
	}
	if v.IsPerCPUPointer() {
		return c.fail(at, "the %s is a per-CPU pointer: each CPU has another behind it, and the program sees one", v.Type())
	}
	if fwd, ok := btf.Underlying(t).(*btf.Fwd); ok {
		if whole, err := c.s.Type(fwd.String()); err == nil {
			t = whole
		}
	}
	return &operand{kind: kindPlace, val: c.s.Kernel().Ref(t, 0), base: func(g *Gen) { g.number(p) }, raw: p.raw, set: true, at: at}
}

// part is a place within another one, which val was and now is.
func part(o *operand, val value.Value, at int) *operand {
	from, _ := o.val.Addr()
	to, _ := val.Addr()
	return &operand{kind: kindPlace, val: val, base: o.base, raw: o.raw, off: o.off + int64(to-from), set: o.set, at: at}
}

// followed is what an operand is, or points to, as x.y and x->y have it.
func (c *compiler) followed(o *operand, at int) *operand {
	if o.kind == kindNumber || o.kind == kindPlace {
		if p, ok := btf.Underlying(o.ctype()).(*btf.Pointer); ok {
			return c.pointee(c.number(o, at), p.Target(), at)
		}
	}
	return o
}

func (c *compiler) member(n *syntax.Member) *operand {
	x := c.node(n.X)
	if n.Optional {
		return c.fail(n.At, "?. cannot be computed in the kernel: -> tells of a NULL pointer on the way as a fault, and c ? a : b asks before")
	}
	if c.err != nil {
		return x
	}
	if x.kind == kindString || x.kind == kindNil {
		return c.fail(n.At, "%s has no members, so no %s", x.describe(), n.Name)
	}
	o := c.followed(x, n.At)
	if c.err != nil {
		return o
	}
	if o.kind != kindPlace {
		return c.fail(n.At, "%s has no members, so no %s", x.describe(), n.Name)
	}
	if st, ok := btf.Underlying(o.val.Type()).(*btf.Struct); ok && st.Name == "net_device" && !st.Union && knet.IsCoreCounter(n.Name) {
		return c.fail(n.At, "%s of a net_device is a sum over the CPUs, which a program in the kernel cannot make", n.Name)
	}
	if _, ok := btf.Underlying(o.val.Type()).(*btf.Pointer); ok { // what it points to has members; it is not there to be read
		return c.fail(n.At, "%s", value.NoMembers(x.ctype(), n.Name))
	}
	if _, ok := btf.Underlying(o.val.Type()).(*btf.Struct); !ok {
		if _, err := o.val.Member(n.Name); err != nil {
			return c.fail(n.At, "%s", err)
		}
		return c.fail(n.At, "%s has no members, so no %s", x.describe(), n.Name)
	}
	m, err := o.val.Member(n.Name)
	if err != nil {
		return c.fail(n.At, "%s", err)
	}
	out := part(o, m, n.At)
	if o.set { // as C's &p->x: an address is computed of any p
		out.set = false
	}
	return out
}

func (c *compiler) index(n *syntax.Index) *operand {
	x, i := c.node(n.X), c.node(n.I)
	if n.Optional {
		return c.fail(n.At, "?. cannot be computed in the kernel")
	}
	if i.kind == kindString {
		return c.member(&syntax.Member{Place: n.Place, X: n.X, Name: i.text})
	}
	i = c.number(i, n.I.Where().At)
	if c.err != nil {
		return i
	}
	length := uint32(0)
	array := false
	switch t := btf.Underlying(x.ctype()).(type) {
	case *btf.Array:
		length, array = t.Len, true
	case *btf.Pointer:
		x = c.pointee(c.number(x, n.At), t.Target(), n.At)
	default:
		if x.kind != kindPlace {
			return c.fail(n.At, "%s has no elements", x.describe())
		}
		_, err := x.val.Index(0)
		return c.fail(n.At, "%s", err)
	}
	if c.err != nil {
		return x
	}
	elem := x.val.Type()
	if array {
		elem = btf.Underlying(elem).(*btf.Array).Elem() //nolint:forcetypeassert // it is one
	}
	size, err := btf.Sizeof(elem)
	if err != nil {
		return c.fail(n.At, "%s", err)
	}
	if i.constant {
		return c.element(x, elem, size, int64(i.num.Bits), i.num, array, n.At)
	}
	out := &operand{kind: kindPlace, val: x.val.Kernel().Ref(elem, 0), set: false, at: n.At}
	limit := int64(length)
	out.base = func(g *Gen) {
		g.number(i)
		if array {
			g.check(func(ok string) { // as unsigned numbers: what is below zero is above all
				if limit > 0 {
					g.imm(asm.R1, limit)
					g.Add(asm.JLT.Reg(asm.R0, asm.R1, ok))
				} else {
					g.Add(asm.JSGE.Imm(asm.R0, 0, ok))
				}
			}, FaultIndex)
		}
		g.imm(asm.R1, int64(size))
		g.Add(asm.Mul.Reg(asm.R0, asm.R1))
		slot := g.push()
		g.address(x)
		g.pop(asm.R1, slot)
		g.Add(asm.Add.Reg(asm.R0, asm.R1))
	}
	return out
}

// element is an element by its number.
func (c *compiler) element(x *operand, elem btf.Type, size uint64, i int64, num value.Num, array bool, at int) *operand {
	if !num.Signed && i < 0 {
		return c.fail(at, "index %d is out of any memory", num.Bits)
	}
	if array {
		e, err := x.val.Index(i)
		if err != nil {
			return c.fail(at, "%s", err)
		}
		return part(x, e, at)
	}
	if most := int64(1) << 47; size > 0 && (i > most/int64(size) || i < -most/int64(size)) {
		return c.fail(at, "index %d is out of any memory", i)
	}
	out := *x
	out.val, out.off, out.at = x.val.Kernel().Ref(elem, 0), x.off+i*int64(size), at
	return &out
}

// deref is *p.
func (c *compiler) deref(n *syntax.Unary) *operand {
	x := c.node(n.X)
	if c.err != nil {
		return x
	}
	switch t := btf.Underlying(x.ctype()).(type) {
	case *btf.FuncProto:
		return x // as in C
	case *btf.Pointer:
		return c.pointee(c.number(x, n.At), t.Target(), n.At)
	case *btf.Array:
		e, err := x.val.Index(0)
		if err != nil {
			return c.fail(n.At, "%s", err)
		}
		return part(x, e, n.At)
	}
	return c.fail(n.At, "* does not take %s: (struct TYPE *)x says what there is at an address", x.describe())
}

// address is &x.
func (c *compiler) addressOf(n *syntax.Unary) *operand {
	x := c.node(n.X)
	if c.err != nil {
		return x
	}
	if x.kind != kindPlace {
		return c.fail(n.At, "& does not take %s: it is no place in the kernel's memory", x.describe())
	}
	if x.val.IsBitField() {
		_, err := x.val.AddressOf()
		return c.fail(n.At, "%s", err)
	}
	return addressOf(x, x.val.Type())
}
