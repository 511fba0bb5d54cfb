package repl

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"kinspect/expr"
)

// fakeEditor plays lines; "^C" is Ctrl-C at the prompt.
type fakeEditor struct {
	lines    []string
	history  []string
	prompts  int
	closed   bool
	pasted   bool // all lines at once
	onLine   func(string)
	f        func(string, int) (string, []string, string)
	prompted []string
}

func (e *fakeEditor) Prompt(prompt string) (string, error) {
	e.prompts++
	e.prompted = append(e.prompted, prompt)
	if len(e.lines) == 0 {
		return "", io.EOF
	}
	l := e.lines[0]
	e.lines = e.lines[1:]
	if e.onLine != nil {
		e.onLine(l)
	}
	if l == "^C" {
		return "", errAborted
	}
	return l, nil
}

func (e *fakeEditor) AppendHistory(l string) { e.history = append(e.history, l) }
func (e *fakeEditor) Close() error           { e.closed = true; return nil }
func (e *fakeEditor) Ahead() string {
	if !e.pasted {
		return ""
	}
	return strings.Join(e.lines, "\n")
}
func (e *fakeEditor) Suspend() func() { return func() {} }
func (e *fakeEditor) SetCompleter(f completeFunc) {
	e.f = func(line string, pos int) (string, []string, string) {
		head, candidates, tail := f(line, pos)
		var names []string
		for _, c := range candidates {
			names = append(names, c.Text)
		}
		return head, names, tail
	}
}

func session() *expr.Session { return expr.NewSession(nil, nil, expr.Options{}) }

// interact runs lines as a user would type them.
func interact(t *testing.T, c Config, lines ...string) (out, errs string, ed *fakeEditor) {
	t.Helper()
	var o, e strings.Builder
	ed = &fakeEditor{lines: lines}
	if c.Session == nil {
		c.Session = session()
	}
	c.Out, c.Err, c.Interactive, c.editor = &o, &e, true, ed
	var exit *Exit
	if err := Run(context.Background(), c); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if !ed.closed {
		t.Error("the terminal was not given back")
	}
	return o.String(), e.String(), ed
}

func TestInteractive(t *testing.T) {
	out, errs, ed := interact(t, Config{Banner: "hello\n"}, "1 + 2", "", "  ", "^C", "'a' )", "'äö' + 1", "exit", "3 + 3")
	if out != "hello\n3\n" {
		t.Errorf("out: %q", out)
	}
	want := "error: \")\" does not fit here\n  'a' )\n      ^\n" +
		"error: the string \"äö\" + the number 1: use string(…) to make a string of the number\n  'äö' + 1\n       ^\n"
	if errs != want {
		t.Errorf("errors:\n%s\nwant:\n%s", errs, want)
	}
	if ed.prompts != 7 {
		t.Errorf("%d prompts, want 7: exit did not end it", ed.prompts)
	}
}

func TestEndOfInput(t *testing.T) {
	if out, _, _ := interact(t, Config{}, "1"); out != "1\n\n" {
		t.Errorf("Ctrl-D leaves %q: the shell's prompt would follow ours", out)
	}
}

func TestPipe(t *testing.T) {
	for _, c := range []struct {
		in, out, errs string
		failed        bool
	}{
		{"1 + 2\n\n// a comment\n0xff\nquit\nnosuch(\n", "3\n255\n", "", false},
		{"1 +\n2", "2\n", "error: the expression is not complete\n  1 +\n     ^\n", true},
		{"", "", "", false},
		{"1..4\n// of these\n| filter(# > 2)\n/* how many */\n| count()\n", "2\n", "", false},
		{"1..4\n// of these\n// there are\n| count()\n// four\n5\n", "4\n5\n", "", false},
		{"1..4\n\n| count()\n", "[1, 2, 3, 4]\n", "error: \"|\" does not fit here\n  | count()\n  ^\n", true},
		{"// 5\n// 6\n7\n// 8\n", "7\n", "", false},
		{"2 > 1\n? nosuch\n3\n", "true\n3\n", "there is no help on \"nosuch\"\n", true},
		{"2 > 1\n? 5\n: 6\n", "5\n", "", false},
		{"let a = 1\n? nosuch\na\n", "1\n", "there is no help on \"nosuch\"\n", true},
		{"help nosuch\n", "", "there is no help on \"nosuch\"\n", true},
	} {
		var o, e strings.Builder
		err := Run(context.Background(), Config{Session: session(), In: strings.NewReader(c.in), Out: &o, Err: &e})
		if o.String() != c.out || e.String() != c.errs || errors.Is(err, ErrFailed) != c.failed {
			t.Errorf("%q: %q %q %v", c.in, o.String(), e.String(), err)
		}
	}
	var o strings.Builder
	err := Run(context.Background(), Config{Session: session(), In: strings.NewReader("[1, 'x']\n"), Out: &o, Err: io.Discard, JSON: true})
	if err != nil || o.String() != `{"value":[1,"x"]}`+"\n" {
		t.Errorf("JSON: %q %v", o.String(), err)
	}
	err = Run(context.Background(), Config{Session: session(), In: strings.NewReader(strings.Repeat("x", 2<<20)), Out: &o, Err: io.Discard})
	if err == nil {
		t.Error("a line of 2 MiB is no error")
	}
}

// fullDisk fails each write.
type fullDisk struct{ writes int }

func (d *fullDisk) Write([]byte) (int, error) {
	d.writes++
	return 0, syscall.ENOSPC
}

