package repl

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kinspect/expr"
	"kinspect/expr/value"
)

// keys plays keys to the pager of our own.
func keys(s string) func() (byte, error) {
	return func() (byte, error) {
		if s == "" {
			return 0, io.EOF
		}
		k := s[0]
		s = s[1:]
		return k, nil
	}
}

func testScreen(cols, rows int, k string) *screen {
	return &screen{
		size: func() (int, int, bool) { return cols, rows, true }, getKey: keys(k),
		spell: func(w io.Writer) io.Writer { return w },
	}
}

func TestPager(t *testing.T) {
	erased := "\r" + strings.Repeat(" ", len(morePrompt)) + "\r"
	ask := morePrompt + erased
	for _, c := range []struct{ line, keys, want string }{
		{"[1, 2]", "", "[1, 2]\n"},
		{"help nosuch", "", ""},
		// Five lines of three elements go on a screen of six, and one more does not.
		{"set default", "", ""},
		{"lines(5)", "", "1\n2\n3\n4\n5\n"},
		{"lines(6)", " ", "1\n2\n3\n4\n5\n" + ask + "6\n"},
		{"lines(12)", " \rq", "1\n2\n3\n4\n5\n" + ask + "6\n7\n8\n9\n10\n" + ask + "11\n" + ask},
		{"lines(12)", "q", "1\n2\n3\n4\n5\n" + ask},
		{"lines(12)", "zz\x03", "1\n2\n3\n4\n5\n" + ask},
		{"lines(12)", "", "1\n2\n3\n4\n5\n" + ask},
	} {
		s := session()
		s.Register(linesFunction)
		out, errs, _ := interact(t, Config{Session: s, screen: testScreen(40, 6, c.keys)}, c.line, "7 * 7")
		if want := c.want + "49\n\n"; out != want || errs != "" && c.line != "help nosuch" {
			t.Errorf("%s, keys %q:\n%q %q, want\n%q", c.line, c.keys, out, errs, want)
		}
	}
}

// linesFunction prints lines.
var linesFunction = expr.Function{
	Name: "lines", Signature: "lines(N)", MinArgs: 1, MaxArgs: 1,
	Call: func(c *expr.Call) (any, error) {
		n, err := c.Int(0, "a number")
		return text(strings.TrimSuffix(numbered(int(n)), "\n")), err
	},
}

// TestPagerStops leaves the pager in an endless sequence.
func TestPagerStops(t *testing.T) {
	made := 0
	s := session()
	s.Register(expr.Function{Name: "endless", Signature: "endless()", Call: func(c *expr.Call) (any, error) {
		return &expr.Sequence{Of: "numbers", Each: func(visit func(any) error) error {
			for made = 0; made < 10_000_000; made++ {
				if err := visit(made); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}})
	out, errs, _ := interact(t, Config{Session: s, screen: testScreen(40, 6, " q")}, "endless()", "1 + 1")
	if errs != "" || !strings.HasSuffix(out, "2\n\n") || made > 1000 {
		t.Errorf("%d elements, %q, %q", made, out, errs)
	}
	// A pager that is a program, and ends at once: what has nothing to write is stopped, too.
	if _, err := exec.LookPath("head"); err != nil {
		t.Skip("no head here")
	}
	scr := testScreen(40, 6, "")
	scr.command = "head -n 1 >/dev/null"
	_, errs, _ = interact(t, Config{Session: s, screen: scr}, "endless()", "endless() | filter(# < 1000 or # < 0)", "1 + 1")
	if errs != "" || made == 10_000_000 {
		t.Errorf("%d elements, %q", made, errs)
	}
}

// TestSlowText shows what comes slowly at once, and all of it again in the pager.
func TestSlowText(t *testing.T) {
	var out strings.Builder
	s := testScreen(40, 4, " ")
	p := &pager{s: s, out: &out, cols: 40, rows: 4, suspend: func() func() { return func() {} }, stop: func() {}}
	write := func(text string) {
		t.Helper()
		if _, err := p.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("1\n")
	if out.Len() > 0 {
		t.Errorf("%q is shown at once: it may want a pager", out.String())
	}
	p.since = p.since.Add(-time.Minute)
	write("2\n")
	write("3\n")
	if out.String() != "1\n2\n3\n" {
		t.Errorf("%q is shown of what comes slowly", out.String())
	}
	out.Reset()
	write("4\n5\n")
	if err := p.Close(); err != nil || !strings.HasPrefix(out.String(), "1\n2\n3\n"+morePrompt) || !strings.HasSuffix(out.String(), "4\n5\n") {
		t.Errorf("the pager shows %q, %v", out.String(), err)
	}
}

func TestPagerCommand(t *testing.T) {
	for _, c := range []struct {
		pager string
		set   bool
		have  string
		want  string
		use   bool
	}{
		{"", false, "less more", "less -FRX", true},
		{"", false, "more", "more", true},
		{"", false, "", "", true},
		{"most -s", true, "most less", "most -s", true},
		{"most -s", true, "less", "less -FRX", true},
		{"", true, "less", "", false},
		{"cat", true, "less cat", "", false},
	} {
		got, use := pagerCommand(func(string) (string, bool) { return c.pager, c.set }, func(name string) (string, error) {
			if !strings.Contains(" "+c.have+" ", " "+name+" ") {
				return "", errors.New("not found")
			}
			return "/bin/" + name, nil
		})
		if got != c.want || use != c.use {
			t.Errorf("PAGER=%q (%v), with %s: %q %v", c.pager, c.set, c.have, got, use)
		}
	}
	none := func(string) (string, bool) { return "", false }
	if newScreen(func(string) string { return "dumb" }, none, nil) != nil || newScreen(func(string) string { return "" }, none, nil) != nil {
		t.Error("there is a pager on a dumb terminal")
	}
}

// TestNoPagerForJSON writes JSON whole.
func TestNoPagerForJSON(t *testing.T) {
	s := session()
	s.Register(linesFunction)
	out, _, _ := interact(t, Config{Session: s, JSON: true, screen: testScreen(10, 3, "")}, "1..20 | map(#)")
	if strings.Contains(out, "more") || !strings.HasPrefix(out, `{"value":[1,2,`) {
		t.Errorf("%q", out)
	}
}

// text is a result that prints as it is.
type text string

func (t text) Text(value.Format) (string, error) { return string(t), nil }
func (t text) JSON() (any, error)                { return string(t), nil }

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}
