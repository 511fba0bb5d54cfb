package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// Sequence is a list whose elements are made while it is walked, such as the tasks of a kernel:
// it takes no memory, and a walk may end early.
type Sequence struct {
	// Of says what the elements are, for errors: "tasks".
	Of string
	// Each calls visit with each element. Where visit returns [value.Stop]'s error, the walk ends
	// without one; any other error of visit's ends it, and is returned. It may be called more than
	// once, and reads the kernel's memory anew each time.
	Each func(visit func(any) error) error

	// each is Each without a box for each element, where the sequence can do that. What
	// visit gets is good until it returns.
	each func(visit func(*elem) error) error

	span *span // of a range

	made int // how many sequences this one is made of
}

// newSequence returns the sequence that each makes.
func newSequence(of string, each func(visit func(*elem) error) error) *Sequence {
	return &Sequence{
		Of:   of,
		each: each,
		Each: func(visit func(any) error) error {
			return each(func(e *elem) error { return visit(e.value()) })
		},
	}
}

// sequence is one of what each visits, within an evaluation of the session. An error of the
// visitor's own comes back as it is, and not as one of the walk.
func (s *Session) sequence(of string, each func(visit func(any) error) error) *Sequence {
	return &Sequence{Of: of, Each: func(visit func(any) error) error {
		return visited(each, func(x any) error {
			if err := s.stopped(); err != nil {
				return err
			}
			return visit(x)
		})
	}}
}

// visited walks, and tells the visitor's errors from the walk's, which may go on behind a
// fault of its own, or say where it arose.
func visited[T any](each func(visit func(T) error) error, visit func(T) error) error {
	var own error
	err := each(func(x T) error {
		if own == nil { // a walk of several parts may take the end of one for that part's
			own = visit(x)
		}
		return own
	})
	if own != nil {
		return own
	}
	return err
}

// refs is a sequence of pointers to structs: each visits their addresses.
func refs(k *value.Kernel, st *btf.Struct, each func(visit func(kmem.Addr) error) error) *Sequence {
	return newSequence(st.String(), func(visit func(*elem) error) error {
		e := &elem{ref: k.Ref(st, 0), isRef: true}
		return visited(each, func(a kmem.Addr) error {
			e.v = nil
			e.ref.MoveTo(a)
			return visit(e)
		})
	})
}

// derived returns a sequence of the same that each makes of this one.
func (q *Sequence) derived(each func(visit func(*elem) error) error) *Sequence {
	out := newSequence(q.Of, each)
	out.made = q.made + 1
	return out
}

// walk calls visit with each element.
func (q *Sequence) walk(visit func(*elem) error) error {
	var err error
	if q.each != nil {
		err = q.each(visit)
	} else {
		var e elem
		err = q.Each(func(x any) error {
			e = elem{v: x}
			return visit(&e)
		})
	}
	if errors.Is(err, value.Stop()) {
		return nil
	}
	return err
}

// collect makes a list of the sequence, within the bounds of an evaluation.
func (s *Session) collect(q *Sequence) ([]any, error) {
	out := []any{}
	err := s.iterate(s.frame(), q, func(e *elem) error {
		x := e.value()
		if err := s.grow(weight(x, 3)); err != nil {
			return err
		}
		out = append(out, x)
		return nil
	})
	return out, err
}

// weight is how many elements a value holds, itself among them.
func weight(x any, depth int) int {
	n := 1
	if depth == 0 {
		return n
	}
	switch x := x.(type) {
	case []any:
		for _, e := range x {
			n += weight(e, depth-1)
		}
	case map[string]any:
		for _, e := range x {
			n += weight(e, depth-1)
		}
	}
	return n
}

// frame is one to walk in, for functions that have none.
func (s *Session) frame() *frame { return &frame{now: &s.running} }

