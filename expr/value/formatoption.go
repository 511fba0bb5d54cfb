package value

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Format says how values are printed. The zero value is not useful: start from
// [DefaultFormat].
type Format struct {
	Depth    int  // structs nested deeper are printed as { … }
	Elements int  // elements of an array that are printed before the rest is cut
	Width    int  // a struct or array that fits into this many columns is one line
	Hex      bool // integers are hexadecimal
	NoTypes  bool // no (type) before values
}

// DefaultFormat is how the command line prints.
var DefaultFormat = Format{Depth: 4, Elements: 16, Width: 100}

// FormatOptions are what [Format.Set] takes, with a line of help for each.
var FormatOptions = [][2]string{
	{"depth=N", "structs nested deeper than N are cut (4)"},
	{"elements=N", "of an array N elements are printed (16)"},
	{"full", "all elements of arrays"},
	{"width=N", "columns of a line (100)"},
	{"oneline", "all on one line"},
	{"hex", "integers are hexadecimal"},
	{"dec", "integers are decimal, as at first"},
	{"notypes", "no (type) before values"},
	{"types", "types, as at first"},
	{"default", "all as at first"},
}

// maxFormat bounds what the options set.
const maxFormat = 1 << 20

// Set returns f with options such as "hex,depth=1".
func (f Format) Set(options string) (Format, error) {
	for option := range strings.FieldsFuncSeq(options, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, val, has := strings.Cut(option, "=")
		n, to := 0, (*int)(nil)
		switch name {
		case "depth":
			to = &f.Depth
		case "elements":
			to = &f.Elements
		case "width":
			to = &f.Width
		}
		if to != nil {
			var err error
			if n, err = strconv.Atoi(val); err != nil || n < 0 || n > maxFormat {
				return f, fmt.Errorf("%s wants a number from 0 to %d: %s=2", name, maxFormat, name)
			}
			*to, has = n, false
		}
		switch name {
		case "depth", "elements", "width":
		case "full":
			f.Elements = math.MaxInt32
		case "oneline":
			f.Width = math.MaxInt32
		case "hex", "dec":
			f.Hex = name == "hex"
		case "notypes", "types":
			f.NoTypes = name == "notypes"
		case "default":
			f = DefaultFormat
		default:
			return f, fmt.Errorf("no option %s: there are %s", Quote(option), formatNames())
		}
		if has {
			return f, fmt.Errorf("%s takes no value", name)
		}
	}
	return f, nil
}

func formatNames() string {
	names := make([]string, len(FormatOptions))
	for i, o := range FormatOptions {
		names[i] = o[0]
	}
	return strings.Join(names, ", ")
}
