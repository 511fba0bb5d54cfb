// Package repl is kinspect's prompt: it reads expressions line by line, evaluates
// them, and prints results, errors and help.
//
// On a terminal it edits lines, completes with Tab and keeps a history between
// runs; there Ctrl-C ends an evaluation alone, and clears the line at the prompt.
// Otherwise it reads lines of any input, prints no prompt, and tells at the end
// whether one failed, so that a pipe can be a script.
//
// What it prints is safe for a terminal. A [Run] uses the session that it is
// given from one goroutine at a time.
package repl
