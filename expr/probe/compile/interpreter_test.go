package compile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"kinspect/kmem"
)

// machine runs BPF instructions as the kernel does (Documentation/bpf/standardization/instruction-set.rst),
// those that programs here are made of, and what the verifier forbids is an error: reads of
// what was not written, writes beyond the stack and the record, registers that a call took.
type machine struct {
	memory  kmem.Reader
	regs    [11]uint64
	known   [11]bool
	context []byte
	record  []byte
	stack   [512]byte
	written [512]bool
}

// Where the machine's own memory is; the kernel's is above.
const (
	stackTop    = 0x10000
	contextAddr = 0x20000
	recordAddr  = 0x30000
)

// bytes is the machine's own memory at an address, to be written or read.
func (m *machine) bytes(a uint64, n int, write bool) ([]byte, error) {
	in := func(of []byte, from uint64) []byte {
		if a < from || a-from > uint64(len(of)) || uint64(len(of))-(a-from) < uint64(n) {
			return nil
		}
		return of[a-from:][:n]
	}
	if b := in(m.stack[:], stackTop-512); b != nil {
		for i := range n {
			if at := int(a-(stackTop-512)) + i; write {
				m.written[at] = true
			} else if !m.written[at] {
				return nil, fmt.Errorf("the stack at %d was not written", at-512)
			}
		}
		return b, nil
	}
	if b := in(m.context, contextAddr); b != nil && !write {
		return b, nil
	}
	if b := in(m.record, recordAddr); b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("access of %d bytes at %#x", n, a)
}

// readKernel is bpf_probe_read_kernel.
func (m *machine) readKernel(to []byte, a uint64) bool {
	if a >= contextAddr && a < contextAddr+uint64(len(m.context)) {
		b, err := m.bytes(a, len(to), false)
		copy(to, b)
		return err == nil
	}
	if !kmem.Addr(a).IsKernel() || m.memory.ReadMem(kmem.Addr(a), to) != nil {
		clear(to)
		return false
	}
	return true
}

func (m *machine) call(fn asm.BuiltinFunc) error {
	for r := 1; r <= 3; r++ {
		if !m.known[r] {
			return fmt.Errorf("R%d is an argument, and was not written", r)
		}
	}
	to, err := m.bytes(m.regs[1], int(m.regs[2]), true)
	if err != nil {
		return err
	}
	m.regs[0] = 0
	const efault = ^uint64(13)
	switch fn {
	case asm.FnProbeReadKernel:
		if !m.readKernel(to, m.regs[3]) {
			m.regs[0] = efault
		}
	case asm.FnProbeReadKernelStr:
		for i := range to {
			if !m.readKernel(to[i:i+1], m.regs[3]+uint64(i)) {
				clear(to)
				m.regs[0] = efault
				break
			}
			if m.regs[0] = uint64(i + 1); to[i] == 0 {
				break
			}
			if i == len(to)-1 {
				to[i] = 0
			}
		}
	default:
		return fmt.Errorf("no function %v", fn)
	}
	m.known[0] = true
	for r := 1; r <= 5; r++ {
		m.known[r] = false
	}
	return nil
}

// run runs a program to its exit.
func (m *machine) run(ins asm.Instructions) error {
	labels := map[string]int{}
	for i, in := range ins {
		if s := in.Symbol(); s != "" {
			if _, twice := labels[s]; twice {
				return fmt.Errorf("label %s stands twice", s)
			}
			labels[s] = i
		}
	}
	if err := reachable(ins, labels); err != nil {
		return err
	}
	m.regs[10], m.known[10] = stackTop, true
	for pc, steps := 0, 0; ; pc++ {
		if steps++; steps > 1_000_000 || pc >= len(ins) {
			return fmt.Errorf("the program does not end")
		}
		in := ins[pc]
		target, taken, err := m.step(in)
		if err != nil {
			return fmt.Errorf("%d: %v: %w", pc, in, err)
		}
		if in.OpCode.JumpOp() == asm.Exit {
			return nil
		}
		if taken && target == "" {
			pc += int(in.Offset)
		} else if taken {
			to, ok := labels[target]
			if !ok {
				return fmt.Errorf("no label %s", target)
			}
			if to <= pc {
				return fmt.Errorf("%d: %v jumps back", pc, in)
			}
			pc = to - 1
		}
	}
}

// reachable refuses what the verifier does: code that nothing leads to, and code that runs out of the program.
func reachable(ins asm.Instructions, labels map[string]int) error {
	seen := make([]bool, len(ins)+1)
	seen[0] = true
	for i, in := range ins { // all jumps go on
		if !seen[i] {
			return fmt.Errorf("unreachable: %d: %v", i, in)
		}
		if ref := in.Reference(); ref != "" {
			to, ok := labels[ref]
			if !ok || to <= i {
				return fmt.Errorf("%d: %v: no label ahead", i, in)
			}
			seen[to] = true
		}
		if op := in.OpCode; op.Class() != asm.JumpClass || op.JumpOp() != asm.Exit && (op.JumpOp() != asm.Ja || in.Reference() == "") {
			seen[i+1] = true
		}
	}
	if seen[len(ins)] {
		return fmt.Errorf("the program has no end")
	}
	return nil
}

