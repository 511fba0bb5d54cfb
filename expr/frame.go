package expr

import (
	"context"
	"sync/atomic"

	"kinspect/btf"
	"kinspect/expr/value"
)

// frame holds what an evaluation has in hand: the variables of let, and what the
// predicates look at. The compiler gives each a slot.
type frame struct {
	slots     []slot
	ctx       context.Context
	cancelled *atomic.Bool
	steps     int
	buf       [16]byte // to read integers into
}

// slot is a variable, or the element, index and accumulator of a predicate.
type slot struct {
	v     any
	e     *elem
	index int
}

// clone is the frame as it is now: a sequence that is walked later, or within
// another walk of itself, has one of its own.
func (f *frame) clone() *frame {
	g := &frame{slots: make([]slot, len(f.slots)), ctx: f.ctx, cancelled: f.cancelled}
	copy(g.slots, f.slots)
	for i := range g.slots {
		if e := g.slots[i].e; e != nil {
			held := *e
			g.slots[i].e = &held
		}
	}
	return g
}

// check ends loops whose evaluation is cancelled. The flag is set while Eval runs;
// the context is asked now and then, for what is walked after it.
func (f *frame) check() error {
	if f.steps++; f.cancelled.Load() || f.steps&0xff == 0 && f.ctx.Err() != nil {
		if err := f.ctx.Err(); err != nil {
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
}

// value is the element as all functions take it.
func (e *elem) value() any {
	if e.isRef && e.v == nil {
		if p, err := e.ref.AddressOf(); err == nil {
			e.v = p
		}
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
