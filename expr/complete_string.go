package expr

import (
	"slices"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

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
			found = c.s.symbols(prefix)
		}
	case MemberArg:
		found = c.membersOf(arg - 1)
	case WordArg, AnyArg:
		found = c.words(i)
	case TypeArg:
		word := strings.LastIndexAny(prefix, " ") + 1
		start += len([]rune(prefix[:word]))
		return start, c.typeNames(prefix[:word], prefix[word:])
	}
	for _, n := range found {
		if strings.HasPrefix(n, prefix) && !strings.ContainsAny(n, "'\"`") {
			names = append(names, n+quote)
			if note := c.notes[n]; note != "" {
				c.notes[n+quote] = note
			}
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
	return c.membersOfType(name)
}

// membersOfType lists the members of a struct by its name.
func (c *completer) membersOfType(name string) []string {
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
		c.member(f)
		names = append(names, f.Path)
	}
	return names
}

// isTag reports whether token i is a word that the name of a type follows: struct, union,
// enum, and no member called so.
func (c *completer) isTag(i int) bool {
	return c.isWord(i) && slices.Contains([]string{"struct", "union", "enum"}, c.text(c.toks[i])) && !c.is(i-1, ".", "->", "?.", "#")
}

// bareArgument says which argument of a function the cursor is in, outside of quotes; at is
// the first token of the argument before it, or -1.
func (c *completer) bareArgument(last int, prefix string) (kind ArgKind, at int) {
	i := last + 1
	if prefix != "" {
		i = last
	}
	kind, _ = c.argument(i)
	open, commas := c.enclosing(i)
	if open < 0 || commas == 0 || !c.is(i-1, ",") {
		return kind, -1
	}
	// Types have no brackets or commas: the comma before this one, or the bracket.
	for j := i - 2; j >= open; j-- {
		if j == open || c.is(j, ",") {
			return kind, j + 1
		}
	}
	return kind, -1
}

// ownMembers are the members of the struct that the first argument is, or points to.
func (c *completer) ownMembers(last int, prefix string) []string {
	i := last + 1
	if prefix != "" {
		i = last
	}
	open, _ := c.enclosing(i)
	if open < 0 || !c.is(i-1, ",") {
		return nil
	}
	x, ok := c.evaluate(string(c.src[c.toks[open].end:c.toks[i-1].start]))
	v, isValue := x.(value.Value)
	if !ok || !isValue {
		return nil
	}
	st, ok := v.StructType()
	if !ok {
		return nil
	}
	var names []string
	for f := range st.AllMembers() {
		if strings.HasPrefix(f.Path, prefix) {
			c.member(f)
			names = append(names, f.Path)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// bareMembers are the members of the struct that token at begins to name, up to a comma.
func (c *completer) bareMembers(at int, prefix string) []string {
	end := at
	for end < len(c.toks) && !c.is(end, ",") {
		end++
	}
	if end == at {
		return nil
	}
	name := string(c.src[c.toks[at].start:c.toks[end-1].end])
	var names []string
	for _, n := range c.membersOfType(strings.Trim(name, "'\"`")) {
		if strings.HasPrefix(n, prefix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
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
		if prefix != "" && strings.HasPrefix("typeof(", prefix) {
			names = append(names, "typeof(")
			c.note("typeof(", "the type of a value or an expression")
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
