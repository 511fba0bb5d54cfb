package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"kinspect/repl"
)

// output is standard output. It remembers the first write that failed, so that not
// every one has to be looked at, and writes nothing after it.
type output struct {
	file *os.File
	to   io.Writer
	err  error
}

func newOutput(f *os.File) *output { return &output{file: f, to: f} }

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	o.err = err
	return n, err
}

// failure is the error of the output as a whole, or nil.
func (o *output) failure() error {
	if o.err == nil {
		return nil
	}
	err := o.err
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("the output could not be written: %w", err)
}

// plainWriter spells what the texts have beyond ASCII with ASCII. Callers write
// whole characters.
type plainWriter struct{ to io.Writer }

var plainSpelling = strings.NewReplacer("├", "|", "└", "`", "─", "-", "→", "->", "…", "...")

// Write implements [io.Writer].
func (w plainWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, plainSpelling.Replace(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plainTerminal reports whether a file is a terminal that, by the locale, shows
// ASCII alone.
func plainTerminal(f *os.File, getenv func(string) string) bool {
	return !utf8Locale(getenv) && repl.IsTerminal(f)
}

// utf8Locale reads the locale's variables in the order that setlocale(3) does.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
