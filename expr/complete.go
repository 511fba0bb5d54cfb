package expr

import (
	"slices"
	"strings"
	"time"

	"kinspect/btf"
	"kinspect/expr/value"
)

const (
	maxCompletions = 200
	// completeTime bounds the evaluation of what stands before the dot.
	completeTime = 300 * time.Millisecond
)

// Candidate is what a word can be completed to.
type Candidate struct {
	Text string
	Note string // the type of a member, what a function does; may be ""
}

// Complete completes the word before pos, which counts runes: line is head, one
// of completions, and tail. It knows functions, variables, symbols, enumerators, types
// where one can stand, the members of the value before a dot (which it evaluates, within a
// time limit, unless that calls a slow function), and within quotes what the function
// takes there: devices, namespaces, types, members, symbols.
func (s *Session) Complete(line string, pos int) (head string, completions []string, tail string) {
	head, candidates, tail := s.Candidates(line, pos)
	for _, c := range candidates {
		completions = append(completions, c.Text)
	}
	return head, completions, tail
}

// Candidates is [Session.Complete] with a note on each.
func (s *Session) Candidates(line string, pos int) (head string, candidates []Candidate, tail string) {
	runes := []rune(line)
	pos = max(0, min(pos, len(runes)))
	tail = string(runes[pos:])
	c := completer{s: s, src: runes[:pos], notes: map[string]string{}}
	c.tokenize()
	start, names := c.complete()
	for _, n := range names {
		if plainName(n) {
			candidates = append(candidates, Candidate{n, value.Printable(c.notes[n])})
		}
	}
	return string(runes[:start]), candidates, tail
}

// SymbolNames are symbols that begin with a prefix, for completion.
func (s *Session) SymbolNames(prefix string) []Candidate {
	if !s.open() || prefix == "" {
		return nil
	}
	names := s.symbols(prefix)
	slices.Sort(names)
	return candidatesOf(slices.Compact(names))
}

// symbols are names of symbols with a prefix, of the kernel and of its modules.
func (s *Session) symbols(prefix string) []string {
	syms, err := s.kernel.Symbols()
	if err != nil {
		return nil
	}
	return append(syms.Prefix(prefix, maxCompletions), s.kernel.ModuleSymbols(prefix, maxCompletions)...)
}

// TypeNames are names of structs, unions, enums and typedefs that begin with a prefix, which
// may begin with one of these words; head is what of the prefix stays.
func (s *Session) TypeNames(prefix string) (head string, candidates []Candidate) {
	c := completer{s: s}
	word := strings.LastIndex(prefix, " ") + 1
	return prefix[:word], candidatesOf(c.typeNames(prefix[:word], prefix[word:]))
}

func candidatesOf(names []string) []Candidate {
	var out []Candidate
	for _, n := range names {
		if plainName(n) {
			out = append(out, Candidate{Text: n})
		}
	}
	return out
}

// plainName keeps what a hostile dump may call a thing away from the terminal.
func plainName(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// completer is one completion: the text before the cursor, and its tokens.
type completer struct {
	s     *Session
	src   []rune
	toks  []token
	notes map[string]string // on what is completed to
}

type token struct {
	kind       tokenKind
	start, end int // runes
}

type tokenKind uint8

const (
	tokWord tokenKind = iota
	tokNumber
	tokString // with an end
	tokOpenString
	tokPunct // one character, but for "->" and "?."
)

func (c *completer) text(t token) string { return string(c.src[t.start:t.end]) }

func (c *completer) tokenize() {
	for i := 0; i < len(c.src); {
		t := token{start: i}
		r := c.src[i]
		next := rune(0)
		if i+1 < len(c.src) {
			next = c.src[i+1]
		}
		switch {
		case r == ' ' || r == '\t' || r == '\n':
			i++
			continue
		case r == '/' && (next == '/' || next == '*'):
			i = skipComment(c.src, i)
			continue
		case r == '\'' || r == '"' || r == '`':
			t.kind, t.end = tokString, skipString(c.src, i)
			if t.end == i+1 || c.src[t.end-1] != r {
				t.kind = tokOpenString
			}
		case '0' <= r && r <= '9':
			t.kind, t.end = tokNumber, skipWord(c.src, i)
		case isWord(r):
			t.kind, t.end = tokWord, skipWord(c.src, i)
		case r == '-' && next == '>' || r == '?' && next == '.':
			t.kind, t.end = tokPunct, i+2
		default:
			t.kind, t.end = tokPunct, i+1
		}
		c.toks = append(c.toks, t)
		i = t.end
	}
}

// is reports whether token i exists and is the punctuation p.
func (c *completer) is(i int, p ...string) bool {
	return i >= 0 && i < len(c.toks) && c.toks[i].kind == tokPunct && slices.Contains(p, c.text(c.toks[i]))
}

func (c *completer) isWord(i int) bool {
	return i >= 0 && i < len(c.toks) && c.toks[i].kind == tokWord
}

// complete returns where the word to complete starts, and what it could be.
func (c *completer) complete() (start int, names []string) {
	last := len(c.toks) - 1
	if last >= 0 && c.toks[last].kind == tokOpenString {
		return c.inString(last)
	}
	start, prefix, before := len(c.src), "", last
	if last >= 0 && c.toks[last].kind == tokWord && c.toks[last].end == len(c.src) {
		start, prefix, before = c.toks[last].start, c.text(c.toks[last]), last-1
	}
	switch {
	case c.is(before, ".", "->", "?."):
		return start, c.members(before, prefix)
	case last >= 0 && c.toks[last].kind == tokNumber && c.toks[last].end == len(c.src):
		return start, nil
	case c.is(before, "|"):
		return start, c.functions(prefix)
	case c.isTag(before):
		return start, c.typeNames(c.text(c.toks[before]), prefix)
	case prefix == "" && c.ends(last):
		return start, nil
	}
	kind, at := c.bareArgument(last, prefix)
	switch {
	case kind == MemberArg && at >= 0:
		if names = c.bareMembers(at, prefix); len(names) > 0 {
			return start, names
		}
	case kind == OwnMemberArg:
		if names = c.ownMembers(last, prefix); len(names) > 0 {
			return start, names
		}
	case kind == TypeArg && prefix != "", prefix != "" && c.is(before, "(") && !c.isWord(before-1):
		names = c.typeNames("", prefix)
	}
	names = append(names, c.functions(prefix)...)
	names = append(names, c.variables(prefix)...)
	names = append(names, c.constants(prefix)...)
	if prefix == "" || !c.s.open() {
		return start, names
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if vars := c.perCPUVariables(start, prefix); len(vars) > 0 {
		return start, append(vars, names...)
	}
	return start, append(names, c.kernelNames(prefix, names)...)
}

// kernelNames are the kernel's symbols and enumerators, but for those that are there already: the
// language's own names come first, where thousands of the kernel's begin alike.
func (c *completer) kernelNames(prefix string, there []string) []string {
	var names []string
	for _, n := range value.GlobalNames() {
		if strings.HasPrefix(n, prefix) && n != prefix {
			if _, ok := c.s.kernel.LookupSymbol(n); ok {
				names = append(names, n)
			}
		}
	}
	symbols := c.s.symbols(prefix)
	c.typesOf(symbols)
	names = append(names, symbols...)
	names = append(names, c.enumerators(prefix)...)
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return slices.Contains(there, n) })
}

