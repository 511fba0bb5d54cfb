package kmem

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kinspect/kmem/dump"

	"github.com/go-delve/delve/pkg/elfwriter"
	"github.com/klauspost/compress/zstd"

	"kinspect/kmem/kdump"
)

// SnapshotContent is what a snapshot is written from.
type SnapshotContent struct {
	Info       SnapshotInfo // Version and Faults are filled in
	VMCoreInfo *VMCoreInfo  // nil where the source had none
	// Kallsyms is the text of /proc/kallsyms; nil where Memory has the tables that VMCOREINFO
	// leads to.
	Kallsyms []byte
	// Streams are ranges of Memory that are stored in one piece, see snapshotstream.go, and by virtual
	// address alone: the kernel's types, of which there are MB. The ELF format does without.
	Streams []Range
	// Memory is all memory that the snapshot holds. Info.Redacted is filled in from it.
	Memory *Recorder
	// Image is what Memory recorded from, for its page tables, and Symbols are the kernel's,
	// to add what other tools need. The ELF format does without both.
	Image   *Image
	Symbols SymbolTable
	// Remark is set by writing: what a user should know of the file, a line, or "".
	Remark string
}

// SnapshotFormat is the format of a snapshot's file.
type SnapshotFormat string

// The formats.
const (
	SnapshotKdump SnapshotFormat = "kdump"
	SnapshotELF   SnapshotFormat = "elf"
)

// WriteSnapshotFile writes a snapshot to a file. Where its name ends in ".zst" the whole is
// compressed with zstd, and the pages of the kdump format are not. It holds kernel memory, so only its owner may read it. The file
// appears whole or not at all; it replaces an old file, but nothing that is not
// a regular file.
func WriteSnapshotFile(path string, format SnapshotFormat, s *SnapshotContent) (err error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		kind := fileKind(st.Mode())
		if st.Mode()&os.ModeSymlink != 0 {
			kind = "symbolic link"
		}
		return fmt.Errorf("cannot write the snapshot: %s is a %s, not a file", path, kind)
	}
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	// os.CreateTemp's files have mode 0600.
	temp, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write the snapshot: %w", err)
	}
	defer func() {
		_ = temp.Close()
		if err != nil {
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("cannot write the snapshot: %w", err)
		}
	}()
	if strings.HasSuffix(path, ".zst") {
		err = writePacked(temp, format, s)
	} else {
		err = WriteSnapshot(temp, format, s)
	}
	if err == nil {
		err = temp.Close()
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}

// writePacked writes a compressed snapshot. The plain one is made beside it, for
// its header is completed last and a compressed stream cannot go back.
func writePacked(out *os.File, format SnapshotFormat, s *SnapshotContent) error {
	plain, err := os.CreateTemp(filepath.Dir(out.Name()), filepath.Base(out.Name())+".plain.*")
	if err != nil {
		return err
	}
	defer func() {
		_ = plain.Close()
		_ = os.Remove(plain.Name())
	}()
	if format == SnapshotKdump {
		err = s.writeKdump(plain, kdump.Raw)
	} else {
		err = WriteSnapshot(plain, format, s)
	}
	if err != nil {
		return err
	}
	size, err := plain.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = plain.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	enc, err := newZstdWriter(out)
	if err != nil {
		return err
	}
	enc.ResetContentSize(out, size)
	if _, err := io.Copy(enc, plain); err != nil {
		return err
	}
	return enc.Close()
}

// newZstdWriter compresses in one goroutine, so that the same input always gives
// the same output. The host that it runs on may be short of memory: the best compression would
// take 80 MB more, for a file that is a few per cent smaller.
func newZstdWriter(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(8<<20), zstd.WithLowerEncoderMem(true))
}

// WriteSnapshot writes a snapshot to w, which is empty. The same content gives the same
// bytes.
func WriteSnapshot(w io.WriteSeeker, format SnapshotFormat, s *SnapshotContent) error {
	switch format {
	case SnapshotKdump:
		return s.writeKdump(w, kdump.Zstd)
	case SnapshotELF:
		return s.writeELF(w)
	}
	return fmt.Errorf("no snapshot format %q: it is kdump or elf", string(format))
}

