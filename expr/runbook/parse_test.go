package runbook

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kinspect/expr"
)

const good = "check a \"b\"\n  value 1\n  max 2\n"

// TestParse: what a book may look like.
func TestParse(t *testing.T) {
	b, err := Parse("x", `# a comment
let limit = 3   // of the language
fn twice(x) {
    return 2 * x
}
fn more(x) = x +
    1

check one-1 "it is # so"
	# comments stand anywhere,
    let   n = [1,
# even here
               2]
    when  len(n) > 0, 'nothing, really'
    each  n
       | filter(# > 0)
    label a = #
    label b = string(#)
    value twice(#)
    max   limit
    min   0
    unit  % of it
    found 'a,b', [1, 2], max(3, 4)
    next  "x"
check two "that"
  holds true
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Checks) != 2 || len(b.prelude) != 3 {
		t.Fatalf("%d checks, %d lines above", len(b.Checks), len(b.prelude))
	}
	c := b.Find("one-1")
	if c == nil || c.Title != "it is # so" || c.unit != "% of it" || len(c.lets) != 1 || len(c.labels) != 2 || len(c.found.texts) != 3 || len(c.when.texts) != 2 {
		t.Fatalf("%+v", c)
	}
	if got := strings.Join(strings.Fields(b.text(c.each.texts[0])), " "); got != "n | filter(# > 0)" {
		t.Errorf("each is %q", got)
	}
	if got := strings.Join(strings.Fields(b.text(c.lets[0].texts[0])), " "); got != "[1, 2]" {
		t.Errorf("let is %q", got)
	}
	if got := b.text(c.found.texts[0]); got != "'a,b'" {
		t.Errorf("found is %q", got)
	}
	for _, text := range []string{
		good, "\ufeff" + good, strings.ReplaceAll(good, "\n", "\r\n"), strings.TrimSuffix(good, "\n"),
		"\n\n" + good + "\n   \n# end", strings.ReplaceAll(good, "  ", "\t"),
	} {
		if _, err := Parse("x", text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestParseErrors: where they are, and what they say.
func TestParseErrors(t *testing.T) {
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, strings.ReplaceAll(line, "%d", "%[1]d"), i)
		}
		return b.String()
	}
	for _, c := range []struct {
		text, says string
		line, col  int
	}{
		{"", "there is no check in the file", 0, 0},
		{"# nothing\n", "there is no check in the file", 0, 0},
		{"hello\n", `a line here begins with check, let, fn or #, not with "hello"`, 1, 1},
		{"{}\n", `not with "{"`, 1, 1},
		{"  value 1\n", "this line is indented", 1, 3},
		{"value 1\n", "the lines of a check are indented", 1, 1},
		{"check\n", "the check needs a name", 1, 6},
		{"check A \"b\"\n", "the name of a check is of small letters", 1, 7},
		{"check 1a \"b\"\n", "the name of a check is of small letters", 1, 7},
		{"check a\n", "what has to be so stands behind the name", 1, 8},
		{"check a b\n", "what has to be so stands behind the name", 1, 9},
		{"check a \"\"\n", "what has to be so", 1, 9},
		{"check c \"b\"\n" + good, "the check c looks at nothing", 1, 1},
		{good + good, "there is a check a in this file already", 4, 7},
		{"  check a \"b\"\n", "check stands at the beginning of a line", 1, 3},
		{good + "let x = 1\n", "let for all checks stands above the first one", 4, 1},
		{"let = 1\n" + good, "a name is missing here: let NAME", 1, 5},
		{"let x 1\n" + good, "a = is missing here", 1, 7},
		{"let x == 1\n" + good, "a = is missing here", 1, 7},
		{"let x =\n" + good, "an expression is missing here", 1, 8},
		{"let in = 1\n" + good, "in is a word of the language", 1, 5},
		{"check a \"b\"\n  vlaue 1\n", `there is no "vlaue" in a check: did you mean value?`, 2, 3},
		{"check a \"b\"\n  frobnicate 1\n", "a line of a check begins with let, when", 2, 3},
		{"check a \"b\"\n  value\n", "something is missing behind value", 2, 8},
		{"check a \"b\"\n  value(1)\n", "a blank is missing behind value", 2, 8},
		{"check a \"b\"\n  value 1\n", "the value needs a max or a min", 2, 3},
		{"check a \"b\"\n  max 1\n", "the check a looks at nothing", 1, 1},
		{"check a \"b\"\n  holds 1\n  max 1\n", "holds is a condition and has no max", 2, 3},
		{"check a \"b\"\n  holds 1\n  value 1\n  max 1\n", "it takes one of them", 2, 3},
		{good + "  max 3\n", "the check a has a max already", 4, 3},
		{good + "  unit x\n  unit y\n", "the check a has a unit already", 5, 3},
		{good + "  unit 'x'\n", "a unit is a word or two", 4, 8},
		{good + "  label x = 1\n", "labels tell the rows of each apart", 4, 3},
		{good + "  each [1]\n  label check = 1\n", "a label cannot be called check", 5, 9},
		{good + "  each [1]\n  label __x = 1\n", "a label cannot be called __x", 5, 9},
		{good + "  each [1]\n  label ü = 1\n", "a name is missing here", 5, 9},
		{good + "  each [1]\n  label x = 1\n  label x = 1\n", "the check a has a label x already", 6, 9},
		{good + "  when true\n", "when takes a condition and the reason", 4, 8},
		{good + "  found 1,\n", "an expression is missing here", 4, 11},
		{good + "  found 1, , 2\n", "an expression is missing here", 4, 12},
		{good + "  found 'open\n", "this string has no end", 4, 9},
		{good + "  found " + strings.Repeat("1,", 30) + "1\n", "more than 20 expressions in one line", 4, 50},
		{"\xff\xfe" + good, "the file is not valid UTF-8", 0, 0},
		{good + strings.Repeat("#", MaxFile), "the file is longer than", 0, 0},
		{many(maxChecks+1, "check a%d \"b\"\n value 1\n max 2\n"), "more than 1000 checks", 3*maxChecks + 1, 1},
		{many(maxClauses+1, "let a%d = 1\n") + good, "more than 100 lines stand above", maxClauses + 1, 1},
		{good + many(maxClauses+1, "  let a%d = 1\n"), "more than 100 of let", 4 + maxClauses, 3},
		{"check " + strings.Repeat("a", 65) + " \"b\"\n", "has at most 64", 1, 7},
		{"check a \"" + strings.Repeat("b", 300) + "\"\n", "longer than 200 bytes", 1, 9},
	} {
		_, err := Parse("file", c.text)
		var at *expr.ScriptError
		if !errors.As(err, &at) {
			t.Errorf("%.60q: %v", c.text, err)
			continue
		}
		if at.Line != c.line || at.Column != c.col || !strings.Contains(at.Err.Msg, c.says) {
			t.Errorf("%.60q: %v, want %d:%d: %s", c.text, err, c.line, c.col, c.says)
		}
		if c.line > 0 && !strings.HasSuffix(at.Caret(), "^") {
			t.Errorf("%.60q: no caret: %q", c.text, at.Caret())
		}
	}
}

// TestBuiltIn: the library is in order, each check is in a file of its name, and its text fits a terminal.
func TestBuiltIn(t *testing.T) {
	list, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 12 {
		t.Errorf("%d checks", len(list))
	}
	for _, c := range list {
		b, err := BuiltInBook(c.Name)
		if err != nil || b == nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if b.Name != c.Name+librarySuffix || !strings.HasPrefix(b.Text, "# ") {
			t.Errorf("%s is in %s, and begins with %.20q", c.Name, b.Name, b.Text)
		}
		for line := range strings.Lines(b.Text) {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("%s: a line has %d columns: %s", b.Name, n, line)
			}
		}
	}
	if b, err := BuiltInBook("nonesuch"); b != nil || err != nil {
		t.Errorf("nonesuch: %v, %v", b, err)
	}
}
