package check

import (
	"strings"
	"unicode/utf8"

	"kinspect/expr/value"
)

// The width of text is not known without a font, and a page brings none. It is estimated, in the font's size, after a
// wide one (DejaVu Sans), so that what fits by the estimate fits in others, too.

// runeWidth is about how wide a character is.
func runeWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("iljI.,:;|'! ", r):
		return 0.34
	case strings.ContainsRune("()[]{}ftr/-", r):
		return 0.43
	case strings.ContainsRune("cksvxyz", r):
		return 0.59
	case strings.ContainsRune("mwMW@%→", r):
		return 0.96
	case r >= 'A' && r <= 'Z', strings.ContainsRune("&#+=<>~_", r):
		return 0.78
	case r >= 0x1100: // most of what is wide
		return 1.1
	case r >= 0x80:
		return 0.8
	}
	return 0.635
}

func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth(r)
	}
	return w
}

// fitLines breaks a text into at most most lines of a width in the font's size. It breaks at spaces, long words
// anywhere, and what is left over ends with an ellipsis.
func fitLines(text string, width float64, most int) []string {
	var lines []string
	line := ""
	flush := func() { lines, line = append(lines, line), "" }
	for _, word := range strings.Fields(hideAddresses(value.Scrub(text))) {
		if line != "" && textWidth(line+" "+word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			flush()
		}
		for textWidth(word) > width {
			head := fitting(word, width)
			lines, word = append(lines, head), word[len(head):]
			if len(lines) > most {
				break
			}
		}
		line = word
		if len(lines) > most {
			break
		}
	}
	if line != "" {
		flush()
	}
	if len(lines) > most {
		lines = lines[:most]
		last := lines[most-1]
		for last != "" && textWidth(last+"…") > width {
			_, n := utf8.DecodeLastRuneInString(last)
			last = last[:len(last)-n]
		}
		lines[most-1] = last + "…"
	}
	return lines
}

// fitting is as much of a word as fits, one character at least; it breaks behind an underscore where it can.
func fitting(word string, width float64) string {
	w := 0.0
	end, good := 0, 0
	for i, r := range word {
		if w += runeWidth(r); w > width && i > 0 {
			break
		}
		end = i + utf8.RuneLen(r)
		if r == '_' || r == '-' {
			good = end
		}
	}
	if good > end/2 {
		return word[:good]
	}
	return word[:max(end, 1)]
}
