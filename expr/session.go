package expr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

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

	variables map[string]any

	types    map[string]btf.Type // by their text
	typeErr  map[string]error
	typedefs map[string]bool // whether a name is one and nothing else

	// Of the evaluation that runs:
	running
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
		typedefs:  map[string]bool{},
		running:   running{ctx: context.Background(), cancelled: new(atomic.Bool)},
	}
	for _, f := range Functions() {
		s.functions[f.Name] = &f
	}
	return s
}

// Register adds a function to the session's language, or replaces one.
func (s *Session) Register(f Function) {
	s.functions[f.Name] = &f
	delete(s.typedefs, f.Name)
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
		if err.Src == "" { // else it is one of a function of the prompt
			err.Src = src
		}
		err.Msg = value.Scrub(err.Msg)
		return Result{Warnings: s.warnings}, err
	}
	return Result{Value: v, Warnings: s.warnings, src: src, session: s, frame: s.frame()}, nil
}

func (s *Session) begin(ctx context.Context) {
	s.ctx, s.warnings, s.elementsMade = ctx, nil, 0
	s.cancelled = new(atomic.Bool) // a new one: the last one's AfterFunc may still run
	s.cancelled.Store(ctx.Err() != nil)
}

func (s *Session) eval(src string) (_ any, failed *Error) {
	defer func() {
		if r := recover(); r != nil {
			failed = internal(r)
		}
	}()
	if strings.TrimSpace(src) == "" {
		return nil, errorAt(src, -1, "the expression is empty")
	}
	run, slots, err := s.compile(src)
	if err != nil {
		return nil, err
	}
	if err := s.stopped(); err != nil {
		return nil, &Error{Msg: err.Error(), Column: -1, Err: err}
	}
	f := s.frame()
	f.slots = make([]slot, slots)
	out, rerr := run(f)
	if rerr != nil {
		var at *Error
		if errors.As(rerr, &at) {
			return nil, at
		}
		return nil, &Error{Msg: rerr.Error(), Column: -1, Err: rerr}
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

func optional(a []any, i int) any {
	if i < len(a) {
		return a[i]
	}
	return nil
}
