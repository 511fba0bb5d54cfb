package expr

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// optionalChain reports whether a ?. is in a chain of members: what follows one
// passes nil on.
func optionalChain(n syntax.Node) bool {
	if n.Where().Brackets {
		return false
	}
	switch n := n.(type) {
	case *syntax.Member:
		return n.Optional || optionalChain(n.X)
	case *syntax.Index:
		return n.Optional || optionalChain(n.X)
	}
	return false
}

func (c *compiler) member(n *syntax.Member) *compiled {
	x, at, name, s := c.node(n.X), n.At, n.Name, c.s
	optional := n.Optional || optionalChain(n.X)
	out := &compiled{}
	slow := func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		if v, err = s.member(v, name, optional); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}
	out.run = slow
	if optional || x.ref == nil && x.constant {
		return out
	}
	known := &memberCache{name: name, knownMember: &knownMember{}}
	out.ref = func(f *frame) (v value.Value, ok bool, err error) {
		if x.ref != nil {
			if v, ok, err = x.ref(f); err != nil {
				return v, false, err
			}
		}
		if !ok {
			of, err := x.run(f)
			if err != nil {
				return v, false, err
			}
			// What it is the member of may be a map.
			if v, ok = of.(value.Value); !ok {
				return v, false, nil
			}
		}
		if v, err = known.of(s, v, &f.buf); err != nil {
			return v, false, place(err, at)
		}
		return v, true, nil
	}
	out.run = func(f *frame) (any, error) {
		if x.ref == nil {
			return slow(f)
		}
		v, ok, err := out.ref(f)
		switch {
		case err != nil:
			return nil, err
		case ok:
			return v, nil
		}
		return slow(f)
	}
	out.num = numberFrom(out.ref)
	if e, ok := n.X.(*syntax.Element); ok && e.Name == "" {
		out.num = c.elementNumber(known, out.num)
		out.member = known
	}
	return out
}

// elementNumber reads an integer right out of a predicate's element, where that is
// what the member is; what else it may be is for other.
func (c *compiler) elementNumber(known *memberCache, other func(*frame) (number, bool, error)) func(*frame) (number, bool, error) {
	slot := c.elems[len(c.elems)-1]
	return func(f *frame) (number, bool, error) {
		var n number
		if !known.number(f.slots[slot].e, &n, &f.buf) {
			return other(f)
		}
		return n, true, nil
	}
}

// number reads the member of an element where that is an integer that is known already, and can be read.
func (m *memberCache) number(e *elem, n *number, buf *[16]byte) bool {
	at := m.knownMember
	if !at.integer || !e.isRef || e.ref.Type() != at.typ {
		return false
	}
	num, err := e.ref.ReadIntAt(at.off, at.size, at.signed, buf)
	if err != nil {
		return false // whoever computes the member tells
	}
	*n = number{Num: num, k: e.ref.Kernel()}
	return true
}

// memberCache remembers where a member lies in the type that was asked last: in a
// walk over a list that is the only one.
type memberCache struct {
	name string
	*knownMember
}

// knownMember is what is known of a member. It does not change.
type knownMember struct {
	typ     btf.Type
	target  btf.Type // of a pointer, what it points to
	field   value.Place
	special bool // not a plain member, see valueMember

	// An integer of a struct, no bit-field and not in network order.
	integer bool
	off     uint64
	size    uint32
	signed  bool

	// What its JSON is a plain form of.
	jsonInteger bool
	chars       int // how many, of an array of these
}

// of is v's member.
func (m *memberCache) of(s *Session, v value.Value, buf *[16]byte) (value.Value, error) {
	if v.Type() != m.typ || m.typ == nil {
		m.learn(v)
	}
	if m.special || !v.InMemory() || v.Note() != "" {
		return s.valueMember(v, m.name)
	}
	if m.target != nil {
		n, err := v.ReadIntAt(0, 8, false, buf)
		if err != nil {
			return v, err
		}
		a := kmem.Addr(n.Bits)
		if a == 0 || !a.IsKernel() {
			return s.valueMember(v, m.name) // which tells
		}
		v.Become(m.target, a)
	}
	err := v.Enter(&m.field)
	return v, err
}

