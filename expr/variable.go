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

// Let is a variable that a text declares, with the text of its value.
type Let struct{ Name, Value string }

// Lets are the variables that a text of nothing but let NAME = EXPRESSION declares, one after
// the other; body is the text as far as an expression that names them can follow it. There are
// none in any other text.
func (s *Session) Lets(src string) (lets []Let, body string) {
	if _, err := syntax.Parse(src, s.names()); err == nil {
		return nil, ""
	}
	// A comment may end the text: what follows needs a line of its own.
	for _, body = range []string{src + "\n; ", src + "\n"} {
		tree, err := syntax.Parse(body+"nil", s.names())
		if err != nil {
			continue
		}
		runes := []rune(body)
		node := tree.Root
		for {
			let, is := node.(*syntax.Let)
			if !is {
				break
			}
			at := let.Value.Where()
			lets = append(lets, Let{let.Name, string(runes[at.From:at.To])})
			node = let.Body
		}
		if _, isNil := node.(*syntax.Nil); isNil {
			return lets, body
		}
		return nil, ""
	}
	return nil, ""
}

// Describe tells in a word or two what a value is: the type of one of the kernel's. All of it is
// printable.
func Describe(x any) string {
	switch x := x.(type) {
	case value.Value:
		return value.Printable(x.Type().String())
	case *Sequence:
		return value.Printable("sequence of " + x.Of)
	case []any:
		return fmt.Sprintf("list of %d", len(x))
	case map[string]any:
		return fmt.Sprintf("map of %d", len(x))
	}
	return describe(x)
}
