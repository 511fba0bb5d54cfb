// Package wire is the language between the lab's orchestrator on the host and
// its agent in the guest: one request at a time, over a virtio-serial port.
//
// A message is one line of JSON, which ends with the lengths of the byte
// streams that follow it raw. That keeps a 10 MB /proc/kallsyms out of JSON,
// and lets `cat FILE` be the way a file leaves the guest.
package wire

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// MaxStream bounds one stream of a message; a length above it means that the
// two sides have lost step.
const MaxStream = 1 << 30

// Request asks the agent to run a shell script.
type Request struct {
	Script    string `json:"script"`
	TimeoutMS int64  `json:"timeout_ms"`
	StdinLen  int64  `json:"stdin_len"`
	Stdin     []byte `json:"-"`
}

// Response is how the script ended. Exit is -1 when a signal ended it, and
// TimedOut tells that the signal was the agent's own.
type Response struct {
	Exit      int    `json:"exit"`
	TimedOut  bool   `json:"timed_out"`
	Failure   string `json:"failure"` // why the script could not even start, or which signal ended it
	StdoutLen int64  `json:"stdout_len"`
	StderrLen int64  `json:"stderr_len"`
	Stdout    []byte `json:"-"`
	Stderr    []byte `json:"-"`
}

// WriteRequest sends r.
func WriteRequest(w io.Writer, r Request) error {
	r.StdinLen = int64(len(r.Stdin))
	return write(w, r, r.Stdin)
}

// ReadRequest receives what WriteRequest sent.
func ReadRequest(r *bufio.Reader) (Request, error) {
	var q Request
	if err := readLine(r, &q); err != nil {
		return q, err
	}
	var err error
	q.Stdin, err = readStream(r, q.StdinLen)
	return q, err
}

// WriteResponse sends r.
func WriteResponse(w io.Writer, r Response) error {
	r.StdoutLen, r.StderrLen = int64(len(r.Stdout)), int64(len(r.Stderr))
	return write(w, r, r.Stdout, r.Stderr)
}

// ReadResponse receives what WriteResponse sent.
func ReadResponse(r *bufio.Reader) (Response, error) {
	var p Response
	if err := readLine(r, &p); err != nil {
		return p, err
	}
	var err error
	if p.Stdout, err = readStream(r, p.StdoutLen); err != nil {
		return p, err
	}
	p.Stderr, err = readStream(r, p.StderrLen)
	return p, err
}

func write(w io.Writer, header any, streams ...[]byte) error {
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	for _, s := range streams {
		if len(s) == 0 {
			continue
		}
		if _, err := w.Write(s); err != nil {
			return err
		}
	}
	return nil
}

func readLine(r *bufio.Reader, v any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("not a message: %.80q: %w", line, err)
	}
	return nil
}

func readStream(r io.Reader, n int64) ([]byte, error) {
	if n < 0 || n > MaxStream {
		return nil, fmt.Errorf("a stream of %d bytes is outside 0..%d", n, MaxStream)
	}
	buf := make([]byte, n)
	_, err := io.ReadFull(r, buf)
	return buf, err
}
