package btf

import "strconv"

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokIdent
	tokNumber
	tokPunct
)

// token is a piece of the text of a C type; at is its offset in bytes.
type token struct {
	kind tokenKind
	text string
	at   int
}

// String names the token as an error message has it.
func (t token) String() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return strconv.Quote(t.text)
}

type typeLexer struct {
	src string
	pos int
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (l *typeLexer) skipSpace() {
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t' || l.src[l.pos] == '\n') {
		l.pos++
	}
}

// peekIs reports whether the next character is one of the two.
func (l *typeLexer) peekIs(a, b byte) bool {
	l.skipSpace()
	return l.pos < len(l.src) && (l.src[l.pos] == a || l.src[l.pos] == b)
}

func (l *typeLexer) next() token {
	l.skipSpace()
	start := l.pos
	if start == len(l.src) {
		return token{at: start}
	}
	kind := tokPunct
	switch c := l.src[start]; {
	case isLetter(c), isDigit(c):
		kind = tokIdent
		if isDigit(c) {
			kind = tokNumber
		}
		for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
			l.pos++
		}
	case len(l.src)-start >= 3 && l.src[start:start+3] == "...":
		l.pos += 3
	default:
		l.pos++
	}
	return token{kind, l.src[start:l.pos], start}
}
