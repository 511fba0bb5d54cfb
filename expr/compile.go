package expr

import (
	"errors"
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// code is a compiled expression.
type code func(f *frame) (any, error)

// compiled is a node as the compiler leaves it. Beside run, which all have, there
// are ways to the same result that make no garbage, for what runs a million times.
type compiled struct {
	run code
	// num computes an integer or a number with a fraction; ok is false where the
	// result is something else, and run has to tell what.
	num func(f *frame) (n number, ok bool, err error)
	// ref computes a value of the kernel; ok is false as with num.
	ref func(f *frame) (v value.Value, ok bool, err error)
	// cond computes the truth of the result, and knows its place for an error.
	cond func(f *frame) (bool, error)

	// member is what is known of it where the expression is a member of the innermost predicate's element, or
	// nil.
	member *memberCache

	// items are those of a list that is written out, [a, b], or nil.
	items []*compiled

	constant bool // run gives val, always
	val      any
}

// compiler turns the tree of an expression into closures. A name is looked up in
// the kernel when it is compiled, and is a constant from then on.
type compiler struct {
	s    *Session
	vars []variable // declared by let, innermost last
	// elems are the slots of the predicates around, innermost last.
	elems []int
	slots int
	err   *Error // the first one
	// guarded are the names that has_symbol asks for somewhere in the text: where the kernel has none
	// such, that is an error once they are evaluated, which they may never be.
	guarded map[string]bool
}

// variable is one that let declared.
type variable struct {
	name   string
	slot   int
	global bool // of the script, seen from one of its functions
}

// compile turns an expression into what evaluates it, and says how many slots a
// frame needs for that.
func (s *Session) compile(text string) (run code, slots int, err *Error) {
	tree, perr := syntax.Parse(text, s.names())
	if perr != nil {
		return nil, 0, s.parseError(text, perr)
	}
	for _, w := range tree.Warnings {
		s.warn("%s", w)
	}
	c := compiler{s: s, guarded: guarded([]rune(text))}
	out := c.node(tree.Root)
	if c.err != nil {
		return nil, 0, c.err
	}
	return out.run, c.slots, nil
}

// slot takes a place in the frame.
func (c *compiler) slot() int {
	c.slots++
	return c.slots - 1
}

func (c *compiler) fail(at int, format string, args ...any) *compiled {
	if c.err == nil {
		c.err = errorAt("", at, format, args...)
	}
	return constant(nil)
}

// constant is compiled from what has one value.
func constant(v any) *compiled {
	out := &compiled{constant: true, val: v}
	out.run = func(*frame) (any, error) { return v, nil }
	switch v := v.(type) {
	case value.Value:
		out.ref = func(*frame) (value.Value, bool, error) { return v, true, nil }
	case int, int64, uint32, uint64, bool, float64:
		n, _, _ := numberOf(v)
		out.num = func(*frame) (number, bool, error) { return n, true, nil }
	}
	return out
}

// place gives an error the place that it arose at, unless it has one.
func place(err error, at int) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // one that is wrapped has been told in other words
		return e
	}
	if errors.Is(err, value.Stop()) {
		return err
	}
	return &Error{Msg: err.Error(), Column: at, Err: err}
}

// condition is the truth of a node's result.
func (c *compiler) condition(n syntax.Node) func(f *frame) (bool, error) {
	x := c.node(n)
	if x.cond != nil {
		return x.cond
	}
	at := n.Where().At
	return func(f *frame) (bool, error) {
		if x.num != nil {
			n, ok, err := x.num(f)
			if err != nil {
				return false, err
			}
			if ok {
				return n.truth(), nil
			}
		}
		v, err := x.run(f)
		if err != nil {
			return false, err
		}
		t, err := truth(v)
		if err != nil {
			return false, place(err, at)
		}
		return t, nil
	}
}

// boolean is compiled from what has a truth.
func boolean(cond func(f *frame) (bool, error)) *compiled {
	return &compiled{cond: cond, run: func(f *frame) (any, error) {
		b, err := cond(f)
		if err != nil {
			return nil, err
		}
		return b, nil
	}}
}

