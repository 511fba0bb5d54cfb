package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Printable makes bytes of the kernel safe for a terminal: control characters
// (of C0, C1 and Unicode's formatting ones) and broken UTF-8 become \x escapes,
// and a backslash is doubled, so that two different strings never look alike.
func Printable(s string) string {
	clean := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f || s[i] == '\\' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < 0x20, r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r >= 0x80 && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
			r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xe0000:
			for i := range n {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// Quote is [Printable] in double quotes, as C writes a string.
func Quote(s string) string {
	return `"` + strings.ReplaceAll(Printable(s), `"`, `\"`) + `"`
}

// Scrub makes a text of ours safe for a terminal, whatever names from a kernel it
// has picked up. Unlike [Printable] it keeps line ends, tabs and backslashes.
func Scrub(s string) string {
	clean := true
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	// Most of it is clean, but for an ellipsis here and there.
	var b strings.Builder
	b.Grow(len(s) + 16)
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		b.WriteString(s[from:i])
		b.WriteString(Printable(s[i : i+n]))
		i += n
		from = i
	}
	b.WriteString(s[from:])
	return b.String()
}
