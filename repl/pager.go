package repl

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is the terminal that results are shown on, for a pager.
type screen struct {
	size func() (cols, rows int, ok bool)
	// spell is what lies between texts and the pager, such as a spelling in ASCII.
	spell func(io.Writer) io.Writer
	// command is the pager to run, as a shell reads it; empty is the one in this file.
	command string
	getKey  func() (byte, error) // for that
}

// newScreen is the terminal that the process writes to; nil where nothing is to be paged.
// spell is what lies between texts and the terminal, or nil.
func newScreen(getenv func(string) string, lookup func(string) (string, bool), spell func(io.Writer) io.Writer) *screen {
	if t := strings.ToLower(getenv("TERM")); t == "" || t == "dumb" {
		return nil
	}
	command, use := pagerCommand(lookup, exec.LookPath)
	if !use {
		return nil
	}
	s := &screen{
		size: func() (int, int, bool) {
			cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
			return cols, rows, err == nil && cols > 0 && rows > 2
		},
		spell: spell, command: command, getKey: terminalKey,
	}
	if spell == nil {
		s.spell = func(w io.Writer) io.Writer { return w }
	}
	return s
}

// pagerCommand is $PAGER where that is a program, else less or more, else nothing, which is
// the pager in this file. An empty $PAGER, or cat, wants none at all.
func pagerCommand(lookup func(string) (string, bool), path func(string) (string, error)) (command string, use bool) {
	if p, set := lookup("PAGER"); set {
		words := strings.Fields(p)
		if len(words) == 0 || words[0] == "cat" {
			return "", false
		}
		if _, err := path(words[0]); err == nil {
			return p, true
		}
	}
	if _, err := path("less"); err == nil {
		return "less -FRX", true
	}
	if _, err := path("more"); err == nil {
		return "more", true
	}
	return "", true
}

// pager writes a text to the terminal, through a pager once it has more lines than the
// screen. It stops the evaluation that makes the text when the user leaves.
type pager struct {
	s       *screen
	out     io.Writer // the terminal
	suspend func() func()
	stop    func() // ends the evaluation

	cols, rows int
	held       []byte // what fits on the screen so far
	shown      int    // bytes of it that are on the screen already
	since      time.Time
	lines      int // of it
	column     int
	to         io.WriteCloser // the pager, once it runs
	resume     func()
}

// errLeft is what a pager returns that the user has left.
var errLeft = errors.New("the pager was left")

// Write implements [io.Writer].
func (p *pager) Write(b []byte) (int, error) {
	if p.to != nil {
		return p.to.Write(b)
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.held = append(p.held, b...)
	p.count(b)
	if p.lines < p.rows {
		if time.Since(p.since) < pagerPatience {
			return len(b), nil
		}
		return len(b), p.show() // it comes slowly: nobody waits for a screen of it
	}
	p.resume = p.suspend()
	p.to = p.start()
	if _, err := p.to.Write(p.held); err != nil {
		return 0, err
	}
	p.held = nil
	return len(b), nil
}

// pagerPatience is how long a text that may not fill the screen is held back.
const pagerPatience = 300 * time.Millisecond

// show writes what is held to the terminal. It stays held for the pager, which shows
// all from the start.
func (p *pager) show() error {
	n, err := p.out.Write(p.held[p.shown:])
	p.shown += n
	return err
}

// count counts lines as they come to stand on the screen.
func (p *pager) count(b []byte) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case r == '\n':
			p.lines++
			p.column = 0
			continue
		case r == '\t':
			p.column += 8 - p.column%8
		default:
			p.column++
		}
		if p.column > p.cols {
			p.lines++
			p.column = 1
		}
	}
}

// Close writes what is left and waits until the user has left the pager.
func (p *pager) Close() error {
	if p.to == nil {
		return p.show()
	}
	err := p.to.Close()
	p.resume()
	return err
}

// start runs the pager.
func (p *pager) start() io.WriteCloser {
	if p.s.command != "" {
		if c, err := startCommand(p.s, p.stop); err == nil {
			return c
		}
	}
	return &more{out: p.out, getKey: p.s.getKey, cols: p.cols, rows: p.rows, stop: p.stop}
}