// node compiles one.
func (c *compiler) node(n syntax.Node) *compiled {
	if c.err != nil {
		return constant(nil)
	}
	switch n := n.(type) {
	case *syntax.Nil:
		return constant(nil)
	case *syntax.Bool:
		return constant(n.Value)
	case *syntax.String:
		return constant(n.Value)
	case *syntax.Float:
		return constant(n.Value)
	case *syntax.Int:
		return constant(plain(value.Num{Bits: n.Bits, Size: n.Size, Signed: n.Signed}))
	case *syntax.Name:
		return c.name(n)
	case *syntax.Element:
		return c.element(n)
	case *syntax.Unary:
		return c.unary(n)
	case *syntax.Binary:
		return c.binary(n)
	case *syntax.Chain:
		return c.chain(n)
	case *syntax.Cond:
		return c.conditional(n)
	case *syntax.Member:
		return c.member(n)
	case *syntax.Index:
		return c.index(n)
	case *syntax.Slice:
		return c.sliced(n)
	case *syntax.Call:
		return c.call(n)
	case *syntax.Cast:
		return c.cast(n)
	case *syntax.TypeOf:
		return c.typeOfArgument(n)
	case *syntax.Let:
		return c.let(n)
	case *syntax.Seq:
		return c.sequence(n)
	case *syntax.List:
		return c.list(n)
	case *syntax.Map:
		return c.mapping(n)
	}
	return c.fail(n.Where().At, "this form is not in the language")
}

func (c *compiler) name(n *syntax.Name) *compiled {
	for _, v := range slices.Backward(c.vars) {
		if v.name == n.Name {
			slot := v.slot
			if v.global {
				return c.global(v, n.At)
			}
			return &compiled{run: func(f *frame) (any, error) { return f.slots[slot].v, nil }}
		}
	}
	if v, ok := c.s.variables[n.Name]; ok {
		return constant(v)
	}
	if n.Name == null {
		return constant(c.s.nullPointer())
	}
	v, err := c.s.global(n.Name)
	if err != nil {
		failed := &Error{Msg: err.Error(), Column: n.At, Err: err}
		if c.guarded[n.Name] {
			return &compiled{run: func(*frame) (any, error) { again := *failed; return nil, &again }}
		}
		if c.err == nil {
			c.err = failed
		}
		return constant(nil)
	}
	return constant(v)
}

// element is #, #index or #acc of the innermost predicate.
func (c *compiler) element(n *syntax.Element) *compiled {
	if len(c.elems) == 0 {
		return c.fail(n.At, "# is of the element that a predicate looks at: there is none here")
	}
	slot := c.elems[len(c.elems)-1]
	switch n.Name {
	case "index":
		return &compiled{
			run: func(f *frame) (any, error) { return f.slots[slot].index, nil },
			num: func(f *frame) (number, bool, error) {
				return number{Num: value.IntNum(int64(f.slots[slot].index))}, true, nil
			},
		}
	case "acc":
		return &compiled{run: func(f *frame) (any, error) { return f.slots[slot].v, nil }}
	}
	return &compiled{
		run: func(f *frame) (any, error) { return f.slots[slot].e.value(), nil },
		ref: func(f *frame) (value.Value, bool, error) {
			e := f.slots[slot].e
			return e.ref, e.isRef, nil
		},
		num: func(f *frame) (number, bool, error) {
			e := f.slots[slot].e
			if e.isRef {
				return number{}, false, nil
			}
			n, ok := fastNumber(e.value())
			return n, ok, nil
		},
		cond: func(f *frame) (bool, error) {
			e := f.slots[slot].e
			if e.isRef {
				a, _ := e.ref.Addr()
				return a != 0, nil
			}
			t, err := truth(e.value())
			if err != nil {
				return false, place(err, n.At)
			}
			return t, nil
		},
	}
}

func (c *compiler) let(n *syntax.Let) *compiled {
	v := c.node(n.Value)
	slot := c.slot()
	c.vars = append(c.vars, variable{name: n.Name, slot: slot})
	body := c.node(n.Body)
	c.vars = c.vars[:len(c.vars)-1]
	return &compiled{run: c.s.alive(func(f *frame) (any, error) {
		x, err := v.run(f)
		if err != nil {
			return nil, err
		}
		f.slots[slot].v = x
		return body.run(f)
	})}
}

