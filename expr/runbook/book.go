package runbook

import (
	"sort"

	"kinspect/expr"
)

// Limits of a book.
const (
	MaxFile    = 1 << 20 // bytes
	maxChecks  = 1000
	maxClauses = 100 // of a check, and of what stands above the first one
	maxName    = 64
	maxTitle   = 200
	maxLists   = 20 // expressions of one found or next
)

// Book is a file of checks.
type Book struct {
	Name   string // what errors call it
	Text   string // as it was written
	Checks []*Check

	prelude []clause // let and fn above the checks
	runes   []rune
	starts  []int // of the lines, in runes
}

// Check is one check of a book.
type Check struct {
	Name  string
	Title string

	lets   []clause
	when   *clause // texts: the condition, and why there is nothing to look at
	each   *clause
	labels []clause
	value  *clause
	holds  *clause
	max    *clause
	min    *clause
	unit   string
	found  *clause
	next   *clause
	at     int
}

// clause is a line of a book, with those that it goes on in.
type clause struct {
	word  string
	at    int    // of the word, in runes
	name  string // of let, fn and label
	texts []span // its expressions
}

// span is a piece of the book, in runes.
type span struct{ from, to int }

// Find is the check of that name, or nil.
func (b *Book) Find(name string) *Check {
	for _, c := range b.Checks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// failAt is an error with its place in the book.
func (b *Book) failAt(at int, err *expr.Error) *expr.ScriptError {
	e := *err
	e.Src, e.Column = b.Text, at
	out := &expr.ScriptError{Name: b.Name, Err: &e}
	if at >= 0 {
		out.Line = sort.SearchInts(b.starts, at+1)
		out.Column = at - b.starts[out.Line-1] + 1
	}
	return out
}

// failIn is an error of an expression that stands in the book from a rune on.
func (b *Book) failIn(from int, err *expr.Error) *expr.ScriptError {
	at := from
	if err.Column >= 0 {
		at += err.Column
	}
	return b.failAt(min(at, len(b.runes)), err)
}
