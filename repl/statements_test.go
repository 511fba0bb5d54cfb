package repl

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStatements types what scripts have.
func TestStatements(t *testing.T) {
	for _, c := range []struct {
		lines     []string
		out, errs string
	}{
		{[]string{"1; 2 + 3"}, "1\n5\n", ""},
		{[]string{"let x = 2; x; x * 2", "x"}, "2\n4\n", "error: x: no kernel is open\n"},
		{[]string{"let x = 5", "x = x + 1", "x"}, "6\n", ""},
		{[]string{"x = 5"}, "", "error: there is no variable x: let x = … makes one\n  x = 5\n  ^\n"},
		{[]string{"let n = 0", "for i in 1..3 { n = n + i; print i }", "n"}, "1\n2\n3\n6\n", ""},
		{[]string{"for i in 1..2 {", "let d = i * 2", "print i, d", "}"}, "1 2\n2 4\n", ""},
		{[]string{"for i on 1..3 { }"}, "", "error: in is missing here: for i in LIST { … }\n"},
		{[]string{"for i in 1..3 { print nosuch }"}, "", "error: nosuch: no kernel is open\n"},
		{[]string{"fn twice(a) = a * 2", "twice(4)", "1..3 | map(twice(#))"}, "8\n[2, 4, 6]\n", ""},
		// A function sees the session's variables as they are.
		{[]string{"let k = 2", "fn times(a) { return a * k }", "times(4)", "k = 5", "times(4)", "let k = 7", "times(4)"}, "8\n20\n28\n", ""},
		{[]string{"fn f(a) = a", "fn f(a) = a + 1", "f(1)"}, "2\n", ""},
		{[]string{"fn f(a) = a", "fn g(a) = f(a) + 1", "g(1)"}, "2\n", ""},
		{[]string{"fn f(n) { if n < 2 { return 1 } else { return n * f(n - 1) } }", "f(5)"}, "120\n", ""},
		{[]string{"fn f(n) = f(n + 1)", "f(5)"}, "", "error: functions call one another deeper than 100\n"},
		{[]string{"fn len(a) = a"}, "", "error: there is a function len already: len("},
		{[]string{"fn bad(a) = a + 'x'", "bad(1) + 2"}, "", "error: the number 1 + the string \"x\": use string(…) to make a string of the number\n  fn bad(a) = a + 'x'\n                ^\n"},
		{[]string{"print 'a', 1", "print(5)"}, "a 1\n5\n", ""},
		{[]string{"assert 1 == 2, 'no'", "3"}, "3\n", "assertion failed: no\n"},
		{[]string{"warn 'so'"}, "", "warning: so\n"},
		{[]string{"if 1 { print 'yes' } else { print 'no' }"}, "yes\n", ""},
		{[]string{"if 1 { 'yes' } else { 'no' }"}, "\"yes\"\n", ""},
		{[]string{"if 0 {", "print 1", "} else {", "print 2", "}"}, "2\n", ""},
		{[]string{"let a = 3; print a; a", "a"}, "3\n3\n3\n", ""},
		{[]string{"break"}, "", "error: break is of a for, and there is none around\n"},
		{[]string{"return 1"}, "", "error: return is of a function: exit ends the script\n"},
		{[]string{"for i in [1] { exit 2 }", "7"}, "", ""},
		{[]string{"let i = 1", "i++", "i"}, "2\n", ""},
		{[]string{"ps -Z"}, "", "ps: "},
		{[]string{"foo bar"}, "", "error: bar does not fit here\n"},
		{[]string{"print"}, "", "error: an expression is missing"},
	} {
		out, errs, _ := interact(t, Config{}, c.lines...)
		if strings.TrimRight(out, "\n") != strings.TrimRight(c.out, "\n") || !strings.HasPrefix(errs, c.errs) || c.errs == "" && errs != "" {
			t.Errorf("%q:\n%q %q, want\n%q %q", c.lines, out, errs, c.out, c.errs)
		}
	}
}

// TestPastedLines pastes a pipeline of several lines.
func TestPastedLines(t *testing.T) {
	lines := []string{"1..6", "\t| filter(# % 2 == 0)", "  | map(# * 10)", "7", "[1,", "2]", "| len()", "let x = 5", "x", "+ 1"}
	want := "[20, 40, 60]\n7\n2\n5\n(1)\n"
	var o, e strings.Builder
	ed := &fakeEditor{lines: slices.Clone(lines), pasted: true}
	c := Config{Session: session(), Out: &o, Err: &e, Interactive: true, editor: ed}
	if err := Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	want = strings.Replace(want, "(1)", "1", 1)
	if got := strings.TrimRight(o.String(), "\n") + "\n"; got != want || e.String() != "" {
		t.Errorf("%q %q, want %q", got, e.String(), want)
	}
	history := []string{"1..6 | filter(# % 2 == 0) | map(# * 10)", "7", "[1, 2] | len()", "let x = 5", "x", "+ 1"}
	if !slices.Equal(ed.history, history) {
		t.Errorf("history %q", ed.history)
	}
	// The same from a pipe, where brackets do not go on.
	var out, errs strings.Builder
	in := "1..6\n  | filter(# % 2 == 0)\n | len()\n\n5\n?nosuch\nhelp nosuch\n| len()\n2 - 1\n== 1"
	err := Run(context.Background(), Config{Session: session(), In: strings.NewReader(in), Out: &out, Err: &errs})
	if got := out.String(); got != "3\n5\ntrue\n" || err == nil {
		t.Errorf("%q %q %v", got, errs.String(), err)
	}
}

func TestSaveStatements(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.ki")
	_, errs, _ := interact(t, Config{}, "let n = 1", "fn f(a) {", "return a", "}", "for i in 1..2 {", "n = n + i", "print f(n)", "}", "1; 2", "save "+file)
	data, err := os.ReadFile(file)
	want := "#!/usr/bin/env -S kinspect run\nlet n = 1;\nfn f(a) { return a };\nfor i in 1..2 { n = n + i; print f(n) };\n1;\n2;\n"
	if err != nil || string(data) != want || errs != "" {
		t.Errorf("%v %q\n%s\nwant\n%s", err, errs, data, want)
	}
	script, err := session().Script("a.ki", string(data))
	if err != nil {
		t.Fatal(err)
	}
	_ = script
}
