package expr

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

const (
	maxCompletions = 200
	// completeTime bounds the evaluation of what stands before the dot.
	completeTime = 300 * time.Millisecond
)

// Complete completes the word before pos, which counts runes: line is head, one
// of completions, and tail. It knows functions, symbols, the members of the value
// before a dot (which it evaluates, within a time limit, unless that calls a slow
// function), and within quotes what the function takes there: devices,
// namespaces, types, members, symbols.
func (s *Session) Complete(line string, pos int) (head string, completions []string, tail string) {
	runes := []rune(line)
	pos = max(0, min(pos, len(runes)))
	tail = string(runes[pos:])
	c := completer{s: s, src: runes[:pos]}
	c.tokenize()
	start, names := c.complete()
	for _, n := range names {
		if plainName(n) {
			completions = append(completions, n)
		}
	}
	return string(runes[:start]), completions, tail
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
	s    *Session
	src  []rune
	toks []token
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
	case prefix == "" && c.ends(last):
		return start, nil
	}
	names = c.functions(prefix)
	names = append(names, c.variables(prefix)...)
	if prefix == "" || !c.s.open() {
		return start, names
	}
	for _, n := range value.GlobalNames() {
		if strings.HasPrefix(n, prefix) && n != prefix {
			if _, ok := c.s.kernel.LookupSymbol(n); ok {
				names = append(names, n)
			}
		}
	}
	if syms, err := c.s.kernel.Symbols(); err == nil {
		names = append(names, syms.Prefix(prefix, maxCompletions)...)
	}
	slices.Sort(names)
	return start, slices.Compact(names)
}

// functions are completed with their bracket, and both where they take nothing.
func (c *completer) functions(prefix string) []string {
	var names []string
	for _, f := range c.s.Functions() {
		switch {
		case !strings.HasPrefix(f.Name, prefix):
		case f.Call != nil && f.MaxArgs == 0:
			names = append(names, f.Name+"()")
		default:
			names = append(names, f.Name+"(")
		}
	}
	return names
}

