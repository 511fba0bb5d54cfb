package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

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
	// Close gives the terminal back as it was.
	Close() error
}

// IsTerminal reports whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// lineEditor is liner's.
type lineEditor struct {
	*liner.State
	before liner.ModeApplier // the terminal as it was, or nil
	out    io.Writer
}

func newLineEditor(out io.Writer) Editor {
	before, err := liner.TerminalMode()
	if err != nil {
		before = nil
	}
	s := liner.NewLiner()
	s.SetCtrlCAborts(true)
	s.SetTabCompletionStyle(liner.TabPrints)
	s.SetBeep(false)
	return lineEditor{s, before, out}
}

// Prompt implements [Editor].
func (e lineEditor) Prompt(prompt string) (string, error) {
	line, err := e.State.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", errAborted
	}
	return line, err
}

// Suspend implements [Editor].
func (e lineEditor) Suspend() func() {
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
func (e lineEditor) SetCompleter(f completeFunc) {
	e.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		runes := []rune(line)
		if e.pasting() { // a tab within what is pasted is a blank
			return string(runes[:pos]), []string{" "}, string(runes[pos:])
		}
		head, candidates, tail := f(line, pos)
		if len(candidates) == 0 {
			return head, nil, tail
		}
		word := string(runes[len([]rune(head)):pos])
		common := commonPrefix(candidates)
		if len(candidates) > 1 && len(common) <= len(word) {
			cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				cols, rows = 80, 24
			}
			fmt.Fprint(e.out, "\n", candidateTable(candidates, cols, rows))
			common = word
		}
		return head, []string{common}, tail
	})
}

// pasting reports whether more was typed than a person can: behind the key that is
// looked at, others wait.
func (e lineEditor) pasting() bool {
	next := reflect.ValueOf(e.State).Elem().FieldByName("next")
	if next.Kind() != reflect.Chan {
		return false // another liner
	}
	for range 3 { // it is filled by a goroutine, which may be behind
		if next.Len() > 0 {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
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
