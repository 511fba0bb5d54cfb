package expr

import (
	"errors"
	"fmt"

	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// loop is a predicate function ready to run: what it runs over, and what it does
// with each element.
type loop struct {
	s    *Session
	name string
	at   int // of the call
	list *compiled
	slot int
	body *compiled
	cond func(f *frame) (bool, error)
	more *compiled // a third argument, or nil
}

// predicate compiles a function that takes one.
func (c *compiler) predicate(n *syntax.Call, f *Function) *compiled {
	most := 2
	if n.Name == "sortBy" || n.Name == "reduce" {
		most = 3
	}
	if len(n.Args) < 2 && !(len(n.Args) == 1 && n.Name == "count") {
		return c.fail(n.At, "%s takes more than that: %s", n.Name, f.Signature)
	}
	if len(n.Args) > most {
		return c.fail(n.At, "%s takes less than that: %s", n.Name, f.Signature)
	}
	l := &loop{s: c.s, name: n.Name, at: n.At, list: c.node(n.Args[0]), slot: c.slot()}
	c.elems = append(c.elems, l.slot)
	var body syntax.Node = &syntax.Element{Place: n.Place}
	if len(n.Args) > 1 {
		p, ok := n.Args[1].(*syntax.Predicate)
		if !ok {
			return c.fail(n.Args[1].Where().At, "%s needs a predicate: %s", n.Name, f.Signature)
		}
		body = p.Body
	}
	switch n.Name {
	case "filter", "count", "all", "any", "none", "one", "find", "findIndex", "findLast", "findLastIndex":
		l.cond = func(*frame) (bool, error) { return true, nil }
		if len(n.Args) > 1 { // count(LIST) is how many there are
			l.cond = c.condition(body)
		}
	default:
		l.body = c.node(body)
	}
	c.elems = c.elems[:len(c.elems)-1]
	if len(n.Args) > 2 {
		l.more = c.node(n.Args[2])
	}
	run := map[string]code{
		"filter": l.filter, "map": l.mapped, "reduce": l.reduce, "sortBy": l.sortBy, "groupBy": l.groupBy,
		"sum": l.sum, "min": l.extreme, "max": l.extreme, "mean": l.mean,
	}[n.Name]
	if run == nil {
		run = l.search
	}
	out := &compiled{run: c.s.alive(func(f *frame) (any, error) {
		v, err := run(f)
		if err != nil {
			return nil, place(err, l.at)
		}
		return v, nil
	})}
	switch n.Name {
	case "all", "any", "none", "one":
		out.cond = func(f *frame) (bool, error) {
			v, err := out.run(f)
			b, _ := v.(bool)
			return b, err
		}
	}
	return out
}

// over runs the list in frame f: for each element it sets the slot and calls each.
func (l *loop) over(f *frame, list any, each func(e *elem) error) error {
	i := 0
	saved := f.slots[l.slot]
	err := l.s.iterate(f, list, func(e *elem) error {
		slot := &f.slots[l.slot]
		slot.e, slot.index = e, i
		i++
		return each(e)
	})
	f.slots[l.slot] = saved
	return err
}

// derived is a sequence made of another one: each element goes through step.
func (l *loop) derived(f *frame, from *Sequence, step func(f *frame, e, made *elem, visit func(*elem) error) error) *Sequence {
	snap := f.clone()
	return from.derived(func(visit func(*elem) error) error {
		g := snap.clone()
		var made elem // for what step makes: walks may nest
		return l.over(g, from, func(e *elem) error { return step(g, e, &made, visit) })
	})
}

func (l *loop) filter(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	if q, ok := list.(*Sequence); ok {
		return l.derived(f, q, func(g *frame, e, _ *elem, visit func(*elem) error) error {
			made := l.s.elementsMade
			ok, err := l.cond(g)
			l.s.elementsMade = made
			if !ok || err != nil {
				return err
			}
			return visit(e)
		}), nil
	}
	out := []any{}
	err = l.over(f, list, func(e *elem) error {
		made := l.s.elementsMade
		ok, err := l.cond(f)
		l.s.elementsMade = made
		if !ok || err != nil {
			return err
		}
		out = append(out, e.value())
		return l.s.grow(1)
	})
	return out, err
}

func (l *loop) mapped(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	if q, ok := list.(*Sequence); ok {
		if len(l.body.items) > 0 {
			return l.rows(f, q), nil
		}
		return l.derived(f, q, func(g *frame, _, made *elem, visit func(*elem) error) error {
			count := l.s.elementsMade
			v, err := orFault(l.body.run(g))
			l.s.elementsMade = count
			if err != nil {
				return err
			}
			*made = elem{v: v}
			return visit(made)
		}), nil
	}
	out := []any{}
	err = l.over(f, list, func(*elem) error {
		made := l.s.elementsMade
		v, err := orFault(l.body.run(f))
		if err != nil {
			return err
		}
		l.s.settle(made, v)
		out = append(out, v)
		return l.s.grow(1)
	})
	return out, err
}

// rows is map([a, b, …]): a list of each element's that is only made where somebody keeps it.
func (l *loop) rows(f *frame, q *Sequence) *Sequence {
	items := l.body.items
	return l.derived(f, q, func(g *frame, e, made *elem, visit func(*elem) error) error {
		count := l.s.elementsMade
		if err := l.s.grow(len(items)); err != nil {
			return err
		}
		if len(made.row) != len(items) {
			made.row = make([]rowItem, len(items))
		}
		for i, item := range items {
			c := &made.row[i]
			if item.member != nil && c.take(item.member, e) {
				continue
			}
			c.v, c.member, c.isRef = nil, nil, false
			var err error
			if item.ref != nil {
				c.ref, c.isRef, err = item.ref(g)
			}
			if err == nil && !c.isRef {
				c.v, err = item.run(g)
			}
			if err != nil {
				c.isRef = false
				if c.v, err = orFault(nil, err); err != nil {
					return err
				}
			}
		}
		l.s.elementsMade = count
		made.v, made.isRef = nil, false
		return visit(made)
	})
}

// search is what goes through a list for what a condition holds for.
func (l *loop) search(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	n, at := 0, -1
	var found any
	err = l.over(f, list, func(e *elem) error {
		made := l.s.elementsMade
		ok, err := l.cond(f)
		l.s.elementsMade = made
		if err != nil {
			return err
		}
		if ok {
			n++
			at = f.slots[l.slot].index
		}
		switch l.name {
		case "all":
			if !ok {
				at = -2
				return value.Stop()
			}
		case "any", "none":
			if ok {
				return value.Stop()
			}
		case "one":
			if n > 1 {
				return value.Stop()
			}
		case "find":
			if ok {
				found = e.value()
				return value.Stop()
			}
		case "findLast":
			if ok {
				found = e.value()
			}
		case "findIndex":
			if ok {
				return value.Stop()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch l.name {
	case "all":
		return at != -2, nil
	case "any":
		return n > 0, nil
	case "none":
		return n == 0, nil
	case "one":
		return n == 1, nil
	case "count":
		return n, nil
	case "findIndex", "findLastIndex":
		if n == 0 {
			return nil, nil
		}
		return at, nil
	}
	return found, nil
}

func (l *loop) reduce(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	var acc any
	before := l.s.elementsMade
	started := l.more != nil
	if started {
		if acc, err = l.more.run(f); err != nil {
			return nil, err
		}
	}
	err = l.over(f, list, func(e *elem) error {
		if !started {
			started, acc = true, e.value()
			return nil
		}
		f.slots[l.slot].v = acc
		var err error
		acc, err = l.body.run(f)
		l.s.settle(before, acc)
		return err
	})
	if err == nil && !started {
		err = errors.New("reduce of empty array with no initial value")
	}
	return acc, err
}

func (l *loop) groupBy(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	err = l.over(f, list, func(e *elem) error {
		made := l.s.elementsMade
		v, err := l.body.run(f)
		if err != nil {
			return err
		}
		l.s.elementsMade = made
		k, err := key(v)
		if err != nil {
			return fmt.Errorf("groupBy: %w", err)
		}
		old, _ := out[k].([]any)
		out[k] = append(old, e.value())
		return l.s.grow(1)
	})
	return out, err
}

func (l *loop) sortBy(f *frame) (any, error) {
	list, err := l.list.run(f)
	if err != nil {
		return nil, err
	}
	var dir any
	if l.more != nil {
		if dir, err = l.more.run(f); err != nil {
			return nil, err
		}
	}
	desc, err := descending(dir)
	if err != nil {
		return nil, err
	}
	var o sorter
	err = l.over(f, list, func(e *elem) error {
		made := l.s.elementsMade
		v, err := l.body.run(f)
		l.s.elementsMade = made
		if err != nil {
			return err
		}
		if err := o.add(e.value(), v); err != nil {
			return fmt.Errorf("sortBy: %w", err)
		}
		return l.s.grow(2)
	})
	if err != nil {
		return nil, err
	}
	return o.sorted(desc), nil
}

// numbers calls add with what the body makes of each element, without a box for it
// where that can be.
func (l *loop) numbers(f *frame, add func(n *number, x func() any) error) error {
	list, err := l.list.run(f)
	if err != nil {
		return err
	}
	n := new(number)
	var v any
	boxed := func() any { return v }
	unboxed := func() any {
		v, err := l.body.run(f)
		if err != nil {
			return result(n.Num, n.k)
		}
		return v
	}
	known := l.body.member
	return l.over(f, list, func(e *elem) error {
		if known != nil && known.number(e, n, &f.buf) {
			return add(n, unboxed)
		}
		if l.body.num != nil {
			m, ok, err := l.body.num(f)
			if err != nil {
				return err
			}
			if ok {
				*n = m
				return add(n, unboxed)
			}
		}
		made := l.s.elementsMade
		var err error
		v, err = l.body.run(f)
		l.s.elementsMade = made
		if err != nil {
			return err
		}
		if err := summand(l.name, v, n); err != nil {
			return err
		}
		return add(n, boxed)
	})
}

func (l *loop) sum(f *frame) (any, error) {
	var t total
	if err := l.numbers(f, func(n *number, _ func() any) error { t.add(n); return nil }); err != nil {
		return nil, err
	}
	return t.result()
}

func (l *loop) mean(f *frame) (any, error) {
	var t total
	if err := l.numbers(f, func(n *number, _ func() any) error { t.add(n); return nil }); err != nil {
		return nil, err
	}
	return t.mean()
}

func (l *loop) extreme(f *frame) (any, error) {
	e := extremum{name: l.name}
	err := l.numbers(f, func(n *number, x func() any) error { e.add(n, x); return nil })
	return e.best, err
}
