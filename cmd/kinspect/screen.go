package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"

	"kinspect/expr/value"
	"kinspect/repl"
)

// screen redraws a text in place on a terminal. What was there before is left in the terminal's history, and the
// last text stays.
type screen struct {
	out     io.Writer
	size    func() (columns, rows int)
	plain   bool // the terminal knows no more than lines
	resized chan os.Signal
	ended   chan struct{}

	mu      sync.Mutex
	text    string
	drawn   bool
	stopped bool
}

// newScreen makes a screen of standard output, which is a terminal.
func (a *app) newScreen() *screen {
	s := &screen{
		out: a.stdout, plain: os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb",
		size:    func() (int, int) { return repl.TerminalSize(a.stdout.file) },
		resized: make(chan os.Signal, 1), ended: make(chan struct{}),
	}
	if len(resizeSignals) > 0 { // without any it would be told of all
		signal.Notify(s.resized, resizeSignals...)
	}
	go s.redraws()
	return s
}

// redraws draws the text anew when the terminal has another size, or the program is in front again.
func (s *screen) redraws() {
	for {
		select {
		case <-s.ended:
			return
		case <-s.resized:
			s.mu.Lock()
			if s.drawn && !s.plain && !s.stopped {
				_, _ = io.WriteString(s.out, "\x1b[H\x1b[J")
				_ = s.draw()
			}
			s.mu.Unlock()
		}
	}
}

// show draws a sample; the last one whole, however long it is.
func (s *screen) show(r interface{ Text() string }, final bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = value.Scrub(r.Text())
	if s.plain {
		_, err := io.WriteString(s.out, s.text+"\n")
		return err
	}
	if !s.drawn {
		_, rows := s.size()
		if _, err := io.WriteString(s.out, strings.Repeat("\n", rows-1)); err != nil {
			return err
		}
		s.drawn = true
	}
	if final {
		s.stopped = true
		_, err := io.WriteString(s.out, "\x1b[H\x1b[J"+s.text)
		return err
	}
	return s.draw()
}

// draw writes the text over what is there, in one piece: each line is cleared behind its end, and the screen below.
func (s *screen) draw() error {
	columns, rows := s.size()
	most := max(rows-1, 1)
	var lines, short []string
	for l := range strings.SplitSeq(strings.TrimRight(s.text, "\n"), "\n") {
		lines = append(lines, fold(l, columns-1)...)
		if l != "" {
			short = append(short, l)
		}
	}
	if rows < lowest && len(lines) > most {
		lines = short
	}
	if len(lines) > most {
		left := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… %d lines more, which a higher terminal shows", left))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(cut(l, columns-1) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.out, b.String())
	return err
}

// lowest is the height below which lines that do not all fit are cut and not folded, and none is empty: a table's head
// would be all there is.
const lowest = 10

// narrowest is the width below which lines are not folded any more: a word a line would be no text.
const narrowest = 10

// fold breaks a line, between words where it can, into lines that fit. What goes on is indented further.
func fold(line string, columns int) []string {
	columns = max(columns, narrowest)
	rest := []rune(line)
	indent := 0
	for indent < len(rest) && rest[indent] == ' ' {
		indent++
	}
	further := strings.Repeat(" ", min(indent+2, columns/2))
	var out []string
	for len(rest) > columns {
		end := columns
		for end > 0 && rest[end] != ' ' {
			end--
		}
		if strings.TrimSpace(string(rest[:end])) == "" {
			end = columns // one word
		}
		out = append(out, strings.TrimRight(string(rest[:end]), " "))
		left := strings.TrimLeft(string(rest[end:]), " ")
		if left == "" {
			return out
		}
		rest = []rune(further + left)
	}
	return append(out, string(rest))
}

// cut leaves of a line what fits.
func cut(line string, columns int) string {
	if r := []rune(line); len(r) > columns {
		return string(r[:max(columns-1, 0)]) + "…"
	}
	return line
}

func (s *screen) close() {
	signal.Stop(s.resized)
	close(s.ended)
}
