package dump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ELF notes, which all formats carry: three 32-bit words (name's length, descriptor's
// length, type), the name and the descriptor, both padded to 4 bytes.
const (
	noteHeaderSize = 12
	// maxNotes bounds the walk over the notes: a dump has two or three a CPU.
	maxNotes = 1 << 16
	// maxNoteName bounds a note's name, in bytes.
	maxNoteName = 256
)

// Note is where a note's descriptor is; its bytes are read on demand.
type Note struct {
	Name string
	Type uint32
	Off  uint64 // of the descriptor in the file
	Size uint64 // of the descriptor, in bytes; the file has them
}

// Errorf makes a [*FormatError] of this file.
func (f *File) Errorf(off uint64, format string, args ...any) error {
	return &FormatError{Source: f.Name, Off: off, What: fmt.Sprintf(format, args...)}
}

// ReadHeader reads what names, which the error names where the file is too short.
func (f *File) ReadHeader(off uint64, buf []byte, what string) error {
	err := f.ReadFull(off, buf)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return f.Errorf(off, "truncated: the file ends (after %d bytes) before its %s", f.Size, what)
	}
	if err != nil {
		return fmt.Errorf("%s: cannot read the %s: %w", f.Name, what, err)
	}
	return nil
}

// ReadNote reads a note whole, if it has no more than limit bytes.
func (f *File) ReadNote(n *Note, limit uint64) ([]byte, error) {
	if n.Size > limit {
		return nil, f.Errorf(n.Off, "damaged: a %s note of %d bytes, more than the %d that are allowed", n.Name, n.Size, limit)
	}
	buf := make([]byte, n.Size)
	if err := f.ReadFull(n.Off, buf); err != nil {
		return nil, fmt.Errorf("%s: cannot read its %s note: %w", f.Name, n.Name, err)
	}
	return buf, nil
}

// AppendNotes adds the notes that stand in size bytes at off. Where there are more than
// any dump has, that is an error.
func (f *File) AppendNotes(notes []Note, off, size uint64) ([]Note, error) {
	end := off + size
	if end < off {
		return notes, f.Errorf(off, "damaged: notes of %d bytes", size)
	}
	for at := off; end-at >= noteHeaderSize; {
		if len(notes) >= maxNotes {
			return notes, f.Errorf(at, "damaged: more than %d notes", maxNotes)
		}
		var head [noteHeaderSize]byte
		if err := f.ReadHeader(at, head[:], "notes"); err != nil {
			return notes, err
		}
		le := binary.LittleEndian
		nameSize, descSize := uint64(le.Uint32(head[0:])), uint64(le.Uint32(head[4:]))
		nameOff := at + noteHeaderSize
		descOff := nameOff + align4(nameSize)
		// Lengths are 32-bit and at is below end: only descOff can pass 64 bits.
		if descOff < at || descOff > end || end-descOff < descSize {
			return notes, f.Errorf(at, "damaged: a note claims %d bytes of name and %d of content, but its segment has %d left", nameSize, descSize, end-nameOff)
		}
		if descOff+descSize > uint64(f.Size) {
			return notes, f.Errorf(at, "truncated: a note of %d bytes, but the file ends after %d", descSize, f.Size)
		}
		name := make([]byte, min(nameSize, maxNoteName))
		if err := f.ReadHeader(nameOff, name, "notes"); err != nil {
			return notes, err
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		notes = append(notes, Note{Name: string(name), Type: le.Uint32(head[8:]), Off: descOff, Size: descSize})
		if at = descOff + align4(descSize); at > end || at < descOff {
			break // the last note's padding may be missing
		}
	}
	return notes, nil
}

func align4(n uint64) uint64 { return (n + 3) &^ 3 }
