package expr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/vm"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// Options are the settings of a [Session].
type Options struct {
	// NetNS is the network namespace that functions look into where the
	// expression names none: a name, a process, an inode number or "all", as
	// [knet.Stack.ResolveNS] reads it. Empty means the stack's default.
	NetNS string
}

// Session evaluates expressions on one kernel. It is not safe for concurrent use.
type Session struct {
	kernel  *value.Kernel
	stack   *knet.Stack
	options Options

	functions map[string]*Function
	config    *conf.Config

	types   map[string]btf.Type // by their text
	typeErr map[string]error

	// Of the evaluation that runs:
	ctx          context.Context
	cancelled    *atomic.Bool
	warnings     []string
	elementsMade int
}

// NewSession returns a session on a kernel and its network stack. Both may be
// nil: then there are no symbols, and what needs a kernel says so.
func NewSession(k *value.Kernel, stack *knet.Stack, o Options) *Session {
	s := &Session{
		kernel: k, stack: stack, options: o,
		functions: map[string]*Function{},
		types:     map[string]btf.Type{},
		typeErr:   map[string]error{},
		ctx:       context.Background(),
		cancelled: new(atomic.Bool),
	}
	for _, f := range Functions() {
		s.functions[f.Name] = &f
	}
	return s
}

// Register adds a function to the session's language, or replaces one.
func (s *Session) Register(f Function) {
	s.functions[f.Name] = &f
	s.config = nil
}

// Functions lists the functions of the session, those of [Session.Register]
// among them, by name.
func (s *Session) Functions() []Function {
	out := make([]Function, 0, len(s.functions))
	for _, f := range s.functions {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Kernel is the kernel that the session evaluates on, or nil.
func (s *Session) Kernel() *value.Kernel { return s.kernel }

// Stack is the kernel's network stack, or nil.
func (s *Session) Stack() *knet.Stack { return s.stack }

// Eval evaluates one expression. The error is an [*Error]; where ctx was done
// before the end, it wraps ctx's error.
func (s *Session) Eval(ctx context.Context, src string) (Result, error) {
	s.begin(ctx)
	cancelled := s.cancelled
	defer context.AfterFunc(ctx, func() { cancelled.Store(true) })()
	v, err := s.eval(src)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = stopError(ctx)
		}
		err.Src, err.Msg = src, value.Scrub(err.Msg)
		return Result{Warnings: s.warnings}, err
	}
	return Result{Value: v, Warnings: s.warnings, src: src}, nil
}

func (s *Session) begin(ctx context.Context) {
	s.ctx, s.warnings, s.elementsMade = ctx, nil, 0
	s.cancelled = new(atomic.Bool) // a new one: the last one's AfterFunc may still run
	s.cancelled.Store(ctx.Err() != nil)
}

func (s *Session) eval(src string) (any, *Error) {
	if strings.TrimSpace(src) == "" {
		return nil, errorAt(src, -1, "the expression is empty")
	}
	program, err := s.compile(src)
	if err != nil {
		return nil, err
	}
	if err := s.stopped(); err != nil {
		return nil, &Error{Msg: err.Error(), Column: -1, Err: err}
	}
	machine := vm.VM{MemoryBudget: 4 * maxElements}
	out, rerr := machine.Run(program, nil)
	if rerr != nil {
		return nil, runError(rerr)
	}
	if q, ok := out.(*Sequence); ok {
		list, err := s.collect(q)
		if err != nil {
			return nil, &Error{Msg: err.Error(), Column: -1, Err: err}
		}
		return list, nil
	}
	return out, nil
}

// stopped is the error of an evaluation whose context is done.
func (s *Session) stopped() error {
	if !s.cancelled.Load() {
		return nil
	}
	return s.ctx.Err()
}

func stopError(ctx context.Context) *Error {
	msg := "stopped"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		msg = "stopped: it took too long"
	}
	return &Error{Msg: msg, Column: -1, Err: ctx.Err()}
}

// warn notes something that the user should know beside the result.
func (s *Session) warn(format string, args ...any) {
	msg := value.Scrub(fmt.Sprintf(format, args...))
	if len(s.warnings) < 20 && !slices.Contains(s.warnings, msg) {
		s.warnings = append(s.warnings, msg)
	}
}

// The functions that rewritten expressions call for the forms of the language.
// The names cannot be written by a user.
const (
	fnMember    = " member"
	fnIndex     = " index"
	fnSlice     = " slice"
	fnTruth     = " truth"
	fnCompare   = " compare"
	fnList      = " list"
	fnKey       = " key"
	fnGroup     = " group"
	fnSortPairs = " sortPairs"
)

// machineConfig gives the compiler our functions.
func (s *Session) machineConfig() *conf.Config {
	if s.config != nil {
		return s.config
	}
	c := conf.CreateNew()
	add := func(name string, fn func(a []any) (any, error)) {
		exprlang.Function(name, func(args ...any) (any, error) {
			if s.cancelled.Load() {
				return nil, s.stopped()
			}
			return fn(args)
		})(c)
	}
	add(fnMember, func(a []any) (any, error) { return s.member(a[0], a[1].(string), a[2].(bool)) })
	add(fnIndex, func(a []any) (any, error) { return s.index(a[0], a[1], a[2].(bool)) })
	add(fnSlice, func(a []any) (any, error) { return s.slice(a[0], a[1], a[2]) })
	add(fnTruth, func(a []any) (any, error) { return truth(a[0]) })
	add(fnCompare, func(a []any) (any, error) { return s.compare(a[0].(*site), a[1], a[2]) })
	add(fnList, func(a []any) (any, error) { return s.list(a[0]) })
	add(fnKey, func(a []any) (any, error) { return key(a[0]) })
	add(fnGroup, func(a []any) (any, error) { return s.group(a[0]) })
	add(fnSortPairs, func(a []any) (any, error) { return s.sortPairs(a[0], optional(a, 1)) })
	add("in", func(a []any) (any, error) { return s.in(a[0], a[1]) })
	add("..", func(a []any) (any, error) { return s.span(a[0], a[1]) })
	for _, op := range []string{"+", "-", "*", "/", "%", "**"} {
		add(op, func(a []any) (any, error) {
			switch {
			case len(a) == 2:
				return arithmetic(op, a[0], a[1])
			case op == "-":
				return negate(a[0])
			}
			return plus(a[0])
		})
	}
	for _, op := range []string{"contains", "startsWith", "endsWith", "matches"} {
		add(op, func(a []any) (any, error) { return textOperator(op, a[0], a[1]) })
	}
	for name, f := range s.functions {
		if f.Call == nil {
			continue
		}
		add(name, func(a []any) (any, error) { return f.Call(&Call{Context: s.ctx, Session: s, Args: a}) })
	}
	s.config = c
	return c
}

func optional(a []any, i int) any {
	if i < len(a) {
		return a[i]
	}
	return nil
}
