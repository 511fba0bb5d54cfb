package expr

import (
	"context"
	"sync/atomic"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// frame holds what an evaluation has in hand: the variables of let, and what the
// predicates look at. The compiler gives each a slot.
type frame struct {
	slots   []slot
	globals *frame // the script's, in a function of it
	now     *running
	steps   int
	buf     [16]byte // to read integers into
}

// running is the evaluation that runs. A session has one for all that it evaluates, one
// after the other: a sequence that a variable keeps is walked within a later evaluation,
// and is stopped with that one.
type running struct {
	ctx       context.Context
	cancelled *atomic.Bool
}

// slot is a variable, or the element, index and accumulator of a predicate. The
// index of a script's variable is how much it holds.
type slot struct {
	v     any
	e     *elem
	index int
}

// clone is the frame as it is now: a sequence that is walked later, or within
// another walk of itself, has one of its own.
func (f *frame) clone() *frame {
	g := &frame{slots: make([]slot, len(f.slots)), globals: f.globals, now: f.now}
	copy(g.slots, f.slots)
	for i := range g.slots {
		if e := g.slots[i].e; e != nil {
			held := *e
			held.v, held.row = e.value(), nil // which is another one's by then
			g.slots[i].e = &held
		}
	}
	return g
}

// check ends loops whose evaluation is cancelled. The flag is set while Eval runs;
// the context is asked now and then, for what is walked after it.
func (f *frame) check() error {
	if f.steps++; f.now.cancelled.Load() || f.steps&0xff == 0 && f.now.ctx.Err() != nil {
		if err := f.now.ctx.Err(); err != nil {
			return err
		}
		return context.Canceled
	}
	return nil
}

// elem is an element of a list or sequence: any value, or a pointer to a struct
// that is only made where somebody asks for it.
type elem struct {
	v     any
	ref   value.Value // the struct
	isRef bool
	row   []rowItem // the list of these; what is in it is good for as long as the element
}

// rowItem is an element of a row: any value, or one of the kernel's that needs no box, or a member of a struct in
// memory, which is not even made where its content is all that is asked for.
type rowItem struct {
	v     any
	ref   value.Value
	isRef bool

	member *knownMember // or nil
	k      *value.Kernel
	addr   kmem.Addr // of the struct
}

func (c *rowItem) value() any {
	switch {
	case c.member != nil:
		v := c.k.Ref(c.member.typ, c.addr)
		if err := v.Enter(&c.member.field); err != nil {
			return Fault{err}
		}
		return v
	case c.isRef:
		return c.ref
	}
	return c.v
}

// take makes the item the member of an element. It is false where that is not a plain one, or is not known
// yet.
func (c *rowItem) take(of *memberCache, e *elem) bool {
	m := of.knownMember
	if !e.isRef || m.special || m.target != nil || e.ref.Type() != m.typ {
		return false
	}
	if c.k, c.addr, c.isRef = e.ref.Plain(); !c.isRef {
		return false
	}
	c.member, c.isRef = m, false
	return true
}

// structBehind makes the struct of an element that is a pointer to one, where nothing speaks against
// following it. It remembers the type that was asked last.
type structBehind struct {
	typ    btf.Type
	target btf.Type
}

func (p *structBehind) of(x any) (v value.Value, ok bool) {
	if v, ok = x.(value.Value); !ok || v.Note() != "" || v.IsPerCPUPointer() {
		return value.Value{}, false
	}
	if v.Type() != p.typ {
		p.typ, p.target = v.Type(), nil
		if t, ok := btf.Underlying(p.typ).(*btf.Pointer); ok {
			if _, ok := btf.Underlying(t.Target()).(*btf.Struct); ok {
				p.target = t.Target()
			}
		}
	}
	if p.target == nil {
		return value.Value{}, false
	}
	a, ok := v.PointerInHand()
	if !ok || !a.IsKernel() {
		return value.Value{}, false
	}
	return v.Kernel().Ref(p.target, a), true
}

// value is the element as all functions take it.
func (e *elem) value() any {
	switch {
	case e.v != nil:
	case e.isRef:
		if p, err := e.ref.AddressOf(); err == nil {
			e.v = p
		}
	case e.row != nil:
		list := make([]any, len(e.row))
		for i := range e.row {
			list[i] = e.row[i].value()
		}
		e.v = list
	}
	return e.v
}

// fastNumber is numberOf for what needs no memory to be read, and is not ordered
// or compared by rules of its own.
func fastNumber(x any) (number, bool) {
	switch x := x.(type) {
	case int:
		return number{Num: value.IntNum(int64(x))}, true
	case int64, uint32, uint64, float64:
		n, ok, _ := numberOf(x)
		return n, ok
	}
	return number{}, false
}

// plainInteger reports whether a type is an integer that needs no rules of its own:
// no pointer, and not in network order.
func plainInteger(v *value.Value) (size uint32, signed, ok bool) {
	switch t := btf.Underlying(v.Type()).(type) {
	case *btf.Int:
		if t.Size > 8 || v.BigEndianBits() != 0 {
			return 0, false, false
		}
		return t.Size, t.Signed && !t.Bool, true
	}
	return 0, false, false
}
