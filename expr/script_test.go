package expr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// runScript runs a script without a kernel and returns what it printed, what it
// said beside that and, behind "error: ", what ended it.
func runScript(tb testing.TB, s *Session, src string, asJSON bool, args ...string) (string, ScriptResult) {
	tb.Helper()
	var out bytes.Buffer
	p, err := s.Script("t.ki", src)
	if err != nil {
		return "error: " + err.Error() + "\n", ScriptResult{Code: -1}
	}
	r, err := p.Run(context.Background(), ScriptConfig{Args: args, Out: &out, Err: &out, JSON: asJSON})
	if err != nil {
		fmt.Fprintf(&out, "error: %v\n", err)
	}
	return out.String(), r
}

var scriptCases = []struct {
	name, src, want string
}{
	{"let and print", "let x = 1\nx = x + 1; print x, 'two', 3.5\n", "2 two 3.5\n"},
	{"an expression prints, nil does not", "1 + 1\nnil\n'x'\nprint nil", "2\nx\nnil\n"},
	{"first line and comments", "#!/usr/bin/env -S kinspect run\n// one\n/* two\nlines */ print 1 // three", "1\n"},
	{"else if", "for x in 1..3 { if x == 1 { print 'a' } else if x == 2 { print 'b' } else { print 'c' } }", "a\nb\nc\n"},
	{"break and continue", "for x in 1..9 {\n\tif x == 2 { continue }\n\tif x > 3 { break }\n\tprint x\n}", "1\n3\n"},
	{"nested loops", "for x in 1..2 { for y in 1..2 { if y == 2 { break }; print x, y } }", "1 1\n2 1\n"},
	{"an array", "for c in str()[:2] { print c + 0 }", "98\n111\n"},
	{"lines go on", "print 1 +\n 2\nprint [1, 2, 3]\n\t| filter(# > 1)\n\t| map(# * 2)\nprint 1\n\t, 2\nlet m = {\n\ta: 1,\n}\nprint m.a\nprint true\n\t? 1\n\t: 2", "3\n[4, 6]\n1 2\n1\n1\n"},
	{"a line that begins with an operand is its own", "1\n-1\n[2]\n(3)", "1\n-1\n[2]\n3\n"},
	{"if as a value", "let x = if true { 1 } else { 2 }\nprint x", "1\n"},
	{"let within an expression", "print (let y = 2; y * 2)", "4\n"},
	{"blocks have variables of their own", "let x = 1\nif true { let x = 2; print x }\nprint x", "2\n1\n"},
	{"blocks set those around", "let x = 1\nif true { x = 2 }\nprint x", "2\n"},
	{"a loop's variable is new in each round", "for x in 1..2 { let y = 0; y = y + x; print y }", "1\n2\n"},
	{"a function of one expression", "fn twice(a) = a * 2\nprint twice(4), [1, 2] | map(twice(#))", "8 [2, 4]\n"},
	{"a function behind a pipe", "fn add(a, b) = a + b\nprint 1 | add(2)", "3\n"},
	{"a function of statements", "fn sign(a) {\n\tif a < 0 { return -1 }\n\tfor x in 1..9 { if x == a { return x } }\n}\nprint sign(-4), sign(3), sign(0)", "-1 3 nil\n"},
	{"recursion", "fn fact(n) = n < 2 ? 1 : n * fact(n - 1)\nprint fact(10)", "3628800\n"},
	{"functions that call each other", "fn even(n) = n == 0 ? true : odd(n - 1)\nfn odd(n) = n == 0 ? false : even(n - 1)\nprint even(10)", "true\n"},
	{"a function reads the script's variables", "let a = 1\nfn f() = a\na = 2\nprint f()", "2\n"},
	{"a function's variables are its own", "let a = 1\nfn f(a) { let b = a; a = a + b; return a }\nprint f(4), a", "8 1\n"},
	{"called for what it does", "fn f() { print 1 }\nf()", "1\n"},
	{"args", "print len(args), args[0]", "2 x\n"},
	{"a variable may be called as a function", "let count = 3\nprint count, count([1])", "3 1\n"},
	{"exit", "print 1; exit 3; print 2", "1\ncode 3\n"},
	{"exit within a predicate", "fn f(x) { exit 4 }\nprint [1, 2] | map(f(#))", "code 4\n"},
	{"assert goes on", "assert 1 == 2, 'no', 5\nassert 1 == 1, boom\nprint 2", "error: t.ki:2:16: boom: no kernel is open\n"},
	{"assertions", "assert 1 == 2, 'no', 5\nassert 1 ==\n 3\nassert 1 == 1\nprint 2", "kinspect: t.ki:1: assertion failed: no 5\nkinspect: t.ki:2: assertion failed: 1 == 3\n2\n2 of 3 failed\n"},
	{"require ends", "require 1 == 2, 'no'\nprint 2", "kinspect: t.ki:1: assertion failed: no\n1 of 1 failed\n"},
	{"warn", "warn 'w', 1", "kinspect: t.ki:1: warning: w 1\n"},
	{"strings of the kernel cannot paint", "print str(), [str()]", "bond0 [\"bond0\"]\n"},
	{"a string's lines are lines, its escapes are not", "print 'a\\nb\\x1bc'", "a\nb\\x1bc\n"},
	{"a word in brackets", "fn f() = 5\n(f)()", "error: t.ki:2:4: \"(\" does not fit here\n"},
	{"a warning of the grammar, once", "for x in 1..3 { print x & 1 == 1 }", "kinspect: t.ki:1: warning: read as in C: x & (1 == 1); brackets around x & 1 would say that it is compared\n1\n0\n1\n"},

	{"empty", "", ""},
	{"undeclared", "x = 1", "error: t.ki:1:1: there is no variable x: let x = … makes one\n"},
	{"declared twice", "let x = 1\nlet x = 2", "error: t.ki:2:5: there is a variable x already: x = … sets it\n"},
	{"a keyword as a name", "let print = 1", "error: t.ki:1:5: print is a word of the language, and cannot be a name\n"},
	{"no value", "let x\nprint 1", "error: t.ki:2:1: a = and a value are missing here: let x = …\n"},
	{"no expression", "print\n", "error: t.ki:2:1: an expression is missing: the script ends here\n"},
	{"two on a line", "break; print 1", "error: t.ki:1:1: break is of a for, and there is none around\n"},
	{"without a separator", "let x = 1 print x", "error: t.ki:1:11: print does not fit here\n"},
	{"an open block", "if true {\nprint 1\n", "error: t.ki:1:9: this brace is not closed\n"},
	{"a closed one", "print 1 }", "error: t.ki:1:9: this brace closes nothing\n"},
	{"no block", "if true print 1", "error: t.ki:1:16: a block in braces is missing here: { … }\n"},
	{"brackets across", "print (1\n}", "error: t.ki:2:1: this brace closes nothing\n"},
	{"else alone", "else { }", "error: t.ki:1:1: this else belongs to no if\n"},
	{"return outside", "return 1", "error: t.ki:1:1: return is of a function: exit ends the script\n"},
	{"a function within", "if true { fn f() { } }", "error: t.ki:1:11: functions are defined outside of blocks\n"},
	{"a function that there is", "fn len(x) = 1", "error: t.ki:1:4: there is a function len already: len(LIST or STRING)\n"},
	{"a parameter twice", "fn f(a, a) = 1", "error: t.ki:1:9: there are two parameters a\n"},
	{"too many arguments", "fn f(a) = 1\nf(1, 2)", "error: t.ki:2:1: f takes 1 argument, not 2: f(a)\n"},
	{"a function sets a global", "let a = 1\nfn f() { a = 2 }", "error: t.ki:2:10: a function cannot set a, which is the script's: return a value, or use let for a variable of its own\n"},
	{"too early", "f()\nlet a = 1\nfn f() = a", "error: t.ki:3:10: a has no value yet: the function is called above its let\n"},
	{"above its let", "fn f() = a\nlet a = 1", "error: t.ki:1:10: a: no kernel is open\n"},
	{"a variable of a block", "if true { let y = 1 }\nprint y", "error: t.ki:2:7: y: no kernel is open\n"},
	{"the place within a line", "print 1\n  print 2 + 3, [1][7]", "1\nerror: t.ki:2:19: index 7 is outside the list, which has 1 elements\n"},
	{"the place within a function", "fn f(x) {\n\treturn x[3]\n}\nprint f([1])", "error: t.ki:2:10: index 3 is outside the list, which has 1 elements\n"},
	{"no list", "for x in 5 { }", "error: t.ki:1:10: the number 5 is no list\n"},
	{"a map is no list", "for x in {a: 1} { }", "error: t.ki:1:10: an expression is missing here\n"},
	{"a map in brackets", "for x in keys({a: 1}) { print x }", "a\n"},
	{"a condition that is none", "if [1] { }", "error: …"},
	{"an open string", "print 1\nprint 'x", "error: t.ki:2:7: this string has no end\n"},
	{"an open comment", "/* x", "error: t.ki:1:1: this comment has no end\n"},
	{"an exit code", "exit 256", "error: t.ki:1:6: an exit code is a number from 0 to 255, not 256\n"},
	{"endless recursion", "fn f(x) = f(x)\nf(1)", "error: t.ki:1:11: functions call one another deeper than 100\n"},
	{"not UTF-8", "print '\xff'", "error: t.ki: the script is not valid UTF-8\n"},
}