// constants are the values that the language has names for.
func (c *completer) constants(prefix string) []string {
	if prefix == "" {
		return nil
	}
	var names []string
	for _, n := range []string{"NULL", "true", "false", "nil"} {
		if strings.HasPrefix(n, prefix) && n != prefix {
			names = append(names, n)
		}
	}
	return names
}

// perCPUVariables completes what per_cpu takes first, where the cursor is there.
// Of vmlinux's variables BTF has those per CPU, or few others.
func (c *completer) perCPUVariables(start int, prefix string) []string {
	open, commas := c.enclosing(len(c.toks))
	if prefix != "" {
		open, commas = c.enclosing(len(c.toks) - 1)
	}
	if !c.is(open, "(") || !c.isWord(open-1) || c.text(c.toks[open-1]) != "per_cpu" || commas != 0 ||
		strings.TrimSpace(string(c.src[c.toks[open].end:start])) != "" {
		return nil
	}
	types, err := c.s.kernel.Types()
	if err != nil {
		return nil
	}
	var names []string
	for _, n := range append(types.NamesWithPrefix(btf.Vars, prefix, maxCompletions), value.GlobalNames()...) {
		if !strings.HasPrefix(n, prefix) {
			continue
		}
		if v, err := c.s.kernel.Global(n); err == nil && v.IsPerCPU() {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// functions are completed with their bracket, and both where they take nothing.
func (c *completer) functions(prefix string) []string {
	var names []string
	for _, f := range c.s.Functions() {
		name := f.Name + "("
		switch {
		case !strings.HasPrefix(f.Name, prefix):
			continue
		case f.Call != nil && f.MaxArgs == 0:
			name += ")"
		}
		names = append(names, name)
		c.notes[name] = f.Doc
	}
	return names
}

// typesOf notes the types of variables, as far as time allows.
func (c *completer) typesOf(symbols []string) {
	until := time.Now().Add(completeTime)
	for _, n := range symbols {
		if time.Now().After(until) {
			return
		}
		if t, ok := c.s.kernel.VariableType(n); ok && c.notes[n] == "" {
			c.notes[n] = t.String()
		}
	}
}

// enumerators are those that begin with a prefix of some length: there are tens of thousands.
func (c *completer) enumerators(prefix string) []string {
	if len(prefix) < 2 {
		return nil
	}
	types, err := c.s.kernel.Types()
	if err != nil {
		return nil
	}
	var names []string
	for _, n := range types.EnumeratorsWithPrefix(prefix, maxCompletions) {
		names = append(names, n)
		c.notes[n] = "enumerator"
	}
	return names
}

// variables are the session's, and what let declared before.
func (c *completer) variables(prefix string) []string {
	var names []string
	for _, n := range c.s.Variables() {
		if strings.HasPrefix(n, prefix) && n != prefix {
			names = append(names, n)
			c.notes[n] = Describe(c.s.variables[n])
		}
	}
	for i, t := range c.toks {
		if c.isWord(i) && c.text(t) == "let" && c.isWord(i+1) {
			name := c.text(c.toks[i+1])
			if strings.HasPrefix(name, prefix) && c.toks[i+1].end < len(c.src) {
				names = append(names, name)
			}
		}
	}
	return names
}
