package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// simpleEscapes are those of one letter.
var simpleEscapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '\'': '\'', '"': '"', '`': '`', '?': '?',
}

// unescape reads the escapes in the text between two quotes: those of C, and
// \u{…}. Line ends of all systems become \n. \xNN is one byte.
func unescape(s string) (string, bool) {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		n, ok := escape(&b, s[i+1:])
		if !ok {
			return "", false
		}
		i += 1 + n
	}
	return b.String(), true
}

// escape reads what follows a backslash, and returns its length.
func escape(b *strings.Builder, s string) (int, bool) {
	if s == "" {
		return 0, false
	}
	c := s[0]
	if v, ok := simpleEscapes[c]; ok && c != '0' {
		b.WriteByte(v)
		return 1, true
	}
	digits, skip := 0, 1
	switch c {
	case 'x', 'X':
		digits = 2
	case 'u':
		digits = 4
		if strings.HasPrefix(s, "u{") {
			end := strings.IndexByte(s, '}')
			if end < 3 || end > 8 {
				return 0, false
			}
			digits, skip = end-2, 2
		}
	case 'U':
		digits = 8
	default:
		return octal(b, s)
	}
	if len(s) < skip+digits {
		return 0, false
	}
	v, err := strconv.ParseUint(s[skip:skip+digits], 16, 32)
	if err != nil || v > utf8.MaxRune {
		return 0, false
	}
	if c == 'x' || c == 'X' {
		b.WriteByte(byte(v))
		return skip + digits, true
	}
	b.WriteRune(rune(v))
	if skip == 2 {
		digits++ // the closing brace
	}
	return skip + digits, true
}

// octal reads C's \0 to \377.
func octal(b *strings.Builder, s string) (int, bool) {
	n, v := 0, 0
	for n < len(s) && n < 3 && '0' <= s[n] && s[n] <= '7' {
		v = v*8 + int(s[n]-'0')
		n++
	}
	if n == 0 || v > 255 {
		return 0, false
	}
	b.WriteByte(byte(v))
	return n, true
}
