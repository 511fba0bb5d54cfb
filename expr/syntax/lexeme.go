package syntax

import "unicode"

// Lexeme is a token for those who only look for where an expression ends: it is not
// known whether it makes sense. Text is as it is written.
type Lexeme struct {
	Kind     Kind // Word (numbers are words here, too), Text, Punct or End
	From, To int  // runes
	Text     string
	NewLine  bool // a line ends between the one before and this one
	Member   bool // the word behind a dot, or a #, which is no keyword there
}

// Is reports whether it is one of these operators, brackets or words.
func (l *Lexeme) Is(words ...string) bool {
	if l.Kind != Punct && (l.Kind != Word || l.Member) {
		return false
	}
	for _, w := range words {
		if l.Text == w {
			return true
		}
	}
	return false
}

// Lexemes splits a text that may be longer than an expression, and begins at rune
// from. The last one is an End. The error is an [*Error].
func Lexemes(src []rune, from, limit int) ([]Lexeme, error) {
	var out []Lexeme
	line := false
	for i := from; i < len(src); {
		r := src[i]
		l := Lexeme{From: i, NewLine: line}
		switch {
		case unicode.IsSpace(r):
			line = line || r == '\n'
			i++
			continue
		case IsComment(src, i):
			end, closed := SkipComment(src, i)
			if !closed {
				return nil, &Error{At: i, Msg: "this comment has no end", Reason: Ended}
			}
			for ; i < end; i++ {
				line = line || src[i] == '\n'
			}
			continue
		case r == '\'' || r == '"' || r == '`':
			end, closed := SkipString(src, i)
			if !closed {
				return nil, &Error{At: i, Msg: "this string has no end", Reason: Ended}
			}
			l.Kind, l.To = Text, end
		case IsWord(r):
			l.Kind, l.To = Word, SkipWord(src, i)
			l.Member = len(out) > 0 && out[len(out)-1].Is(".", "->", "?.", "#")
		default:
			l.Kind, l.To = Punct, i+1
			for _, p := range puncts {
				if hasPrefix(src[i:], p) {
					l.To = i + len(p)
					break
				}
			}
		}
		l.Text = string(src[i:l.To])
		i, line = l.To, false
		if out = append(out, l); len(out) > limit {
			return nil, errorf(i, "the text is too long: it has more than %d words", limit)
		}
	}
	return append(out, Lexeme{Kind: End, From: len(src), To: len(src), NewLine: true}), nil
}

// IsKeyword reports whether a word of the language cannot be a name.
func IsKeyword(word string) bool { return keywords[word] }

// WantsMore reports whether an expression cannot end with this: the next line
// belongs to it.
func (l *Lexeme) WantsMore() bool {
	if l.Is("=", "->", ".", "?.", "?", ":", ",", "!", "~", "let", "else", "not", "if") {
		return true
	}
	_, operator := precedence[l.Text]
	return operator && l.Is(l.Text)
}

// Continues reports whether no expression can begin with this: on a new line, it
// belongs to the line before.
func (l *Lexeme) Continues() bool {
	if l.Is("->", ".", "?.", "?", ":", ",", "else", ")", "]") {
		return true
	}
	_, operator := precedence[l.Text]
	return operator && l.Is(l.Text) && !l.Is("+", "-", "*", "&", "**")
}
