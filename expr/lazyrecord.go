package expr

import (
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/expr/value"
)

// lazyRecord is a map whose values are made when somebody asks for them: what an element of a long
// sequence would cost too much to hold whole. It has members as a map has, prints as one, and is one
// in JSON.
type lazyRecord struct {
	names []string
	get   func(name string) (any, error)
}

// member is r.name.
func (r *lazyRecord) member(name string) (any, error) {
	if !slices.Contains(r.names, name) {
		err := fmt.Errorf("there is no %s here", value.Quote(name))
		if near := btf.Near(name, r.names); len(near) > 0 {
			err = fmt.Errorf("%w; did you mean %s?", err, joinOr(near))
		}
		return nil, err
	}
	return r.get(name)
}

// all is the record as a map. What could not be made is nil, and the error tells the first such part.
func (r *lazyRecord) all() (map[string]any, error) {
	var first error
	out := make(map[string]any, len(r.names))
	for _, n := range r.names {
		v, err := r.get(n)
		if err != nil && first == nil {
			first = err
		}
		out[n] = v
	}
	return out, first
}

// Text implements [Printer].
func (r *lazyRecord) Text(f value.Format) (string, error) {
	m, first := r.all()
	text, err := briefText(m, f)
	if first != nil {
		err = first
	}
	return text, err
}

// JSON implements [Printer].
func (r *lazyRecord) JSON() (any, error) {
	m, first := r.all()
	j := jsonWriter{}
	out := j.any(m)
	if first != nil {
		return out, first
	}
	return out, j.err
}
