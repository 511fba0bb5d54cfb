package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"kinspect/expr/syntax"
)

// Incomplete reports whether a text wants another line: a bracket, a string or a
// comment is open, or an operator at its end lacks its right side.
func Incomplete(src string) bool { return syntax.Incomplete(src) }

func isWord(r rune) bool { return syntax.IsWord(r) }

func skipWord(src []rune, i int) int { return syntax.SkipWord(src, i) }

func skipString(src []rune, i int) int {
	end, _ := syntax.SkipString(src, i)
	return end
}

func skipComment(src []rune, i int) int {
	end, _ := syntax.SkipComment(src, i)
	return end
}

// parseError says in the user's terms what the parser stumbled over.
func (s *Session) parseError(text string, err error) *Error {
	var at *syntax.Error
	if !errors.As(err, &at) {
		return internal(err)
	}
	src := []rune(text)
	col := min(at.At, len(src))
	if at.Reason == syntax.Other || col < 0 || at.Reason == syntax.Ended && col < len(src) {
		return errorAt("", col, "%s", at.Msg)
	}
	if strings.HasPrefix(strings.TrimSpace(text), "# ") {
		return errorAt("", strings.IndexByte(text, '#'), "%s", noComment)
	}
	if e := s.bareWords(src, col); e != nil {
		return e
	}
	if e := s.foreignCommand(src, col); e != nil {
		return e
	}
	if e := s.noCast(src, col); e != nil {
		return e
	}
	if e := s.bareFunction(src, col); e != nil {
		return e
	}
	if e := stepError(src[:col]); e != nil {
		return e
	}
	if at.Reason == syntax.Ended {
		return errorAt("", col, "%s", at.Msg)
	}
	return errorAt("", col, "%s", hint(src, col))
}

// bareWords is the error for a call written as a shell has it, explain bond0.
func (s *Session) bareWords(src []rune, col int) *Error {
	words := strings.Fields(string(src))
	if len(words) < 2 || strings.TrimSpace(string(src[:col])) != words[0] {
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
func (s *Session) bareFunction(src []rune, col int) *Error {
	end := col
	for end > 0 && unicode.IsSpace(src[end-1]) {
		end--
	}
	name := wordBefore(src, end)
	start := end - len([]rune(name))
	before := strings.TrimRightFunc(string(src[:start]), unicode.IsSpace)
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

// stepError is the error for i++ and i--, which end what the parser took.
func stepError(src []rune) *Error {
	end := len(src)
	for end > 0 && (unicode.IsSpace(src[end-1]) || src[end-1] == ';') {
		end--
	}
	if end < 3 || src[end-1] != src[end-2] || src[end-1] != '+' && src[end-1] != '-' {
		return nil
	}
	op := src[end-1]
	name := wordBefore(src, end-2)
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		name = "x"
	}
	return errorAt("", end-2, "%c%c is not in the language: %s %c 1 is a number, and %[3]s = %[3]s %[4]c 1 sets a variable of a script or the prompt", op, op, name, op)
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

// hint says what stands at a column where it makes no sense, and what to write
// instead where it is C that the language does not have.
func hint(src []rune, col int) string {
	rest := string(src[col:])
	before := strings.TrimRight(string(src[:col]), " \t")
	has := func(op string) bool { return strings.HasPrefix(rest, op) }
	prev := func(op string) bool { return strings.HasSuffix(before, op) }
	switch {
	case (has(".") || has("[") || has("->") || has("?.")) && strings.HasSuffix(before, ")"):
		return pipeEnd(src, col)
	case (has(".") || has("#")) && (before == "" || strings.ContainsRune("([{,;:?=<>!&|+-*/%^", rune(before[len(before)-1]))):
		return fmt.Sprintf("%s is of the element that a predicate looks at, as in filter(LIST, …) or map(LIST, …): there is none here", elementAt(src[col:]))
	case has(":"):
		return ": does not fit here; a map as the result of a predicate needs braces of its own, { {key: value} }"
	case has("="):
		return "= alone means nothing here: == compares"
	case prev("struct") || prev("union") || prev("enum"):
		return "a type stands in brackets: (struct net_device *)x is a cast, sizeof(struct net_device) its size"
	}
	return fmt.Sprintf("%s does not fit here", wordAt(src[col:]))
}

// pipeEnd is the hint for a member or an element of what a pipe gives: the grammar
// ends the pipe's operand with the call.
func pipeEnd(src []rune, col int) string {
	name := "f"
	if i := openBrackets(src[:col]).closed; i > 0 && wordBefore(src, i) != "" {
		name = wordBefore(src, i)
	}
	access := "[0]"
	if src[col] != '[' {
		access = elementAt(src[col:])
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
