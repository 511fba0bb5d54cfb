package kmem

import "encoding/binary"

// CPURegisters are what a dump's notes have of the registers of a CPU: a note NT_PRSTATUS named
// CORE, whose struct elf_prstatus has them at byte 112 as struct user_regs_struct
// (include/linux/elfcore.h, arch/x86/include/asm/user_64.h). QEMU writes one for each CPU, a
// crashed kernel one for each that has left its registers; kdump-compressed dumps have them too.
type CPURegisters struct {
	IP, SP, BP Addr
	User       bool // the CPU ran a process's code
	// GS is where the CPU's GS register points to in the kernel, its per-CPU memory; 0 where the
	// notes do not tell, as the kernel's own.
	GS Addr
}

const (
	coreNote     = "CORE"
	noteStatus   = 1 // NT_PRSTATUS
	statusRegs   = 112
	statusSize   = statusRegs + 27*8
	qemuKernelGS = qemuCPUSize // behind what its first version had
	// maxCPUNotes bounds what is read of a dump's notes: the largest CONFIG_NR_CPUS of x86-64.
	maxCPUNotes = 8192
)

// ParseCPURegisters takes the registers out of the content of a note NT_PRSTATUS; ok is false
// where it is too short.
func ParseCPURegisters(status []byte) (r CPURegisters, ok bool) {
	if len(status) < statusSize {
		return r, false
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(status[statusRegs+8*i:]) }
	r = CPURegisters{IP: Addr(word(16)), SP: Addr(word(19)), BP: Addr(word(4)), User: word(17)&3 == 3}
	if gs := Addr(word(22)); gs.IsKernel() {
		r.GS = gs
	}
	return r, true
}

// CPURegisters lists what the notes of a dump have, in their order. What cannot be read is
// missing; a live kernel and a snapshot have none.
func (img *Image) CPURegisters() []CPURegisters {
	var out []CPURegisters
	extra := 0 // notes of QEMU, whose order is that of the others
	for i := range img.content.Notes {
		n := &img.content.Notes[i]
		switch {
		case n.Name == coreNote && n.Type == noteStatus && len(out) < maxCPUNotes:
			var raw [statusSize]byte
			if n.Size < statusSize || img.content.File.ReadFull(n.Off, raw[:]) != nil {
				return nil // the others would be other CPUs' than they seem
			}
			r, _ := ParseCPURegisters(raw[:])
			out = append(out, r)
		case n.Name == qemuNote:
			extra++
		}
	}
	if extra != len(out) {
		return out
	}
	// While a process runs GS is the process's, and QEMU has the kernel's in a word of its own.
	at := 0
	for i := range img.content.Notes {
		n := &img.content.Notes[i]
		if n.Name != qemuNote {
			continue
		}
		var raw [8]byte
		if r := &out[at]; r.GS == 0 && n.Size >= qemuKernelGS+8 && img.content.File.ReadFull(n.Off+qemuKernelGS, raw[:]) == nil {
			if gs := Addr(binary.LittleEndian.Uint64(raw[:])); gs.IsKernel() {
				r.GS = gs
			}
		}
		at++
	}
	return out
}
