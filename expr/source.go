package expr

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kinspect/expr/value"
)

// Limits of one expression's text. expr-lang's parser and our own passes recurse,
// and Go cannot recover from an exhausted stack.
const (
	maxSource  = 64 << 10 // bytes
	maxNesting = 200      // open brackets
)

// source is an expression in two forms: as the user wrote it, and as expr-lang's
// lexer gets it. Both have the same number of runes, so that a location in one is
// a location in the other.
type source struct {
	user  []rune
	text  string
	nums  map[int]value.Num // literals that text replaces by an identifier, by rune
	lent  map[int]string    // calls that text has under another name, see lendPredicate
	depth int               // of open brackets, while scanning
}

// scan prepares an expression:
//
//   - "->" becomes ". ";
//   - an integer literal that expr-lang cannot parse (above int64, or with one of
//     C's suffixes), or that it would give the wrong type (0xffffffff is unsigned
//     in C), becomes an identifier of the same length.
//
// Strings and comments stay as they are.
func scan(src string) (*source, *Error) {
	if len(src) > maxSource {
		return nil, errorAt("", -1, "the expression is %d bytes long: %d is the limit", len(src), maxSource)
	}
	if !utf8.ValidString(src) {
		return nil, errorAt("", -1, "the expression is not valid UTF-8")
	}
	s := &source{user: []rune(src), nums: map[int]value.Num{}}
	out := []rune(src)
	for i := 0; i < len(out); {
		next, err := s.step(out, i)
		if err != nil {
			err.Src = src
			return nil, err
		}
		i = next
	}
	s.text = string(out)
	return s, nil
}

// step handles the token at i and returns where the next one starts.
func (s *source) step(out []rune, i int) (int, *Error) {
	r := out[i]
	next := rune(0)
	if i+1 < len(out) {
		next = out[i+1]
	}
	switch {
	case r == '\'' || r == '"' || r == '`':
		return skipString(out, i), nil
	case r == '/' && (next == '/' || next == '*'):
		return skipComment(out, i), nil
	case r == '-' && next == '>':
		out[i], out[i+1] = '.', ' '
		return i + 2, nil
	case strings.ContainsRune("([{", r):
		if s.depth++; s.depth > maxNesting {
			return 0, errorAt("", i, "brackets nest deeper than %d", maxNesting)
		}
	case strings.ContainsRune(")]}", r):
		s.depth--
	case '0' <= r && r <= '9':
		return s.number(out, i)
	case r == '.' && '0' <= next && next <= '9':
		return skipWord(out, i+1), nil // a float, or an error that the parser tells
	case isWord(r):
		return skipWord(out, i), nil
	}
	return i + 1, nil
}

func isWord(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func skipWord(out []rune, i int) int {
	for i < len(out) && isWord(out[i]) {
		i++
	}
	return i
}

func skipString(out []rune, i int) int {
	quote := out[i]
	for i++; i < len(out); i++ {
		switch {
		case out[i] == quote:
			return i + 1 // a doubled backtick is two strings in a row to us, which is the same
		case out[i] == '\\' && quote != '`':
			i++
		}
	}
	return len(out)
}

func skipComment(out []rune, i int) int {
	line := out[i+1] == '/'
	for i += 2; i < len(out); i++ {
		if line && out[i] == '\n' {
			return i + 1
		}
		if !line && out[i] == '*' && i+1 < len(out) && out[i+1] == '/' {
			return i + 2
		}
	}
	return len(out)
}

// number reads an integer literal with C's rules for its type.
func (s *source) number(out []rune, i int) (int, *Error) {
	end := skipWord(out, i)
	// 1.5, but not the range 1..5.
	if end < len(out) && out[end] == '.' && (end+1 == len(out) || out[end+1] != '.') {
		return skipWord(out, end+1), nil
	}
	word := string(out[i:end])
	digits := strings.TrimRight(word, "uUlL")
	suffix := strings.ToLower(word[len(digits):])
	base, body := 10, digits
	if len(digits) > 1 && digits[0] == '0' {
		switch digits[1] | 0x20 {
		case 'x':
			base, body = 16, digits[2:]
		case 'o':
			base, body = 8, digits[2:]
		case 'b':
			base, body = 2, digits[2:]
		default:
			if isDigits(digits) {
				return 0, errorAt("", i, "%s: C reads this as octal: write 0o%s for that, or leave the leading zeros out",
					word, strings.TrimLeft(digits, "0_"))
			}
		}
	}
	u, err := strconv.ParseUint(strings.ReplaceAll(body, "_", ""), base, 64)
	if err != nil {
		if isDigits(body) || base == 16 && isHex(body) {
			return 0, errorAt("", i, "%s does not fit into 64 bits", word)
		}
		if mantissa, _, _ := strings.Cut(strings.ToLower(word), "e"); isDigits(mantissa) {
			return end, nil // a float such as 1e9, or an error that the parser tells
		}
		return 0, errorAt("", i, "%s is not a number", word)
	}
	n, ok := literal(u, base, suffix)
	if !ok {
		return 0, errorAt("", i, "%s: %q is not a suffix of C's integers", word, suffix)
	}
	if suffix == "" && n.Signed {
		return end, nil
	}
	s.nums[i] = n
	for j := i; j < end; j++ {
		out[j] = '_'
	}
	return end, nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789_") == ""
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF_") == ""
}

// literal gives an integer literal its type: the first of int, unsigned int, long
// and unsigned long that holds it and that its base and suffix allow. A decimal
// one without suffix is never unsigned int; above long it is unsigned long, where
// C has nothing to offer.
func literal(u uint64, base int, suffix string) (value.Num, bool) {
	unsigned, long := false, false
	switch suffix {
	case "":
	case "u":
		unsigned = true
	case "l", "ll":
		long = true
	case "ul", "ull", "lu", "llu":
		unsigned, long = true, true
	default:
		return value.Num{}, false
	}
	if !long {
		switch {
		case !unsigned && u <= 0x7fffffff:
			return value.Num{Bits: u, Size: 4, Signed: true}, true
		case (unsigned || base != 10) && u <= 0xffffffff:
			return value.Num{Bits: u, Size: 4}, true
		}
	}
	return value.Num{Bits: u, Size: 8, Signed: !unsigned && u <= 0x7fffffffffffffff}, true
}