func TestPipeThatCannotWrite(t *testing.T) {
	for _, json := range []bool{false, true} {
		var d fullDisk
		err := Run(context.Background(), Config{Session: session(), In: strings.NewReader("1\n2\n3\n"), Out: &d, Err: io.Discard, JSON: json})
		if !errors.Is(err, syscall.ENOSPC) || d.writes != 1 {
			t.Errorf("JSON %v: %v after %d writes", json, err, d.writes)
		}
	}
}

func TestHelp(t *testing.T) {
	out, _, _ := interact(t, Config{}, "help")
	if lines := strings.Count(out, "\n"); lines > 23 {
		t.Errorf("help has %d lines: with the prompt, they do not fit a screen of 24", lines)
	}
	for _, c := range commands() {
		if !strings.Contains(out, c.name) {
			t.Errorf("help does not list the command %s", c.name)
		}
	}
	for _, f := range session().Functions() {
		if !strings.Contains(out, " "+f.Topic) {
			t.Errorf("help does not list the topic %s of %s", f.Topic, f.Name)
		}
	}
	out, _, _ = interact(t, Config{}, "help functions")
	for _, f := range session().Functions() {
		if !strings.Contains(out, f.Name) {
			t.Errorf("help does not list %s", f.Name)
		}
		one, errs, _ := interact(t, Config{}, "help "+f.Name)
		if !strings.Contains(strings.Join(strings.Fields(one), " "), f.Doc) || !strings.Contains(one, "example: ") || errs != "" {
			t.Errorf("help %s: %s%s", f.Name, one, errs)
		}
	}
	for _, topic := range []string{"", "functions", "commands", "language", "keyboard", "variables", "predicates", "rd", "ps"} {
		var text strings.Builder
		if err := Help(&text, session().Functions(), topic); err != nil {
			t.Error(err)
		}
		for _, width := range []int{80, 40, 20} {
			for l := range strings.SplitSeq(Fit(text.String(), width), "\n") {
				if utf8.RuneCountInString(l) > width {
					t.Errorf("help %s has a line of more than %d columns: %s", topic, width, l)
				}
			}
		}
		if Fit(text.String(), 80) != text.String() {
			t.Errorf("help %s is not written for 80 columns:\n%q\n%q", topic, Fit(text.String(), 80), text.String())
		}
	}
	for line, want := range map[string]string{
		"help language":   "predicate",
		"help netdev()":   "netdev(NAME",
		"help predicates": "filter(LIST",
		"?":               "Write an expression",
		"? netdev":        "netdev(NAME",
		"?filter":         "filter(LIST",
	} {
		if out, errs, _ := interact(t, Config{}, line); !strings.Contains(out, want) {
			t.Errorf("%s: %s%s", line, out, errs)
		}
	}
	if _, errs, _ := interact(t, Config{}, "help netdv"); !strings.Contains(errs, "netdev") {
		t.Errorf("help netdv suggests nothing: %s", errs)
	}
}

func TestComplete(t *testing.T) {
	_, _, ed := interact(t, Config{})
	for _, c := range []struct{ line, head, want string }{
		{"hel", "", "help"},
		{"help netd", "help ", "netdev"},
		{"ex", "", "exit"},
		{"netdevs() | fil", "netdevs() | ", "filter("},
	} {
		head, names, _ := ed.f(c.line, len(c.line))
		if head != c.head || !slices.Contains(names, c.want) {
			t.Errorf("%s: %q %q", c.line, head, names)
		}
	}
	if _, names, _ := ed.f("1 + he", 6); slices.Contains(names, "help") {
		t.Error("help is completed within an expression")
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "kinspect", "history")
	interact(t, Config{History: path}, "1", "2", "2", "", "1 +")
	_, _, ed := interact(t, Config{History: path}, "3")
	if want := []string{"1", "2", "1 +", "3"}; !slices.Equal(ed.history, want) {
		t.Errorf("history %q, want %q", ed.history, want)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: want mode 0600", st.Mode(), err)
	}

	// Long histories are cut, broken lines left out.
	if err := os.WriteFile(path, []byte("\xff\nx\x1b[2J\n"+strings.Repeat("a\nb\n", maxHistory)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, ed = interact(t, Config{History: path})
	if len(ed.history) != maxHistory {
		t.Errorf("%d lines, want %d", len(ed.history), maxHistory)
	}
	data, _ := os.ReadFile(path)
	if n := strings.Count(string(data), "\n"); n != maxHistory {
		t.Errorf("the file keeps %d lines, want %d", n, maxHistory)
	}

	// No place for it is no error.
	for _, p := range []string{"", "/dev/null/x/history", t.TempDir()} {
		if out, errs, _ := interact(t, Config{History: p}, "1"); out != "1\n\n" || errs != "" {
			t.Errorf("history at %q: %q %q", p, out, errs)
		}
	}
}

func TestHistoryPath(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	if p := HistoryPath(); p != "/state/kinspect/history" {
		t.Error(p)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", "/home/x")
	if p := HistoryPath(); p != "/home/x/.local/state/kinspect/history" {
		t.Error(p)
	}
	t.Setenv("HOME", "")
	if p := HistoryPath(); p != "" {
		t.Error(p)
	}
}

// TestInterrupt sends the process what Ctrl-C makes the terminal send.
func TestInterrupt(t *testing.T) {
	s := session()
	s.Register(expr.Function{
		Name: "forever", Signature: "forever()", Call: func(c *expr.Call) (any, error) {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				return nil, err
			}
			select {
			case <-c.Context.Done():
				return nil, c.Context.Err()
			case <-time.After(10 * time.Second):
				return "not interrupted", nil
			}
		},
	})
	out, errs, _ := interact(t, Config{Session: s}, "forever()", "1 + 1")
	if out != "2\n\n" || errs != "error: stopped\n" {
		t.Errorf("%q %q", out, errs)
	}
}
