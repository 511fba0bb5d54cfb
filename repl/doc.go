// Package repl is kinspect's prompt: it reads expressions, evaluates them, and prints
// results, errors and help.
//
// On a terminal it edits lines, completes with Tab and keeps a history between
// runs; there Ctrl-C ends an evaluation alone, and drops what is typed at the prompt. An
// expression that is not complete goes on with the next line. What is longer than the
// screen goes through a pager, and to leave that ends the evaluation. Otherwise it reads
// lines of any input, prints no prompt, and tells at the end whether one failed, so that a
// pipe can be a script.
//
// Some words are commands: rows of one table, which say what they stand for in the
// language, or what they do at the prompt. Help, completion and tests go through it. A word
// is a command only where it cannot begin an expression.
//
// What it prints is safe for a terminal. A [Run] uses the session that it is
// given from one goroutine at a time.
package repl
