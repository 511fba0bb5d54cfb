package expr

import (
	"errors"
	"runtime"
	"strings"

	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// compile turns an expression into a program for expr-lang's machine.
func (s *Session) compile(text string) (*vm.Program, *Error) {
	src, err := scan(text)
	if err != nil {
		return nil, err
	}
	tree, err := s.parse(src)
	if err != nil {
		return nil, err
	}
	r := rewriter{s: s, src: src}
	tree.Node = r.node(tree.Node)
	if r.err != nil {
		return nil, r.err
	}
	// expr-lang's type checker is left out: after the rewrite it has nothing to
	// say that our functions do not say better.
	program, cerr := compiler.Compile(tree, s.machineConfig())
	if cerr != nil {
		return nil, internal(cerr)
	}
	return program, nil
}

// parse calls expr-lang's parser. Where it stumbles over a predicate of max, min or
// mean, to which it gives none, it gets to see a function that has one instead.
func (s *Session) parse(src *source) (*parser.Tree, *Error) {
	for {
		tree, err := parse(src.text)
		if err == nil {
			return tree, nil
		}
		if !src.lendPredicate(err) {
			return nil, s.parseError(src, err)
		}
	}
}

// errIncomplete is what an incomplete expression is to a parser that panics.
var errIncomplete = errors.New("the expression is not complete")

// parse is expr-lang's parser, which panics on some incomplete expressions.
func parse(text string) (tree *parser.Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			tree, err = nil, errIncomplete
		}
	}()
	return parser.Parse(text)
}

// internal is the error for what should not happen, without the stack that
// expr-lang adds.
func internal(err error) *Error {
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return &Error{Msg: "internal error: " + msg, Column: -1, Err: err}
}

// runError is the error of a program that ran: that of the function that failed,
// at the place of its call.
func runError(err error) *Error {
	var at *file.Error
	if !errors.As(err, &at) {
		return internal(err)
	}
	var bug runtime.Error
	switch cause := at.Prev; {
	case errors.As(err, &bug):
		return &Error{Msg: "internal error: " + at.Message, Column: at.From, Err: bug}
	case cause != nil:
		return &Error{Msg: cause.Error(), Column: at.From, Err: cause}
	case at.Message == "memory budget exceeded":
		return &Error{Msg: "the expression needs too much memory: it makes too many list elements", Column: at.From}
	}
	return &Error{Msg: at.Message, Column: at.From}
}
