package repl

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/peterh/liner"
	"golang.org/x/term"
)

// errAborted is what [Editor.Prompt] returns for Ctrl-C.
var errAborted = errors.New("aborted")

// Editor edits lines on a terminal.
type Editor interface {
	// Prompt reads one line. The error is io.EOF at Ctrl-D, errAborted at Ctrl-C.
	Prompt(prompt string) (string, error)
	AppendHistory(line string)
	SetCompleter(func(line string, pos int) (head string, completions []string, tail string))
	// Close gives the terminal back as it was.
	Close() error
}

// IsTerminal reports whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// lineEditor is liner's.
type lineEditor struct{ *liner.State }

func newLineEditor() Editor {
	s := liner.NewLiner()
	s.SetCtrlCAborts(true)
	s.SetTabCompletionStyle(liner.TabPrints)
	s.SetBeep(false)
	return lineEditor{s}
}

// Prompt implements [Editor].
func (e lineEditor) Prompt(prompt string) (string, error) {
	line, err := e.State.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", errAborted
	}
	return line, err
}

// SetCompleter implements [Editor].
func (e lineEditor) SetCompleter(f func(string, int) (string, []string, string)) {
	e.SetWordCompleter(f)
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
