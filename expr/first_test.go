package expr

import (
	"context"
	"strings"
	"testing"

	"kinspect/expr/value"
)

// TestSaidPlainly is what was answered with "does not fit here" and the like.
func TestSaidPlainly(t *testing.T) {
	s := NewSession(nil, nil, Options{})
	for _, c := range [][2]string{
		{"08", "which has no digits 8 and 9"},
		{"00", "write 0"},
		{"(u46)5", "there is no type u46, which these brackets would make a cast; did you mean u16 or u64"},
		{"bt 1", "stack(PID)"},
		{"files 1", "task_files(PID)"},
		{"p init_task", "without p"},
		{"# a comment", "comments stand behind //"},
		{"# index of it", "comments stand behind //"},
	} {
		_, err := s.Eval(context.Background(), c[0])
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", c[0], err, c[1])
		}
	}
}

// TestUpdates are the statements x op= EXPR, x++ and x--.
func TestUpdates(t *testing.T) {
	for _, c := range [][2]string{
		{"let x = 5; x += 2; print x", "7\n"},
		{"let x = 5; x -= 2 * 2; print x", "1\n"},
		{"let x = 5; x *= 2 + 1; print x", "15\n"},
		{"let x = 17; x /= 5; x %= 2; print x", "1\n"},
		{"let x = 12; x &= 10; x |= 1; x ^= 3; print x", "10\n"},
		{"let x = 1; x <<= 4; x >>= 1; print x", "8\n"},
		{"let x = 1\nx++\nx++; x--\nprint x", "2\n"},
		{"let x = 1; for i in 1..3 { x += i }\nprint x", "7\n"},
		{"let x = 1; for i in 1..3 { x++ }\nprint x", "4\n"},
		{"let x = 'a'; x += 'b'; print x", "ab\n"},
		{"let x = 1; print x + +1, x - -1", "2 2\n"},
		// The lines of a text that is pasted.
		{"if 1 == 2 {\n print 'a'\n}\nelse {\n print 'b'\n}", "b\n"},
		{"fn f(x)\n{\n return x + 1\n}\nfor i in [1]\n{\n print f(i)\n}", "2\n"},
		{"let l = 1..3\n\n  // a comment\n  | map(# * 2)\nprint l", "[2, 4, 6]\n"},
		{"print 1 == 1\n && 2 == 2", "true\n"},
		{"y += 1", "there is no variable y"},
		{"let x = 1; x += ", "an expression is missing"},
		{"let x = 1\n# no comment", "comments stand behind //"},
	} {
		var out strings.Builder
		p, err := NewSession(nil, nil, Options{}).Script("t.ki", c[0])
		if err == nil {
			_, err = p.Run(context.Background(), ScriptConfig{Out: &out, Err: &out, Format: value.DefaultFormat})
		}
		got := out.String()
		if err != nil {
			got += err.Error()
		}
		if got != c[1] && (err == nil || !strings.Contains(got, c[1])) {
			t.Errorf("%s\ngives %q, want %q", c[0], got, c[1])
		}
	}
}

// TestGoesOn is which lines go on with those before them.
func TestGoesOn(t *testing.T) {
	for _, c := range []struct {
		before, text string
		want         bool
	}{
		{"netdevs()", "| map(.name)\n| len()", true},
		{"netdevs()", "\n // a comment\n\t| map(.name == 'open", true},
		{"netdevs()", "netdev('lo')", false},
		{"netdevs()", "", false},
		{"netdev('lo')", "->mtu", true},
		{"a", "&& b", true},
		{"if 1 { }", "else {", true},
		{"fn f(x)", "{", true},
		{"for i in 1..3", "{\n print i", true},
		{"if 1", "{", true},
		{"1", "{", false},
	} {
		if got := GoesOn(c.before, c.text); got != c.want {
			t.Errorf("%q behind %q: %v", c.text, c.before, got)
		}
	}
	s := NewSession(nil, nil, Options{})
	for src, want := range map[string]bool{
		"fn f(x)": true, "for i in 1..3": true, "if 1": true, "if 1 { } else": true, "if (1) print 2": false,
		"1": false, "fn f": false, "fn f(x) { }": false, "for i": false,
	} {
		if got := s.WantsBlock(src); got != want {
			t.Errorf("%q wants a block: %v", src, got)
		}
	}
}
