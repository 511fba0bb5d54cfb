package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"kinspect/expr"
	"kinspect/expr/value"
)

// eval evaluates each argument. Where one fails the others are answered nevertheless.
func (a *app) eval(args []string) (int, error) {
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code := exitFine
	for i, src := range args {
		err := a.evalParts(ctx, s, s.Parts(src))
		switch last := i == len(args)-1; {
		case err == nil:
			continue
		case last || ctx.Err() != nil || a.stdout.failure() != nil:
			return exitFailed, err
		}
		a.fail(err)
		code = exitFailed
	}
	return code, nil
}

// evalParts evaluates what stands between the semicolons of one argument, and prints each
// result. Its variables are there for that argument.
func (a *app) evalParts(ctx context.Context, s *expr.Session, parts []expr.Part) error {
	warned := func(w string) { fmt.Fprintln(a.stderr, "kinspect: warning:", value.Scrub(w)) }
	for _, p := range parts {
		r, err := s.Eval(ctx, p.Src)
		for _, w := range r.Warnings {
			warned(w)
		}
		if err != nil {
			return err
		}
		if p.Let != "" {
			defer s.Keep(p.Let, r.Value)()
			continue
		}
		var part, werr error
		if a.options.json {
			part, werr = r.WriteJSON(a.stdout)
		} else {
			part, werr = r.WriteText(a.stdout, a.format, warned)
		}
		if werr != nil {
			return werr
		}
		if part != nil {
			return partly(part)
		}
	}
	return nil
}

// partError is the error of an answer that was printed but for a part of it.
type partError struct{ err error }

func partly(err error) error { return &partError{err} }

func (e *partError) Error() string {
	if expr.Misasked(e.err) {
		return e.err.Error()
	}
	return "only a part could be read: " + e.err.Error()
}
func (e *partError) Unwrap() error { return e.err }

// printJSON prints one object on one line.
func (a *app) printJSON(v any) error {
	return expr.NewJSONEncoder(a.stdout).Encode(v)
}