func (c *compiler) sequence(n *syntax.Seq) *compiled {
	var parts []*compiled
	for _, p := range n.Nodes {
		parts = append(parts, c.node(p))
	}
	return &compiled{run: func(f *frame) (out any, err error) {
		for _, p := range parts {
			if out, err = p.run(f); err != nil {
				return nil, err
			}
		}
		return out, nil
	}}
}

func (c *compiler) list(n *syntax.List) *compiled {
	var items []*compiled
	for _, i := range n.Items {
		item := c.node(i)
		if _, ok := i.(*syntax.Element); ok {
			item.ref = nil // the struct, where the item is a pointer to it
		}
		items = append(items, item)
	}
	at := n.At
	return &compiled{items: items, run: func(f *frame) (any, error) {
		if err := c.s.grow(len(items)); err != nil {
			return nil, place(err, at)
		}
		out := make([]any, len(items))
		for i, item := range items {
			v, err := orFault(item.run(f))
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}}
}

func (c *compiler) mapping(n *syntax.Map) *compiled {
	type pair struct {
		name string
		key  *compiled // where the name is computed
		at   int
		v    *compiled
	}
	pairs := make([]pair, len(n.Keys))
	for i, k := range n.Keys {
		p := pair{at: k.Where().At, v: c.node(n.Values[i])}
		switch k := k.(type) {
		case *syntax.String:
			p.name = k.Value
		case *syntax.Int:
			p.name = keyText(c.node(k).val)
		default:
			p.key = c.node(k)
		}
		pairs[i] = p
	}
	at := n.At
	return &compiled{run: func(f *frame) (any, error) {
		if err := c.s.grow(len(pairs)); err != nil {
			return nil, place(err, at)
		}
		out := make(map[string]any, len(pairs))
		for i := range pairs {
			p := &pairs[i]
			name := p.name
			if p.key != nil {
				k, err := p.key.run(f)
				if err != nil {
					return nil, err
				}
				if name, err = key(k); err != nil {
					return nil, place(err, p.at)
				}
			}
			v, err := orFault(p.v.run(f))
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	}}
}

// names is what the parser has to know.
func (s *Session) names() syntax.Names { return sessionNames{s} }

type sessionNames struct{ s *Session }

// Function implements [syntax.Names].
func (n sessionNames) Function(name string) (syntax.Function, bool) {
	f, ok := n.s.functions[name]
	if !ok {
		return syntax.Function{}, false
	}
	out := syntax.Function{
		Type:   func(i int) bool { return f.argKind(i) == TypeArg },
		Member: func(i int) bool { return f.argKind(i) == MemberArg },
		Own:    func(i int) bool { return f.argKind(i) == OwnMemberArg },
	}
	switch {
	case f.Call == nil, name == "sum":
		out.Predicate = syntax.Always
	case predicative[name]:
		out.Predicate = syntax.Maybe
	}
	return out, true
}

// predicative are the functions that may have a predicate, and compute without one
// too.
var predicative = map[string]bool{"sum": true, "max": true, "min": true, "mean": true}

// IsType implements [syntax.Names].
func (n sessionNames) IsType(name string) bool {
	s := n.s
	if _, ok := s.variables[name]; ok {
		return false
	}
	if _, ok := s.functions[name]; ok || !s.open() {
		return false
	}
	if known, ok := s.typedefs[name]; ok {
		return known
	}
	is := false
	if types, err := s.kernel.Types(); err == nil {
		if _, err := types.Typedef(name); err == nil {
			_, err := s.global(name)
			is = err != nil
		} else if t, err := s.parseType(name); err == nil {
			_, named := t.(*btf.Typedef)
			is = named
		}
	}
	s.typedefs[name] = is
	return is
}

// internal is the error for what should not happen.
func internal(what any) *Error {
	return &Error{Msg: fmt.Sprintf("internal error: %v", what), Column: -1}
}
