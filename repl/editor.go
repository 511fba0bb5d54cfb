package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"unicode/utf8"

	"github.com/peterh/liner"
	"golang.org/x/term"

	"kinspect/expr"
)

// errAborted is what [Editor.Prompt] returns for Ctrl-C.
var errAborted = errors.New("aborted")

// completeFunc completes the word before pos, which counts runes: the line is head,
// one of the candidates, and tail.
type completeFunc func(line string, pos int) (head string, candidates []expr.Candidate, tail string)

// Editor edits lines on a terminal.
type Editor interface {
	// Prompt reads one line. The error is io.EOF at Ctrl-D, errAborted at Ctrl-C.
	Prompt(prompt string) (string, error)
	AppendHistory(line string)
	SetCompleter(f completeFunc)
	// Suspend gives the terminal to another program until resume is called.
	Suspend() (resume func())
	// Ahead is the text that was pasted behind the line that was read last, without an end where that
	// has none yet. It is read all the same.
	Ahead() string
	// Close gives the terminal back as it was.
	Close() error
}

// IsTerminal reports whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// TerminalSize is the size of a terminal in characters, 80 by 24 where it does not tell.
func TerminalSize(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// lineEditor is liner's, with what is pasted recognised before it. On a terminal that liner
// cannot edit lines on, and where there is no room for it, the terminal does that itself.
type lineEditor struct {
	*liner.State
	before liner.ModeApplier // the terminal as it was, or nil
	out    io.Writer
	keys   *keyboard
	lines  bool        // the terminal edits
	marks  atomic.Bool // the terminal was told to mark pastes
}

func newLineEditor(out io.Writer) (Editor, error) {
	before, err := liner.TerminalMode()
	if err != nil {
		before = nil
	}
	keys, err := newKeyboard(int(os.Stdin.Fd()))
	if err != nil {
		return nil, err
	}
	// Liner reads what os.Stdin is while it starts, and asks descriptor 0 for everything else.
	terminal := os.Stdin
	os.Stdin = keys.in
	s := liner.NewLiner()
	os.Stdin = terminal
	s.SetCtrlCAborts(true)
	s.SetTabCompletionStyle(liner.TabPrints)
	s.SetBeep(false)
	return &lineEditor{State: s, before: before, out: out, keys: keys}, nil
}

// room is how many columns liner wants beside the prompt.
const room = 10

// Prompt implements [Editor].
func (e *lineEditor) Prompt(prompt string) (string, error) {
	e.lines = !liner.TerminalSupported()
	if cols, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && cols < utf8.RuneCountInString(prompt)+room {
		e.lines = true
	}
	if e.lines {
		resume := e.Suspend()
		defer resume()
		fmt.Fprint(os.Stdout, prompt)
		return e.keys.line()
	}
	e.mark(true)
	defer e.mark(false)
	line, err := e.keys.during(func() (string, error) { return e.State.Prompt(prompt) })
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", errAborted
	}
	return line, err
}

// mark tells the terminal whether to mark what is pasted. Others that read from it, such as a pager,
// and the shell do not expect that.
func (e *lineEditor) mark(on bool) {
	if e.marks.Swap(on) == on {
		return
	}
	if on {
		fmt.Fprint(os.Stdout, "\x1b[?2004h")
	} else {
		fmt.Fprint(os.Stdout, "\x1b[?2004l")
	}
}

// Ahead implements [Editor].
func (e *lineEditor) Ahead() string { return e.keys.ahead(e.lines) }

// Close implements [Editor].
func (e *lineEditor) Close() error {
	e.mark(false)
	return e.State.Close()
}

// Suspend implements [Editor].
func (e *lineEditor) Suspend() func() {
	now, err := liner.TerminalMode()
	if err != nil || e.before == nil {
		return func() {}
	}
	_ = e.before.ApplyMode()
	return func() { _ = now.ApplyMode() }
}

// SetCompleter implements [Editor]. Where what all candidates begin with is more than what
// was typed, that is completed; else they are listed, with their notes. So liner, which
// lists names alone, always gets one candidate.
func (e *lineEditor) SetCompleter(f completeFunc) {
	e.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		runes := []rune(line)
		head, candidates, tail := f(line, pos)
		if len(candidates) == 0 {
			return head, nil, tail
		}
		word := string(runes[len([]rune(head)):pos])
		common := commonPrefix(candidates)
		if len(candidates) > 1 && len(common) <= len(word) {
			cols, rows := TerminalSize(os.Stdout)
			fmt.Fprint(e.out, "\n", candidateTable(candidates, cols, rows))
			common = word
		}
		return head, []string{common}, tail
	})
}

func commonPrefix(candidates []expr.Candidate) string {
	common := candidates[0].Text
	for _, c := range candidates[1:] {
		n := 0
		for n < len(common) && n < len(c.Text) && common[n] == c.Text[n] {
			n++
		}
		common = common[:n]
	}
	return common
}

// restoreOnEnd gives the terminal back where the process is told to end, which
// liner leaves without echo otherwise. The returned function stops that.
func restoreOnEnd(ed Editor) func() {
	ends := make(chan os.Signal, 1)
	stop := make(chan struct{})
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-ends:
			_ = ed.Close()
			os.Exit(128 + int(s.(syscall.Signal))) // as a shell reports a death by signal
		case <-stop:
		}
	}()
	return func() {
		signal.Stop(ends)
		close(stop)
	}
}
