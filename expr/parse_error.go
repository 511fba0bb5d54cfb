package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/expr-lang/expr/file"
)

// Messages of expr-lang's parser that are taken apart.
var (
	tokenText = regexp.MustCompile(`^unexpected token (\w+)(?:\((?s:.*)\))?$`)
	floatText = regexp.MustCompile(`^invalid float literal: .*parsing "([^"]*)": (.*)$`)
)

// parseError says in the user's terms what the parser stumbled over.
func (s *Session) parseError(src *source, err error) *Error {
	if errors.Is(err, errIncomplete) {
		return errorAt("", len(src.user), "%s", errIncomplete)
	}
	var at *file.Error
	if !errors.As(err, &at) {
		return internal(err)
	}
	col := min(at.From, len(src.user))
	m := tokenText.FindStringSubmatch(at.Message)
	switch {
	case m == nil:
		return s.messageError(src, col, at.Message)
	case m[1] == "EOF":
		col = len(src.user)
	}
	if e := s.bareWords(src, col); e != nil {
		return e
	}
	if e := s.bareFunction(src, col); e != nil {
		return e
	}
	if m[1] == "EOF" {
		return errorAt("", col, "%s", errIncomplete)
	}
	return errorAt("", col, "%s", hint(src, col))
}

// messageError puts the parser's other messages into our words.
func (s *Session) messageError(src *source, col int, msg string) *Error {
	if m := floatText.FindStringSubmatch(msg); m != nil {
		// The parser is past the number when it says so.
		if i := lastIndex(src.user[:min(col+1, len(src.user))], m[1]); i >= 0 {
			col = i
		}
		if strings.Contains(m[2], "range") {
			return errorAt("", col, "%s is too large for a number with a fraction: 1.8e308 is the limit", cut(m[1], 40))
		}
		return errorAt("", col, "%s is not a number", cut(m[1], 40))
	}
	switch {
	case msg == "literal not terminated":
		return errorAt("", stringStart(src), "this string has no end")
	case msg == "unexpected end of expression":
		return errorAt("", len(src.user), "%s", errIncomplete)
	case msg == "unclosed comment":
		return errorAt("", col, "this comment has no end")
	case strings.HasPrefix(msg, "unrecognized character"):
		return errorAt("", col, "%s", hint(src, col))
	case strings.HasPrefix(msg, "bad number syntax"):
		return errorAt("", col, "this is not a number")
	case strings.Contains(msg, "maximum allowed nodes"):
		return errorAt("", -1, "the expression is too long: it has more than 10000 operators, names and values")
	case strings.Contains(msg, "char escape"), strings.Contains(msg, "unescape"):
		return errorAt("", col, `in a string \ starts an escape such as \n or \x1b: write \\ for a backslash`)
	case strings.HasPrefix(msg, "expected at least"):
		if open := openBrackets(src.user[:col]).open; len(open) > 0 {
			if f, ok := s.functions[wordBefore(src.user, open[len(open)-1])]; ok {
				return errorAt("", col, "%s takes more than that: %s", f.Name, f.Signature)
			}
		}
	case msg == "expected name":
		return errorAt("", col, "the name of a member is missing")
	case msg == "wrap predicate with brackets { and }":
		return errorAt("", col, "a predicate of several expressions needs braces around it: { … }")
	case strings.Contains(msg, "coalesce expressions (??)"):
		return errorAt("", col, "?? and other operators need brackets: (a ?? b) + c")
	case strings.HasPrefix(msg, "a map key must be"):
		return errorAt("", col, "the key of a map is a name, a string or a number, or an expression in brackets: {(x): 1}")
	}
	return errorAt("", col, "%s", msg)
}

func lastIndex(src []rune, word string) int {
	i := strings.LastIndex(string(src), word)
	if i < 0 {
		return -1
	}
	return len([]rune(string(src)[:i]))
}

// bareWords is the error for a call written as a shell has it, explain bond0.
func (s *Session) bareWords(src *source, col int) *Error {
	words := strings.Fields(string(src.user))
	if len(words) < 2 || strings.TrimSpace(string(src.user[:col])) != words[0] {
		return nil
	}
	f, ok := s.functions[words[0]]
	if !ok || f.Call == nil {
		return nil
	}
	for _, w := range words[1:] {
		if strings.ContainsFunc(w, func(r rune) bool { return !isWord(r) && !strings.ContainsRune(".:-/@*", r) }) {
			return nil
		}
	}
	args := words[1:]
	if f.argKind(0) == TypeArg && f.MaxArgs == 1 { // struct net
		args = []string{strings.Join(args, " ")}
	}
	if f.MaxArgs >= 0 && len(args) > f.MaxArgs || len(args) < f.MinArgs {
		return nil
	}
	for i, a := range args {
		if _, err := strconv.ParseUint(a, 0, 64); err != nil && f.argKind(i) != AnyArg {
			args[i] = "'" + a + "'"
		}
	}
	return errorAt("", col, "a function takes its arguments in brackets: write %s(%s)", f.Name, strings.Join(args, ", "))
}

