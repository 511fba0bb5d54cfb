package expr

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// NewJSONEncoder writes JSON that is safe for a terminal: beside what JSON itself wants
// escaped, the control and formatting characters of Unicode are \u escapes. They stand in
// strings alone, so that this changes no value.
func NewJSONEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(terminalJSON{w})
	enc.SetEscapeHTML(false)
	return enc
}

// terminalJSON escapes in what an encoder writes, which are whole values.
type terminalJSON struct{ w io.Writer }

// Write implements [io.Writer].
func (t terminalJSON) Write(b []byte) (int, error) {
	if _, err := t.w.Write(escapeJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func escapeJSON(b []byte) []byte {
	clean := true
	for _, c := range b {
		if c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case !unsafeRune(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// unsafeRune reports whether a terminal may do something else with a character beyond
// ASCII than show it.
func unsafeRune(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0xfeff || r >= 0xe0000
}

// jsonText is a string of the kernel as JSON has it: as it is, since JSON's own escapes
// are the encoder's to make. A byte that is not UTF-8 cannot stand in JSON, and is \xNN.
func jsonText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
