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
	"sync/atomic"

	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// Prompt is what stands before each line on a terminal, and More before those that go on
// with an expression that is not complete.
const (
	Prompt = "kinspect> "
	More   = "      ...> "
)

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
	// Spell is what Out has between texts and the terminal, such as a spelling in ASCII; a
	// pager gets its texts through it. It may be nil.
	Spell func(io.Writer) io.Writer

	editor Editor  // instead of liner, for tests
	screen *screen // instead of the terminal's, with editor
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

	pending string        // the lines of an expression that is not complete
	suspend func() func() // gives the terminal to a pager
	stop    func()        // ends the evaluation that runs
	script  []statement   // what succeeded, for save
	last    bool          // there is a last result
}

// maxLine bounds a line of an input that is not a terminal, in bytes.
const maxLine = 1 << 20

// lines runs an input that is not a terminal.
func (r *runner) lines(ctx context.Context) error {
	in := bufio.NewScanner(r.In)
	in.Buffer(nil, maxLine)
	for in.Scan() && ctx.Err() == nil {
		if !r.line(ctx, typed(in.Text())) || r.outErr != nil {
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
		ed = newLineEditor(r.Out)
		r.screen = newScreen(os.Getenv, os.LookupEnv, r.Spell)
	}
	defer ed.Close()
	defer restoreOnEnd(ed)()
	r.suspend = ed.Suspend
	h := openHistory(r.History)
	for _, l := range h.lines {
		ed.AppendHistory(l)
	}
	ed.SetCompleter(r.complete)
	if r.Banner != "" {
		fmt.Fprintln(r.Out, strings.TrimRight(r.Banner, "\n"))
	}
	for {
		text, err := r.read(ed)
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(r.Out)
			return nil
		case err != nil:
			return fmt.Errorf("reading from the terminal: %w", err)
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		entry := oneLine(text)
		ed.AppendHistory(entry)
		h.add(entry)
		if !r.line(ctx, text) {
			return nil
		}
	}
}

// read reads a line, and more of them while they are not a complete expression. It
// returns nothing where Ctrl-C dropped them.
func (r *runner) read(ed Editor) (string, error) {
	defer func() { r.pending = "" }()
	for {
		prompt := Prompt
		if r.pending != "" {
			prompt = More
		}
		line, dropped, err := r.readLine(ed, prompt)
		switch {
		case errors.Is(err, errAborted):
			return "", nil
		case errors.Is(err, io.EOF) && r.pending != "": // Ctrl-D: that was all, and the error says what is missing
			fmt.Fprintln(r.Out)
			return r.pending, nil
		case err != nil:
			return "", err
		}
		line = typed(line)
		if dropped {
			r.pending = ""
		}
		if r.pending == "" {
			if r.complete1(line) {
				return line, nil
			}
			r.pending = line
			continue
		}
		r.pending += "\n" + line
		if len(r.pending) > maxLine {
			return "", fmt.Errorf("an expression of more than %d bytes", maxLine)
		}
		if !syntax.Incomplete(r.pending) {
			return r.pending, nil
		}
	}
}

// complete1 reports whether one line is all that there is to come.
func (r *runner) complete1(line string) bool {
	if strings.HasPrefix(strings.TrimSpace(line), "?") || !syntax.Incomplete(line) {
		return true
	}
	_, _, ok := r.command(line)
	return ok
}

// readLine reads a line. Where the terminal itself edits it, and Ctrl-C is a signal, dropped
// says that there was one.
func (r *runner) readLine(ed Editor, prompt string) (line string, dropped bool, err error) {
	select {
	case <-r.interrupts:
	default:
	}
	var interrupted atomic.Bool
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-r.interrupts:
				interrupted.Store(true)
				fmt.Fprint(r.Out, "\n"+Prompt)
			case <-done:
				return
			}
		}
	}()
	line, err = ed.Prompt(prompt)
	close(done)
	<-stopped
	return line, interrupted.Load(), err
}

// line runs one line, or an expression of several; it returns false where that ends the
// run.
func (r *runner) line(ctx context.Context, line string) bool {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "" || strings.HasPrefix(trimmed, "#!"):
		return true
	case strings.HasPrefix(trimmed, "//") && !strings.Contains(trimmed, "\n"):
		return true
	case strings.HasPrefix(trimmed, "?"): // which starts no expression
		r.help(strings.TrimSpace(trimmed[1:]))
		return true
	}
	if c, args, ok := r.command(trimmed); ok {
		return r.runCommand(ctx, c, args)
	}
	r.evaluate(ctx, line)
	return true
}

// evaluate prints the result of one expression, or its error. It reports whether there
// was a whole result.
func (r *runner) evaluate(ctx context.Context, src string) bool {
	ctx, done := r.interruptible(ctx)
	defer done()
	if lets, body := r.Session.Lets(src); len(lets) > 0 {
		return r.let(ctx, lets, body)
	}
	result, err := r.Session.Eval(ctx, src)
	for _, w := range result.Warnings {
		fmt.Fprintln(r.Err, "warning:", w)
	}
	if err != nil {
		r.fail(err)
		return false
	}
	whole := r.show(ctx, result)
	for _, name := range lastNames {
		r.Session.Set(name, result.Value)
	}
	r.last = true
	r.succeeded(statement{src: src})
	return whole
}

// lastNames are the variables with the last result.
var lastNames = []string{"_", "$"}

// let keeps variables for the session.
func (r *runner) let(ctx context.Context, lets []expr.Let, body string) bool {
	for _, l := range lets {
		result, err := r.Session.Eval(ctx, body+l.Name)
		for _, w := range result.Warnings {
			fmt.Fprintln(r.Err, "warning:", w)
		}
		if err != nil {
			r.fail(err)
			return false
		}
		r.Session.Set(l.Name, result.Value)
		r.succeeded(statement{let: l.Name, src: l.Value})
	}
	return true
}

// show prints a result, and reports whether all of it could be read.
func (r *runner) show(ctx context.Context, result expr.Result) bool {
	if r.JSON {
		part, werr := result.WriteJSON(r.Out)
		r.wrote(werr)
		return r.partly(part)
	}
	var part error
	var late []string // warnings, which wait for the pager to end
	left, werr := r.paged(func(w io.Writer) (err error) {
		part, err = result.WriteText(w, r.Format, func(w string) { late = append(late, w) })
		return err
	})
	for _, w := range late {
		fmt.Fprintln(r.Err, "warning:", w)
	}
	r.wrote(werr)
	if left {
		return true
	}
	if part != nil && ctx.Err() != nil {
		r.fail(errors.New("stopped"))
		return false
	}
	return r.partly(part)
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
	r.stop = cancel
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
func (r *runner) partly(err error) bool {
	if err != nil {
		r.failed = true
		fmt.Fprintln(r.Err, "only a part could be read:", err)
	}
	return err == nil
}
