// Package elfcore reads ELF core files of a kernel: kexec's /proc/vmcore, what
// makedumpfile -E and QEMU's dump-guest-memory write, /proc/kcore, snapshots.
//
// Such a file is 64-bit and little-endian: a header of 64 bytes, program headers of
// 56 bytes each at e_phoff, and what they describe. PT_LOAD says which memory lies at
// which offset of the file, PT_NOTE holds notes. Where e_phnum is 0xffff (PN_XNUM), the
// number of program headers is sh_info of section header 0.
//
// A PT_LOAD may tell a virtual address, a physical one, or both. Of its p_memsz bytes
// the first p_filesz are in the file; the others were left out by whoever wrote it. Segments
// that contradict each other are refused: see check.go.
package elfcore

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"kinspect/kmem/dump"
)

const (
	headerSize     = 64
	progHeaderSize = 56
	sectHeaderSize = 64
	pnXNum         = 0xffff
	noteFile       = 0x46494c45 // NT_FILE: the files that a process had mapped
	flagIncomplete = 1          // of e_flags: makedumpfile ran out of space

	// maxProgHeaders bounds the segments of a file, and so the memory that opening
	// one takes: a dump has some ten thousand at worst, a snapshot 131,072.
	maxProgHeaders = 1 << 18
)

// HeaderSize is the length of the ELF header, in bytes.
const HeaderSize = headerSize

// Format is the format of ELF cores, one file a dump.
var Format = dump.Format{Magic: elf.ELFMAG, Open: open}

func open(files []*dump.File) (*dump.Content, error) {
	if len(files) > 1 {
		return nil, &dump.FormatError{Source: files[1].Name, What: "no part of a split dump: of several files each must be a kdump-compressed one"}
	}
	return Open(files[0], false)
}

// Open reads the headers of a core file; live tells that it is /proc/kcore.
func Open(f *dump.File, live bool) (*dump.Content, error) {
	p := &parser{f: f}
	phoff, phnum, err := p.header()
	if err != nil {
		return nil, err
	}
	noteSegments, err := p.progHeaders(phoff, phnum)
	if err != nil {
		return nil, err
	}
	c := &dump.Content{File: f, Remarks: p.remarks}
	for _, h := range noteSegments {
		if c.Notes, err = f.AppendNotes(c.Notes, h.Off, h.Filesz); err != nil {
			return nil, err
		}
	}
	if c.Note("VMCOREINFO") == nil && slices.ContainsFunc(c.Notes, func(n dump.Note) bool { return n.Name == "CORE" && n.Type == noteFile }) {
		return nil, f.Errorf(0, "the core dump of a process, not of a kernel")
	}
	if !live {
		if err := p.checkLoads(phoff, phnum, noteSegments); err != nil {
			return nil, err
		}
	}
	virt, phys := addressSpaces(p.loads, f.Size)
	c.Virtual = &dump.Space{File: f, Segments: virt, Live: live}
	memory := &dump.Space{File: f, Segments: phys, Physical: true, Live: live}
	c.Memory = memory
	if cut := max(cutOff(memory), cutOff(c.Virtual)); cut > 0 && !live {
		c.Remarks = append(c.Remarks, fmt.Sprintf("the dump is cut off: the file has %d bytes, and %d KiB of memory that belong behind them cannot be read", f.Size, (cut+1023)>>10))
	}
	return c, nil
}

// cutOff is how many bytes of memory the file should have, and ends before.
func cutOff(m *dump.Space) uint64 {
	absent, _ := m.Absent() // segments tell without reading
	return absent.CutOff
}

// parser reads headers; its file may be anything.
type parser struct {
	f       *dump.File
	loads   []elf.ProgHeader // PT_LOADs in file order
	remarks []string
}

func (p *parser) header() (phoff, phnum uint64, err error) {
	head := make([]byte, min(headerSize, max(p.f.Size, 0)))
	if err := p.f.ReadHeader(0, head, "ELF header"); err != nil {
		return 0, 0, err
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		if len(head) == 0 {
			return 0, 0, p.f.Errorf(0, "not a dump: the file is empty")
		}
		return 0, 0, p.f.Errorf(0, "not a dump that kinspect knows (an ELF core, kdump-compressed, flattened, or one of these in gzip, xz or zstd): it starts with %q", head[:min(len(head), 8)])
	}
	if len(head) < headerSize {
		return 0, 0, p.f.Errorf(0, "truncated: %d bytes, and an ELF header has %d", len(head), headerSize)
	}
	le := binary.LittleEndian
	if data := elf.Data(head[elf.EI_DATA]); data == elf.ELFDATA2MSB {
		return 0, 0, p.f.Errorf(0, "a big-endian ELF file (%s): kinspect reads dumps of x86-64 kernels", machineName(binary.BigEndian.Uint16(head[18:])))
	} else if data != elf.ELFDATA2LSB {
		return 0, 0, p.f.Errorf(elf.EI_DATA, "damaged ELF header: byte order %d", byte(data))
	}
	machine, typ := le.Uint16(head[18:]), elf.Type(le.Uint16(head[16:]))
	if class := elf.Class(head[elf.EI_CLASS]); class != elf.ELFCLASS64 {
		return 0, 0, p.f.Errorf(0, "a 32-bit ELF file (%s): kinspect reads dumps of x86-64 kernels", machineName(machine))
	}
	if elf.Machine(machine) != elf.EM_X86_64 {
		return 0, 0, p.f.Errorf(0, "a dump of another architecture, %s: kinspect reads x86-64", machineName(machine))
	}
	if typ != elf.ET_CORE {
		return 0, 0, p.f.Errorf(0, "an ELF file, but no core dump: its type is %s", typeName(typ))
	}
	if size := le.Uint16(head[54:]); size != progHeaderSize {
		return 0, 0, p.f.Errorf(54, "damaged ELF header: program headers of %d bytes, not %d", size, progHeaderSize)
	}
	if le.Uint32(head[48:])&flagIncomplete != 0 {
		p.remarks = append(p.remarks, dump.RemarkIncomplete)
	}
	phoff, phnum = le.Uint64(head[32:]), uint64(le.Uint16(head[56:]))
	if phnum == pnXNum {
		var sect [sectHeaderSize]byte
		if err := p.f.ReadHeader(le.Uint64(head[40:]), sect[:], "section header 0, which holds the number of program headers"); err != nil {
			return 0, 0, err
		}
		phnum = uint64(le.Uint32(sect[44:]))
	}
	if phnum == 0 {
		return 0, 0, p.f.Errorf(0, "an ELF core dump without program headers: its writer may not have finished")
	}
	if phnum > maxProgHeaders {
		return 0, 0, p.f.Errorf(0, "damaged ELF header: %d program headers, more than any dump has (%d)", phnum, maxProgHeaders)
	}
	return phoff, phnum, nil
}

// progHeaders fills core.loads and returns the PT_NOTEs.
func (p *parser) progHeaders(phoff, phnum uint64) ([]elf.ProgHeader, error) {
	what := fmt.Sprintf("%d program headers", phnum)
	// The table may not be larger than the file: only then is it worth memory.
	if size := uint64(max(p.f.Size, 0)); phoff > size || (size-phoff)/progHeaderSize < phnum {
		return nil, p.f.Errorf(phoff, "truncated: the file ends (after %d bytes) before its %s", p.f.Size, what)
	}
	table := make([]byte, phnum*progHeaderSize)
	if err := p.f.ReadHeader(phoff, table, what); err != nil {
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
			p.loads = append(p.loads, h)
		case elf.PT_NOTE:
			notes = append(notes, h)
		}
	}
	return notes, nil
}

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
