package syntax

import "fmt"

// Error says where a text is not an expression, and why.
type Error struct {
	At     int // in runes; -1 where it is the text as a whole
	Msg    string
	Reason Reason
}

// Reason tells errors apart that are explained further by who knows the functions.
type Reason uint8

// The reasons.
const (
	Other      Reason = iota
	Unexpected        // a token that does not fit where it stands
	Ended             // the text ends too early
)

// Error is the message.
func (e *Error) Error() string { return e.Msg }

func errorf(at int, format string, args ...any) *Error {
	return &Error{At: at, Msg: fmt.Sprintf(format, args...)}
}