// bareFunction is the error for a function behind | without its brackets.
func (s *Session) bareFunction(src *source, col int) *Error {
	end := col
	for end > 0 && unicode.IsSpace(src.user[end-1]) {
		end--
	}
	name := wordBefore(src.user, end)
	start := end - len([]rune(name))
	before := strings.TrimRightFunc(string(src.user[:start]), unicode.IsSpace)
	if name == "" || !strings.HasSuffix(before, "|") || strings.HasSuffix(before, "||") {
		return nil
	}
	f, ok := s.functions[name]
	switch {
	case !ok && !isWord([]rune(name)[0]) || '0' <= name[0] && name[0] <= '9':
		return nil
	case !ok:
		return errorAt("", start, "%s", s.noFunction(name))
	case f.Call == nil || f.MinArgs > 1:
		return errorAt("", start, "%s needs its arguments in brackets, … | %s(…): %s", name, name, f.Signature)
	}
	return errorAt("", start, "a function behind | needs its brackets: write %s()", name)
}

// wordBefore is the word that ends before i.
func wordBefore(src []rune, i int) string {
	start := i
	for start > 0 && isWord(src[start-1]) {
		start--
	}
	return string(src[start:i])
}

// brackets are those of an expression, or of the beginning of one.
type brackets struct {
	open   []int // not closed, innermost last
	closed int   // where the pair begins that was closed last; -1 where none was
}

func openBrackets(src []rune) brackets {
	b := brackets{closed: -1}
	for i := 0; i < len(src); {
		switch r := src[i]; {
		case r == '\'' || r == '"' || r == '`':
			i = skipString(src, i)
			continue
		case r == '/' && i+1 < len(src) && (src[i+1] == '/' || src[i+1] == '*'):
			i = skipComment(src, i)
			continue
		case strings.ContainsRune("([{", r):
			b.open = append(b.open, i)
		case strings.ContainsRune(")]}", r) && len(b.open) > 0:
			b.closed = b.open[len(b.open)-1]
			b.open = b.open[:len(b.open)-1]
		}
		i++
	}
	return b
}

// lenders are functions of expr-lang's parser that take a predicate, of the same
// length as those of ours that it does not know to take one.
var lenders = map[string]string{"max": "sum", "min": "sum", "mean": "find"}

// maxLent bounds the parses of one expression.
const maxLent = 100

// lendPredicate renames, in the text that the parser sees, the call of max, min or
// mean in whose brackets err found a predicate's # or .member. It reports whether
// there was one. Within the predicate of another function the parser does not
// stumble: there # and .member are that one's.
func (s *source) lendPredicate(err error) bool {
	var at *file.Error
	if !errors.As(err, &at) || at.From >= len(s.user) || !strings.ContainsRune(".#", s.user[at.From]) {
		return false
	}
	open := openBrackets(s.user[:at.From]).open
	if len(open) == 0 {
		return false
	}
	paren := open[len(open)-1]
	name := wordBefore(s.user, paren)
	start := paren - len(name) // which is ASCII where it is a lender's
	to, ok := lenders[name]
	if _, lent := s.lent[start]; !ok || lent || len(s.lent) >= maxLent {
		return false
	}
	text := []rune(s.text)
	copy(text[start:], []rune(to))
	s.text = string(text)
	if s.lent == nil {
		s.lent = map[int]string{}
	}
	s.lent[start] = name
	return true
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
	case (has(".") || has("[") || has("->") || has("?.")) && strings.HasSuffix(before, ")"):
		return pipeEnd(src, col)
	case (has(".") || has("#")) && (before == "" || strings.ContainsRune("([{,;:?=<>!&|+-*/%^", rune(before[len(before)-1]))):
		return fmt.Sprintf("%s is of the element that a predicate looks at, as in filter(LIST, …) or map(LIST, …): there is none here", elementAt(src.user[col:]))
	case has(":"):
		return ": does not fit here; a map as the result of a predicate needs braces of its own, { {key: value} }"
	case has("="):
		return "= alone means nothing here: == compares"
	case prev("struct") || prev("union") || prev("enum"):
		return "types are written in quotes: cast('struct net_device *', x), sizeof('struct net_device')"
	}
	return fmt.Sprintf("%s does not fit here", wordAt(src.user[col:]))
}

// pipeEnd is the hint for a member or an element of what a pipe gives: the grammar
// ends the pipe's operand with the call.
func pipeEnd(src *source, col int) string {
	name := "f"
	if i := openBrackets(src.user[:col]).closed; i > 0 && wordBefore(src.user, i) != "" {
		name = wordBefore(src.user, i)
	}
	access := "[0]"
	if src.user[col] != '[' {
		access = elementAt(src.user[col:])
	}
	return fmt.Sprintf("what a pipe gives needs brackets around it before its members and elements: (… | %s(…))%s", name, access)
}

// elementAt is the member access that starts the rest, or the #.
func elementAt(rest []rune) string {
	i := 0
	for i < len(rest) && strings.ContainsRune(".#?->", rest[i]) {
		i++
	}
	end := skipWord(rest, i)
	return string(rest[:min(end, i+40)])
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
