package expr

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// A Record is an element of a list that has members, as a map has, and a line of text of
// its own: a message of the kernel's log, for one.
type Record interface {
	Printer
	// Field is the member of that name.
	Field(name string) (x any, ok bool)
	// FieldNames are the names of the members.
	FieldNames() []string
}

func (s *Session) field(r Record, name string) (any, error) {
	x, ok := r.Field(name)
	if !ok {
		return nil, fmt.Errorf("it has no member %s: there are %s", value.Quote(name), strings.Join(r.FieldNames(), ", "))
	}
	return x, nil
}

// recordLines prints a list of records, a line each; ok is false for any other list.
func recordLines(list []any, f value.Format) (out string, ok bool, err error) {
	if len(list) == 0 {
		return "", false, nil
	}
	lines := make([]string, len(list))
	for i, x := range list {
		r, ok := x.(Record)
		if !ok {
			return "", false, nil
		}
		line, lerr := r.Text(f)
		if lerr != nil && err == nil {
			err = lerr
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n"), true, err
}
