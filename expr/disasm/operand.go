package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// spell writes an instruction as objdump does, with the names of what it jumps to and of the
// memory that it names: by the distance from itself, or by an address.
func spell(k *value.Kernel, inst *x86asm.Inst, a kmem.Addr) string {
	for i, arg := range inst.Args {
		if m, ok := arg.(x86asm.Mem); ok {
			m.Disp = signed(inst, m)
			inst.Args[i] = m
		}
	}
	// x86asm writes the index register that there is none.
	text := strings.ReplaceAll(x86asm.GNUSyntax(*inst, uint64(a), nil), ",%riz)", ")")
	next := a.Add(int64(inst.Len))
	var notes []string // in the order of the operands, which AT&T's syntax turns round
	note := func(s string) { notes = append([]string{s}, notes...) }
	for _, arg := range inst.Args {
		switch arg := arg.(type) {
		case x86asm.Rel:
			if s := symbolOf(k, next.Add(int64(arg))); s != "" {
				return text + " <" + s + ">"
			}
		case x86asm.Imm:
			if arg < 0 {
				n := uint64(arg) & mask(inst)
				text = strings.Replace(text, fmt.Sprintf("$%#x", int64(arg)), fmt.Sprintf("$%#x", n), 1)
			}
			if s := symbolOf(k, kmem.Addr(arg)); s != "" && takesAddress(inst.Op) {
				note(s)
			}
		case x86asm.Mem:
			target := kmem.Addr(arg.Disp)
			switch {
			case arg.Base == x86asm.RIP:
				target = next.Add(arg.Disp)
			case arg.Base == 0 && arg.Index == 0 && arg.Disp < 0: // the address itself
				text = strings.Replace(text, fmt.Sprintf("%#x", arg.Disp), fmt.Sprintf("%#x", uint64(arg.Disp)), 1)
			}
			switch {
			case arg.Segment == x86asm.GS && (arg.Base == x86asm.RIP || arg.Base == 0 && arg.Index == 0):
				// A per-CPU variable: what all CPUs' copies have in common.
				note("per-CPU " + perCPUName(k, target))
			case arg.Base == x86asm.RIP:
				note(k.Symbolize(target))
			case arg.Segment == 0:
				if s := symbolOf(k, target); s != "" {
					note(s)
				}
			}
		}
	}
	if len(notes) == 0 {
		return text
	}
	return text + "  # " + strings.Join(notes, ", ")
}

// signed is the displacement of an operand: 32 bits of it have a sign, which x86asm does not give
// to all.
func signed(inst *x86asm.Inst, m x86asm.Mem) int64 {
	if inst.AddrSize == 64 && m.Disp>>32 == 0 {
		return int64(int32(m.Disp))
	}
	return m.Disp
}

// mask has the bits of an instruction's operand, as which objdump prints negative numbers.
func mask(inst *x86asm.Inst) uint64 {
	bits := inst.DataSize
	switch r, isReg := inst.Args[0].(x86asm.Reg); {
	case !isReg && inst.MemBytes > 0 && inst.Op != x86asm.PUSH:
		bits = 8 * inst.MemBytes
	case !isReg:
	case r >= x86asm.AL && r <= x86asm.R15B:
		bits = 8
	case r >= x86asm.AX && r <= x86asm.R15W:
		bits = 16
	case r >= x86asm.EAX && r <= x86asm.R15L:
		bits = 32
	case r >= x86asm.RAX && r <= x86asm.R15:
		bits = 64
	}
	if inst.Op == x86asm.PUSH || bits <= 0 || bits > 64 {
		bits = 64
	}
	return ^uint64(0) >> (64 - bits)
}

// takesAddress reports whether a number that an instruction has may be an address: those that
// set bits are masks.
func takesAddress(op x86asm.Op) bool {
	switch op {
	case x86asm.MOV, x86asm.PUSH, x86asm.CMP, x86asm.ADD, x86asm.SUB:
		return true
	}
	return false
}

// symbolOf is the symbol of an address, with the distance from it; empty where it has none.
func symbolOf(k *value.Kernel, a kmem.Addr) string {
	if !a.IsKernel() {
		return ""
	}
	if s := k.Symbolize(a); !strings.HasPrefix(s, "0x") {
		return s
	}
	return ""
}

// perCPUName is the name of a per-CPU variable: up to 6.14 their addresses begin at zero, later they
// are ordinary ones (arch/x86/kernel/vmlinux.lds.S).
func perCPUName(k *value.Kernel, a kmem.Addr) string {
	if s := symbolOf(k, a); s != "" {
		return s
	}
	if s := k.PerCPUVariable(a); s != "" {
		return s
	}
	return a.String()
}
