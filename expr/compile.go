package expr

import (
	"errors"
	"fmt"
	"regexp"
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
	tree, err := parse(src)
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

// parse calls expr-lang's parser, which panics on some incomplete expressions.
func parse(src *source) (tree *parser.Tree, err *Error) {
	defer func() {
		if r := recover(); r != nil {
			tree, err = nil, errorAt("", len(src.user), "the expression is not complete")
		}
	}()
	tree, perr := parser.Parse(src.text)
	if perr != nil {
		return nil, parseError(src, perr)
	}
	return tree, nil
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

// tokenText takes the token out of messages of expr-lang's parser.
var tokenText = regexp.MustCompile(`^unexpected token (\w+)(?:\((?s:.*)\))?$`)

// parseError says in the user's terms what the parser stumbled over.
func parseError(src *source, err error) *Error {
	var at *file.Error
	if !errors.As(err, &at) {
		return internal(err)
	}
	col := min(at.From, len(src.user))
	m := tokenText.FindStringSubmatch(at.Message)
	if m == nil {
		msg := at.Message
		switch {
		case msg == "literal not terminated":
			return errorAt("", stringStart(src), "this string has no end")
		case strings.HasPrefix(msg, "unrecognized character"):
			return errorAt("", col, "%s", hint(src, col))
		case msg == "wrap predicate with brackets { and }":
			msg = "a predicate of several expressions needs braces around it: { … }"
		}
		return errorAt("", col, "%s", msg)
	}
	if m[1] == "EOF" {
		return errorAt("", len(src.user), "the expression is not complete")
	}
	return errorAt("", col, "%s", hint(src, col))
}

// stringStart finds the string that does not end.
func stringStart(src *source) int {
	for i := 0; i < len(src.user); {
		switch r := src.user[i]; {
		case r == '\'' || r == '"' || r == '`':
			end := skipString(src.user, i)
			if end == len(src.user) && (end == i+1 || src.user[end-1] != r) {
				return i
			}
			i = end
		case r == '/' && i+1 < len(src.user) && (src.user[i+1] == '/' || src.user[i+1] == '*'):
			i = skipComment(src.user, i)
		default:
			i++
		}
	}
	return len(src.user)
}

// hint says what stands at a column where it makes no sense, and what to write
// instead where it is C that the language does not have.
func hint(src *source, col int) string {
	rest := string(src.user[col:])
	before := strings.TrimRight(string(src.user[:col]), " \t")
	has := func(op string) bool { return strings.HasPrefix(rest, op) }
	prev := func(op string) bool { return strings.HasSuffix(before, op) }
	switch {
	case has("<<") || has("<") && prev("<"):
		return "<< is not an operator here: bitshl(a, n)"
	case has(">>") || has(">") && prev(">"):
		return ">> is not an operator here: bitshr(a, n)"
	case has("&&") || has("||"):
	case has("&"):
		return "& is not an operator here: bitand(a, b), or addr(x) for the address of x"
	case has("~"):
		return "~ is not an operator here: bitnot(a)"
	case prev("|"):
		return "| passes a value on to a function, as in list | filter(…): the bitwise operator is bitor(a, b)"
	case has("*"):
		return "* here: deref(p) is what p points to"
	case has(":"):
		return ": does not fit here; a map as the result of a predicate needs braces of its own, { {key: value} }"
	case has("="):
		return "= alone means nothing here: == compares"
	case prev("struct") || prev("union") || prev("enum"):
		return "types are written in quotes: cast('struct net_device *', x), sizeof('struct net_device')"
	}
	return fmt.Sprintf("%s does not fit here", wordAt(src.user[col:]))
}

// wordAt names the first word or character of the rest.
func wordAt(rest []rune) string {
	if len(rest) == 0 {
		return "the end"
	}
	if end := skipWord(rest, 0); end > 0 {
		return string(rest[:min(end, 40)])
	}
	return fmt.Sprintf("%q", string(rest[:1]))
}
