package compile

import (
	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// literal is what stands for itself.
func (c *compiler) literal(n syntax.Node) *operand {
	switch n := n.(type) {
	case *syntax.Bool:
		return c.known(n.Value, n.At)
	case *syntax.String:
		return c.known(n.Value, n.At)
	}
	return c.evaluate(n)
}

// known is a value that is known already, as an operand.
func (c *compiler) known(v any, at int) *operand {
	o := &operand{kind: kindNumber, constant: true, at: at}
	switch v := v.(type) {
	case nil:
		return &operand{kind: kindNil, constant: true, at: at}
	case string:
		return &operand{kind: kindString, constant: true, text: v, at: at}
	case bool:
		o.truth, o.num = true, value.IntNum(0)
		if v {
			o.num = value.IntNum(1)
		}
		return o
	case int:
		o.num = value.IntNum(int64(v))
		return o
	case int64:
		o.num = value.Num{Bits: uint64(v), Size: 8, Signed: true}
		return o
	case uint32:
		o.num = value.Num{Bits: uint64(v), Size: 4}
		return o
	case uint64:
		o.num = value.UintNum(v)
		return o
	case value.Value:
		return c.knownValue(v, at)
	case float64:
		return c.fail(at, "a program in the kernel has no numbers with a fraction")
	}
	return c.fail(at, "this is neither a number nor a string nor a place in the kernel's memory: a program in the kernel has nothing else")
}

func (c *compiler) knownValue(v value.Value, at int) *operand {
	if v.IsPerCPU() {
		return c.fail(at, "this is a per-CPU variable, of which each CPU has another: per_cpu(NAME, 0) is one CPU's")
	}
	if v.IsPointer() && v.IsPerCPUPointer() {
		return c.fail(at, "this is a per-CPU pointer, of which each CPU has another: per_cpu_ptr(PTR, 0) is one CPU's")
	}
	if v.InMemory() {
		a, _ := v.Addr()
		return &operand{kind: kindPlace, val: v, off: int64(a), base: func(g *Gen) { g.imm(asm.R0, 0) }, at: at}
	}
	n, err := v.Num()
	if err != nil {
		return c.fail(at, "%s", err)
	}
	return &operand{kind: kindNumber, constant: true, num: n, typ: v.Type(), val: v, wire: v.NetworkBits(), at: at}
}

// name is an argument, a variable of let's, or something of the kernel's.
func (c *compiler) name(n *syntax.Name) *operand {
	for i := len(c.lets) - 1; i >= 0; i-- {
		if c.lets[i].name == n.Name {
			o := *c.lets[i].is
			return &o
		}
	}
	if a := c.arg(n.Name); a != nil {
		return c.argument(a, n.At)
	}
	if _, ok := c.s.Variable(n.Name); ok || n.Name == "NULL" {
		return c.evaluate(n)
	}
	v, err := c.s.Global(n.Name)
	if err != nil {
		var near []string
		for _, a := range c.scope.Args {
			near = append(near, a.Name)
		}
		if near = btf.Near(n.Name, near); len(near) > 0 {
			return c.fail(n.At, "%s has no argument %s; did you mean %s?", c.scope.Context, n.Name, joinOr(near))
		}
		return c.fail(n.At, "%s%s", err, c.argumentList())
	}
	return c.knownValue(v, n.At)
}

func pointsToStruct(t btf.Type) bool {
	p, ok := btf.Underlying(t).(*btf.Pointer)
	if !ok {
		return false
	}
	_, ok = btf.Underlying(p.Target()).(*btf.Struct)
	return ok
}

// argumentList says which arguments there are.
func (c *compiler) argumentList() string {
	if len(c.scope.Args) == 0 {
		return ""
	}
	out := "; " + c.scope.Context + " has "
	for i, a := range c.scope.Args {
		switch {
		case i > 0 && i == len(c.scope.Args)-1:
			out += " and "
		case i > 0:
			out += ", "
		}
		out += a.Name
	}
	return out
}

func joinOr(names []string) string {
	out := ""
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			out += " or "
		case i > 0:
			out += ", "
		}
		out += n
	}
	return out
}

func (c *compiler) argument(a *Arg, at int) *operand {
	c.uses[a.Name] = true
	if a.Missing != "" {
		return c.fail(at, "%s", a.Missing)
	}
	n, ok := numType(a.Type)
	if !ok {
		return c.fail(at, "%s is %s, which is passed by value: a program in the kernel can take integers and pointers alone", a.Name, a.Type)
	}
	off, numbers := a.Offset, c.scope.Numbers
	o := &operand{kind: kindNumber, num: n, typ: a.Type, at: at}
	o.emit = func(g *Gen) {
		g.argument(off, numbers)
		g.wrap(asm.R0, n)
	}
	if pointsToStruct(a.Type) { // the only pointers that every kernel lets a program load
		o.raw = func(g *Gen) { g.Add(asm.LoadMem(asm.R0, g.ctx, off, asm.DWord)) }
	}
	return o
}
