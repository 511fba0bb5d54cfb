package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinspect/testdata/kernels"
)

// needTmuxEnv makes a missing tmux a failure.
const needTmuxEnv = "KINSPECT_NEED_TMUX"

// terminal is a shell in a real terminal, which tmux plays: keys are sent, and the screen
// is read.
type terminal struct {
	t      *testing.T
	socket string
	dir    string
}

const (
	// screenDeadline is how long a text may take to appear, on a slow machine.
	screenDeadline = 60 * time.Second
	shellPrompt    = "shell-prompt$"
)

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv(needTmuxEnv) != "" {
			t.Fatal("there is no tmux, and " + needTmuxEnv + " wants one")
		}
		t.Skip("there is no tmux here, which plays the terminal")
	}
	// A path of a socket is short: that of t.TempDir may not be.
	dir, err := os.MkdirTemp("", "kinspect-tmux-")
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, socket: filepath.Join(dir, "s"), dir: dir}
	t.Cleanup(func() {
		_, _ = term.try("kill-server")
		_ = os.RemoveAll(dir)
	})
	term.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
		"env", "-i", "PATH="+os.Getenv("PATH"), "HOME="+dir, "TERM=screen", "LANG=C.UTF-8", "PS1="+shellPrompt+" ", "ENV=", "sh")
	term.want(shellPrompt)
	return term
}

func (m *terminal) try(args ...string) (string, error) {
	out, err := exec.Command("tmux", append([]string{"-S", m.socket}, args...)...).CombinedOutput()
	return string(out), err
}

func (m *terminal) tmux(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return out
}

// keys presses keys, by tmux's names.
func (m *terminal) keys(keys ...string) {
	m.t.Helper()
	m.tmux(append([]string{"send-keys"}, keys...)...)
}

// text types a text as it is.
func (m *terminal) text(s string) {
	m.t.Helper()
	m.tmux("send-keys", "-l", "--", s)
}

func (m *terminal) enter(s string) {
	m.t.Helper()
	m.text(s)
	m.keys("Enter")
}

// screen is what is on the screen.
func (m *terminal) screen() string {
	m.t.Helper()
	return strings.TrimRight(m.tmux("capture-pane", "-p"), "\n")
}

