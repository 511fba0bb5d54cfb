package wholedump

import (
	"debug/elf"
	"encoding/binary"
)

// ElfNote is a note of an ELF core, which kdump-compressed dumps have too.
type ElfNote struct {
	Name string
	Type uint32
	Desc []byte
}

func (n ElfNote) bytes() []byte {
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(n.Name)+1))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(n.Desc)))
	out = binary.LittleEndian.AppendUint32(out, n.Type)
	out = pad(append(append(out, n.Name...), 0))
	return pad(append(out, n.Desc...))
}

func noteBytes(notes []ElfNote) []byte {
	var out []byte
	for _, n := range notes {
		out = append(out, n.bytes()...)
	}
	return out
}

// QEMUNotes are the notes of a CPU that QEMU writes: its general registers, and what
// it adds of its own, among that CR3 and CR4, which tell where the page tables are.
func (m *Machine) QEMUNotes(idt uint64) []ElfNote {
	const (
		size     = 440
		idtBase  = 8 + 18*8 + 9*24 + 16
		controls = 8 + 18*8 + 10*24
	)
	cpu := make([]byte, size)
	le := binary.LittleEndian
	le.PutUint32(cpu, 1)
	le.PutUint32(cpu[4:], size)
	le.PutUint64(cpu[idtBase:], idt)
	le.PutUint64(cpu[controls+3*8:], m.Root)
	cr4 := uint64(0x6f0)
	if m.Levels == 5 {
		cr4 |= 1 << 12
	}
	le.PutUint64(cpu[controls+4*8:], cr4)
	return []ElfNote{{"CORE", 1, make([]byte, 336)}, {"QEMU", 0, cpu}}
}

// ELF is the machine's memory as QEMU dumps it, without virtual addresses: a segment for
// each run of frames.
func (m *Machine) ELF(notes ...ElfNote) *File {
	type run struct{ from, to uint64 } // frames, the end exclusive
	var runs []run
	for _, n := range m.Frames() {
		if k := len(runs); k > 0 && runs[k-1].to == n {
			runs[k-1].to++
			continue
		}
		runs = append(runs, run{n, n + 1})
	}
	const headerSize, progSize = 64, 56
	le := binary.LittleEndian
	head := make([]byte, headerSize+progSize*(len(runs)+1))
	copy(head, elf.ELFMAG+"\x02\x01\x01")
	le.PutUint16(head[16:], uint16(elf.ET_CORE))
	le.PutUint16(head[18:], uint16(elf.EM_X86_64))
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], headerSize)
	le.PutUint16(head[52:], headerSize)
	le.PutUint16(head[54:], progSize)
	le.PutUint16(head[56:], uint16(len(runs)+1))
	text := noteBytes(notes)
	at := uint64(len(head))
	prog := head[headerSize:]
	put := func(typ elf.ProgType, paddr, size uint64) {
		le.PutUint32(prog, uint32(typ))
		le.PutUint64(prog[8:], at)
		le.PutUint64(prog[24:], paddr)
		le.PutUint64(prog[32:], size)
		le.PutUint64(prog[40:], size)
		at, prog = at+size, prog[progSize:]
	}
	put(elf.PT_NOTE, 0, uint64(len(text)))
	for _, r := range runs {
		put(elf.PT_LOAD, r.from*PageSize, (r.to-r.from)*PageSize)
	}
	f := &File{}
	f.add(Part{Kind: Header}, head)
	f.add(Part{Kind: Note}, text)
	for _, r := range runs {
		for n := r.from; n < r.to; n++ {
			f.add(Part{Kind: Page, Frame: n}, m.frames[n].data[:])
		}
	}
	return f
}