func (m *memberCache) learn(v value.Value) {
	m.knownMember = &knownMember{typ: v.Type(), special: true}
	t := btf.Underlying(m.typ)
	if p, ok := t.(*btf.Pointer); ok {
		if v.IsPerCPUPointer() {
			return
		}
		m.target = p.Target()
		t = btf.Underlying(m.target)
	}
	st, ok := t.(*btf.Struct)
	if !ok || isNetDevice(st) && knet.IsCoreCounter(m.name) {
		return
	}
	f, err := v.Kernel().Place(st, m.name)
	if err != nil {
		return
	}
	m.field, m.special = f, false
	if m.target == nil && f.BitSize == 0 && v.InMemory() && v.Note() == "" {
		member := v.Kernel().Ref(f.Type, 0)
		m.off = f.Offset()
		m.size, m.signed, m.integer = plainInteger(&member)
		switch t := btf.Underlying(f.Type).(type) {
		case *btf.Int:
			m.jsonInteger = m.integer && !t.Bool
		case *btf.Array:
			if value.IsChar(t.Elem()) {
				m.chars = int(t.Len)
			}
		}
	}
}

// numberFrom reads the integers that ref computes.
func numberFrom(ref func(*frame) (value.Value, bool, error)) func(*frame) (number, bool, error) {
	var typ btf.Type
	var size uint32
	var signed, integer bool
	return func(f *frame) (number, bool, error) {
		v, ok, err := ref(f)
		if !ok || err != nil {
			return number{}, false, err
		}
		if v.Type() != typ {
			typ = v.Type()
			size, signed, integer = plainInteger(&v)
		}
		if !integer || v.IsBitField() || !v.InMemory() {
			return number{}, false, nil
		}
		n, err := v.ReadIntAt(0, size, signed, &f.buf)
		if err != nil {
			return number{}, false, nil //nolint:nilerr // run tells, with its place
		}
		return number{Num: n, k: v.Kernel()}, true, nil
	}
}

func (c *compiler) index(n *syntax.Index) *compiled {
	x, i, at := c.node(n.X), c.node(n.I), n.At
	optional := n.Optional || optionalChain(n.X)
	return &compiled{run: c.s.alive(func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		j, err := i.run(f)
		if err != nil {
			return nil, err
		}
		if q, ok := v.(*Sequence); ok {
			v, err = c.s.nth(f, q, j)
		} else {
			v, err = c.s.index(v, j, optional)
		}
		if err != nil {
			return nil, place(err, at)
		}
		return v, nil
	})}
}

