package btf

import "strings"

// cInt is an integer type of C, whatever the order of its words.
type cInt struct {
	base     string // "char", "short", "int", "long", "long long", "__int128", "_Bool"
	signed   bool   // the word, which only char needs
	unsigned bool
}

// cIntSizes gives the size in bytes on x86-64.
var cIntSizes = map[string]uint32{
	"_Bool": 1, "char": 1, "short": 2, "int": 4, "long": 8, "long long": 8, "__int128": 16,
}

// canonicalInt reads the words of an integer type. gcc writes "long unsigned
// int" where clang writes "unsigned long"; people write either.
func canonicalInt(name string) (cInt, bool) {
	var c cInt
	longs, ints := 0, 0
	for word := range strings.FieldsSeq(name) {
		switch word {
		case "signed", "__signed__", "unsigned":
			if c.signed || c.unsigned {
				return cInt{}, false
			}
			c.signed, c.unsigned = word != "unsigned", word == "unsigned"
		case "int":
			ints++
		case "long":
			longs++
		case "char", "short", "_Bool", "__int128":
			if c.base != "" {
				return cInt{}, false
			}
			c.base = word
		default:
			return cInt{}, false
		}
	}
	switch {
	case ints > 1 || longs > 2 || longs > 0 && c.base != "" || ints > 0 && c.base != "" && c.base != "short",
		c.base == "_Bool" && (c.signed || c.unsigned):
		return cInt{}, false
	case longs > 0:
		c.base = strings.TrimSpace(strings.Repeat("long ", longs))
	case c.base != "":
	case ints > 0 || c.signed || c.unsigned:
		c.base = "int"
	default:
		return cInt{}, false
	}
	if c.base != "char" {
		c.signed = false // it says nothing there
	}
	return c, true
}

// String spells the type as kernel developers do.
func (c cInt) String() string {
	switch {
	case c.unsigned:
		return "unsigned " + c.base
	case c.signed:
		return "signed " + c.base
	}
	return c.base
}

// makeUp returns the type for a blob that does not have it. Plain char is signed
// on x86-64; kernels since 6.2 are built with -funsigned-char, but their blobs
// have their own char.
func (c cInt) makeUp() *Int {
	size := cIntSizes[c.base]
	return &Int{
		Name:   c.String(),
		Size:   size,
		Signed: !c.unsigned && c.base != "_Bool",
		Bool:   c.base == "_Bool",
		bits:   uint8(size * 8),
	}
}
