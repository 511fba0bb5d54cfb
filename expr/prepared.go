package expr

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// Prepared is an expression that is compiled once and evaluated often. One about an element is the body of
// a predicate: # is the element, .name its member. It sees the session's variables as they were when it was
// compiled.
type Prepared struct {
	s       *Session
	src     string
	run     code
	slots   int
	element int // its slot, or -1
	warned  []string
}

// Grammar checks the grammar of an expression alone: what it names may not be there. The error is an [*Error].
func (s *Session) Grammar(src string, element bool) error {
	_, err := s.tree(src, element)
	if err != nil {
		err.Src, err.Msg = src, value.Scrub(err.Msg)
		return err
	}
	return nil
}

func (s *Session) tree(src string, element bool) (*syntax.Tree, *Error) {
	if strings.TrimSpace(src) == "" {
		return nil, errorAt("", -1, "the expression is empty")
	}
	parse := syntax.Parse
	if element {
		parse = syntax.ParsePredicate
	}
	tree, err := parse(src, s.names())
	if err != nil {
		return nil, s.parseError(src, err)
	}
	return tree, nil
}

// Prepare compiles an expression, about an element or not. The error is an [*Error].
func (s *Session) Prepare(src string, element bool) (p *Prepared, err error) {
	s.begin(context.Background())
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, internal(r)
		}
	}()
	tree, failed := s.tree(src, element)
	p = &Prepared{s: s, src: src, element: -1}
	if failed == nil {
		p.warned = tree.Warnings
		c := compiler{s: s}
		if element {
			p.element = c.slot()
			c.elems = append(c.elems, p.element)
		}
		p.run = c.node(tree.Root).run
		p.slots, failed = c.slots, c.err
	}
	if failed != nil {
		failed.Src, failed.Msg = src, value.Scrub(failed.Msg)
		return nil, failed
	}
	return p, nil
}

// Eval evaluates the expression, of an element with its place in a list; both are of no meaning where it is
// about none. The error is an [*Error], as [Session.Eval]'s is.
func (p *Prepared) Eval(ctx context.Context, element any, index int) (_ Result, err error) {
	s := p.s
	s.begin(ctx)
	cancelled := s.cancelled
	defer context.AfterFunc(ctx, func() { cancelled.Store(true) })()
	defer func() {
		if r := recover(); r != nil {
			err = internal(r)
		}
	}()
	for _, w := range p.warned {
		s.warn("%s", w)
	}
	f := s.frame()
	f.slots = make([]slot, p.slots)
	if p.element >= 0 {
		e := &elem{v: element}
		e.ref, e.isRef = new(structBehind).of(element)
		f.slots[p.element] = slot{e: e, index: index}
	}
	v, rerr := p.run(f)
	if rerr == nil {
		// What only stands for a fault is one here: the value is wanted.
		rerr = faultOf(v)
	}
	if rerr != nil {
		return Result{Warnings: s.warnings}, p.failure(ctx, rerr)
	}
	return Result{Value: v, Warnings: s.warnings, src: p.src, session: s, frame: f}, nil
}

// failure is an error of the evaluation with its place.
func (p *Prepared) failure(ctx context.Context, err error) *Error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = stopError(ctx)
	}
	out := *asError(err)
	if out.Src == "" { // else it is one of a function of the prompt
		out.Src = p.src
	}
	out.Msg = value.Scrub(out.Msg)
	return &out
}

// Each calls visit with the elements of a list that the expression gives. Its errors end the walk, and are
// returned as they are; others are an [*Error].
func (p *Prepared) Each(ctx context.Context, visit func(x any) error) error {
	r, err := p.Eval(ctx, nil, 0)
	if err != nil {
		return err
	}
	cancelled := p.s.cancelled
	defer context.AfterFunc(ctx, func() { cancelled.Store(true) })()
	var own error
	err = p.s.iterate(r.frame, r.Value, func(e *elem) error {
		own = visit(e.value())
		return own
	})
	switch {
	case own != nil:
		return own
	case err != nil:
		return p.failure(ctx, err)
	}
	return nil
}

// Plain is the result as print of a script shows it: strings without quotes, numbers and structs without
// their type. The error tells of a part that could not be read.
func (r Result) Plain(f value.Format) (string, error) {
	if q, ok := r.Value.(*Sequence); ok {
		list, err := r.session.collect(q)
		if err != nil {
			return "", err
		}
		return plainText(list, f)
	}
	return plainText(r.Value, f)
}

// Word is a value as a program takes it.
type Word struct {
	Text   string
	IsText bool // of strings: the bytes are their own, and not safe for a terminal
}

// Words are the result as words for programs: of a list each element is one. What is no string is as [Result.Plain]
// has it.
func (r Result) Words(f value.Format) ([]Word, error) {
	list, ok := r.Value.([]any)
	if !ok {
		list = []any{r.Value}
	}
	var out []Word
	for _, x := range list {
		w, err := r.word(x, f)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func (r Result) word(x any, f value.Format) (Word, error) {
	switch x := x.(type) {
	case string:
		return Word{x, true}, nil
	case value.Value:
		if _, _, ok := isText(x); ok && !x.IsPerCPU() {
			if s, ok, err := text(x); ok && err == nil {
				return Word{s, true}, nil
			}
		}
	}
	r.Value = x
	s, err := r.Plain(f)
	return Word{Text: strings.TrimSpace(s)}, err
}

// Bool is the result as a truth; ok is false where it is none by itself, as a number is.
func (r Result) Bool() (truth, ok bool, err error) {
	switch x := r.Value.(type) {
	case bool:
		return x, true, nil
	case value.Value:
		t, is := btf.Underlying(x.Type()).(*btf.Int)
		if !is || !t.Bool {
			return false, false, nil
		}
		n, err := x.Uint()
		return n != 0, true, err
	}
	return false, false, nil
}

// Number is the result as a number, exact where it is an integer; ok is false where it is none. Truths are none.
func (r Result) Number() (n *big.Rat, ok bool, err error) {
	if _, truth, err := r.Bool(); truth || err != nil {
		return nil, false, err
	}
	x, ok, err := numberOf(r.Value)
	if err != nil || !ok {
		return nil, false, err
	}
	switch {
	case x.isFloat:
		n = new(big.Rat).SetFloat64(x.float)
		if n == nil {
			return nil, false, fmt.Errorf("the number is %s", strconv.FormatFloat(x.float, 'g', -1, 64))
		}
	case x.Signed:
		n = new(big.Rat).SetInt64(int64(x.Bits))
	default:
		n = new(big.Rat).SetInt(new(big.Int).SetUint64(x.Bits))
	}
	return n, true, nil
}
