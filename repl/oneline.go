package repl

import (
	"strings"

	"kinspect/expr/syntax"
)

// oneLine is an expression of several lines on one, with the same meaning: comments are
// left out, and an end of line within a string is written \n. It is what the history keeps.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\n\r") {
		return text
	}
	src := []rune(text)
	var b strings.Builder
	blank := false // what stands between words: one blank
	word := func(s string) {
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteString(s)
	}
	for i := 0; i < len(src); {
		r := src[i]
		switch {
		case r == '\'' || r == '"' || r == '`':
			end, _ := syntax.SkipString(src, i)
			word(oneLineString(string(src[i:end])))
			i = end
		case syntax.IsComment(src, i):
			end, _ := syntax.SkipComment(src, i)
			blank = true
			i = end
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			blank = true
			i++
		default:
			word(string(r))
			i++
		}
	}
	return b.String()
}

// oneLineString is a string literal without an end of line in it.
func oneLineString(s string) string {
	if !strings.ContainsAny(s, "\n\r") {
		return s
	}
	if s[0] == '`' { // which knows no escapes
		s = strings.ReplaceAll(strings.Trim(s, "`"), "``", "`")
		s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(s)
}

// pasteMarks are what a terminal puts around text that is pasted, where it was told to
// (bracketed paste). A program that ran before may have left that on.
var pasteMarks = strings.NewReplacer("\x1b[200~", "", "\x1b[201~", "")

// typed is a line as it was meant: without the marks of a paste, whole or without
// the escape character, which an editor may have taken.
func typed(line string) string {
	line = pasteMarks.Replace(line)
	line = strings.TrimPrefix(line, "[200~")
	line = strings.TrimSuffix(line, "[201~")
	return strings.TrimRight(line, "\r")
}