func (c *compiler) sliced(n *syntax.Slice) *compiled {
	bound := func(b syntax.Node) *compiled {
		if b == nil {
			return constant(nil)
		}
		return c.node(b)
	}
	x, from, to, at := c.node(n.X), bound(n.From), bound(n.To), n.At
	return &compiled{run: func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		a, err := from.run(f)
		if err != nil {
			return nil, err
		}
		b, err := to.run(f)
		if err != nil {
			return nil, err
		}
		if q, ok := v.(*Sequence); ok {
			if v, err = c.s.collect(q); err != nil {
				return nil, place(err, at)
			}
		}
		if v, err = c.s.slice(v, a, b); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
}

// deref is *p.
func (c *compiler) deref(n *syntax.Unary) *compiled {
	x, at := c.node(n.X), n.At
	return &compiled{run: func(f *frame) (any, error) {
		p, err := x.run(f)
		if err != nil {
			return nil, err
		}
		v, ok := p.(value.Value)
		if !ok {
			return nil, place(fmt.Errorf("* does not take %s: (struct TYPE *)x says what there is at an address", describe(p)), at)
		}
		if v, err = c.s.pointee(v); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
}

// pointee is what a pointer points to.
func (s *Session) pointee(v value.Value) (value.Value, error) {
	if _, ok := btf.Underlying(v.Type()).(*btf.FuncProto); ok {
		return v, nil // as in C
	}
	v, err := follow(v)
	if err != nil {
		return v, err
	}
	if whole := s.defined(v); whole.Valid() {
		v = whole
	}
	return v.Deref()
}

// addressOf is &x. Of a member it is computed from the struct's address, which
// need not be mapped, or may be NULL or a per-CPU pointer, as in C.
func (c *compiler) addressOf(n *syntax.Unary) *compiled {
	x, at := c.lvalue(n.X), n.At
	return &compiled{run: func(f *frame) (any, error) {
		v, err := x(f)
		if err != nil {
			return nil, err
		}
		lv, ok := v.(value.Value)
		if !ok {
			return nil, place(fmt.Errorf("& does not take %s: it is no place in the kernel's memory", describe(v)), at)
		}
		p, err := address(lv)
		if err != nil {
			return nil, place(err, at)
		}
		return p, nil
	}}
}

// lvalue compiles a place. Members and elements of what a NULL pointer points to
// are places too.
func (c *compiler) lvalue(n syntax.Node) code {
	if e, ok := n.(*syntax.Index); ok && !e.Optional {
		return c.elementPlace(e)
	}
	m, ok := n.(*syntax.Member)
	if !ok || m.Optional {
		return c.node(n).run
	}
	x, at, whole := c.lvalue(m.X), m.At, c.s
	return func(f *frame) (any, error) {
		v, err := x(f)
		if err != nil {
			return nil, err
		}
		if p, ok := v.(value.Value); ok {
			if t, ok := btf.Underlying(p.Type()).(*btf.Pointer); ok {
				switch _, ok := btf.Underlying(t.Target()).(*btf.Struct); {
				case !ok:
				case isNil(p):
					v = p.Kernel().Ref(t.Target(), 0)
				case p.IsPerCPUPointer(): // computed, and not read
					if v, err = p.Template(); err != nil {
						return nil, place(err, at)
					}
				}
			}
		}
		if v, err = whole.member(v, m.Name, false); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}
}

// elementPlace is x[i] as a place.
func (c *compiler) elementPlace(n *syntax.Index) code {
	x, i, whole := c.lvalue(n.X), c.node(n.I), c.index(n)
	return func(f *frame) (any, error) {
		v, err := x(f)
		if err != nil {
			return nil, err
		}
		array, ok := v.(value.Value)
		if ok {
			_, ok = btf.Underlying(array.Type()).(*btf.Array)
		}
		if !ok {
			return whole.run(f)
		}
		j, err := i.run(f)
		if err != nil {
			return nil, err
		}
		if v, err = c.s.index(array, j, false); err != nil {
			return nil, place(err, n.At)
		}
		return v, nil
	}
}

// sizeof computes no more of x than it needs for its type.
func (c *compiler) sizeof(x syntax.Node, at int) *compiled {
	typ := c.typeOf(x)
	return &compiled{run: func(f *frame) (any, error) {
		t, err := typ(f)
		if err != nil {
			return nil, err
		}
		n, err := btf.Sizeof(t)
		if err != nil {
			return nil, place(err, at)
		}
		return plain(value.UintNum(n)), nil
	}}
}

// cast is (TYPE)x.
func (c *compiler) cast(n *syntax.Cast) *compiled {
	if n.Of != nil {
		return c.castTo(n)
	}
	if n.Type == "double" || n.Type == "float" || n.Type == "long double" {
		return c.castToFloat(n)
	}
	t, err := c.s.parseType(n.Type)
	if err != nil {
		return c.fail(n.At+1, "%s", err)
	}
	x, at := c.node(n.X), n.At
	out := &compiled{run: func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		if v, err = c.s.cast(t, v); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
	return fold(out, x)
}

// castToFloat is (double)x and the like, which the kernel has no values of: the result is a plain
// number with a fraction.
func (c *compiler) castToFloat(n *syntax.Cast) *compiled {
	x, at := c.node(n.X), n.At
	return fold(&compiled{run: func(f *frame) (any, error) {
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		m, ok, err := numberOf(v)
		if err != nil {
			return nil, place(err, at)
		}
		if _, _, pointer := isPointer(v); !ok || pointer {
			return nil, place(fmt.Errorf("cannot cast %s to %s", describe(v), n.Type), at)
		}
		if n.Type == "float" {
			return float64(float32(m.asFloat())), nil
		}
		return m.asFloat(), nil
	}}, x)
}

// castTo is (typeof(y))x.
func (c *compiler) castTo(n *syntax.Cast) *compiled {
	to, x, at := c.typeOfType(n.Of), c.node(n.X), n.At
	return &compiled{run: func(f *frame) (any, error) {
		t, err := to(f)
		if err != nil {
			return nil, err
		}
		v, err := x.run(f)
		if err != nil {
			return nil, err
		}
		if v, err = c.s.cast(t, v); err != nil {
			return nil, place(err, at)
		}
		return v, nil
	}}
}