// variables are what let declared before.
func (c *completer) variables(prefix string) []string {
	var names []string
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

// members lists those of the value before the dot, which is token dot.
func (c *completer) members(dot int, prefix string) []string {
	v, ok := c.receiver(dot)
	if !ok {
		return nil
	}
	var names []string
	add := func(n string) {
		if strings.HasPrefix(n, prefix) {
			names = append(names, n)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if skipWord([]rune(k), 0) == len([]rune(k)) {
				add(k)
			}
		}
	case value.Value:
		if whole := c.s.defined(v); whole.Valid() {
			v = whole
		}
		st, ok := v.StructType()
		if !ok {
			return nil
		}
		for f := range st.AllMembers() {
			add(f.Path)
		}
		if isNetDevice(st) {
			for _, n := range knet.CoreCounters {
				add(n)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// receiver evaluates the expression before a dot.
func (c *completer) receiver(dot int) (any, bool) {
	first := c.primary(dot)
	src := string(c.src[c.toks[first].start:c.toks[dot].start])
	if c.is(first, "#", ".", "->", "?.") {
		list, ok := c.element(first)
		if !ok {
			return nil, false
		}
		src = "first(" + list + ")" + strings.TrimPrefix(src, "#")
	}
	// Variables that the line declares before.
	for i := first; i >= 0; i-- {
		if c.is(i, ";") {
			src = string(c.src[:c.toks[i].end]) + src
			break
		}
	}
	return c.evaluate(src)
}

// primary finds the first token of the chain of calls, members and indices that
// ends before token dot. It is dot itself where there is none, or where the chain
// starts with a member of a predicate's element.
func (c *completer) primary(dot int) int {
	i := dot - 1
	for i >= 0 {
		switch {
		case c.is(i, ")"), c.is(i, "]"):
			index := c.is(i, "]")
			open := c.opening(i)
			if open < 0 {
				return dot
			}
			i = open
			switch {
			case index && c.ends(i-1):
				i--
				continue // what is indexed
			case !index && c.isWord(i-1):
				i-- // the function's name
			}
		case c.is(i, "#"):
			return i
		case c.toks[i].kind == tokPunct:
			return i + 1
		case c.isWord(i) && c.is(i-1, "#"):
			return dot // #index, #acc
		}
		if !c.is(i-1, ".", "->", "?.") {
			return i
		}
		if !c.ends(i-2) && !c.is(i-2, "#") {
			return i - 1 // .name: the chain starts with the element
		}
		i -= 2
	}
	return dot
}

// ends reports whether an operand can end with token i.
func (c *completer) ends(i int) bool {
	return i >= 0 && (c.toks[i].kind != tokPunct || c.is(i, ")", "]", "}"))
}

// opening finds the bracket that token i closes, or -1.
func (c *completer) opening(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		switch {
		case c.is(i, ")", "]", "}"):
			depth++
		case c.is(i, "(", "[", "{"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// enclosing finds the bracket around token i that is still open, and how many
// commas stand between the two.
func (c *completer) enclosing(i int) (open, commas int) {
	depth := 0
	for i--; i >= 0; i-- {
		switch {
		case c.is(i, ")", "]", "}"):
			depth++
		case c.is(i, "(", "[", "{"):
			if depth == 0 {
				return i, commas
			}
			depth--
		case depth == 0 && c.is(i, ","):
			commas++
		}
	}
	return -1, commas
}

// element is the text of the list that the predicate around token i runs over.
func (c *completer) element(i int) (string, bool) {
	open, _ := c.enclosing(i)
	if c.is(open, "{") {
		open, _ = c.enclosing(open)
	}
	if !c.is(open, "(") || !c.isWord(open-1) {
		return "", false
	}
	if f, ok := c.s.functions[c.text(c.toks[open-1])]; !ok || f.Topic != topicPredicate && f.Name != "sum" {
		return "", false
	}
	if c.is(open-2, "|") {
		start := c.pipeStart(open - 2)
		return string(c.src[c.toks[start].start:c.toks[open-2].start]), start < open-2
	}
	// The first argument, up to its comma.
	depth := 0
	for j := open + 1; j < i; j++ {
		switch {
		case c.is(j, "(", "[", "{"):
			depth++
		case c.is(j, ")", "]", "}"):
			depth--
		case depth == 0 && c.is(j, ","):
			return string(c.src[c.toks[open].end:c.toks[j].start]), true
		}
	}
	return "", false
}

// pipeStart finds the first token of the pipeline that token pipe is in.
func (c *completer) pipeStart(pipe int) int {
	depth := 0
	for i := pipe - 1; i >= 0; i-- {
		switch {
		case c.is(i, ")", "]", "}"):
			depth++
		case c.is(i, "(", "[", "{"):
			if depth == 0 {
				return i + 1
			}
			depth--
		case depth == 0 && c.is(i, ",", ";", ":", "?", "="):
			return i + 1
		}
	}
	return 0
}

// evaluate runs an expression for its type, with a time limit.
func (c *completer) evaluate(src string) (any, bool) {
	for i, t := range c.toks {
		if c.isWord(i) {
			if f, ok := c.s.functions[c.text(t)]; ok && f.Slow {
				return nil, false
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	r, err := c.s.Eval(ctx, src)
	return r.Value, err == nil
}

// inString completes within the quotes that token i opens.
func (c *completer) inString(i int) (start int, names []string) {
	quote := string(c.src[c.toks[i].start : c.toks[i].start+1])
	start = c.toks[i].start + 1
	prefix := string(c.src[start:])
	kind, arg := c.argument(i)
	var found []string
	switch kind {
	case DeviceArg:
		found = c.devices()
	case NetNSArg:
		found = c.namespaces()
	case SymbolArg:
		if c.s.open() && prefix != "" {
			if syms, err := c.s.kernel.Symbols(); err == nil {
				found = syms.Prefix(prefix, maxCompletions)
			}
		}
	case MemberArg:
		found = c.membersOf(arg - 1)
	case TypeArg:
		word := strings.LastIndexAny(prefix, " ") + 1
		start += len([]rune(prefix[:word]))
		return start, c.typeNames(prefix[:word], prefix[word:])
	}
	for _, n := range found {
		if strings.HasPrefix(n, prefix) && !strings.ContainsAny(n, "'\"`") {
			names = append(names, n+quote)
		}
	}
	slices.Sort(names)
	return start, slices.Compact(names)
}

// argument says which argument of a function token i is, and of what kind; arg is
// its first token.
func (c *completer) argument(i int) (kind ArgKind, arg int) {
	open, n := c.enclosing(i)
	if !c.is(open, "(") || !c.isWord(open-1) {
		return AnyArg, i
	}
	f, ok := c.s.functions[c.text(c.toks[open-1])]
	if !ok {
		return AnyArg, i
	}
	if c.is(open-2, "|") {
		n++
	}
	return f.argKind(n), i
}

func (c *completer) devices() []string {
	if c.s.stack == nil {
		return nil
	}
	nss, err := c.s.netnss(nil)
	if err != nil {
		return nil
	}
	var names []string
	for _, ns := range nss {
		devs, _ := c.s.stack.Devices(ns)
		for _, d := range devs {
			names = append(names, d.Name)
		}
	}
	return names
}

func (c *completer) namespaces() []string {
	names := []string{"all", "init_net"}
	if c.s.stack == nil {
		return names
	}
	nss, _ := c.s.stack.Namespaces()
	for _, ns := range nss {
		names = append(names, strconv.FormatUint(ns.Inum, 10))
		if ns.Name != "" {
			names = append(names, ns.Name)
		}
	}
	return names
}

// membersOf lists the members of the struct that the string before the comma at
// token i names.
func (c *completer) membersOf(comma int) []string {
	if !c.is(comma, ",") || comma == 0 || c.toks[comma-1].kind != tokString {
		return nil
	}
	name := strings.Trim(c.text(c.toks[comma-1]), "'\"`")
	t, err := c.s.parseType(name)
	if err != nil {
		return nil
	}
	st, ok := btf.Underlying(t).(*btf.Struct)
	if !ok {
		return nil
	}
	var names []string
	for f := range st.AllMembers() {
		names = append(names, f.Path)
	}
	return names
}

// typeNames completes the last word of a type.
func (c *completer) typeNames(before, prefix string) []string {
	var names []string
	kinds := btf.Typedefs | btf.Ints
	switch strings.TrimSpace(before) {
	case "struct", "const struct":
		kinds = btf.Structs
	case "union", "const union":
		kinds = btf.Unions
	case "enum", "const enum":
		kinds = btf.Enums
	default:
		for _, w := range []string{"struct ", "union ", "enum ", "const ", "unsigned "} {
			if strings.HasPrefix(w, prefix) {
				names = append(names, w)
			}
		}
	}
	if !c.s.open() {
		return names
	}
	types, err := c.s.kernel.Types()
	if err != nil {
		return names
	}
	return append(names, types.NamesWithPrefix(kinds, prefix, maxCompletions)...)
}
