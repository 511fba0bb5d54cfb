package repl

import "bytes"

// What a terminal puts around text that is pasted, where it was told to (bracketed paste).
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

const (
	keyCtrlC  = 3
	keyTab    = '\t'
	keyEscape = 0x1b
	keyDelete = 0x7f
)

// typeahead is what a terminal sent and nobody has read yet. A line at a time leaves it: what
// is behind that can be looked at before the line is evaluated.
type typeahead struct {
	buf   []byte
	paste bool // buf begins within a paste
	cr    bool // a paste's \r was taken last: a \n behind it ends no other line
}

// take is what a line editor gets next: to the end of a line, which is \n, or to Ctrl-C;
// ended tells that it goes no further. The beginning of what may become a mark stays,
// unless all is asked for: then no more comes. The marks are left out, and so are control
// characters within a paste. A tab is a blank there, and where more follows at once, as
// nobody types; so it completes nothing.
func (k *typeahead) take(all bool) (out []byte, ended bool) {
	i := 0
	defer func() { k.buf = append(k.buf[:0], k.buf[i:]...) }()
	for i < len(k.buf) {
		c, rest := k.buf[i], k.buf[i:]
		if n, is := mark(rest); is {
			k.paste = string(rest[:n]) == pasteBegin
			k.cr = false
			i += n
			continue
		} else if n > 0 && !all {
			return out, false
		}
		i++
		after := k.cr
		k.cr = false
		switch {
		case c == '\n' && after:
		case c == '\r' || c == '\n':
			if c == '\r' && i < len(k.buf) && k.buf[i] == '\n' {
				i++
			} else {
				k.cr = c == '\r' && k.paste
			}
			return append(out, '\n'), true
		case c == keyTab && (k.paste || i < len(k.buf)):
			out = append(out, ' ')
		case k.paste && controlKey(c):
		case c == keyCtrlC:
			return append(out, c), true
		default:
			out = append(out, c)
		}
	}
	return out, false
}

func controlKey(c byte) bool { return c < ' ' || c == keyDelete }

// mark is the length of a paste's mark that a text begins with. Where it is but the
// beginning of one, and ends there, is is false.
func mark(text []byte) (n int, is bool) {
	if len(text) == 0 || text[0] != keyEscape {
		return 0, false
	}
	for _, m := range []string{pasteBegin, pasteEnd} {
		if len(text) >= len(m) && string(text[:len(m)]) == m {
			return len(m), true
		}
		if len(text) < len(m) && m[:len(text)] == string(text) {
			return len(text), false
		}
	}
	return 0, false
}

// waiting is the text that waits, to the end of its paste or to a key that is no text;
// open tells that the end of the paste is not there yet.
func (k *typeahead) waiting() (text string, open bool) {
	var b bytes.Buffer
	paste := k.paste
	for i := 0; i < len(k.buf); {
		c, rest := k.buf[i], k.buf[i:]
		if n, is := mark(rest); is {
			was := paste
			paste = string(rest[:n]) == pasteBegin
			i += n
			if was && !paste && b.Len() > 0 {
				break
			}
			continue
		}
		i++
		switch {
		case c == '\r' && i < len(k.buf) && k.buf[i] == '\n':
		case c == '\n' && i == 1 && k.cr:
		case c == '\r' || c == '\n':
			b.WriteByte('\n')
		case c == keyTab:
			b.WriteByte(' ')
		case controlKey(c) && paste:
		case controlKey(c):
			return b.String(), false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), paste
}
