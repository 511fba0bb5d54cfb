package expr

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"kinspect/expr/syntax"
)

// Part is a statement of a text of several, on its own.
type Part struct {
	Src string
	// Let is the variable that Src is the value of, or empty. It is there for the parts behind
	// this one; Keep says that it stays beyond them, as in a script.
	Let  string
	Keep bool
	// Script says that Src is what scripts alone have: for, fn, print, x = … and the like.
	Script bool
}

// Parts splits a text at the semicolons outside of all brackets: each part has a result. A text of
// one expression is one part, its own let included, and so is one that is no expression.
func (s *Session) Parts(src string) []Part {
	whole := []Part{{Src: src}}
	tree, err := syntax.Parse(src, s.names())
	if err != nil {
		return whole
	}
	runes := []rune(src)
	text := func(n syntax.Node) string { w := n.Where(); return string(runes[w.From:w.To]) }
	var parts []Part
	results := 0
	var split func(n syntax.Node)
	split = func(n syntax.Node) {
		switch n := n.(type) {
		case *syntax.Let:
			if !n.Brackets {
				parts = append(parts, Part{Src: text(n.Value), Let: n.Name})
				split(n.Body)
				return
			}
		case *syntax.Seq:
			if !n.Brackets && !n.Comma {
				for _, part := range n.Nodes {
					split(part)
				}
				return
			}
		}
		parts = append(parts, Part{Src: text(n)})
		results++
	}
	split(tree.Root)
	if results < 2 {
		return whole
	}
	return parts
}

// Statements splits a text that is no expression into a script's statements; ok is false where
// it is none of these either. What begins with a word that only scripts have is a part even
// where it is wrong: to run it tells what.
func (s *Session) Statements(src string) (parts []Part, ok bool) {
	p, all, err := parseScript(src)
	if err != nil {
		return []Part{{Src: src, Script: true}}, startsStatement(src)
	}
	if len(all) == 0 || len(all) == 1 && all[0].word == "" {
		return nil, false
	}
	for _, st := range all {
		text := string(p.src[st.at:st.end])
		part := Part{Src: text, Script: true}
		switch st.word {
		case "":
			part.Script = false
		case "let":
			e := st.exprs[0]
			part = Part{Src: string(p.src[e.from:e.to]), Let: st.name, Keep: true}
		case "if":
			part.Script = !s.IsExpression(text)
		}
		parts = append(parts, part)
	}
	return parts, true
}

// startsStatement reports whether a text begins with a word that begins statements alone.
func startsStatement(src string) bool {
	src = strings.TrimSpace(src)
	word := string([]rune(src)[:syntax.SkipWord([]rune(src), 0)])
	if word == "let" || word == "if" || !statementWords[word] {
		return false
	}
	// A function that somebody calls so would be an expression.
	return !strings.HasPrefix(strings.TrimSpace(src[len(word):]), "(") || slices.Contains([]string{"for", "fn"}, word)
}

// IsExpression reports whether a text is one, whatever it would give.
func (s *Session) IsExpression(src string) bool {
	_, err := syntax.Parse(src, s.names())
	return err == nil
}

// Keep gives the session a variable until it is taken back to what it was.
func (s *Session) Keep(name string, v any) (restore func()) {
	old, had := s.variables[name]
	s.Set(name, v)
	return func() {
		if had {
			s.Set(name, old)
		} else {
			s.Unset(name)
		}
	}
}

// Semicolons is a text of a script's statements with a semicolon behind each that the end of its
// line ends, so that it may be written on one line. Any other text is as it was.
func Semicolons(src string) string {
	p, _, err := parseScript(src)
	if err != nil || len(p.breaks) == 0 {
		return src
	}
	var b strings.Builder
	from := 0
	for _, at := range p.breaks {
		b.WriteString(string(p.src[from:at]) + ";")
		from = at
	}
	return b.String() + string(p.src[from:])
}

// GoesOn reports whether a text that begins on a new line goes on with a statement before it:
// no expression begins as it does, as with a | or an operator, or it is the block that the
// statement lacks. Of the text, which may end anywhere, the first line with something on it is
// looked at.
func GoesOn(before, text string) bool {
	words := firstWords(text)
	if len(words) < 2 {
		return false
	}
	p := scriptParser{words: words}
	if words[0].Is("{") {
		p, _, err := parseScript(before)
		return err != nil && p != nil && p.headless
	}
	return p.continues(&words[0])
}

// firstWords are those of a text, without what is behind a string or a comment without an end.
func firstWords(text string) []syntax.Lexeme {
	src := []rune(text)
	words, err := syntax.Lexemes(src, 0, maxLexemes)
	var at *syntax.Error
	if errors.As(err, &at) && at.Reason == syntax.Ended && at.At < len(src) {
		words, err = syntax.Lexemes(src[:at.At], 0, maxLexemes)
	}
	if err != nil {
		return nil
	}
	return words
}

// IsBlank reports whether a text has nothing but blanks and comments, the last of which may lack its
// end.
func IsBlank(text string) bool {
	src := []rune(text)
	for i := 0; i < len(src); {
		switch {
		case unicode.IsSpace(src[i]):
			i++
		case syntax.IsComment(src, i):
			i, _ = syntax.SkipComment(src, i)
		default:
			return false
		}
	}
	return true
}

// WantsBlock reports whether a text ends with the head of a statement, as in for x in LIST, so that
// its block has to follow.
func (s *Session) WantsBlock(src string) bool {
	p, _, err := parseScript(src)
	if err == nil || p == nil || !p.headless {
		return false
	}
	head := p.head
	return head == nil || s.IsExpression(string(p.src[head.from:head.to]))
}

// IsComment reports whether a line has comments on it, and nothing else.
func IsComment(line string) bool {
	if strings.TrimSpace(line) == "" {
		return false
	}
	words, err := syntax.Lexemes([]rune(line), 0, maxLexemes)
	return err == nil && len(words) == 1
}
