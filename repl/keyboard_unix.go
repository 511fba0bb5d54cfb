//go:build !windows

package repl

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kinspect/expr"
)

// keyboard reads the terminal in front of the line editor. Liner reads until a line ends,
// and cannot tell what waits behind it; so whether a line that was pasted goes on with the
// next could not be known. Here keys are read while a line is prompted for, and only then:
// in between the terminal belongs to the pager, and to Ctrl-C. The line editor gets them
// through a pipe, one line at a time, and what is behind stays here.
type keyboard struct {
	fd   int // the terminal
	keys typeahead
	end  bool // the terminal is gone, or Ctrl-D ended its input

	in   *os.File // the editor's end of the pipe
	out  *os.File
	wake [2]*os.File // ends a wait for keys

	last  time.Time // when something was read
	burst bool      // and that was faster than anybody types
}

// How long is waited for what follows:
const (
	markPatience  = 30 * time.Millisecond // behind what may begin a mark
	tabPatience   = 3 * time.Millisecond  // behind a tab that came with other keys
	burstPatience = 30 * time.Millisecond // behind the end of a line that nobody typed
	pastePatience = time.Second           // within a paste
	typing        = 5 * time.Millisecond  // nobody types faster
)

// maxWaiting bounds what is read ahead of the line that is evaluated, in bytes.
const maxWaiting = 1 << 20

func newKeyboard(fd int) (*keyboard, error) {
	k := &keyboard{fd: fd}
	var err1, err2 error
	k.in, k.out, err1 = os.Pipe()
	k.wake[0], k.wake[1], err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *keyboard) close() {
	for _, f := range []*os.File{k.in, k.out, k.wake[0], k.wake[1]} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// forever waits without a limit.
const forever time.Duration = -1

// wait waits for keys. woken tells that it was asked to end.
func (k *keyboard) wait(d time.Duration) (ready, woken bool) {
	until := time.Now().Add(d)
	fds := []unix.PollFd{{Fd: int32(k.fd), Events: unix.POLLIN}, {Fd: int32(k.wake[0].Fd()), Events: unix.POLLIN}}
	for {
		ms := -1
		if d >= 0 {
			ms = max(0, int((time.Until(until)+time.Millisecond-1)/time.Millisecond))
		}
		n, err := unix.Poll(fds, ms)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			k.end = true
			return false, true
		case n == 0:
			return false, false
		}
		return fds[0].Revents != 0, fds[1].Revents != 0
	}
}

// read takes what is there.
func (k *keyboard) read() {
	var b [4096]byte
	n, err := unix.Read(k.fd, b[:])
	switch {
	case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
		return
	case err != nil || n <= 0:
		k.end = true
		return
	}
	now := time.Now()
	k.burst = n > 1 || now.Sub(k.last) < typing
	k.last = now
	k.keys.buf = append(k.keys.buf, b[:n]...)
}

// feed gives the line editor keys until a line ends, or it is told to stop.
func (k *keyboard) feed() {
	for {
		if n := len(k.keys.buf); n > 1 && k.keys.buf[n-1] == keyTab && k.burst {
			if ready, _ := k.wait(tabPatience); ready {
				k.read()
			}
		}
		out, ended := k.keys.take(false)
		if !k.give(out) || ended {
			return
		}
		patience := forever
		if len(k.keys.buf) > 0 { // what may begin a mark
			patience = markPatience
		}
		ready, woken := k.wait(patience)
		switch {
		case woken:
			return
		case ready:
			k.read()
		default:
			out, ended = k.keys.take(true)
			if !k.give(out) || ended {
				return
			}
		}
		if k.end {
			_ = k.out.Close() // so the editor comes to its end, too
			return
		}
	}
}

func (k *keyboard) give(keys []byte) bool {
	if len(keys) == 0 {
		return true
	}
	_, err := k.out.Write(keys)
	return err == nil
}

// during feeds the line editor while it reads a line.
func (k *keyboard) during(prompt func() (string, error)) (string, error) {
	_ = k.out.SetWriteDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.feed()
	}()
	defer func() {
		select {
		case <-done:
			return
		default:
		}
		_ = k.out.SetWriteDeadline(time.Now())
		_, _ = k.wake[1].Write([]byte{0})
		<-done
		var b [1]byte
		_, _ = k.wake[0].Read(b[:])
	}()
	return prompt()
}

// line reads a line that the terminal itself edits.
func (k *keyboard) line() (string, error) {
	var text []byte
	for {
		out, ended := k.keys.take(k.end)
		text = append(text, out...)
		switch {
		case ended:
			return strings.TrimSuffix(string(text), "\n"), nil
		case k.end && len(text) > 0:
			return string(text), nil
		case k.end:
			k.end = false // Ctrl-D: more may follow
			return "", io.EOF
		case len(text) > maxWaiting:
			return "", errors.New("a line without an end")
		}
		patience := forever
		if len(k.keys.buf) > 0 {
			patience = markPatience
		}
		if ready, _ := k.wait(patience); ready {
			k.read()
		} else if patience != forever {
			out, ended = k.keys.take(true)
			if text = append(text, out...); ended {
				return strings.TrimSuffix(string(text), "\n"), nil
			}
		}
	}
}

// ahead is the text behind the line that was read last, as far as it is there already, or
// about to come: of a paste, and of what came faster than anybody types. Where the
// terminal edits lines, each comes at once, and it is not known how.
func (k *keyboard) ahead(lines bool) string {
	for {
		text, open := k.keys.waiting()
		patience := time.Duration(0)
		switch {
		case len(k.keys.buf) > maxWaiting || k.end:
			return text
		case open:
			patience = pastePatience
		case hasLine(text):
			return text
		case k.burst || lines:
			patience = burstPatience
		}
		if patience == 0 {
			return text
		}
		if ready, _ := k.wait(patience); !ready {
			return text
		}
		k.read()
	}
}

// hasLine reports whether a text has a line with more than comments on it, and its end.
func hasLine(text string) bool {
	return !expr.IsBlank(text[:strings.LastIndexByte(text, '\n')+1])
}
