package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kinspect/repl"
)

// interactive reports whether a person sits at both ends.
func (a *app) interactive() bool {
	return repl.IsTerminal(a.stdin) && repl.IsTerminal(a.stdout.file)
}

// repl evaluates what is typed, or what comes through a pipe, one expression a
// line.
func (a *app) repl([]string) (int, error) {
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	t := a.target
	banner := fmt.Sprintf("kernel %s (%s)\nhelp shows what there is; Tab completes; Ctrl-D ends", t.kernel.Release(), t.image.Source())
	c := repl.Config{
		Session: s, In: a.stdin, Out: a.stdout, Err: a.stderr,
		Interactive: a.interactive(), History: repl.HistoryPath(), Banner: banner, JSON: a.options.json, Format: a.format,
	}
	if _, plain := a.stdout.to.(plainWriter); plain {
		c.Spell = func(w io.Writer) io.Writer { return plainWriter{w} }
	}
	err = repl.Run(context.Background(), c)
	var exit *repl.Exit
	if errors.As(err, &exit) {
		return exit.Code, nil
	}
	if errors.Is(err, repl.ErrFailed) {
		return exitFailed, nil // each failure was told where it happened
	}
	return exitFine, err
}
