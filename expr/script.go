package expr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"kinspect/expr/value"
)

// Script is a compiled script. It runs on the kernel of its session, once at a time.
type Script struct {
	name  string
	src   string
	runes []rune
	start []int // of the lines, in runes
	s     *Session

	body     step
	slots    int
	args     int   // the slot of args, or -1
	declared []int // the slots of all variables outside of functions
	warnings []scriptWarning
	guarded  map[string]bool // see compiler

	// Of a prompt's, see Block:
	outer   *Session
	kept    []variable           // the session's
	defined map[string]*Function // here
	active  bool                 // it runs

	// Of the run:
	config   ScriptConfig
	result   ScriptResult
	globals  *frame
	returned any // what the last return had
	held     int // elements that the variables hold
	depth    int // of calls
	warned   map[scriptWarning]bool
}

type scriptWarning struct {
	at   int
	text string
}

// ScriptConfig says what a script runs with.
type ScriptConfig struct {
	Args   []string     // the script's args
	Out    io.Writer    // what it prints
	Err    io.Writer    // warnings and assertions that failed
	Format value.Format // zero is [value.DefaultFormat]
	JSON   bool         // each print is one JSON value on a line
}

// ScriptResult is how a script ended.
type ScriptResult struct {
	Checked int // assertions that were looked at
	Failed  int // those that did not hold
	Code    int // of exit N; -1 where the script did not say

	Ended bool // by exit
}

// ScriptError is what ended a script, or kept it from running, and where.
type ScriptError struct {
	Name         string
	Line, Column int // from 1, in runes; 0 where it is not known
	Err          *Error
}

// Error is the place and the message.
func (e *ScriptError) Error() string {
	name := value.Printable(e.Name)
	if e.Line == 0 {
		return name + ": " + e.Err.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", name, e.Line, e.Column, e.Err.Msg)
}

// Unwrap returns the [*Error].
func (e *ScriptError) Unwrap() error { return e.Err }

// Caret shows the place, see [Error.Caret].
func (e *ScriptError) Caret() string { return e.Err.Caret() }

// scriptExit ends a script: exit, or a require that did not hold.
type scriptExit struct {
	code  int
	asked bool // by exit
}

// Error implements error.
func (*scriptExit) Error() string { return "the script ends here" }

// writeError is one of the output's.
type writeError struct{ err error }

// Error implements error.
func (e *writeError) Error() string { return e.err.Error() }

// Unwrap returns the writer's error.
func (e *writeError) Unwrap() error { return e.err }

// maxCalls bounds how deep a script's functions call one another, and maxDeep how
// deep lists nest that variables hold, and how many sequences one is made of.
const (
	maxCalls = 100
	maxDeep  = 64
)

// Run runs the script. What ends it before its end is a [*ScriptError], or, where
// the output cannot be written, what its writer said.
func (p *Script) Run(ctx context.Context, c ScriptConfig) (_ ScriptResult, err error) {
	if c.Format == (value.Format{}) {
		c.Format = value.DefaultFormat
	}
	p.s.begin(ctx)
	cancelled := p.s.cancelled
	defer context.AfterFunc(ctx, func() { cancelled.Store(true) })()
	p.config, p.result = c, ScriptResult{Code: -1}
	p.held, p.depth, p.warned = 0, 0, map[scriptWarning]bool{}
	defer func() {
		if r := recover(); r != nil {
			err = p.failure(internal(r))
		}
	}()
	f := p.s.frame()
	f.slots = make([]slot, p.slots)
	for _, slot := range p.declared {
		f.slots[slot].v = unset{}
	}
	p.globals = f
	args := make([]any, len(c.Args))
	for i, a := range c.Args {
		args[i] = a
	}
	if p.args >= 0 {
		f.slots[p.args].v = args
	}
	p.load(f)
	for _, w := range p.warnings {
		p.tellWarning(w)
	}
	_, err = p.body(f)
	var exit *scriptExit
	var write *writeError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		p.result.Code, p.result.Ended = exit.code, exit.asked
	case errors.As(err, &write):
		return p.result, write.err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return p.result, p.failure(stopError(ctx))
	default:
		return p.result, p.failure(asError(err))
	}
	return p.result, nil
}

func asError(err error) *Error {
	var at *Error
	if errors.As(err, &at) {
		return at
	}
	return &Error{Msg: err.Error(), Column: -1, Err: err}
}

// call runs a function of the script.
func (p *Script) call(f *scriptFunction, args []any) (any, error) {
	if p.depth++; p.depth > maxCalls {
		p.depth--
		return nil, fmt.Errorf("functions call one another deeper than %d", maxCalls)
	}
	made := p.s.elementsMade
	g := p.s.frame()
	g.globals = p.globals
	g.slots = make([]slot, f.c.slots)
	defer func() {
		p.depth--
		p.s.elementsMade = made
		for i := range g.slots {
			p.held -= g.slots[i].index
		}
	}()
	for i, a := range args {
		if err := p.set(&g.slots[f.args[i]], a, -1); err != nil {
			return nil, err
		}
	}
	c, err := f.run(g)
	if err != nil || c != returns {
		return nil, err
	}
	v := p.returned
	p.returned = nil
	return v, nil
}

