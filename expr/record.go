package expr

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// A Record is a map whose members have an order and are made when somebody asks for them: an element
// of a long sequence, such as a socket, would cost too much to hold whole. It may print as text of its
// own, as a message of the kernel's log does; lists of such ones print without brackets.
type Record struct {
	names []string
	get   func(name string) (any, error)
	text  func() string // nil: it prints as a map
}

// newRecord makes a record of pairs of names and values.
func newRecord(text func() string, pairs ...any) *Record {
	r := &Record{text: text}
	values := make([]any, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		r.names = append(r.names, pairs[i].(string))
		values = append(values, pairs[i+1])
	}
	r.get = func(name string) (any, error) { return values[slices.Index(r.names, name)], nil }
	return r
}

// Names are the names of the members, in order.
func (r *Record) Names() []string { return r.names }

// Field is the member of that name.
func (r *Record) Field(name string) (any, error) {
	if !slices.Contains(r.names, name) {
		if near := btf.Near(name, r.names); len(near) > 0 {
			return nil, fmt.Errorf("there is no member %s here; did you mean %s?", value.Quote(name), joinOr(near))
		}
		return nil, fmt.Errorf("there is no member %s here: there are %s", value.Quote(name), strings.Join(r.names, ", "))
	}
	return r.get(name)
}

// all are the values of the members, in order. What could not be made is a [Fault], and the error tells
// the first such part.
func (r *Record) all() (values []any, first error) {
	for _, n := range r.names {
		v, err := r.get(n)
		if err != nil {
			v = Fault{err}
			if first == nil {
				first = err
			}
		}
		values = append(values, v)
	}
	return values, first
}

// Text implements [Printer].
func (r *Record) Text(f value.Format) (string, error) {
	if r.text != nil {
		return value.Scrub(r.text()), nil
	}
	values, first := r.all()
	items := make([]string, len(values))
	for i, v := range values {
		t, err := briefText(v, f)
		if err != nil && first == nil {
			first = err
		}
		items[i] = r.names[i] + ": " + t
	}
	return bracket("{", "}", items, f.Width), first
}

// JSON implements [Printer].
func (r *Record) JSON() (any, error) {
	values, first := r.all()
	object := make(map[string]any, len(values))
	for i, v := range values {
		object[r.names[i]] = v
	}
	j := jsonWriter{}
	out := j.any(object)
	if first != nil {
		return out, first
	}
	return out, j.err
}

// isLine reports whether a part of a result is a line of text by itself.
func isLine(x any) bool {
	r, ok := x.(*Record)
	return ok && r.text != nil
}

// recordLines prints a list of records that have a text; ok is false for any other list.
func recordLines(list []any, f value.Format) (out string, ok bool, err error) {
	if len(list) == 0 {
		return "", false, nil
	}
	lines := make([]string, len(list))
	for i, x := range list {
		if !isLine(x) {
			return "", false, nil
		}
		line, lerr := x.(*Record).Text(f)
		if lerr != nil && err == nil {
			err = lerr
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n"), true, err
}
