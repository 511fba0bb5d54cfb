package kmem

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// An ELF core file of a kernel, 64-bit and little-endian: a header of 64 bytes,
// program headers of 56 bytes each at e_phoff, and what they describe. PT_LOAD
// says which memory lies at which offset of the file; PT_NOTE holds notes: three
// 32-bit words (name's length, descriptor's length, type), the name and the
// descriptor, both padded to 4 bytes. Where e_phnum is 0xffff (PN_XNUM), the
// number of program headers is sh_info of section header 0.
const (
	elfHeaderSize  = 64
	progHeaderSize = 56
	sectHeaderSize = 64
	noteHeaderSize = 12
	pnXNum         = 0xffff
	elfIncomplete  = 1 // of e_flags: makedumpfile ran out of space

	// maxProgHeaders bounds the segments of a file, and so the memory that opening
	// one takes: a dump has some ten thousand at worst, a snapshot 131,072.
	maxProgHeaders = 1 << 18
	// maxNotes bounds the walk over the notes: a dump has two or three a CPU.
	maxNotes = 1 << 16
	// maxNoteName bounds a note's name, in bytes.
	maxNoteName = 256
)

// FormatError tells why a file is no kernel dump that this package can read.
type FormatError struct {
	Source string // the file's name
	Off    uint64 // where in the file, in bytes
	What   string
}

// Error is one line.
func (e *FormatError) Error() string {
	if e.Off == 0 {
		return fmt.Sprintf("%s: %s", e.Source, e.What)
	}
	return fmt.Sprintf("%s: %s (at offset %#x of the file)", e.Source, e.What, e.Off)
}

// elfCore is what the headers and notes of a core file say.
type elfCore struct {
	loads []elf.ProgHeader // PT_LOADs in file order
	notes []coreNote
	// remarks are for the user: see Image.Remarks.
	remarks []string
}

// coreNote is where a note's descriptor is; its bytes are read on demand.
type coreNote struct {
	name string
	typ  uint32
	off  uint64
	size uint64
}

// coreParser reads headers; its file may be anything.
type coreParser struct {
	f    *coreFile
	name string
	core elfCore
}

func parseELFCore(f *coreFile, name string) (*elfCore, error) {
	p := &coreParser{f: f, name: name}
	phoff, phnum, err := p.header()
	if err != nil {
		return nil, err
	}
	noteSegments, err := p.progHeaders(phoff, phnum)
	if err != nil {
		return nil, err
	}
	for _, h := range noteSegments {
		if err := p.notes(h.Off, h.Filesz); err != nil {
			return nil, err
		}
	}
	return &p.core, nil
}

func (p *coreParser) errorf(off uint64, format string, args ...any) error {
	return &FormatError{Source: p.name, Off: off, What: fmt.Sprintf(format, args...)}
}

// read reads what names, which the error names where the file is too short.
func (p *coreParser) read(off uint64, buf []byte, what string) error {
	err := p.f.readAt(off, buf)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return p.errorf(off, "truncated: the file ends (after %d bytes) before its %s", p.f.size, what)
	}
	if err != nil {
		return fmt.Errorf("%s: cannot read the %s: %w", p.name, what, err)
	}
	return nil
}

// foreign names file formats that a user may take for an ELF dump.
var foreign = []struct{ magic, what string }{
	{"\x1f\x8b", "is compressed with gzip: unpack it first (of compressed files kinspect reads zstd)"},
	{"\xfd7zXZ\x00", "is compressed with xz: unpack it first (of compressed files kinspect reads zstd)"},
}

func (p *coreParser) header() (phoff, phnum uint64, err error) {
	head := make([]byte, min(elfHeaderSize, max(p.f.size, 0)))
	if err := p.read(0, head, "ELF header"); err != nil {
		return 0, 0, err
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		for _, f := range foreign {
			if bytes.HasPrefix(head, []byte(f.magic)) {
				return 0, 0, p.errorf(0, "%s", f.what)
			}
		}
		if len(head) == 0 {
			return 0, 0, p.errorf(0, "not an ELF core dump: the file is empty")
		}
		return 0, 0, p.errorf(0, "not an ELF core dump: it starts with %q", head[:min(len(head), 8)])
	}
	if len(head) < elfHeaderSize {
		return 0, 0, p.errorf(0, "truncated: %d bytes, and an ELF header has %d", len(head), elfHeaderSize)
	}
	le := binary.LittleEndian
	if data := elf.Data(head[elf.EI_DATA]); data == elf.ELFDATA2MSB {
		return 0, 0, p.errorf(0, "a big-endian ELF file (%s): kinspect reads dumps of x86-64 kernels", machineName(binary.BigEndian.Uint16(head[18:])))
	} else if data != elf.ELFDATA2LSB {
		return 0, 0, p.errorf(elf.EI_DATA, "damaged ELF header: byte order %d", byte(data))
	}
	machine, typ := le.Uint16(head[18:]), elf.Type(le.Uint16(head[16:]))
	if class := elf.Class(head[elf.EI_CLASS]); class != elf.ELFCLASS64 {
		return 0, 0, p.errorf(0, "a 32-bit ELF file (%s): kinspect reads dumps of x86-64 kernels", machineName(machine))
	}
	if elf.Machine(machine) != elf.EM_X86_64 {
		return 0, 0, p.errorf(0, "a dump of another architecture, %s: kinspect reads x86-64", machineName(machine))
	}
	if typ != elf.ET_CORE {
		return 0, 0, p.errorf(0, "an ELF file, but no core dump: its type is %s", typeName(typ))
	}
	if size := le.Uint16(head[54:]); size != progHeaderSize {
		return 0, 0, p.errorf(54, "damaged ELF header: program headers of %d bytes, not %d", size, progHeaderSize)
	}
	if le.Uint32(head[48:])&elfIncomplete != 0 {
		p.core.remarks = append(p.core.remarks, remarkIncomplete)
	}
	phoff, phnum = le.Uint64(head[32:]), uint64(le.Uint16(head[56:]))
	if phnum == pnXNum {
		var sect [sectHeaderSize]byte
		if err := p.read(le.Uint64(head[40:]), sect[:], "section header 0, which holds the number of program headers"); err != nil {
			return 0, 0, err
		}
		phnum = uint64(le.Uint32(sect[44:]))
	}
	if phnum == 0 {
		return 0, 0, p.errorf(0, "an ELF core dump without program headers: its writer may not have finished")
	}
	if phnum > maxProgHeaders {
		return 0, 0, p.errorf(0, "damaged ELF header: %d program headers, more than any dump has (%d)", phnum, maxProgHeaders)
	}
	return phoff, phnum, nil
}

