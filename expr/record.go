package expr

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/value"
)

// A Record is a map whose members have an order, and that prints as text of its own: a
// message of the kernel's log, for one. A list of them prints without brackets.
type Record struct {
	names  []string
	values []any
	text   func() string
}

// newRecord makes a record of pairs of names and values. Without a text it prints as a map.
func newRecord(text func() string, pairs ...any) *Record {
	r := &Record{text: text}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.names = append(r.names, pairs[i].(string))
		r.values = append(r.values, pairs[i+1])
	}
	return r
}

// Names are the names of the members, in order.
func (r *Record) Names() []string { return r.names }

// Field is the member of that name.
func (r *Record) Field(name string) (any, error) {
	i := slices.Index(r.names, name)
	if i < 0 {
		return nil, fmt.Errorf("it has no member %s: there are %s", value.Quote(name), strings.Join(r.names, ", "))
	}
	return r.values[i], nil
}

// Map is the record as a map.
func (r *Record) Map() map[string]any {
	out := make(map[string]any, len(r.names))
	for i, n := range r.names {
		out[n] = r.values[i]
	}
	return out
}

// Text implements [Printer].
func (r *Record) Text(value.Format) (string, error) { return value.Scrub(r.text()), nil }

// JSON implements [Printer].
func (r *Record) JSON() (any, error) {
	j := jsonWriter{}
	out := j.any(r.Map())
	return out, j.err
}

// recordLines prints a list of records; ok is false for any other list.
func recordLines(list []any, f value.Format) (out string, ok bool, err error) {
	if len(list) == 0 {
		return "", false, nil
	}
	lines := make([]string, len(list))
	for i, x := range list {
		r, ok := x.(*Record)
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