// iterate calls visit with each element of a list, an array or a sequence. A visit
// that returns [value.Stop]'s error ends it without one.
func (s *Session) iterate(f *frame, list any, visit func(*elem) error) error {
	if err := f.check(); err != nil {
		return err
	}
	checked := func(e *elem) error {
		if err := f.check(); err != nil {
			return err
		}
		return visit(e)
	}
	var err error
	var e elem
	switch l := list.(type) {
	case []any:
		var known structBehind
		for _, x := range l {
			e = elem{v: x}
			e.ref, e.isRef = known.of(x)
			if err = checked(&e); err != nil {
				break
			}
		}
	case *Sequence:
		return l.walk(checked)
	case value.Value:
		n, ok := l.Len()
		if !ok {
			return s.noList(list)
		}
		for i := range n {
			var x value.Value
			if x, err = l.Index(int64(i)); err != nil {
				break
			}
			e = elem{v: x}
			if err = checked(&e); err != nil {
				break
			}
		}
	default:
		return s.noList(list)
	}
	if errors.Is(err, value.Stop()) {
		return nil
	}
	return err
}

// listable is the error for what iterate does not take.
func (s *Session) listable(x any) error {
	switch x := x.(type) {
	case []any, *Sequence:
		return nil
	case value.Value:
		if _, ok := x.Len(); ok {
			return nil
		}
	}
	return s.noList(x)
}

// listOf is a sequence as a list, and anything else as it is.
func (s *Session) listOf(x any) (any, error) {
	if q, ok := x.(*Sequence); ok {
		return s.collect(q)
	}
	return x, nil
}

// nth is element i of a sequence.
func (s *Session) nth(f *frame, q *Sequence, i any) (any, error) {
	n, err := integer(i, "an index")
	if err != nil {
		return nil, err
	}
	if q.span != nil {
		return q.span.at(n)
	}
	if n < 0 {
		l, err := s.collect(q)
		if err != nil {
			return nil, err
		}
		return s.index(l, i, false)
	}
	var out any
	have := int64(0)
	found := false
	err = s.iterate(f, q, func(e *elem) error {
		if have++; have <= n {
			return nil
		}
		out, found = e.value(), true
		return value.Stop()
	})
	if err == nil && !found {
		err = fmt.Errorf("index %d is outside the sequence, which has %d elements", n, have)
	}
	return out, err
}

// head is the first n elements of a sequence.
func (s *Session) head(f *frame, q *Sequence, n int64) *Sequence {
	g := f.clone()
	return q.derived(func(visit func(*elem) error) error {
		have := int64(0)
		if n == 0 {
			return nil
		}
		return s.iterate(g.clone(), q, func(e *elem) error {
			have++
			if err := visit(e); err != nil {
				return err
			}
			if have >= n {
				return value.Stop()
			}
			return nil
		})
	})
}

// distinct is each element of a sequence once.
func (s *Session) distinct(f *frame, q *Sequence) *Sequence {
	g := f.clone()
	return q.derived(func(visit func(*elem) error) error {
		seen := map[string]bool{}
		return s.iterate(g.clone(), q, func(e *elem) error {
			k, err := distinctKey(e.value())
			if err != nil {
				return err
			}
			if seen[k] {
				return nil
			}
			seen[k] = true
			if len(seen) > maxElements {
				return fmt.Errorf("uniq: more than %d million different elements", maxElements>>20)
			}
			return visit(e)
		})
	})
}

// last is the last of n+1 elements, or nil where there are less.
func (q *Sequence) last(n int64) (any, error) {
	var out any
	err := q.walk(func(e *elem) error {
		if n--; n < 0 {
			out = e.value()
		}
		return nil
	})
	return out, err
}

// listOfSequence is a sequence within a list or a map that is printed, as a list.
func listOfSequence(q *Sequence) ([]any, error) {
	out := []any{}
	err := q.walk(func(e *elem) error {
		if len(out) >= maxElements {
			return fmt.Errorf("more than %d million elements", maxElements>>20)
		}
		out = append(out, e.value())
		return nil
	})
	return out, err
}
