package repl

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
)

// keyboard leaves the console to the line editor: what is pasted there is not told from what is typed, and a line that
// goes on with the next has to end so that it shows.
type keyboard struct {
	in    *os.File
	lines *bufio.Reader
}

func newKeyboard(int) (*keyboard, error) {
	return &keyboard{in: os.Stdin, lines: bufio.NewReader(os.Stdin)}, nil
}

func (k *keyboard) during(prompt func() (string, error)) (string, error) { return prompt() }

// line reads a line that the console itself edits.
func (k *keyboard) line() (string, error) {
	text, err := k.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && text != "" {
		err = nil
	}
	return strings.TrimRight(text, "\r\n"), err
}

func (k *keyboard) ahead(bool) string { return "" }
