package repl

import (
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	maxHistory     = 1000    // lines that are kept
	maxHistoryFile = 1 << 20 // bytes that are read
)

// HistoryPath is where the history is kept: $XDG_STATE_HOME/kinspect/history, or
// ~/.local/state/kinspect/history. It is empty where there is no home.
func HistoryPath() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification wants other values ignored
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "kinspect", "history")
}

// history is the file and what was in it. Lines are added to the file at once, so
// that they outlive a crash, and those of several runs at a time all stay.
type history struct {
	path  string // empty where it cannot be written
	lines []string
}

// openHistory reads the history; what does not work is done without.
func openHistory(path string) *history {
	h := &history{path: path}
	if path == "" {
		return h
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.path = ""
		return h
	}
	st, err := os.Stat(path)
	if err != nil {
		return h
	}
	if !st.Mode().IsRegular() || st.Size() > maxHistoryFile {
		h.path = ""
		return h
	}
	data, err := os.ReadFile(path)
	if err != nil {
		h.path = ""
		return h
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line != "" && utf8.ValidString(line) && !strings.ContainsFunc(line, isControl) {
			h.lines = append(h.lines, line)
		}
	}
	if len(h.lines) > maxHistory {
		h.lines = h.lines[len(h.lines)-maxHistory:]
		h.rewrite()
	}
	return h
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// rewrite replaces the file by the lines that are kept.
func (h *history) rewrite() {
	tmp, err := os.CreateTemp(filepath.Dir(h.path), "history-") // mode 0600
	if err != nil {
		return
	}
	_, err = tmp.WriteString(strings.Join(h.lines, "\n") + "\n")
	if cerr := tmp.Close(); err != nil || cerr != nil {
		_ = os.Remove(tmp.Name())
		return
	}
	if os.Rename(tmp.Name(), h.path) != nil {
		_ = os.Remove(tmp.Name())
	}
}

// add keeps a line, unless it repeats the last one.
func (h *history) add(line string) {
	if n := len(h.lines); n > 0 && h.lines[n-1] == line || strings.ContainsFunc(line, isControl) {
		return
	}
	h.lines = append(h.lines, line)
	if h.path == "" {
		return
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		h.path = ""
		return
	}
	_, _ = f.WriteString(line + "\n")
	_ = f.Close()
}