// pagerProcess is a pager that is a program.
type pagerProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	to   io.Writer
	left chan struct{}
}

func startCommand(s *screen, stop func()) (io.WriteCloser, error) {
	// A shell splits the words of $PAGER, as other programs have it do.
	cmd := exec.Command("sh", "-c", s.command)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &pagerProcess{cmd: cmd, in: in, to: s.spell(in), left: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		stop() // an evaluation that has nothing to write yet does not see that it is over
		close(p.left)
	}()
	return p, nil
}

// Write implements [io.Writer].
func (p *pagerProcess) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		err = errLeft
	}
	return n, err
}

// Close implements [io.Closer].
func (p *pagerProcess) Close() error {
	_ = p.in.Close()
	<-p.left
	return nil
}

// more is the pager for a machine that has none.
type more struct {
	out        io.Writer
	getKey     func() (byte, error)
	cols, rows int
	stop       func()
	line       []byte
	shown      int // lines since the last key
	left       bool
}

const morePrompt = "--more-- (space, enter, q)"

// Write implements [io.Writer].
func (m *more) Write(b []byte) (int, error) {
	if m.left {
		return 0, errLeft
	}
	n := len(b)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		m.line = append(m.line, b[:size]...)
		b = b[size:]
		if r != '\n' && utf8.RuneCount(m.line) < m.cols {
			continue
		}
		if err := m.flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// flush shows a line, and asks first where the screen is full.
func (m *more) flush() error {
	if m.shown >= m.rows-1 {
		if !m.ask() {
			m.left = true
			m.stop()
			return errLeft
		}
	}
	m.shown++
	_, err := m.out.Write(m.line)
	m.line = m.line[:0]
	return err
}

// ask waits for a key; it returns false where the user leaves.
func (m *more) ask() bool {
	prompt := cutTo(morePrompt, m.cols-1)
	if _, err := io.WriteString(m.out, prompt); err != nil {
		return false
	}
	defer func() {
		_, _ = io.WriteString(m.out, "\r"+strings.Repeat(" ", len(prompt))+"\r")
	}()
	for {
		key, err := m.getKey()
		switch {
		case err != nil, key == 'q', key == 'Q', key == 3, key == 4: // Ctrl-C, Ctrl-D
			return false
		case key == ' ':
			m.shown = 0
			return true
		case key == '\r', key == '\n':
			m.shown--
			return true
		}
	}
}

// Close implements [io.Closer].
func (m *more) Close() error {
	if m.left || len(m.line) == 0 {
		return nil
	}
	return m.flush()
}

// terminalKey reads one key of the terminal.
func terminalKey() (byte, error) {
	fd := int(os.Stdin.Fd())
	if before, err := term.MakeRaw(fd); err == nil {
		defer func() { _ = term.Restore(fd, before) }()
	}
	var b [1]byte
	_, err := os.Stdin.Read(b[:])
	return b[0], err
}

// paged calls print with where it has to write, and waits for the pager to end. left
// says that the user left it before the end of the text, which is no error.
func (r *runner) paged(print func(w io.Writer) error) (left bool, err error) {
	if r.screen == nil || r.JSON {
		return false, print(r.Out)
	}
	cols, rows, ok := r.screen.size()
	if !ok {
		return false, print(r.Out)
	}
	stop := r.stop
	if stop == nil {
		stop = func() {}
	}
	p := &pager{s: r.screen, out: r.Out, cols: cols, rows: rows, suspend: r.suspend, stop: stop}
	err = print(p)
	left = p.left()
	if cerr := p.Close(); err == nil {
		err = cerr
	}
	if left || errors.Is(err, errLeft) {
		return true, nil
	}
	return false, err
}

// left reports whether the user left the pager already.
func (p *pager) left() bool {
	c, ok := p.to.(*pagerProcess)
	if !ok {
		return false
	}
	select {
	case <-c.left:
		return true
	default:
		return false
	}
}