func TestScript(t *testing.T) {
	for _, c := range scriptCases {
		t.Run(c.name, func(t *testing.T) {
			got, r := runScript(t, testSession(), c.src, false, "x", "y")
			if r.Failed > 0 {
				got += fmt.Sprintf("%d of %d failed\n", r.Failed, r.Checked)
			}
			if r.Code >= 0 {
				got += fmt.Sprintf("code %d\n", r.Code)
			}
			if want, cut := strings.CutSuffix(c.want, "…"); cut && strings.HasPrefix(got, want) {
				return
			}
			if got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
			}
		})
	}
}

func TestScriptJSON(t *testing.T) {
	src := "print 'a', 1\nprint {a: [1]}\nassert 1 == 2, 'no'\nwarn 'w'\n'x'\n"
	got, _ := runScript(t, testSession(), src, true)
	want := `["a",1]
{"a":[1]}
kinspect: t.ki:3: assertion failed: no
{"assert":"no","file":"t.ki","line":3}
kinspect: t.ki:4: warning: w
{"file":"t.ki","line":4,"warn":"w"}
"x"
`
	if got != want {
		t.Errorf("got %s", got)
	}
}

// TestScriptCaret: an error shows the line of the script that it is in.
func TestScriptCaret(t *testing.T) {
	p, err := testSession().Script("t.ki", "print 1\nfor x in [1] {\n\tprint x, nosuch\n}\n")
	var e *ScriptError
	if p != nil || !errors.As(err, &e) || e.Line != 3 || e.Column != 11 || e.Caret() != " print x, nosuch\n          ^" {
		t.Errorf("%v, %q", err, e.Caret())
	}
}