// until waits for the screen to be as it should; again is called now and then.
func (m *terminal) until(what string, again func(), is func(screen string) bool) string {
	m.t.Helper()
	start, last := time.Now(), time.Now()
	for {
		s := m.screen()
		if is(s) {
			return s
		}
		if time.Since(start) > screenDeadline {
			m.t.Fatalf("the screen never has %s:\n%s", what, s)
		}
		if again != nil && time.Since(last) > time.Second {
			again()
			last = time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// want waits for a text to appear.
func (m *terminal) want(text string) string {
	m.t.Helper()
	return m.until(fmt.Sprintf("%q", text), nil, func(s string) bool { return strings.Contains(s, text) })
}

// wantLast waits for the last line to be a text.
func (m *terminal) wantLast(text string) string {
	m.t.Helper()
	return m.until(fmt.Sprintf("%q at its end", text), nil, func(s string) bool {
		return strings.TrimRight(s[strings.LastIndex(s, "\n")+1:], " ") == text
	})
}

// clear empties the screen, at the prompt.
func (m *terminal) clear() {
	m.t.Helper()
	m.keys("C-l")
	m.until("nothing but the prompt", nil, func(s string) bool { return strings.TrimSpace(s) == "kinspect>" })
}

// program starts kinspect on the snapshot of the incident, with variables set before.
func (m *terminal) program(env string) {
	m.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	m.enter(fmt.Sprintf("clear; %s=1 %s %s --core %s", childEnv, env, exe, kernels.Path(m.t, "6.12")))
	m.wantLast("kinspect>")
}

// state is what the terminal is set to, in the shell.
func (m *terminal) state() string {
	m.t.Helper()
	file := filepath.Join(m.dir, "stty")
	_ = os.Remove(file)
	m.enter("clear; stty -a >" + file + "; echo done-$((40 + 2))")
	m.want("done-42")
	data, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data)
}

// pastes pastes what has lines that begin as no expression does, in each way that a terminal has.
func (m *terminal) pastes(edits bool) {
	m.t.Helper()
	literal := func(s string) func(int) string { return func(int) string { return s } }
	blocks := []struct {
		text string
		want func(n int) string
	}{
		{"netdevs()\n  | filter(.mtu > 1000)\n\n  // those alone\n\t| map(.ifindex)\n  | len()\n8000 + N\n", literal("7")},
		{"netdev('lo')\n->mtu\n8000 + N\n", literal("65536")},
		{"1 == 1\n&& 2 == 3\n8000 + N\n", literal("false")},
		{"if 1 == 2 {\n  print 'yes'\n}\nelse {\n  print 5000 + N\n}\n8000 + N\n", func(n int) string { return fmt.Sprint(5000 + n) }},
		{"fn twice(a)\n{\n  return 2 * a\n}\nfor i in [7, 8]\n{\n  print 'twice', twice(i) + 1000 * N\n}\n8000 + N\n", func(n int) string { return fmt.Sprint(16 + 1000*n) }},
	}
	n := 0
	ways := []string{"paste-buffer", "paste-buffer -p", "paste-buffer -r", "burst of CR", "burst of LF", "marks"}
	for _, way := range ways {
		for _, b := range blocks {
			n++
			number := fmt.Sprint(n)
			text := strings.ReplaceAll(b.text, "N", number)
			file := filepath.Join(m.dir, "block")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				m.t.Fatal(err)
			}
			m.tmux("load-buffer", file)
			switch way {
			case "burst of CR":
				m.text(strings.ReplaceAll(text, "\n", "\r"))
			case "burst of LF":
				m.text(text)
			case "marks":
				m.text("\x1b[200~" + strings.ReplaceAll(text, "\n", "\r") + "\x1b[201~")
			default:
				m.tmux(strings.Fields(way)...)
			}
			m.until("the number behind the paste "+way, nil, func(s string) bool {
				return strings.Contains(s, fmt.Sprint(8000+n))
			})
			s := m.screen()
			if strings.Contains(s, "error") || !strings.Contains(s, b.want(n)) {
				m.t.Errorf("%s:\n%s\ngives\n%s", way, text, s)
			}
			if edits {
				m.clear()
			} else {
				m.keys("C-c") // the mark of a paste's end is of the next line here
				m.keys("C-d")
				m.wantLast(shellPrompt)
				m.program("TERM=dumb")
			}
		}
	}
}

func TestTerminal(t *testing.T) {
	t.Run("expressions", func(t *testing.T) {
		m := newTerminal(t)
		before := m.state()
		m.program("")
		m.enter("netdev('bond0').rx_dropped")
		m.want("(u64)48")
		m.enter("_ + 1")
		m.want("(unsigned long)49")
		m.enter("sym bond_handle_frame")
		m.want("= symbols('bond_handle_frame')")
		m.want("t bond_handle_frame+0x0 [bonding]")
		m.keys("C-d")
		m.wantLast(shellPrompt)
		if after := m.state(); after != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
		}
	})
	t.Run("completion", func(t *testing.T) {
		m := newTerminal(t)
		m.program("")
		m.text("netdev('bo")
		m.keys("Tab")
		m.wantLast("kinspect> netdev('bond0'")
		m.text(").rx_dr")
		m.keys("Tab")
		m.wantLast("kinspect> netdev('bond0').rx_dropped")
		m.keys("C-u")
		m.text("netdevs() | filter(.rx_")
		m.keys("Tab")
		s := m.want("rx_nohandler")
		m.wantLast("kinspect> netdevs() | filter(.rx_")
		if !strings.Contains(s, "rx_dropped") || !strings.Contains(s, "u64") || !strings.Contains(s, "rx_handler_func_t *") {
			t.Errorf("the candidates are not listed with their types:\n%s", s)
		}
		m.text("dr")
		m.keys("Tab")
		m.wantLast("kinspect> netdevs() | filter(.rx_dropped") // what is typed at once behind a Tab makes a paste of it
		m.text(" > 0) | map(.name)")
		m.keys("Enter")
		m.want(`["veth1", "bond0"]`)
	})
	t.Run("several lines", func(t *testing.T) {
		m := newTerminal(t)
		m.program("")
		m.enter("[10 * 10, // one")
		m.wantLast("      ...>")
		m.text("netdev('bo")
		m.keys("Tab")
		m.wantLast("      ...> netdev('bond0'")
		m.enter(").mtu + 1]")
		m.want("[100, 1501]")
		m.wantLast("kinspect>")
		m.keys("Up")
		m.wantLast("kinspect> [10 * 10, netdev('bond0').mtu + 1]")
		m.keys("C-c")
		m.wantLast("kinspect>")
		m.enter("[1,")
		m.wantLast("      ...>")
		m.keys("C-c")
		m.wantLast("kinspect>")
		m.enter("6 * 7")
		m.want("\n42\n")
		// The history is searched.
		m.keys("C-r")
		m.text("10 *")
		m.want("(reverse-i-search)`10 *'")
		m.keys("Enter")
		m.until("the answer twice", nil, func(s string) bool { return strings.Count(s, "[100, 1501]") == 2 })
	})
	t.Run("paste", func(t *testing.T) {
		m := newTerminal(t)
		m.program("")
		file := filepath.Join(m.dir, "block")
		block := "let big = netdevs() |\n\tfilter(.mtu >\t1000)\nbig |\n\tmap(.name)\n11 * 11\n"
		if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		m.tmux("load-buffer", file)
		m.tmux("paste-buffer")
		s := m.want("\n121\n")
		if !strings.Contains(s, `"bond0"`) || strings.Contains(s, "error") {
			t.Errorf("pasted:\n%s", s)
		}
		m.clear()
		// What a terminal puts around a paste is no text.
		m.tmux("send-keys", "-H", "1b", "5b", "32", "30", "30", "7e")
		m.text("12 * 12")
		m.tmux("send-keys", "-H", "1b", "5b", "32", "30", "31", "7e")
		m.keys("Enter")
		m.want("\n144\n")
	})
	for _, name := range []string{"xterm-256color", "screen", "dumb"} {
		t.Run("paste/"+name, func(t *testing.T) {
			m := newTerminal(t)
			m.program("TERM=" + name)
			m.pastes(name != "dumb")
			if name == "dumb" {
				return
			}
			// The terminal marks pastes at the prompt alone.
			raw := filepath.Join(m.dir, "raw")
			m.tmux("pipe-pane", "-O", "cat >"+raw)
			m.enter("layout('struct net_device')")
			m.until("a pager", nil, func(s string) bool { return strings.HasSuffix(s, ":") || strings.HasSuffix(s, "--More--") })
			marks := func() string {
				data, err := os.ReadFile(raw)
				if err != nil {
					t.Fatal(err)
				}
				on, off := strings.LastIndex(string(data), "\x1b[?2004h"), strings.LastIndex(string(data), "\x1b[?2004l")
				return map[bool]string{true: "on", false: "off"}[on > off]
			}
			settled := func(want string) {
				t.Helper()
				for start := time.Now(); marks() != want; time.Sleep(20 * time.Millisecond) {
					if time.Since(start) > screenDeadline {
						t.Fatalf("marks are never %s", want)
					}
				}
			}
			settled("off")
			m.text("q")
			m.wantLast("kinspect>")
			settled("on")
			m.text("dropped")
			m.keys("C-c")
			m.until("a new prompt", nil, func(s string) bool { return strings.HasSuffix(s, "kinspect>") })
			settled("on")
			m.keys("C-d")
			m.wantLast(shellPrompt)
			settled("off")
		})
	}
	t.Run("interrupt", func(t *testing.T) {
		m := newTerminal(t)
		m.program("")
		m.enter("let r = 1..10000")
		m.enter("r | count(r | any(r | any(# == -1)))")
		m.until("that it was stopped", func() { m.keys("C-c") }, func(s string) bool { return strings.Contains(s, "error: stopped") })
		m.enter("13 * 13")
		m.want("\n169\n")
	})
	t.Run("pager", func(t *testing.T) {
		m := newTerminal(t)
		m.program("PATH=" + m.dir) // in which there is none
		m.enter("layout('struct net_device')")
		m.want("--more--")
		if s := m.screen(); !strings.Contains(s, "struct net_device {") {
			t.Errorf("the first page:\n%s", s)
		}
		m.keys("Space")
		m.until("the next page", nil, func(s string) bool {
			return !strings.Contains(s, "struct net_device {") && strings.Contains(s, "--more--")
		})
		m.text("q")
		m.wantLast("kinspect>")
		m.enter("14 * 14")
		m.want("\n196\n")
		m.keys("C-d")
		m.wantLast(shellPrompt)

		if _, err := exec.LookPath("less"); err != nil {
			t.Log("there is no less here")
			return
		}
		before := m.state()
		m.program("")
		m.enter("layout('struct net_device')")
		m.wantLast(":")
		m.text("q")
		m.wantLast("kinspect>")
		m.enter("15 * 15")
		m.want("\n225\n")
		m.enter("r = 1") // an error, in place
		m.want("error:")
		m.keys("C-d")
		m.wantLast(shellPrompt)
		if after := m.state(); after != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
		}
	})
	t.Run("narrow", func(t *testing.T) {
		m := newTerminal(t)
		m.program("PAGER=cat")
		m.tmux("resize-window", "-x", "40", "-y", "24")
		m.enter("netdev('bond0').name == 'bond0' && netdev('bond0').mtu == 1500")
		m.want("\ntrue\n")
		m.clear()
		m.tmux("clear-history")
		m.enter("help")
		m.want("stops an evaluation.")
		m.wantLast("kinspect>")
		if s, joined := m.tmux("capture-pane", "-p", "-S", "-"), m.tmux("capture-pane", "-p", "-J", "-S", "-"); strings.Count(s, "\n") != strings.Count(joined, "\n") {
			t.Errorf("lines of help are wider than the terminal:\n%s", s)
		}
		m.tmux("resize-window", "-x", "15", "-y", "24")
		m.enter("16 * 16")
		m.want("\n256\n")
		m.tmux("resize-window", "-x", "80", "-y", "24")
		m.enter("17 * 17")
		m.want("\n289\n")
	})
	t.Run("dumb", func(t *testing.T) {
		m := newTerminal(t)
		before := m.state()
		m.program("TERM=dumb")
		m.enter("18 * 18")
		m.want("\n324\n")
		m.enter("[1,")
		m.wantLast("      ...>")
		m.keys("C-c")
		m.wantLast("kinspect>")
		m.enter("19 * 19")
		m.want("\n361\n")
		m.enter("layout('struct net_device')") // whole
		m.until("the end of the struct", nil, func(s string) bool {
			return strings.Contains(s, "} /* size:") && !strings.Contains(s, "--more--")
		})
		m.keys("C-d")
		m.wantLast(shellPrompt)
		if after := m.state(); after != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
		}
	})
	t.Run("killed", func(t *testing.T) {
		m := newTerminal(t)
		before := m.state()
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// The shell waits for it, and tells its number before.
		m.enter(fmt.Sprintf("clear; sh -c 'echo $$ >%s/pid; exec env %s=1 %s --core %s'", m.dir, childEnv, exe, kernels.Path(t, "6.12")))
		m.wantLast("kinspect>")
		pid, err := os.ReadFile(filepath.Join(m.dir, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("kill", "-TERM", strings.TrimSpace(string(pid))).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		m.want(shellPrompt)
		if after := m.state(); after != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
		}
	})
	t.Run("watch", func(t *testing.T) {
		m := newTerminal(t)
		before := m.state()
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		m.enter("clear; echo what-was-there")
		m.want("what-was-there")
		m.enter(fmt.Sprintf("%s=%s %s --watch 200ms; echo exit-$?", watchEnv, kernels.Path(t, "6.12"), exe))
		s := m.want("+6 ")
		if !strings.HasPrefix(s, "bond0 in init_net") || !strings.Contains(s, "unhandled-protocol - no protocol handler") || strings.Contains(s, "what-was-there") {
			t.Errorf("the screen:\n%s", s)
		}
		// Smaller, and narrower.
		m.tmux("resize-window", "-x", "50", "-y", "8")
		m.until("a table that fits", nil, func(s string) bool { // the terminal has the size before the table is drawn anew
			for _, l := range strings.Split(s, "\n") {
				if len([]rune(l)) > 50 {
					return false
				}
			}
			return strings.Contains(s, "lines more") && strings.Count(s, "bond0 in init_net") == 1
		})
		m.tmux("resize-window", "-x", "100", "-y", "50")
		m.want("ruled out (--json tells by what)")
		m.keys("C-c")
		s = m.wantLast(shellPrompt)
		if !strings.Contains(s, "exit-1") || !strings.Contains(s, "next:\n  see which frames nobody handles") || strings.Count(s, "bond0 in init_net") != 1 {
			t.Errorf("in the end:\n%s", s)
		}
		if history := m.tmux("capture-pane", "-p", "-S", "-"); !strings.Contains(history, "what-was-there") {
			t.Errorf("what was on the screen before has gone:\n%s", history)
		}
		_, before, _ = strings.Cut(before, "\n") // the first line has the size
		if _, after, _ := strings.Cut(m.state(), "\n"); after != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
		}
	})
}
