package syntax

import (
	"errors"
	"testing"
	"unicode/utf8"
)

// testNames knows a few functions and types.
type testNames struct{}

func (testNames) Function(name string) (Function, bool) {
	no := func(int) bool { return false }
	switch name {
	case "filter", "map", "count", "sum", "sortBy", "reduce":
		return Function{Predicate: Always, Type: no, Member: no}, true
	case "max", "min":
		return Function{Predicate: Maybe, Type: no, Member: no}, true
	case "f", "sort":
		return Function{Type: no, Member: no}, true
	case "sizeof":
		return Function{Type: func(i int) bool { return i == 0 }, Member: no}, true
	case "offsetof":
		return Function{Type: func(i int) bool { return i == 0 }, Member: func(i int) bool { return i == 1 }}, true
	case "container_of":
		return Function{Type: func(i int) bool { return i == 1 }, Member: func(i int) bool { return i == 2 }}, true
	}
	return Function{}, false
}

func (testNames) IsType(name string) bool { return name == "u32" || name == "u8" || name == "size_t" }

// FuzzParse: no text makes the parser panic, and the places of all nodes lie in the
// text, those of the lower ones in those of the upper.
func FuzzParse(f *testing.F) {
	for _, c := range trees {
		f.Add(c[0])
	}
	for _, s := range []string{"(((", "'a", "1 ? 2", "a ?? b + c", "(u32)", "x | f", "map(1, .a", "{a: 1, 'b': 2,}", "-----1", "0x", "`a``b`", "\\", "é->ü", "::f(1)", "offsetof(struct a, b[1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		Incomplete(src)
		tree, err := Parse(src, testNames{})
		n := utf8.RuneCountInString(src)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.At > n || e.At < -1 || e.Msg == "" {
				t.Errorf("%q: %#v", src, err)
			}
			return
		}
		nodes := 0
		var check func(n Node, depth, from, to int)
		check = func(n Node, depth, from, to int) {
			w := n.Where()
			if nodes++; nodes > 4*MaxNodes || depth > MaxNodes {
				t.Fatalf("%q: %d nodes, %d deep", src, nodes, depth)
			}
			if w.From < from || w.To > to || w.From > w.To || w.At < from || w.At > to {
				t.Errorf("%q: %T at %d in %d-%d, in %d-%d", src, n, w.At, w.From, w.To, from, to)
			}
			Children(n, func(c Node) { check(c, depth+1, from, to) })
		}
		check(tree.Root, 1, 0, n)
	})
}
