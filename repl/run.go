package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"kinspect/expr"
	"kinspect/expr/value"
)

// Prompt is what stands before each line on a terminal.
const Prompt = "kinspect> "

// ErrFailed says that an expression of the input could not be evaluated, or only
// in part. The reason has been printed.
var ErrFailed = errors.New("not every expression could be evaluated")

// Config says what a [Run] works with.
type Config struct {
	Session *expr.Session
	In      io.Reader // of lines, where the run is not interactive
	Out     io.Writer // results and help
	Err     io.Writer // errors and warnings

	// Interactive is for a terminal: lines are edited on standard input and
	// output, see [IsTerminal].
	Interactive bool
	// History is the file that keeps lines between runs, see [HistoryPath]. Empty
	// keeps none; a file that cannot be read or written is done without.
	History string
	Banner  string       // printed first, where interactive
	Format  value.Format // zero is [value.DefaultFormat]
	JSON    bool         // print each result as JSON, one object a line

	editor Editor // instead of liner, for tests
}

// Run reads and evaluates until the input ends, or says exit. Of an input that is
// not interactive the error is [ErrFailed] where an expression failed, and the run
// ends with the first result that cannot be written.
//
// An interactive run takes no notice of ctx's end: Ctrl-C is meant for the
// evaluation that runs, and ctx may well be one that [signal.NotifyContext] ends
// with it.
func Run(ctx context.Context, c Config) error {
	if c.Format == (value.Format{}) {
		c.Format = value.DefaultFormat
	}
	r := runner{Config: c, interrupts: make(chan os.Signal, 1)}
	if !c.Interactive {
		return r.lines(ctx)
	}
	signal.Notify(r.interrupts, os.Interrupt)
	defer signal.Stop(r.interrupts)
	return r.prompt(context.WithoutCancel(ctx))
}

type runner struct {
	Config
	interrupts chan os.Signal
	failed     bool
	outErr     error // of the first result that could not be written
}

// maxLine bounds a line of an input that is not a terminal, in bytes.
const maxLine = 1 << 20

// lines runs an input that is not a terminal.
func (r *runner) lines(ctx context.Context) error {
	in := bufio.NewScanner(r.In)
	in.Buffer(nil, maxLine)
	for in.Scan() && ctx.Err() == nil {
		if !r.line(ctx, in.Text()) || r.outErr != nil {
			break
		}
	}
	switch {
	case r.outErr != nil:
		return fmt.Errorf("writing results: %w", r.outErr)
	case in.Err() != nil:
		return fmt.Errorf("reading expressions: %w", in.Err())
	case ctx.Err() != nil || r.failed:
		return ErrFailed
	}
	return nil
}

// prompt runs a terminal.
func (r *runner) prompt(ctx context.Context) error {
	ed := r.editor
	if ed == nil {
		ed = newLineEditor()
	}
	defer ed.Close()
	defer restoreOnEnd(ed)()
	h := openHistory(r.History)
	for _, l := range h.lines {
		ed.AppendHistory(l)
	}
	ed.SetCompleter(r.complete)
	if r.Banner != "" {
		fmt.Fprintln(r.Out, strings.TrimRight(r.Banner, "\n"))
	}
	for {
		line, err := ed.Prompt(Prompt)
		switch {
		case errors.Is(err, errAborted):
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(r.Out)
			return nil
		case err != nil:
			return fmt.Errorf("reading from the terminal: %w", err)
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		ed.AppendHistory(line)
		h.add(line)
		if !r.line(ctx, line) {
			return nil
		}
	}
}

// line runs one line; it returns false where the line ends the run.
func (r *runner) line(ctx context.Context, line string) bool {
	trimmed := strings.TrimSpace(line)
	word, rest, _ := strings.Cut(trimmed, " ")
	switch {
	case trimmed == "" || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "#!"):
		return true
	case trimmed == "exit" || trimmed == "quit":
		return false
	case word == "help" && isTopic(rest):
		r.help(strings.TrimSpace(rest))
		return true
	case strings.HasPrefix(trimmed, "?"): // which starts no expression
		r.help(strings.TrimSpace(trimmed[1:]))
		return true
	}
	r.evaluate(ctx, line)
	return true
}

// isTopic tells help NAME from an expression that begins with a symbol help.
func isTopic(s string) bool { return !strings.ContainsAny(s, ".-[|=+*/<>") }

// evaluate prints the result of one expression, or its error.
func (r *runner) evaluate(ctx context.Context, src string) {
	ctx, done := r.interruptible(ctx)
	defer done()
	result, err := r.Session.Eval(ctx, src)
	for _, w := range result.Warnings {
		fmt.Fprintln(r.Err, "warning:", w)
	}
	if err != nil {
		r.fail(err)
		return
	}
	if r.JSON {
		part, werr := result.WriteJSON(r.Out)
		r.wrote(werr)
		r.partly(part)
		return
	}
	part, werr := result.WriteText(r.Out, r.Format, func(w string) { fmt.Fprintln(r.Err, "warning:", w) })
	r.wrote(werr)
	r.partly(part)
}

// wrote notes that a result could not be written.
func (r *runner) wrote(err error) {
	if r.outErr == nil {
		r.outErr = err
	}
}

// interruptible is a context that Ctrl-C ends, where the run is interactive.
func (r *runner) interruptible(ctx context.Context) (context.Context, func()) {
	if !r.Interactive {
		return ctx, func() {}
	}
	select {
	case <-r.interrupts: // one that came too late for the last evaluation
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-r.interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (r *runner) fail(err error) {
	r.failed = true
	fmt.Fprintln(r.Err, "error:", err)
	var e *expr.Error
	if errors.As(err, &e) {
		if c := e.Caret(); c != "" {
			fmt.Fprintln(r.Err, "  "+strings.ReplaceAll(c, "\n", "\n  "))
		}
	}
}

// partly tells that a part of a result could not be read.
func (r *runner) partly(err error) {
	if err != nil {
		r.failed = true
		fmt.Fprintln(r.Err, "only a part could be read:", err)
	}
}
