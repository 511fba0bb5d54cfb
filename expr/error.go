package expr

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// Error is what is wrong with an expression, or with what it asked for, and
// where in its text. It wraps the error that caused it, such as a [kmem.Fault].
type Error struct {
	Msg    string // one or two lines for the person at the prompt
	Column int    // in runes from the start of Src; -1 where it is not known
	Src    string // the expression as it was written
	Err    error  // the cause, may be nil
}

// Error is the message alone.
func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Misasked reports whether an error that a result's writer returned is one of the expression,
// which the walk over a sequence found, and not of what could not be read.
func Misasked(err error) bool {
	var at *Error
	return errors.As(err, &at) && at.Column >= 0 && !value.IsFault(err)
}

// Caret is two lines that show the place of the error: the source line, and a
// caret under the column. It is empty where the place is not known.
func (e *Error) Caret() string {
	if e.Column < 0 || e.Src == "" {
		return ""
	}
	src := []rune(e.Src)
	at := min(e.Column, len(src))
	start, end := at, at
	for start > 0 && src[start-1] != '\n' {
		start--
	}
	for end < len(src) && src[end] != '\n' {
		end++
	}
	// Long lines are cut around the place.
	const around = 60
	head, tail := "", ""
	if at-start > around {
		start, head = at-around, "…"
	}
	if end-at > around {
		end, tail = at+around, "…"
	}
	before := head + printableLine(src[start:at])
	return before + printableLine(src[at:end]) + tail + "\n" +
		strings.Repeat(" ", len([]rune(before))) + "^"
}

// printableLine makes a line of the user's own text safe for a terminal, on which
// tabs are blanks.
func printableLine(line []rune) string {
	return strings.ReplaceAll(value.Scrub(string(line)), "\t", " ")
}

func errorAt(src string, column int, format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...), Column: column, Src: src}
}
