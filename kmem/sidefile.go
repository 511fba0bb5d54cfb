package kmem

import (
	"context"
	"fmt"
	"io"
	"os"

	"kinspect/kmem/packed"
)

// SideFile is a file that is given beside a kernel, with its symbols or types. Where it is packed
// with zstd, gzip or xz its content is read; a large one goes to a temporary file.
type SideFile struct {
	io.ReaderAt
	Size  int64
	Magic []byte // its first bytes, 4 at most

	closers []io.Closer
}

// OpenSideFile opens a file; what is in it is for the error.
func OpenSideFile(path, what string) (*SideFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the %s: %w", what, err)
	}
	s := &SideFile{ReaderAt: file, closers: []io.Closer{file}}
	st, err := file.Stat()
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("cannot open the %s: %w", what, err)
	}
	if !st.Mode().IsRegular() {
		_ = s.Close()
		return nil, fmt.Errorf("%s: no %s but a %s", path, what, fileKind(st.Mode()))
	}
	s.Size = st.Size()
	s.readMagic(6)
	u, err := packed.Unpack(context.Background(), file, s.Size, path, s.Magic, nil)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	if u != nil {
		s.ReaderAt, s.Size = u.File.ReaderAt(), u.File.Size
		if u.Closer != nil {
			s.closers = append(s.closers, u.Closer)
		}
	}
	s.readMagic(4)
	return s, nil
}

func (s *SideFile) readMagic(n int) {
	magic := make([]byte, n)
	n, _ = s.ReadAt(magic, 0)
	s.Magic = magic[:n]
}

// Close closes the file, and removes what was made of it.
func (s *SideFile) Close() error {
	var first error
	for _, c := range s.closers {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