func (s *SnapshotContent) writeELF(w io.WriteSeeker) error {
	own, err := s.ownNotes(snapshotVersionELF)
	if err != nil {
		return err
	}
	// elfwriter wants names with their NUL.
	var notes []elfwriter.Note
	if s.VMCoreInfo != nil {
		notes = append(notes, elfwriter.Note{Name: "VMCOREINFO\x00", Data: s.VMCoreInfo.Raw()})
	}
	for _, n := range own {
		notes = append(notes, elfwriter.Note{Type: noteType, Name: n.name + "\x00", Data: n.data})
	}
	out := &bufferedSeeker{w: w, buf: bufio.NewWriterSize(w, 1<<20)}
	e := elfwriter.New(out, &elf.FileHeader{
		Class: elf.ELFCLASS64, Data: elf.ELFDATA2LSB, Version: elf.EV_CURRENT,
		Type: elf.ET_CORE, Machine: elf.EM_X86_64,
	})
	head := e.WriteNotes(notes)
	// elfwriter pads a note only when another follows; readers want the last padded too.
	e.Align(4)
	head.Filesz = uint64(e.Here()) - head.Off
	e.Progs = append(e.Progs, head)
	for _, r := range s.Memory.ranges() {
		e.Align(PageSize)
		// A page that is known in part: file offset and address agree modulo the
		// page size, as the ELF format wants.
		e.Write(make([]byte, r.addr-r.addr.Page()))
		prog := &elf.ProgHeader{
			Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W | elf.PF_X,
			Off: uint64(e.Here()), Vaddr: uint64(r.addr), Paddr: dump.UnknownPhys,
			Filesz: r.size, Memsz: r.size, Align: PageSize,
		}
		for _, b := range r.data {
			e.Write(b)
		}
		e.Progs = append(e.Progs, prog)
	}
	e.Align(8)
	e.WriteProgramHeaders()
	if len(e.Progs) >= manyProgs {
		writeManyProgs(e, out)
	}
	if e.Err != nil {
		return e.Err
	}
	return out.flush()
}

// manyProgs is PN_XNUM: e_phnum where the number of program headers is elsewhere.
const manyProgs = 0xffff

// writeManyProgs puts the number of program headers where it belongs when e_phnum is
// too small for it; elfwriter has written the number modulo 65536 there.
func writeManyProgs(e *elfwriter.Writer, out *bufferedSeeker) {
	e.Sections = append(e.Sections, &elf.SectionHeader{Type: elf.SHT_NULL, Info: uint32(len(e.Progs))})
	e.Align(8)
	e.WriteSectionHeaders()
	const phnumOffset = 56
	_, err := out.Seek(phnumOffset, io.SeekStart)
	e.Write(binary.LittleEndian.AppendUint16(nil, manyProgs))
	if err == nil {
		_, err = out.Seek(0, io.SeekEnd)
	}
	if e.Err == nil {
		e.Err = err
	}
}

// ownNote is a note of ours.
type ownNote struct {
	name string
	data []byte
}

// ownNotes makes the notes that both formats have.
func (s *SnapshotContent) ownNotes(version int) ([]ownNote, error) {
	info := s.Info
	info.Version, info.Faults, info.Redacted = version, s.Memory.sortedFaults(), s.Memory.AskedOnly()
	text, err := json.Marshal(&info)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if len(text) > maxSnapshotInfo {
		return nil, fmt.Errorf("snapshot: %d bytes of facts about the host, more than %d", len(text), maxSnapshotInfo)
	}
	notes := []ownNote{{noteSnapshot, text}}
	if len(s.Kallsyms) > 0 {
		if len(s.Kallsyms) > maxSymbolText {
			return nil, errors.New("snapshot: the symbols' text is too long")
		}
		enc, err := newZstdWriter(nil)
		if err != nil {
			return nil, err
		}
		notes = append(notes, ownNote{noteSymbols, enc.EncodeAll(s.Kallsyms, nil)})
	}
	return notes, nil
}

// bufferedSeeker gathers elfwriter's writes, many of two bytes, and answers its
// questions for the position without a system call.
type bufferedSeeker struct {
	w   io.WriteSeeker
	buf *bufio.Writer
	pos int64
}

func (b *bufferedSeeker) Write(p []byte) (int, error) {
	n, err := b.buf.Write(p)
	b.pos += int64(n)
	return n, err
}

func (b *bufferedSeeker) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent && offset == 0 {
		return b.pos, nil
	}
	if err := b.buf.Flush(); err != nil {
		return b.pos, err
	}
	pos, err := b.w.Seek(offset, whence)
	if err == nil {
		b.pos = pos
	}
	return pos, err
}

func (b *bufferedSeeker) flush() error { return b.buf.Flush() }

// Close does nothing: elfwriter wants it, the file is the caller's.
func (b *bufferedSeeker) Close() error { return nil }
