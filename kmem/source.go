package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// dumpSource is a file of a dump, unpacked and put in order: what is left is an ELF core
// or a kdump-compressed dump.
type dumpSource struct {
	f       *coreFile
	name    string
	magic   []byte
	closer  io.Closer // nil: nothing to close
	remarks []string
	// unpacked: what was opened was compressed, and is no longer needed.
	unpacked bool
}

// openSource opens a file.
func openSource(path string, progress Progress) (*dumpSource, error) {
	// Look before opening: to open a pipe would wait for its writer.
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	} else if !st.Mode().IsRegular() {
		return nil, &FormatError{Source: path, What: "not a file but a " + fileKind(st.Mode())}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	}
	st, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	}
	s, err := newSource(file, st.Size(), path, progress)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	if s.unpacked {
		_ = file.Close() // no longer needed
	} else {
		s.closer = file
	}
	return s, nil
}

// newSource unpacks a file, and puts a flattened one in order.
func newSource(r io.ReaderAt, size int64, name string, progress Progress) (*dumpSource, error) {
	s := &dumpSource{f: newCoreFile(r, size, true), name: name}
	if err := s.readMagic(); err != nil {
		return nil, err
	}
	packed, err := unpack(r, size, name, s.magic, progress)
	if err != nil {
		return nil, err
	}
	if packed != nil {
		s.f, s.closer, s.unpacked = packed.f, packed.closer, true
		if err := s.readMagic(); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	if string(s.magic) == flatMagic {
		flat, err := openFlat(s.f.r, s.f.size, name)
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		if flat.cut {
			s.remarks = append(s.remarks, name+": the flattened file is cut off: its end record is missing")
		}
		s.f = newCoreFile(flat, int64(flat.end), true)
		if err := s.readMagic(); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *dumpSource) readMagic() error {
	s.magic = make([]byte, min(len(flatMagic), int(min(s.f.size, 1<<10))))
	err := s.f.readAt(0, s.magic)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
		s.magic = nil
	}
	if err != nil {
		return fmt.Errorf("%s: cannot read: %w", s.name, err)
	}
	return nil
}

func (s *dumpSource) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// sourceFiles closes the files of a dump.
type sourceFiles []*dumpSource

// Close closes all of them.
func (files sourceFiles) Close() error {
	var errs []error
	for _, s := range files {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// openSources opens the dump that the files are, and closes them where that fails.
func openSources(files sourceFiles, progress Progress) (*Image, error) {
	img, err := imageOf(files)
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	for _, s := range files {
		img.remarks = append(img.remarks, s.remarks...)
	}
	img.closer = files
	img.searchKernel(progress)
	return img, nil
}

func imageOf(files sourceFiles) (*Image, error) {
	var parts []kdumpFile
	for _, s := range files {
		if bytes.HasPrefix(s.magic, []byte(kdumpMagic)) {
			h, err := parseKdumpHeader(s.f, s.name)
			if err != nil {
				return nil, err
			}
			parts = append(parts, kdumpFile{f: s.f, name: s.name, head: h})
		} else if len(files) > 1 {
			return nil, &FormatError{Source: s.name, What: "no part of a split dump: of several files each must be a kdump-compressed one"}
		}
	}
	if len(parts) > 0 {
		return newKdumpImage(parts)
	}
	return newImage(files[0].f, files[0].name, false)
}
