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

// Exit is the error of a [Run] that exit CODE ended, with a code that is not 0.
type Exit struct{ Code int }

// Error implements error.
func (e *Exit) Error() string { return fmt.Sprintf("exit %d", e.Code) }

// exit is the error for the code of exit.
func (r *runner) exit() error {
	if r.code == 0 {
		return nil
	}
	return &Exit{r.code}
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
	ended   bool          // by exit in a block
	code    int           // of that exit; 0 where it had none
}

// maxLine bounds a line of an input that is not a terminal, in bytes.
const maxLine = 1 << 20

// lines runs an input that is not a terminal.
func (r *runner) lines(ctx context.Context) error {
	in := bufio.NewScanner(r.In)
	in.Buffer(nil, maxLine)
	next, more := "", in.Scan()
	for next = typed(in.Text()); more && ctx.Err() == nil; {
		line := next
		// What no expression begins with goes on with the line before, comments in between or not.
		between := ""
		for more = in.Scan(); more; more = in.Scan() {
			next = typed(in.Text())
			if strings.TrimSpace(line) != "" && expr.IsComment(next) && len(line)+len(between)+len(next) < maxLine {
				between += next + "\n"
				continue
			}
			if !r.goesOn(line, between+next) {
				break
			}
			line += "\n" + between + next
			between = ""
		}
		if !r.line(ctx, line) || r.outErr != nil {
			break
		}
	}
	switch {
	case r.outErr != nil:
		return fmt.Errorf("writing results: %w", r.outErr)
	case in.Err() != nil:
		return fmt.Errorf("reading expressions: %w", in.Err())
	case r.ended && r.code != 0:
		return r.exit()
	case ctx.Err() != nil || r.failed:
		return ErrFailed
	}
	return nil
}

// prompt runs a terminal.
func (r *runner) prompt(ctx context.Context) error {
	ed := r.editor
	if ed == nil {
		var err error
		if ed, err = newLineEditor(r.Out); err != nil {
			return fmt.Errorf("preparing the terminal: %w", err)
		}
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
		entry := oneLine(expr.Semicolons(text))
		ed.AppendHistory(entry)
		h.add(entry)
		if !r.line(ctx, text) {
			return r.exit()
		}
	}
}

// line runs one line, or an expression of several; it returns false where that ends the
// run.
func (r *runner) line(ctx context.Context, line string) bool {
	if before, help, ok := r.helpBehind(line); ok {
		return r.line(ctx, before) && r.line(ctx, help)
	}
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
	return !r.ended
}

// helpBehind splits a text of several lines before one that asks for help, with a blank behind the
// question mark, as the second line of a condition may begin: it asks for help where together with it
// the text is none.
func (r *runner) helpBehind(text string) (before, help string, ok bool) {
	for at := strings.IndexByte(text, '\n'); at >= 0; {
		before, help = text[:at], text[at+1:]
		if strings.HasPrefix(strings.TrimLeft(help, " \t"), "? ") {
			if _, err := r.Session.Block(text); err == nil || r.Session.IsExpression(text) {
				return "", "", false
			}
			return before, help, !syntax.Incomplete(before)
		}
		next := strings.IndexByte(help, '\n')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return "", "", false
}

// evaluate prints the result of one expression, or its error. It reports whether there
// was a whole result.
func (r *runner) evaluate(ctx context.Context, src string) bool {
	ctx, done := r.interruptible(ctx)
	defer done()
	if lets, body := r.Session.Lets(src); len(lets) > 0 {
		return r.let(ctx, lets, body)
	}
	parts := r.Session.Parts(src)
	if len(parts) == 1 {
		if statements, ok := r.Session.Statements(src); ok && r.notExpression(src, statements) {
			parts = statements
		}
	}
	whole := true
	for _, p := range parts {
		switch {
		case p.Script:
			if !r.block(ctx, p.Src) {
				return false
			}
		case p.Let != "":
			result, ok := r.result(ctx, p.Src)
			if !ok {
				return false
			}
			restore := r.Session.Keep(p.Let, result.Value)
			if !p.Keep {
				defer restore()
			}
			r.succeeded(statement{let: p.Let, src: p.Src})
		default:
			result, ok := r.result(ctx, p.Src)
			if !ok {
				return false
			}
			whole = r.show(ctx, result) && whole
			for _, name := range lastNames {
				r.Session.Set(name, result.Value)
			}
			r.last = true
			r.succeeded(statement{src: p.Src})
		}
		if ctx.Err() != nil {
			return false
		}
	}
	return whole
}

// notExpression reports whether a text is to be read as a script's statements: it is no expression,
// or begins with a word that begins a statement.
func (r *runner) notExpression(src string, statements []expr.Part) bool {
	return len(statements) == 1 && statements[0].Script || !r.Session.IsExpression(src)
}

// result evaluates an expression, or tells why not.
func (r *runner) result(ctx context.Context, src string) (expr.Result, bool) {
	if k := r.Session.Kernel(); k != nil {
		_, _ = k.ModulesAnew() // where that fails, what was known of them stands
	}
	result, err := r.Session.Eval(ctx, src)
	for _, w := range result.Warnings {
		fmt.Fprintln(r.Err, "warning:", w)
	}
	if err != nil {
		r.fail(err)
	}
	return result, err == nil
}

// block runs a statement that no expression is.
func (r *runner) block(ctx context.Context, src string) bool {
	script, err := r.Session.Block(src)
	if err != nil {
		r.fail(err)
		return false
	}
	result, err := script.RunBlock(ctx, expr.ScriptConfig{Out: r.Out, Err: r.Err, Format: r.Format, JSON: r.JSON})
	var at *expr.Error
	switch {
	case errors.As(err, &at):
		r.fail(err)
	case err != nil:
		r.wrote(err)
	}
	if result.Failed > 0 {
		r.failed = true
	}
	if result.Ended {
		r.ended, r.code = true, max(result.Code, 0)
	}
	if err == nil {
		r.succeeded(statement{src: src, block: true})
	}
	return err == nil && result.Failed == 0 && !result.Ended
}

// lastNames are the variables with the last result.
var lastNames = []string{"_", "$"}

// let keeps variables for the session.
func (r *runner) let(ctx context.Context, lets []expr.Let, body string) bool {
	for _, l := range lets {
		result, ok := r.result(ctx, body+l.Name)
		if !ok {
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
	switch {
	case expr.Misasked(err):
		r.fail(err)
	case err != nil:
		r.failed = true
		fmt.Fprintln(r.Err, "only a part could be read:", err)
	}
	return err == nil
}
