package expr

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

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
	case *Record:
		for _, n := range v.names {
			add(n)
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
			c.member(f)
			add(f.Path)
		}
		if isNetDevice(st) {
			for _, n := range knet.CoreCounters {
				if c.notes[n] == "" {
					c.notes[n] = "u64"
				}
				add(n)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// member notes a member's type.
func (c *completer) member(f btf.Field) {
	note := f.Type.String()
	if f.BitSize != 0 {
		note += fmt.Sprintf(" : %d", f.BitSize)
	}
	c.note(f.Path, note)
}

// note keeps one on a candidate, where anybody asked for them.
func (c *completer) note(name, note string) {
	if c.notes != nil {
		c.notes[name] = note
	}
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
	if f, ok := c.s.functions[c.text(c.toks[open-1])]; !ok || f.Topic != topicPredicate && !predicative[f.Name] {
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
