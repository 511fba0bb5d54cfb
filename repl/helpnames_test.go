package repl

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"kinspect/expr"
)

// TestHelpNames: the functions that any help names exist.
func TestHelpNames(t *testing.T) {
	known := map[string]bool{"sizeof": true, "offsetof": true, "typeof": true, "f": true}
	all := session().Functions()
	for _, f := range expr.Functions() {
		known[f.Name] = true
	}
	check := func(of, text string) {
		for _, m := range regexp.MustCompile(`\b([A-Za-z_0-9]+)\(`).FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("help %s names %s(), which is no function", of, m[1])
			}
		}
	}
	for _, c := range commands() {
		check(c.name, c.about+" "+c.more+" "+c.example)
	}
	names := []string{""}
	for _, topic := range helpTopics {
		names = append(names, topic.name)
	}
	for _, name := range names {
		var b strings.Builder
		if err := Help(&b, all, name); err != nil {
			t.Fatal(err)
		}
		check(name, b.String())
	}
}

// TestExit: exit takes a code at the prompt, as in scripts.
func TestExit(t *testing.T) {
	for _, c := range []struct {
		in   string
		code int
	}{{"exit 5\n7\n", 5}, {"exit\n7\n", 0}, {"exit 0\n7\n", 0}, {"let n = 3\nif n > 2 { exit n }\n7\n", 3}} {
		var out, errs strings.Builder
		err := Run(context.Background(), Config{Session: session(), In: strings.NewReader(c.in), Out: &out, Err: &errs})
		code := 0
		var exit *Exit
		if errors.As(err, &exit) {
			code = exit.Code
		}
		if code != c.code || out.String() != "" || errs.String() != "" {
			t.Errorf("%q: %v %q %q, want %d", c.in, err, out.String(), errs.String(), c.code)
		}
	}
}

// TestVarsText: what vars shows of a string is written as the string is.
func TestVarsText(t *testing.T) {
	out, errs, _ := interact(t, Config{}, `let s = "abc\ndef"`, "vars")
	if !strings.Contains(out, `"abc\x0adef"`) || strings.Contains(out, `\\`) || errs != "" {
		t.Errorf("%s%s", out, errs)
	}
}
