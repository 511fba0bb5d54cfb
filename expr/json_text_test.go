package expr

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONStrings checks that a program that reads the JSON gets the string itself, and that
// nothing in it does anything to a terminal.
func TestJSONStrings(t *testing.T) {
	s := testSession()
	for _, want := range []string{
		"a\nb", `a\x0ab`, "\x1b[2J", "\x7f", "\u0085\u009b", "\u202eevil\u2066", "\ufeff\u200b", "\U000e0041", "caf\u00e9 \u65e5\U0001f600", `"\\<>&`,
	} {
		s.Set("x", want)
		for _, src := range []string{"x", "[x]", "{(x): x}", "1..1 | map(x)"} {
			r, err := s.Eval(context.Background(), src)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if part, werr := r.WriteJSON(&b); part != nil || werr != nil {
				t.Fatal(part, werr)
			}
			line := strings.TrimSuffix(b.String(), "\n")
			if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || unsafeRune(r) }); i >= 0 {
				t.Errorf("%q: the JSON of %s has a control character: %q", want, src, line)
			}
			var out struct{ Value any }
			if err := json.Unmarshal([]byte(line), &out); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got := out.Value
			switch x := got.(type) {
			case []any:
				got = x[0]
			case map[string]any:
				got = x[want]
			}
			if got != want {
				t.Errorf("%s of %q is %q in JSON", src, want, got)
			}
		}
	}
	// What is not UTF-8 has no place in JSON.
	s.Set("x", "a\xff\u00e9")
	r, _ := s.Eval(context.Background(), "x")
	var b strings.Builder
	if _, err := r.WriteJSON(&b); err != nil || b.String() != `{"value":"a\\xffé"}`+"\n" {
		t.Errorf("%v, %s", err, b.String())
	}
}
