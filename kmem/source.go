package kmem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"kinspect/kmem/dump"
	"kinspect/kmem/elfcore"
	"kinspect/kmem/flattened"
	"kinspect/kmem/kdump"
	"kinspect/kmem/packed"
)

// dumpSource is a file of a dump, unpacked and put in order: what is left is an ELF core
// or a kdump-compressed dump.
type dumpSource struct {
	f       *dump.File
	magic   []byte
	closer  io.Closer // nil: nothing to close
	remarks []string
	// unpacked: what was opened was compressed, and is no longer needed.
	unpacked bool
}

// openSource opens a file.
func openSource(ctx context.Context, path string, progress Progress) (*dumpSource, error) {
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
	s, err := newSource(ctx, file, st.Size(), path, progress)
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
func newSource(ctx context.Context, r io.ReaderAt, size int64, name string, progress Progress) (*dumpSource, error) {
	s := &dumpSource{f: dump.NewFile(r, size, name, true)}
	if err := s.readMagic(); err != nil {
		return nil, err
	}
	content, err := packed.Unpack(ctx, r, size, name, s.magic, progress)
	if err != nil {
		return nil, err
	}
	if content != nil {
		_, tool := packed.Compressed(s.magic)
		s.f, s.closer, s.unpacked = content.File, content.Closer, true
		if err := s.readMagic(); err != nil {
			_ = s.Close()
			return nil, err
		}
		if kind, _ := packed.Compressed(s.magic); kind != "" {
			_ = s.Close()
			return nil, &FormatError{Source: name, What: "compressed twice, what is in it is a " + kind + " file again: unpack it once (" + tool + ") and open the result"}
		}
	}
	if string(s.magic) == flattened.Magic {
		flat, err := flattened.Open(s.f.ReaderAt(), s.f.Size, name)
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		if flat.Size() == 0 && flat.Cut() {
			_ = s.Close()
			return nil, &FormatError{Source: name, What: "a flattened dump that is cut off: there is nothing behind its header"}
		}
		if flat.Cut() {
			s.remarks = append(s.remarks, name+": the flattened file is cut off: its end record is missing")
		}
		s.f = dump.NewFile(flat, flat.Size(), name, true)
		if err := s.readMagic(); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *dumpSource) readMagic() error {
	s.magic = make([]byte, min(len(flattened.Magic), int(min(s.f.Size, 1<<10))))
	err := s.f.ReadFull(0, s.magic)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
		s.magic = nil
	}
	if err != nil {
		return fmt.Errorf("%s: cannot read: %w", s.f.Name, err)
	}
	return nil
}

func (s *dumpSource) Close() error {
	s.f.Close()
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
func openSources(ctx context.Context, files sourceFiles, progress Progress) (*Image, error) {
	img, err := imageOf(files)
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	for _, s := range files {
		img.lacks = append(img.lacks, s.remarks...)
	}
	img.closer = files
	img.searchKernel(ctx, progress)
	if ctx.Err() != nil {
		_ = files.Close()
		return nil, &packed.InterruptedError{What: img.source + ": interrupted while it was searched for its kernel", Err: ctx.Err()}
	}
	return img, nil
}

// formats are the formats that files can have. What begins like none of them is read as an ELF core,
// which says what it is instead.
var formats = [...]*dump.Format{&kdump.Format, &elfcore.Format}

func imageOf(sources sourceFiles) (*Image, error) {
	format := &elfcore.Format
	for _, f := range formats {
		if bytes.HasPrefix(sources[0].magic, []byte(f.Magic)) {
			format = f
			break
		}
	}
	files := make([]*dump.File, len(sources))
	for i, s := range sources {
		files[i] = s.f
		if i > 0 && !bytes.HasPrefix(s.magic, []byte(format.Magic)) {
			return nil, &FormatError{Source: s.f.Name, What: "no part of a split dump: of several files each must be a kdump-compressed one"}
		}
	}
	content, err := format.Open(files)
	if err != nil {
		return nil, err
	}
	return newImage(content, false)
}
