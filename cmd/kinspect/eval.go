package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"kinspect/expr/value"
)

// eval evaluates each argument. Where one fails, those before it have printed.
func (a *app) eval(args []string) (int, error) {
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, src := range args {
		r, err := s.Eval(ctx, src)
		for _, w := range r.Warnings {
			fmt.Fprintln(a.stderr, "kinspect: warning:", value.Scrub(w))
		}
		if err != nil {
			return exitFailed, err
		}
		if a.options.json {
			part, perr := r.WriteJSON(a.stdout)
			if perr != nil {
				return exitFailed, perr
			}
			if part != nil {
				return exitFailed, partly(part)
			}
			continue
		}
		part, werr := r.WriteText(a.stdout, value.DefaultFormat, func(w string) {
			fmt.Fprintln(a.stderr, "kinspect: warning:", value.Scrub(w))
		})
		if werr != nil {
			return exitFailed, werr
		}
		if part != nil {
			return exitFailed, partly(part)
		}
	}
	return exitFine, nil
}

// partError is the error of an answer that was printed but for a part of it.
type partError struct{ err error }

func partly(err error) error { return &partError{err} }

func (e *partError) Error() string { return "only a part could be read: " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// printJSON prints one object on one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
