package syntax

import (
	"errors"
	"strconv"
	"strings"
)

// number reads a literal: an integer with C's rules for its type, or a number with
// a fraction.
func (s *scanner) number(i int) (int, *Error) {
	end := SkipWord(s.src, i)
	// 1.5, but not the range 1..5, nor a member, 5.x.
	if end < len(s.src) && s.src[end] == '.' && (end+1 == len(s.src) || s.src[end+1] != '.') && isDigits(string(s.src[i:end])) || s.src[i] == '.' {
		return s.float(i)
	}
	word := string(s.src[i:end])
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
			switch octal := strings.TrimLeft(digits, "0_"); {
			case !isDigits(digits):
			case octal == "":
				return 0, errorf(i, "%s: C reads this as octal: write 0", word)
			case strings.ContainsAny(octal, "89"):
				return 0, errorf(i, "%s: C reads this as octal, which has no digits 8 and 9: leave the leading zeros out", word)
			default:
				return 0, errorf(i, "%s: C reads this as octal: write 0o%s for that, or leave the leading zeros out",
					word, octal)
			}
		}
	}
	u, err := strconv.ParseUint(strings.ReplaceAll(body, "_", ""), base, 64)
	if err != nil {
		if isDigits(body) || base == 16 && isHex(body) {
			return 0, errorf(i, "%s does not fit into 64 bits", word)
		}
		if mantissa, _, ok := strings.Cut(strings.ToLower(word), "e"); ok && isDigits(mantissa) {
			return s.float(i)
		}
		return 0, errorf(i, "%s is not a number", word)
	}
	n, ok := literal(u, base, suffix)
	if !ok {
		return 0, errorf(i, "%s: %q is not a suffix of C's integers", word, suffix)
	}
	s.add(Token{Kind: Number, From: i, To: end, Text: word, num: &n})
	return end, nil
}

// float reads a number with a fraction or an exponent.
func (s *scanner) float(i int) (int, *Error) {
	end := i
	run := func() {
		for end < len(s.src) && (isDigit(s.src[end]) || s.src[end] == '_') {
			end++
		}
	}
	run()
	if end < len(s.src) && s.src[end] == '.' {
		end++
		run()
	}
	if end < len(s.src) && s.src[end]|0x20 == 'e' {
		end++
		if end < len(s.src) && (s.src[end] == '+' || s.src[end] == '-') {
			end++
		}
		run()
	}
	end = SkipWord(s.src, end) // which is an error
	word := string(s.src[i:end])
	f, err := strconv.ParseFloat(strings.ReplaceAll(word, "_", ""), 64)
	if err != nil {
		if len(word) > 40 {
			word = word[:40] + "…"
		}
		if errors.Is(err, strconv.ErrRange) {
			return 0, errorf(i, "%s is too large for a number with a fraction: 1.8e308 is the limit", word)
		}
		return 0, errorf(i, "%s is not a number", word)
	}
	s.add(Token{Kind: Number, From: i, To: end, Text: word, float: f})
	return end, nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789_") == "" }

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdefABCDEF_") == "" }

// literal gives an integer literal its type: the first of int, unsigned int, long
// and unsigned long that holds it and that its base and suffix allow. A decimal
// one without suffix is never unsigned int; above long it is unsigned long, where
// C has nothing to offer.
func literal(u uint64, base int, suffix string) (Int, bool) {
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
		return Int{}, false
	}
	if !long {
		switch {
		case !unsigned && u <= 0x7fffffff:
			return Int{Bits: u, Size: 4, Signed: true}, true
		case (unsigned || base != 10) && u <= 0xffffffff:
			return Int{Bits: u, Size: 4}, true
		}
	}
	return Int{Bits: u, Size: 8, Signed: !unsigned && u <= 0x7fffffffffffffff}, true
}
