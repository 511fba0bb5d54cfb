package packed

import (
	"bytes"
	"os"
	"slices"

	"kinspect/kmem/dump"
)

// spill is memory up to a limit, and behind it a temporary file, which holds all.
type spill struct {
	name  string // of the packed file
	limit int64
	size  int64
	buf   [][]byte // pieces of spillPiece bytes, so that what is there is never copied to make room
	file  *os.File
	path  string // to be removed, where that could not be done at once
}

const spillPiece = 1 << 20

// keep appends b to what is in memory.
func (s *spill) keep(b []byte) {
	for len(b) > 0 {
		last := len(s.buf) - 1
		if last < 0 || len(s.buf[last]) == spillPiece {
			s.buf = append(s.buf, make([]byte, 0, spillPiece))
			last++
		}
		n := min(len(b), spillPiece-len(s.buf[last]))
		s.buf[last] = append(s.buf[last], b[:n]...)
		b = b[n:]
	}
}

// write appends b. In the file, zeros become holes: a dump has many.
func (s *spill) write(b []byte) error {
	if s.file == nil && s.size+int64(len(b)) > s.limit {
		if err := s.create(); err != nil {
			return err
		}
	}
	if s.file == nil {
		s.keep(b)
		s.size += int64(len(b))
		return nil
	}
	return s.toFile(b)
}

func (s *spill) toFile(b []byte) error {
	const block = 64 << 10
	for len(b) > 0 {
		part := b[:min(len(b), block)]
		if !bytes.Equal(part, zeroBlock[:len(part)]) {
			if _, err := s.file.WriteAt(part, s.size); err != nil {
				return err
			}
		}
		s.size += int64(len(part))
		b = b[len(part):]
	}
	return nil
}

var zeroBlock [64 << 10]byte

// create makes the file and moves to it what there is. It has no name where the
// system can do without, so that it is gone however the process ends.
func (s *spill) create() error {
	file, err := os.CreateTemp(tempDir(), "kinspect-*")
	if err != nil {
		return err
	}
	s.file = file
	if os.Remove(file.Name()) != nil {
		s.path = file.Name()
	}
	buf := s.buf
	s.buf, s.size = nil, 0
	for i, piece := range buf {
		if err := s.toFile(piece); err != nil {
			return err
		}
		buf[i] = nil
	}
	return nil
}

// tempDir is a directory for large files: /tmp is often memory.
func tempDir() string {
	if os.Getenv("TMPDIR") == "" {
		if st, err := os.Stat("/var/tmp"); err == nil && st.IsDir() {
			return "/var/tmp"
		}
	}
	return os.TempDir()
}

// finish hands out the content.
func (s *spill) finish() (*Unpacked, error) {
	if s.file == nil {
		return inMemory(slices.Concat(s.buf...), s.name), nil
	}
	if err := s.file.Truncate(s.size); err != nil {
		return nil, err
	}
	return &Unpacked{File: dump.NewFile(s.file, s.size, s.name, true), Closer: closeFunc(s.discard)}, nil
}

// discard removes the file.
func (s *spill) discard() {
	if s.file != nil {
		_ = s.file.Close()
		if s.path != "" {
			_ = os.Remove(s.path)
		}
	}
}

type closeFunc func()

// Close calls the function.
func (f closeFunc) Close() error {
	f()
	return nil
}
