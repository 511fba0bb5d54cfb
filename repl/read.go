package repl

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"kinspect/expr"
	"kinspect/expr/syntax"
)

// read reads a line, and more of them while they are not a complete expression, or go on
// with it. It returns nothing where Ctrl-C dropped them.
func (r *runner) read(ed Editor) (string, error) {
	defer func() { r.pending = "" }()
	text, err := r.readOne(ed, "")
	// Of what is pasted, the next line may go on with this one.
	for err == nil && text != "" && r.goesOn(text, ed.Ahead()) {
		text, err = r.readOne(ed, text)
	}
	return text, err
}

// readOne reads a line that goes on with those before it, and more of them while they are not
// complete.
func (r *runner) readOne(ed Editor, before string) (string, error) {
	r.pending = before
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
		if !syntax.Incomplete(r.pending) && !r.Session.WantsBlock(r.pending) {
			return r.pending, nil
		}
	}
}

// goesOn reports whether a line, or the first of several, belongs to the expression of the lines
// before it.
func (r *runner) goesOn(before, line string) bool {
	trimmed := strings.TrimSpace(before)
	if trimmed == "" || strings.TrimSpace(line) == "" || len(before)+len(line) > maxLine || strings.HasPrefix(trimmed, "?") || strings.HasPrefix(strings.TrimSpace(line), "?") && !strings.HasPrefix(strings.TrimSpace(line), "? ") {
		return false
	}
	if _, _, command := r.command(trimmed); command {
		return false
	}
	return expr.GoesOn(before, line)
}

// complete1 reports whether one line is all that there is to come.
func (r *runner) complete1(line string) bool {
	if strings.HasPrefix(strings.TrimSpace(line), "?") || !syntax.Incomplete(line) && !r.Session.WantsBlock(line) {
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