// set gives a variable its value.
func (p *Script) set(s *slot, v any, at int) error {
	m := measure{}
	if err := m.any(v, 0); err != nil {
		return p.errorAt(at, "%s", err)
	}
	if p.held += m.n - s.index; p.held > maxElements {
		p.held -= m.n - s.index
		return p.errorAt(at, "the script's variables hold more than %d million list elements", maxElements>>20)
	}
	s.v, s.index = v, m.n
	return nil
}

// measure counts the elements that a value holds. Lists that a value has twice count
// twice: it is printed and compared that way.
type measure struct {
	n     int
	print bool // ranges count as what they print
}

func (m *measure) any(x any, depth int) error {
	if m.n++; m.n > maxElements {
		return fmt.Errorf("more than %d million list elements in one value", maxElements>>20)
	}
	switch l := x.(type) {
	case []any:
		for _, e := range l {
			if err := m.inner(e, depth); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range l {
			if err := m.inner(e, depth); err != nil {
				return err
			}
		}
	case string:
		m.n += len(l) / 32
	case *Sequence:
		if m.print && l.span != nil {
			if m.n += int(min(l.span.len(), maxElements)); m.n > maxElements {
				return fmt.Errorf("more than %d million list elements in one value", maxElements>>20)
			}
		}
		if l.made > maxDeep {
			return fmt.Errorf("a sequence that is made of more than %d others", maxDeep)
		}
	}
	return nil
}

func (m *measure) inner(x any, depth int) error {
	if depth >= maxDeep {
		return fmt.Errorf("lists nest deeper than %d", maxDeep)
	}
	return m.any(x, depth+1)
}

// each runs a for.
func (p *Script) each(f *frame, list any, at int, body func(x any) (control, error)) (control, error) {
	out := goOn
	var inside error
	err := p.s.iterate(f, list, func(e *elem) error {
		c, err := body(e.value())
		switch {
		case err != nil:
			inside = err
			return err
		case c == breaks:
			return value.Stop()
		case c == returns:
			out = returns
			return value.Stop()
		}
		return nil
	})
	if err != nil && inside == nil {
		err = p.moved(err, at) // the list could not be walked
	}
	return out, err
}

// value evaluates an expression. Errors get the place in the script.
func (e *expression) value(f *frame) (any, error) {
	e.p.s.elementsMade = 0
	v, err := e.run(f)
	e.p.tell(e.from)
	if err != nil {
		return nil, e.p.moved(err, e.from)
	}
	return v, nil
}

// truth evaluates a condition.
func (e *expression) truth(f *frame) (bool, error) {
	e.p.s.elementsMade = 0
	ok, err := e.cond(f)
	e.p.tell(e.from)
	if err != nil {
		return false, e.p.moved(err, e.from)
	}
	return ok, nil
}

// moved gives an error of an expression that begins at from its place in the
// script. One that has a place there keeps it: that of a function within.
func (p *Script) moved(err error, from int) *Error {
	at := asError(err)
	if at.Src != "" {
		return at
	}
	at.Src = p.src
	if at.Column < 0 {
		at.Column = 0
	}
	at.Column += from
	return at
}

func (p *Script) errorAt(at int, format string, args ...any) *Error {
	if at < 0 {
		return errorAt("", at, format, args...)
	}
	return errorAt(p.src, at, format, args...)
}

// failure is an error of the script for its user.
func (p *Script) failure(err *Error) *ScriptError {
	out := *err
	out.Msg, out.Src = value.Scrub(out.Msg), p.src
	e := &ScriptError{Name: p.name, Err: &out}
	if out.Column >= 0 {
		if p.start == nil {
			p.lines([]rune(p.src))
		}
		e.Line = p.line(out.Column)
		e.Column = out.Column - p.start[e.Line-1] + 1
	}
	return e
}

// lines notes where the lines start.
func (p *Script) lines(src []rune) {
	p.start = []int{0}
	for i, r := range src {
		if r == '\n' {
			p.start = append(p.start, i+1)
		}
	}
}

// line is the number of the line that a rune is in.
func (p *Script) line(at int) int {
	return sort.SearchInts(p.start, at+1)
}

// leave is exit.
func (p *Script) leave(exprs []*expression) step {
	return func(f *frame) (control, error) {
		if len(exprs) == 0 {
			return goOn, &scriptExit{code: -1, asked: true}
		}
		v, err := exprs[0].value(f)
		if err != nil {
			return goOn, err
		}
		n, err := integer(v, "an exit code")
		if err == nil && (n < 0 || n > 255) {
			err = fmt.Errorf("an exit code is a number from 0 to 255, not %d", n)
		}
		if err != nil {
			return goOn, p.moved(err, exprs[0].from)
		}
		return goOn, &scriptExit{code: int(n), asked: true}
	}
}