// TestScriptBounds: what a script can hold is bounded, whatever it does.
func TestScriptBounds(t *testing.T) {
	deep := strings.Repeat("if true {", 200) + strings.Repeat("}", 200)
	for src, want := range map[string]string{
		deep: "blocks nest deeper than 100",
		"let l = [0]\nfor x in 1..100 { l = [l] }\n":                                   "lists nest deeper than 64",
		"let l = [0]\nfor x in 1..100 { l = [l, l] }\n":                                "more than 2 million list elements",
		"let l = [0]\nfor x in 1..100 { l = concat(l, l) }\n":                          "more than 2 million list elements",
		"let l = sort(1..1000000)\nlet m = sort(1..1000000)\nlet n = sort(1..1000000)": "hold more than 2 million list elements",
		"fn f(n, l) = n == 0 ? 0 : f(n - 1, concat(l))\nf(99, 1..100000)":              "hold more than 2 million list elements",
		"let l = sort(1..1000000)\nprint [l, l, l]":                                    "too large to print",
		"let l = 1..1000000\nprint [l, l, l]":                                          "too large to print",
		strings.Repeat("print 1\n", maxStatements+1):                                   "more than 50000 statements",
		strings.Repeat("a+", maxLexemes):                                               "more than 400000 words",
		strings.Repeat(" ", maxScript+1):                                               "bytes long",
		"print " + strings.Repeat("(", 300):                                            "nest deeper than 200",
		"let s = 'x'\nfor x in 1..100 { s = s + s }\n":                                 "…",
		"fn f(n) = " + strings.Repeat("-", 8000) + "1 + f(n)\nf(1)":                    "deeper than 100",
		"fn f(n) = " + strings.Repeat("-", 8000) + "f(n)\nf(1)":                        "deeper than 100",
		"if false { }" + strings.Repeat(" else if false { }", 10_000) + "\n1/0":        "…",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, _ := runScript(t, testSession(), src, false)
		runtime.ReadMemStats(&after)
		if !strings.Contains(got, strings.Trim(want, "…")) || !strings.Contains(got, "error: ") {
			t.Errorf("%.60q: %.200s", src, got)
		}
		if after.Sys > before.Sys+512<<20 {
			t.Errorf("%.60q took %d MiB", src, (after.Sys-before.Sys)>>20)
		}
	}
}

