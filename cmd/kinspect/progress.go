package main

import (
	"fmt"
	"os"
	"time"

	"kinspect/expr/value"
	"kinspect/repl"
)

// progress shows how far a long job is, on a terminal alone.
type progress struct {
	a     *app
	what  string
	last  time.Time
	shown bool
}

// newProgress returns nil where nobody would see it.
func (a *app) newProgress(what string) *progress {
	if file, ok := a.stderr.(*os.File); !ok || !repl.IsTerminal(file) {
		return nil
	}
	return &progress{a: a, what: what, last: time.Now()}
}

// step tells how much is done; it says so four times a second, and not in the first half
// second.
func (p *progress) step(name string, done, all int64) {
	const soon, often = 500 * time.Millisecond, 250 * time.Millisecond
	wait := soon
	if p.shown {
		wait = often
	}
	if all <= 0 || time.Since(p.last) < wait {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.a.stderr, "\r\x1b[Kkinspect: %s %s: %d%%", p.what, value.Scrub(name), done*100/all)
}

// done wipes the line.
func (p *progress) done() {
	if p != nil && p.shown {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
	}
}