// progHeaders fills core.loads and returns the PT_NOTEs.
func (p *coreParser) progHeaders(phoff, phnum uint64) ([]elf.ProgHeader, error) {
	what := fmt.Sprintf("%d program headers", phnum)
	// The table may not be larger than the file: only then is it worth memory.
	if size := uint64(max(p.f.size, 0)); phoff > size || (size-phoff)/progHeaderSize < phnum {
		return nil, p.errorf(phoff, "truncated: the file ends (after %d bytes) before its %s", p.f.size, what)
	}
	table := make([]byte, phnum*progHeaderSize)
	if err := p.read(phoff, table, what); err != nil {
		return nil, err
	}
	var notes []elf.ProgHeader
	le := binary.LittleEndian
	for ; len(table) > 0; table = table[progHeaderSize:] {
		h := elf.ProgHeader{
			Type:   elf.ProgType(le.Uint32(table)),
			Flags:  elf.ProgFlag(le.Uint32(table[4:])),
			Off:    le.Uint64(table[8:]),
			Vaddr:  le.Uint64(table[16:]),
			Paddr:  le.Uint64(table[24:]),
			Filesz: le.Uint64(table[32:]),
			Memsz:  le.Uint64(table[40:]),
			Align:  le.Uint64(table[48:]),
		}
		switch h.Type {
		case elf.PT_LOAD:
			p.core.loads = append(p.core.loads, h)
		case elf.PT_NOTE:
			notes = append(notes, h)
		}
	}
	return notes, nil
}

// notes collects the notes of the segment of size bytes at off.
func (p *coreParser) notes(off, size uint64) error {
	end := off + size
	if end < off {
		return p.errorf(off, "damaged: notes of %d bytes", size)
	}
	for at := off; end-at >= noteHeaderSize; {
		if len(p.core.notes) >= maxNotes {
			return p.errorf(at, "damaged: more than %d notes", maxNotes)
		}
		var head [noteHeaderSize]byte
		if err := p.read(at, head[:], "notes"); err != nil {
			return err
		}
		le := binary.LittleEndian
		nameSize, descSize := uint64(le.Uint32(head[0:])), uint64(le.Uint32(head[4:]))
		nameOff := at + noteHeaderSize
		descOff := nameOff + align4(nameSize)
		// Lengths are 32-bit and at is below end: only descOff can pass 64 bits.
		if descOff < at || descOff > end || end-descOff < descSize {
			return p.errorf(at, "damaged: a note claims %d bytes of name and %d of content, but its segment has %d left", nameSize, descSize, end-nameOff)
		}
		if descOff+descSize > uint64(p.f.size) {
			return p.errorf(at, "truncated: a note of %d bytes, but the file ends after %d", descSize, p.f.size)
		}
		name := make([]byte, min(nameSize, maxNoteName))
		if err := p.read(nameOff, name, "notes"); err != nil {
			return err
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		p.core.notes = append(p.core.notes, coreNote{name: string(name), typ: le.Uint32(head[8:]), off: descOff, size: descSize})
		if at = descOff + align4(descSize); at > end || at < descOff {
			return nil // the last note's padding may be missing
		}
	}
	return nil
}

// note finds a note by its name, nil where there is none.
func (c *elfCore) note(name string) *coreNote {
	for i := range c.notes {
		if c.notes[i].name == name {
			return &c.notes[i]
		}
	}
	return nil
}

func align4(n uint64) uint64 { return (n + 3) &^ 3 }

// machineName names an architecture as users know it.
func machineName(machine uint16) string {
	switch m := elf.Machine(machine); m {
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "i386"
	case elf.EM_X86_64:
		return "x86-64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_PPC64:
		return "ppc64"
	case elf.EM_RISCV:
		return "riscv"
	default:
		return m.String()
	}
}

func typeName(t elf.Type) string {
	switch t {
	case elf.ET_EXEC, elf.ET_DYN:
		return "program or vmlinux (" + t.String() + ")"
	case elf.ET_REL:
		return "object file or module (ET_REL)"
	default:
		return t.String()
	}
}
