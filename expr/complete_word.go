package expr

import (
	"maps"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/ksys"
	"kinspect/expr/ktask"
	"kinspect/expr/value"
)

// words are what the argument of a function may be that token i is a string in, alone or in a list.
func (c *completer) words(i int) []string {
	open, n := c.enclosing(i)
	if c.is(open, "[") && c.is(open-1, "(", ",") { // sockets(['tcp', '
		open, n = c.enclosing(open)
	}
	if !c.is(open, "(") || !c.isWord(open-1) {
		return nil
	}
	f, ok := c.s.functions[c.text(c.toks[open-1])]
	if !ok || f.Words == nil {
		return nil
	}
	if c.is(open-2, "|") {
		n++
	}
	if f.argKind(n) != WordArg {
		return nil
	}
	var names []string
	for _, w := range f.Words(c.s) {
		names = append(names, w.Text)
		c.notes[w.Text] = w.Note
	}
	return names
}

// oneOf are the words of an argument that has only these.
func oneOf(words ...string) func(*Session) []Candidate {
	return func(*Session) []Candidate { return candidatesOf(words) }
}

// socketWords are what sockets takes.
func socketWords(*Session) []Candidate { return candidatesOf(append(knet.SocketKinds, "other", "all")) }

func namespaceKinds(*Session) []Candidate { return candidatesOf(ktask.Namespaces) }

// slabNames are the names of the slab caches.
func slabNames(s *Session) []Candidate {
	if !s.open() {
		return nil
	}
	names, _ := ksys.SlabNames(s.kernel)
	return candidatesOf(names)
}

// configOptions are the options of the kernel's configuration, where it carries it.
func configOptions(s *Session) []Candidate {
	if !s.open() {
		return nil
	}
	config, err := ksys.Config(s.kernel)
	if err != nil {
		return nil
	}
	var out []Candidate
	for _, name := range slices.Sorted(maps.Keys(config)) {
		if plainName(name) {
			out = append(out, Candidate{Text: name, Note: config[name]})
		}
	}
	return out
}

// formatOptions are those of format, without the values that some take.
func formatOptions(*Session) []Candidate {
	var out []Candidate
	for _, o := range value.FormatOptions {
		if !strings.Contains(o[0], "=") {
			out = append(out, Candidate{Text: o[0], Note: o[1]})
		}
	}
	return out
}
