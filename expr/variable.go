package expr

import (
	"maps"
	"slices"

	"kinspect/expr/syntax"
)

// Set gives the session a variable that expressions can name from now on, before
// what the kernel has under that name. The value is one of those that [Result] lists.
func (s *Session) Set(name string, v any) {
	if s.variables == nil {
		s.variables = map[string]any{}
	}
	s.variables[name] = v
	delete(s.typedefs, name)
}

// Unset takes a variable away again; it reports whether there was one.
func (s *Session) Unset(name string) bool {
	_, ok := s.variables[name]
	delete(s.variables, name)
	delete(s.typedefs, name)
	return ok
}

// Variables are the names of the session's variables, in order.
func (s *Session) Variables() []string { return slices.Sorted(maps.Keys(s.variables)) }

// Variable is the value of one of them.
func (s *Session) Variable(name string) (any, bool) {
	v, ok := s.variables[name]
	return v, ok
}

// Lets are the names that a text of nothing but let NAME = EXPRESSION declares, one after
// the other; body is the text as far as an expression that names them can follow it. ok is
// false for any other text.
func (s *Session) Lets(src string) (names []string, body string, ok bool) {
	if _, err := syntax.Parse(src, s.names()); err == nil {
		return nil, "", false
	}
	// A comment may end the text: what follows needs a line of its own.
	for _, body = range []string{src + "\n; ", src + "\n"} {
		tree, err := syntax.Parse(body+"nil", s.names())
		if err != nil {
			continue
		}
		node := tree.Root
		for {
			let, is := node.(*syntax.Let)
			if !is {
				break
			}
			names = append(names, let.Name)
			node = let.Body
		}
		_, isNil := node.(*syntax.Nil)
		return names, body, isNil && len(names) > 0
	}
	return nil, "", false
}
