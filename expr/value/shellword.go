package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// shellPlain are the characters that mean nothing to a shell, wherever in a word they stand.
const shellPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@%"

// ShellWord is a text as one word of a command line: a shell passes its bytes on as they are, and the word can be
// printed on any terminal. It is quoted only where it has to be. What is no text is written as bash, zsh and ksh
// read it, $'\xff'.
func ShellWord(s string) string {
	switch {
	case s != "" && strings.Trim(s, shellPlain) == "":
		return s
	case Scrub(s) == s && !strings.ContainsAny(s, "\n\t"):
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		switch c := s[:n]; {
		case c == `\` || c == "'":
			b.WriteString(`\` + c)
		case c != "\n" && c != "\t" && Scrub(c) == c:
			b.WriteString(c)
		default:
			for i := range n {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		}
		s = s[n:]
	}
	b.WriteString("'")
	return b.String()
}
