package repl

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/syntax"
)

func TestSeveralLines(t *testing.T) {
	for _, c := range []struct {
		lines   []string
		out     string
		errs    string
		history []string
	}{
		{[]string{"[1,", "2]"}, "[1, 2]\n\n", "", []string{"[1, 2]"}},
		{[]string{"1 +", "// two", "2"}, "3\n\n", "", []string{"1 + 2"}},
		{[]string{"'a", "b'"}, `"a\x0ab"` + "\n\n", "", []string{`'a\nb'`}},
		{[]string{"`a`` \"", "b`"}, `"a` + "` \\\"" + `\x0ab"` + "\n\n", "", nil},
		{[]string{"[1, /* a", "comment */ 2]"}, "[1, 2]\n\n", "", []string{"[1, 2]"}},
		// Ctrl-C drops all of it.
		{[]string{"[1,", "2,", "^C", "7"}, "7\n\n", "", []string{"7"}},
		// Ctrl-D ends it.
		{[]string{"[1,"}, "\n\n", "error: the expression is not complete\n  [1,\n     ^\n", []string{"[1,"}},
		// Blank lines and commands within it are of it; the error is at its own line.
		{[]string{"[1,", "", "help ]"}, "\n", "error: help: no kernel is open\n  help ]\n  ^\n", []string{"[1, help ]"}},
		// A block that was pasted, with the terminal's marks.
		{[]string{"\x1b[200~1 + 1", "\t2 + 2", "let x = [", "\t3,", "]", "x[0]\x1b[201~"}, "2\n4\n3\n\n", "", []string{"1 + 1", "\t2 + 2", "let x = [ 3, ]", "x[0]"}},
		{[]string{"[200~1 + 1", "2[201~"}, "2\n2\n\n", "", []string{"1 + 1", "2"}},
		// What is open in a command is not the language's.
		{[]string{"help nosuch(", "1"}, "1\n\n", "there is no help on \"nosuch\"\n", nil},
	} {
		out, errs, ed := interact(t, Config{}, c.lines...)
		if out != c.out || !strings.HasPrefix(errs, strings.TrimSuffix(c.errs, "\n")) || c.errs == "" && errs != "" {
			t.Errorf("%q:\n%q %q, want\n%q %q", c.lines, out, errs, c.out, c.errs)
		}
		if c.history != nil && !slices.Equal(ed.history, c.history) {
			t.Errorf("%q: history %q, want %q", c.lines, ed.history, c.history)
		}
	}
	_, _, ed := interact(t, Config{}, "[1,", "2,")
	if want := []string{Prompt, More, More, Prompt}; !slices.Equal(ed.prompted, want) {
		t.Errorf("the prompts are %q, want %q", ed.prompted, want)
	}
}

// TestOneLine compares what the history keeps with what was typed.
func TestOneLine(t *testing.T) {
	for _, src := range []string{
		"1 +\n2", "[1, // a\n 2]", "'a\nb' +\n\"c\nd\"", "`a``\nb\\n\"`", "a /* x\ny */ + b", "x -\n-y", "a\n.b", "'//\n' + 'x'", "f(\r\n1)",
	} {
		line := oneLine(src)
		if strings.ContainsAny(line, "\n\r") {
			t.Errorf("%q: %q has several lines", src, line)
		}
		a, err1 := syntax.Parse(src, nil)
		b, err2 := syntax.Parse(line, nil)
		if (err1 == nil) != (err2 == nil) {
			t.Errorf("%q: %q: %v, %v", src, line, err1, err2)
			continue
		}
		if err1 == nil && outline(a.Root) != outline(b.Root) {
			t.Errorf("%q: %q means something else: %s, %s", src, line, outline(a.Root), outline(b.Root))
		}
	}
}

// outline is a tree without its places.
func outline(n syntax.Node) string {
	out := ""
	switch n := n.(type) {
	case *syntax.String:
		out = strings.ReplaceAll(n.Value, "\r\n", "\n")
	case *syntax.Name:
		out = n.Name
	case *syntax.Member:
		out = "." + n.Name
	case *syntax.Binary:
		out = n.Op
	case *syntax.Unary:
		out = n.Op
	}
	out += "("
	syntax.Children(n, func(c syntax.Node) { out += outline(c) + " " })
	return out + ")"
}

func FuzzOneLine(f *testing.F) {
	for _, s := range []string{"1 +\n2", "'a\nb'", "`\n", "/*\n*/ x", "//\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if line := oneLine(src); strings.ContainsAny(line, "\n\r") {
			t.Errorf("%q: %q", src, line)
		}
		_ = typed(src)
		_ = withLast(src)
		_ = Fit(src, 20)
	})
}

func TestLastValue(t *testing.T) {
	out, errs, _ := interact(t, Config{}, "20 + 1", "_ * 2", "$ + 1", "let x = _", "x", "vars", "unset x y", "x", "let a = 1; let b = a + 1", "b", "let c = 5; c + 1", "c")
	want := "21\n42\n43\n43\n$            the number 43\n_            the number 43\nx            the number 43\n2\n6\n\n"
	if out != want {
		t.Errorf("out:\n%s\nwant:\n%s", out, want)
	}
	for _, part := range []string{`no variable "y"`, "error: x: no kernel", "error: c: no kernel"} {
		if !strings.Contains(errs, part) {
			t.Errorf("errors lack %q:\n%s", part, errs)
		}
	}
}

func TestSet(t *testing.T) {
	out, errs, _ := interact(t, Config{}, "set hex", "255", "set dec", "255", "set nosuch", "set")
	if !strings.HasPrefix(out, "0xff\n255\ndepth=N") || !strings.Contains(out, "now: depth=4 elements=16 width=100 dec types") {
		t.Errorf("out: %s", out)
	}
	if !strings.Contains(errs, "no option \"nosuch\"") {
		t.Errorf("errors: %s", errs)
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	text, json, script := filepath.Join(dir, "a.txt"), filepath.Join(dir, "a.json"), filepath.Join(dir, "a.ki")
	_, errs, _ := interact(t, Config{}, "save "+text, "save "+script, "let x =", "4", "let x = 5", "nosuch", "[x,", "'$']", "_[0]",
		"save "+text, "save "+json, "save "+script, "7", "save "+text, "save! '"+json+"'", "save", "save!", "save /nosuch/x")
	for name, want := range map[string]string{
		text: "5\n",
		json: `{"value":7}` + "\n",
		script: "#!/usr/bin/env -S kinspect run\n" +
			"let x = 4;\nx = 5;\nlet _ = [x, '$']; print _;\n_ = _[0]; print _;\n",
	} {
		data, err := os.ReadFile(name)
		if err != nil || string(data) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, data, want)
		}
	}
	for _, part := range []string{"there is no result yet", "no expression succeeded yet", "it is there already: save! " + text, "usage: save", "no such file or directory"} {
		if !strings.Contains(errs, part) {
			t.Errorf("errors lack %q:\n%s", part, errs)
		}
	}
	for name, mode := range map[string]os.FileMode{text: 0o600, script: 0o755} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm()&^0o022 != mode&^0o022 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}
