package expr

import (
	"slices"
	"strings"
	"testing"
)

// completeAt completes at the ¦ in line.
func completeAt(s *Session, line string) (head string, names []string, tail string) {
	before, after, _ := strings.Cut(line, "¦")
	return s.Complete(before+after, len([]rune(before)))
}

func TestCompleteFunctions(t *testing.T) {
	s := testSession()
	for _, c := range []struct {
		line, head string
		want       string // one of the completions
		tail       string
	}{
		{"netde¦", "", "netdev(", ""},
		{"1 + cp¦ + 2", "1 + ", "cpus()", " + 2"},
		{"netdevs() | fi¦", "netdevs() | ", "filter(", ""},
		{"'äö' + up¦", "'äö' + ", "upper(", ""},
		{"let xyz = 1; x¦", "let xyz = 1; ", "xyz", ""},
		{"netns('a¦", "netns('", "all'", ""},
		{"netdev('lo', \"ini¦\")", "netdev('lo', \"", "init_net\"", "\")"},
		{"sizeof('str¦", "sizeof('", "struct ", ""},
		{"{abc: 1}.¦", "{abc: 1}.", "", ""},
		{"let m = {abc: 1}; m.a¦", "let m = {abc: 1}; m.", "abc", ""},
		{"[{abc: 1}] | map(.a¦", "[{abc: 1}] | map(.", "abc", ""},
		{"map([{abc: {def: 1}}], .abc.d¦)", "map([{abc: {def: 1}}], .abc.", "def", ")"},
		{"map([{abc: {def: 1}}], #.abc.d¦)", "map([{abc: {def: 1}}], #.abc.", "def", ")"},
		{"[{abc: 1}] | max(.a¦)", "[{abc: 1}] | max(.", "abc", ")"},
		{"mean([{abc: 1}], .a¦)", "mean([{abc: 1}], .", "abc", ")"},
		{"({abc: 1}).a¦", "({abc: 1}).", "abc", ""},
		{"[{abc: 1}][0].a¦", "[{abc: 1}][0].", "abc", ""},
	} {
		head, names, tail := completeAt(s, c.line)
		if head != c.head || tail != c.tail || c.want != "" && !slices.Contains(names, c.want) {
			t.Errorf("%s: %q %q %q, want %q %q %q", c.line, head, names, tail, c.head, c.want, c.tail)
		}
	}
}

func TestCompleteNothing(t *testing.T) {
	s := testSession()
	s.Register(Function{Name: "slow", Signature: "slow()", Slow: true, Call: func(*Call) (any, error) {
		t.Error("completion called a slow function")
		return map[string]any{"abc": 1}, nil
	}})
	for _, line := range []string{
		"slow().a¦", "1.¦", "12¦", "'abc¦", "foo('abc¦", ".¦", ")¦", ").¦", "(((.¦", "#.¦", "'a'.¦", "str().¦", "]).¦", "f(}.¦", "map(#index.¦",
	} {
		_, names, _ := completeAt(s, line)
		if len(names) != 0 {
			t.Errorf("%s: completes to %q", line, names)
		}
	}
	// Positions outside the line do no harm.
	s.Complete("abc", 99)
	s.Complete("abc", -1)
}

func FuzzComplete(f *testing.F) {
	for _, l := range []string{"netdev('bo", "a.b(c)[1].d", "map(x, .y.z", "#.", "let a = 1; a.", "(((", "'\\", "/*", "a | b(c | d(.", "x?.y->z."} {
		f.Add(l, len(l))
	}
	s := testSession()
	f.Fuzz(func(t *testing.T, line string, pos int) {
		head, _, tail := s.Complete(line, pos)
		if n := len([]rune(head)) + len([]rune(tail)); n > len([]rune(line)) {
			t.Errorf("%q: %q + %q is longer", line, head, tail)
		}
	})
}