// TestScriptStops: Ctrl-C ends a loop.
func TestScriptStops(t *testing.T) {
	for _, src := range []string{
		"for x in 1..1000000 { for y in 1..1000000 { } }",
		"for x in 1..1000000 { for y in 1..1000000 { let z = x + y } }",
		"fn f(x) = (1..1000000) | map(# + x) | sum()\nfor x in 1..1000000 { f(x) }",
	} {
		p, err := testSession().Script("t.ki", src)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err = p.Run(ctx, ScriptConfig{Out: new(bytes.Buffer)})
		cancel()
		if err == nil || !strings.Contains(err.Error(), "stopped") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestScriptAgain: a script runs more than once, and starts anew.
func TestScriptAgain(t *testing.T) {
	p, err := testSession().Script("t.ki", "let x = 1\nx = x + len(args)\nfn f() = x\nprint f()\nassert x == 2")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"a"}, {"a", "b"}, {"a"}} {
		var out bytes.Buffer
		r, err := p.Run(context.Background(), ScriptConfig{Args: args, Out: &out})
		if err != nil || out.String() != fmt.Sprintln(len(args)+1) || (r.Failed == 0) != (len(args) == 1) {
			t.Errorf("%v: %q, %+v, %v", args, out.String(), r, err)
		}
	}
}

// FuzzScript: no script makes the language panic, hang or print raw control
// characters, and its errors lie in its text.
func FuzzScript(f *testing.F) {
	for _, c := range scriptCases {
		f.Add(c.src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := testSession().Script("t.ki", src)
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			var out bytes.Buffer
			_, err = p.Run(ctx, ScriptConfig{Args: []string{"5"}, Out: &limited{&out}, Err: &limited{&out}})
			checkPrintable(t, src, out.String())
		}
		var e *ScriptError
		if !errors.As(err, &e) {
			return
		}
		if e.Err.Column > utf8.RuneCountInString(src) || strings.HasPrefix(e.Err.Msg, "internal") {
			t.Errorf("%q: %v", src, err)
		}
		checkPrintable(t, src, err.Error()+e.Caret())
	})
}

// limited is a writer that fails after a while.
type limited struct{ *bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if l.Len() > 1<<20 {
		return 0, errors.New("full")
	}
	return l.Buffer.Write(b)
}
