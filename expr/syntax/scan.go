package syntax

import (
	"strings"
	"unicode"
)

// IsWord reports whether names can have the rune in them.
func IsWord(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// SkipWord returns where the word at i ends.
func SkipWord(src []rune, i int) int {
	for i < len(src) && IsWord(src[i]) {
		i++
	}
	return i
}

// SkipString returns where the string that starts at i ends, and whether it does:
// else it is the end of the text.
func SkipString(src []rune, i int) (end int, closed bool) {
	quote := src[i]
	for i++; i < len(src); i++ {
		switch {
		case src[i] == quote && quote == '`' && i+1 < len(src) && src[i+1] == '`':
			i++ // a doubled backtick is one
		case src[i] == quote:
			return i + 1, true
		case src[i] == '\\' && quote != '`':
			i++
		}
	}
	return len(src), false
}

// IsComment reports whether a comment starts at i.
func IsComment(src []rune, i int) bool {
	return src[i] == '/' && i+1 < len(src) && (src[i+1] == '/' || src[i+1] == '*')
}

// SkipComment returns where the comment at i ends, and whether it does.
func SkipComment(src []rune, i int) (end int, closed bool) {
	line := src[i+1] == '/'
	for i += 2; i < len(src); i++ {
		if line && src[i] == '\n' {
			return i + 1, true
		}
		if !line && src[i] == '*' && i+1 < len(src) && src[i+1] == '/' {
			return i + 2, true
		}
	}
	return len(src), line
}

// scanner makes tokens of a text.
type scanner struct {
	src   []rune
	toks  []Token
	depth int // of open brackets
}

// scan returns the tokens of a text, the last of which is an End.
func scan(src []rune) ([]Token, *Error) {
	s := scanner{src: src}
	for i := 0; i < len(src); {
		next, err := s.step(i)
		if err != nil {
			return nil, err
		}
		if len(s.toks) > 4*MaxNodes {
			return nil, tooLong()
		}
		i = next
	}
	s.toks = append(s.toks, Token{Kind: End, From: len(src), To: len(src)})
	return s.toks, nil
}

// step handles what stands at i and returns where the next token starts.
func (s *scanner) step(i int) (int, *Error) {
	r := s.src[i]
	switch {
	case unicode.IsSpace(r):
		return i + 1, nil
	case r == '\'' || r == '"' || r == '`':
		return s.text(i)
	case IsComment(s.src, i):
		end, closed := SkipComment(s.src, i)
		if !closed {
			return 0, &Error{At: end, Msg: "this comment has no end", Reason: Ended}
		}
		return end, nil
	case '0' <= r && r <= '9', r == '.' && i+1 < len(s.src) && isDigit(s.src[i+1]) && !s.afterOperand():
		return s.number(i)
	case IsWord(r):
		end := SkipWord(s.src, i)
		if end == i+1 && (r == 'b' || r == 'B') && end < len(s.src) && (s.src[end] == '\'' || s.src[end] == '"') {
			return 0, errorf(i, "b'…' strings are not in the language: leave out the b")
		}
		s.add(Token{Kind: Word, From: i, To: end, Text: string(s.src[i:end])})
		return end, nil
	}
	for _, p := range puncts {
		if !hasPrefix(s.src[i:], p) {
			continue
		}
		// a ?.5 : 1 is a condition and a number.
		if p == "?." && i+2 < len(s.src) && isDigit(s.src[i+2]) {
			continue
		}
		switch p {
		case "(", "[", "{":
			if s.depth++; s.depth > MaxNesting {
				return 0, errorf(i, "brackets nest deeper than %d", MaxNesting)
			}
		case ")", "]", "}":
			s.depth--
		}
		s.add(Token{Kind: Punct, From: i, To: i + len(p), Text: p})
		return i + len(p), nil
	}
	return 0, &Error{At: i, Msg: "this character does not fit here", Reason: Unexpected}
}

func (s *scanner) add(t Token) { s.toks = append(s.toks, t) }

// afterOperand reports whether an operand ends right before, so that a dot is that
// of a member.
func (s *scanner) afterOperand() bool {
	if len(s.toks) == 0 {
		return false
	}
	t := &s.toks[len(s.toks)-1]
	return t.Kind == Text || t.Kind == Word && !keywords[t.Text] || t.is(")", "]", "}", "#")
}

func hasPrefix(src []rune, p string) bool {
	if len(src) < len(p) {
		return false
	}
	for i := range len(p) {
		if src[i] != rune(p[i]) {
			return false
		}
	}
	return true
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// text reads a string.
func (s *scanner) text(i int) (int, *Error) {
	end, closed := SkipString(s.src, i)
	if !closed {
		return 0, &Error{At: i, Msg: "this string has no end", Reason: Ended}
	}
	body := string(s.src[i+1 : end-1])
	if s.src[i] == '`' {
		body = strings.ReplaceAll(body, "``", "`")
	} else {
		var ok bool
		if body, ok = unescape(body); !ok {
			return 0, errorf(i, `in a string \ starts an escape such as \n or \x1b: write \\ for a backslash`)
		}
	}
	s.add(Token{Kind: Text, From: i, To: end, Text: body})
	return end, nil
}
