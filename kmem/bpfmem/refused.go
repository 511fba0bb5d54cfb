package bpfmem

import "strings"

// RefusedError tells why the kernel does not let its memory be read through BPF.
type RefusedError struct {
	Step string // what was tried
	Err  error  // what the kernel said
}

// The steps.
const (
	stepMap     = "making a map"
	stepProgram = "loading a program"
	stepRun     = "running the program"
)

// refusal is the error of a step.
func refusal(step string, err error) error { return &RefusedError{step, err} }

// Error is one line: of the verifier's words the last, which say what it did not like.
func (e *RefusedError) Error() string {
	const longest = 300
	text := strings.Join(strings.Fields(e.Err.Error()), " ")
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return e.Step + ": " + text
}

// Unwrap returns what the kernel said.
func (e *RefusedError) Unwrap() error { return e.Err }