func (m *machine) step(in asm.Instruction) (target string, taken bool, err error) {
	op := in.OpCode
	use := func(r asm.Register) uint64 {
		if !m.known[r] && err == nil {
			err = fmt.Errorf("%v was not written", r)
		}
		return m.regs[r]
	}
	source := func() uint64 {
		if op.Source() == asm.RegSource {
			return use(in.Src)
		}
		return uint64(in.Constant)
	}
	set := func(r asm.Register, v uint64) { m.regs[r], m.known[r] = v, true }
	switch op.Class() {
	case asm.LdClass:
		set(in.Dst, uint64(in.Constant))
	case asm.LdXClass:
		b, berr := m.bytes(use(in.Src)+uint64(int64(in.Offset)), op.Size().Sizeof(), false)
		if berr != nil {
			return "", false, berr
		}
		var raw [8]byte
		copy(raw[:], b)
		set(in.Dst, binary.LittleEndian.Uint64(raw[:]))
	case asm.StXClass, asm.StClass:
		v := uint64(in.Constant)
		if op.Class() == asm.StXClass {
			v = use(in.Src)
		}
		n := op.Size().Sizeof()
		b, berr := m.bytes(use(in.Dst)+uint64(int64(in.Offset)), n, true)
		if berr != nil {
			return "", false, berr
		}
		copy(b, binary.LittleEndian.AppendUint64(nil, v)[:n])
	case asm.ALU64Class, asm.ALUClass:
		if op.ALUOp() == asm.Mov {
			v := source()
			if op.Class() == asm.ALUClass {
				v = uint64(uint32(v))
			}
			set(in.Dst, v)
			break
		}
		if op.ALUOp() == asm.Swap {
			v := use(in.Dst)
			switch in.Constant {
			case 16:
				v = uint64(bits.ReverseBytes16(uint16(v)))
			case 32:
				v = uint64(bits.ReverseBytes32(uint32(v)))
			default:
				v = bits.ReverseBytes64(v)
			}
			set(in.Dst, v)
			break
		}
		if op.Class() == asm.ALUClass {
			return "", false, fmt.Errorf("arithmetic of 32 bits")
		}
		var y uint64
		x := use(in.Dst)
		if op.ALUOp() != asm.Neg {
			y = source()
		}
		v, aerr := arithmeticOf(op.ALUOp(), x, y)
		if aerr != nil {
			return "", false, aerr
		}
		set(in.Dst, v)
	case asm.JumpClass:
		switch op.JumpOp() {
		case asm.Exit:
			use(asm.R0)
			return "", false, err
		case asm.Call:
			return "", false, m.call(asm.BuiltinFunc(in.Constant))
		case asm.Ja:
			return in.Reference(), true, nil
		}
		taken = jumps(op.JumpOp(), use(in.Dst), source())
		return in.Reference(), taken, err
	default:
		return "", false, fmt.Errorf("class %v", op.Class())
	}
	return "", false, err
}

func arithmeticOf(op asm.ALUOp, x, y uint64) (uint64, error) {
	switch op {
	case asm.Add:
		return x + y, nil
	case asm.Sub:
		return x - y, nil
	case asm.Mul:
		return x * y, nil
	case asm.Div:
		if y == 0 {
			return 0, nil
		}
		return x / y, nil
	case asm.Mod:
		if y == 0 {
			return x, nil
		}
		return x % y, nil
	case asm.And:
		return x & y, nil
	case asm.Or:
		return x | y, nil
	case asm.Xor:
		return x ^ y, nil
	case asm.LSh:
		return x << (y & 63), nil
	case asm.RSh:
		return x >> (y & 63), nil
	case asm.ArSh:
		return uint64(int64(x) >> (y & 63)), nil
	case asm.Neg:
		return -x, nil
	}
	return 0, fmt.Errorf("no arithmetic %v", op)
}

func jumps(op asm.JumpOp, x, y uint64) bool {
	switch op {
	case asm.JEq:
		return x == y
	case asm.JNE:
		return x != y
	case asm.JGT:
		return x > y
	case asm.JGE:
		return x >= y
	case asm.JLT:
		return x < y
	case asm.JLE:
		return x <= y
	case asm.JSGT:
		return int64(x) > int64(y)
	case asm.JSGE:
		return int64(x) >= int64(y)
	case asm.JSLT:
		return int64(x) < int64(y)
	case asm.JSLE:
		return int64(x) <= int64(y)
	}
	return false
}
