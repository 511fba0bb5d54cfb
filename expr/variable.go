package expr

import (
	"fmt"
	"maps"
	"slices"

	"kinspect/expr/syntax"
	"kinspect/expr/value"
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

// Describe tells in a word or two what a value is: the type of one of the kernel's.
func Describe(x any) string {
	switch x := x.(type) {
	case value.Value:
		return x.Type().String()
	case *Sequence:
		return "sequence of " + x.Of
	case []any:
		return fmt.Sprintf("list of %d", len(x))
	case map[string]any:
		return fmt.Sprintf("map of %d", len(x))
	}
	return describe(x)
}
