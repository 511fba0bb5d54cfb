package compile

import (
	"fmt"
	"math"
	"slices"

	"github.com/cilium/ebpf/asm"

	"kinspect/expr/value"
)

// What a computation ends with where it has no value: the number in R0 at the label of the
// caller's, where it is not below zero. Below zero it is the error of a read, and the address that
// could not be read is at [Gen.FaultAddr].
const (
	FaultDivide = 1 // a division by zero
	FaultShift  = 2 // a shift by more bits than there are
	FaultIndex  = 3 // an index outside its array
	FaultRange  = 4 // a number that is too large for its conversion
	FaultNull   = 5 // a NULL pointer, of which an address would be computed
)

// The stack, below what the caller keeps for itself: a word for the address of a fault, two that are
// read into, a string that is compared, values that wait for others.
const (
	maxSlots   = 20
	faultBytes = 8
	readBytes  = 16
	textBytes  = 136
	// StackBytes is what there is of a program's stack for its own ends.
	StackBytes = 512 - faultBytes - readBytes - textBytes - 8*maxSlots
)

// Gen is a program in the making. The context is in a register that calls keep, R6.
type Gen struct {
	ctx     asm.Register
	prefix  string
	own     int16 // bytes at the top of the stack, the caller's
	ins     asm.Instructions
	pending []string
	labels  int
	depth   int
	tooDeep bool
	fault   string
}

// NewGen begins a program that uses some bytes of the stack itself; prefix tells its labels from others.
func NewGen(prefix string, own int16) *Gen { return &Gen{ctx: asm.R6, prefix: prefix, own: own} }

// Add adds instructions.
func (g *Gen) Add(ins ...asm.Instruction) {
	for _, i := range ins {
		for n, label := range g.pending {
			if n < len(g.pending)-1 {
				g.ins = append(g.ins, asm.Instruction{OpCode: asm.OpCode(asm.JumpClass) | asm.OpCode(asm.Ja)}.WithSymbol(label))
				continue
			}
			i = i.WithSymbol(label)
		}
		g.pending = nil
		g.ins = append(g.ins, i)
	}
}

// Instructions is the program so far. It has to end with an instruction behind the last label.
func (g *Gen) Instructions() asm.Instructions { return g.ins }

// NewLabel is a label, to jump to and to be placed.
func (g *Gen) NewLabel() string {
	g.labels++
	return fmt.Sprintf("%s.%d", g.prefix, g.labels)
}

// Place puts a label before the next instruction.
func (g *Gen) Place(label string) { g.pending = append(g.pending, label) }

// Used reports whether anything jumps to a label so far: the verifier wants no code that nothing leads to.
func (g *Gen) Used(label string) bool {
	return slices.ContainsFunc(g.ins, func(i asm.Instruction) bool { return i.Reference() == label })
}

func (g *Gen) faultSlot() int16 { return -g.own - faultBytes }
func (g *Gen) readSlot() int16  { return g.faultSlot() - readBytes }
func (g *Gen) textSlot() int16  { return g.readSlot() - textBytes }

// FaultAddr loads the address of a read that failed; it is 0 where it was something else.
func (g *Gen) FaultAddr(to asm.Register) {
	g.Add(asm.LoadMem(to, asm.RFP, g.faultSlot(), asm.DWord))
}

// push keeps R0 in a slot; pop takes it out again.
func (g *Gen) push() int16 {
	if g.depth++; g.depth > maxSlots {
		g.tooDeep = true
	}
	slot := g.textSlot() - 8*int16(min(g.depth, maxSlots))
	g.Add(asm.StoreMem(asm.RFP, slot, asm.R0, asm.DWord))
	return slot
}

func (g *Gen) pop(to asm.Register, slot int16) {
	g.depth--
	g.Add(asm.LoadMem(to, asm.RFP, slot, asm.DWord))
}

// full ends the work on an expression that is refused anyway: what is named twice is computed twice, so that a short text
// can mean a long program.
func (g *Gen) full() bool { return len(g.ins) > maxProgram }

// imm loads a number.
func (g *Gen) imm(to asm.Register, n int64) {
	if n == int64(int32(n)) {
		g.Add(asm.Mov.Imm(to, int32(n)))
		return
	}
	g.Add(asm.LoadImm(to, n, asm.DWord))
}

// wrap cuts a register to a type and extends it again.
func (g *Gen) wrap(r asm.Register, n value.Num) {
	if n.Size >= 8 || n.Size == 0 {
		return
	}
	shift := int32(64 - 8*n.Size)
	g.Add(asm.LSh.Imm(r, shift))
	if n.Signed {
		g.Add(asm.ArSh.Imm(r, shift))
	} else {
		g.Add(asm.RSh.Imm(r, shift))
	}
}

// number leaves an operand's number in R0.
func (g *Gen) number(o *operand) {
	if g.full() {
		return
	}
	if o.constant {
		g.imm(asm.R0, int64(o.num.Bits))
		return
	}
	o.emit(g)
}

// as leaves it there as arithmetic of a type has it.
func (g *Gen) as(o *operand, to value.Num) {
	if g.full() {
		return
	}
	from := o.num
	if o.constant {
		if to.Size < 8 { // what a type of the same size makes of it
			from = value.Common(from, value.Num{Size: to.Size, Signed: to.Signed})
		}
		g.imm(asm.R0, int64(from.Bits))
		return
	}
	o.emit(g)
	switch {
	case to.Size == 8:
	case from.Size == to.Size && from.Signed == to.Signed:
	case from.Size < to.Size && (to.Signed || !from.Signed):
	default:
		g.wrap(asm.R0, to)
	}
}

// two leaves x in R0 and y in R1, each as its type.
func (g *Gen) two(x, y *operand, a, b value.Num) {
	g.as(x, a)
	if y.constant {
		to := y.num
		if b.Size < 8 {
			to = value.Common(to, value.Num{Size: b.Size, Signed: b.Signed})
		}
		g.imm(asm.R1, int64(to.Bits))
		return
	}
	slot := g.push()
	g.as(y, b)
	g.Add(asm.Mov.Reg(asm.R1, asm.R0))
	g.pop(asm.R0, slot)
}

// flag leaves 1 in R0 where jump jumps, else 0.
func (g *Gen) flag(jump func(yes string)) {
	yes, end := g.NewLabel(), g.NewLabel()
	jump(yes)
	g.Add(asm.Mov.Imm(asm.R0, 0), asm.Ja.Label(end))
	g.Place(yes)
	g.Add(asm.Mov.Imm(asm.R0, 1))
	g.Place(end)
}

// check ends the computation where jump does not jump.
func (g *Gen) check(jump func(ok string), reason int32) {
	ok := g.NewLabel()
	jump(ok)
	g.zero(g.faultSlot(), asm.R0)
	g.Add(asm.Mov.Imm(asm.R0, reason), asm.Ja.Label(g.fault))
	g.Place(ok)
}

// zero clears a slot, and loses a register.
func (g *Gen) zero(slot int16, r asm.Register) {
	g.Add(asm.Mov.Imm(r, 0), asm.StoreMem(asm.RFP, slot, r, asm.DWord))
}

// arithmetic computes R0 op R1, of numbers of a type. R2 and R3 are lost.
func (g *Gen) arithmetic(op string, n value.Num) {
	switch op {
	case "+":
		g.Add(asm.Add.Reg(asm.R0, asm.R1))
	case "-":
		g.Add(asm.Sub.Reg(asm.R0, asm.R1))
	case "*":
		g.Add(asm.Mul.Reg(asm.R0, asm.R1))
	case "&":
		g.Add(asm.And.Reg(asm.R0, asm.R1))
	case "|":
		g.Add(asm.Or.Reg(asm.R0, asm.R1))
	case "^":
		g.Add(asm.Xor.Reg(asm.R0, asm.R1))
	case "<<", ">>":
		bits := int32(n.Size) * 8
		g.check(func(ok string) { g.Add(asm.JLT.Imm(asm.R1, bits, ok)) }, FaultShift)
		switch {
		case op == "<<":
			g.Add(asm.LSh.Reg(asm.R0, asm.R1))
		case n.Signed:
			g.Add(asm.ArSh.Reg(asm.R0, asm.R1))
		default:
			g.Add(asm.RSh.Reg(asm.R0, asm.R1))
		}
	case "/", "%":
		g.divide(op, n.Signed)
	}
}

// divide computes R0 / R1 or R0 % R1. BPF divides unsigned numbers alone before 6.6.
func (g *Gen) divide(op string, signed bool) {
	g.check(func(ok string) { g.Add(asm.JNE.Imm(asm.R1, 0, ok)) }, FaultDivide)
	do := asm.Div
	if op == "%" {
		do = asm.Mod
	}
	if !signed {
		g.Add(do.Reg(asm.R0, asm.R1))
		return
	}
	// The sign of the quotient is that of both, the rest's that of the first.
	g.Add(asm.Mov.Reg(asm.R2, asm.R0))
	if op == "/" {
		g.Add(asm.Xor.Reg(asm.R2, asm.R1))
	}
	for _, r := range []asm.Register{asm.R0, asm.R1} {
		positive := g.NewLabel()
		g.Add(asm.JSGE.Imm(r, 0, positive), asm.Neg.Imm(r, 0))
		g.Place(positive)
	}
	end := g.NewLabel()
	g.Add(do.Reg(asm.R0, asm.R1), asm.JSGE.Imm(asm.R2, 0, end), asm.Neg.Imm(asm.R0, 0))
	g.Place(end)
}

// address leaves a place's address in R0.
func (g *Gen) address(o *operand) {
	if g.full() {
		return
	}
	o.base(g)
	if o.set {
		g.check(func(ok string) { g.Add(asm.JNE.Imm(asm.R0, 0, ok)) }, FaultNull)
	}
	g.offset(o)
}

func (g *Gen) offset(o *operand) {
	switch {
	case o.off == 0:
	case o.off >= math.MinInt32 && o.off <= math.MaxInt32:
		g.Add(asm.Add.Imm(asm.R0, int32(o.off)))
	default:
		g.imm(asm.R1, o.off)
		g.Add(asm.Add.Reg(asm.R0, asm.R1))
	}
}

// source leaves in R3 the address of a place that is read, where a NULL pointer needs no check
// of its own, and notes it for a fault.
func (g *Gen) source(o *operand) {
	if g.full() {
		return
	}
	if o.raw != nil && o.off >= 0 && o.off < 1<<16 {
		o.raw(g)
	} else {
		o.base(g)
	}
	g.offset(o)
	g.Add(asm.Mov.Reg(asm.R3, asm.R0), asm.StoreMem(asm.RFP, g.faultSlot(), asm.R3, asm.DWord))
}

// read reads bytes from R3 to the stack.
func (g *Gen) read(slot int16, size int32) {
	g.Add(asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(slot)), asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(), asm.JNE.Imm(asm.R0, 0, g.fault))
}

// argument leaves in R0 the eight bytes of an argument, as a number.
func (g *Gen) argument(off int16, numbers bool) {
	if numbers {
		g.Add(asm.LoadMem(asm.R0, g.ctx, off, asm.DWord))
		return
	}
	// A copy of it is a number to the verifier, whatever it knows of the argument.
	g.zero(g.faultSlot(), asm.R3)
	g.Add(asm.Mov.Reg(asm.R3, g.ctx), asm.Add.Imm(asm.R3, int32(off)))
	g.read(g.readSlot(), 8)
	g.Add(asm.LoadMem(asm.R0, asm.RFP, g.readSlot(), asm.DWord))
}

var sizes = map[uint32]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}

// load leaves in R0 the number in a place; bits is not 0 for a bit-field.
func (g *Gen) load(o *operand, n value.Num, bitOff, bits uint32) {
	slot := g.readSlot()
	if bits == 0 {
		g.source(o)
		g.read(slot, int32(n.Size))
		g.Add(asm.LoadMem(asm.R0, asm.RFP, slot, sizes[n.Size]))
		if n.Signed {
			g.wrap(asm.R0, n)
		}
		return
	}
	g.source(o)
	g.zero(slot, asm.R1)
	g.zero(slot+8, asm.R1)
	g.read(slot, int32(bitOff+bits+7)/8)
	g.Add(asm.LoadMem(asm.R0, asm.RFP, slot, asm.DWord))
	if bitOff > 0 {
		g.Add(asm.RSh.Imm(asm.R0, int32(bitOff)))
	}
	if bitOff+bits > 64 {
		g.Add(asm.LoadMem(asm.R1, asm.RFP, slot+8, asm.DWord), asm.LSh.Imm(asm.R1, int32(64-bitOff)), asm.Or.Reg(asm.R0, asm.R1))
	}
	if bits == 64 {
		return
	}
	g.Add(asm.LSh.Imm(asm.R0, int32(64-bits)))
	if n.Signed {
		g.Add(asm.ArSh.Imm(asm.R0, int32(64-bits)))
	} else {
		g.Add(asm.RSh.Imm(asm.R0, int32(64-bits)))
	}
}
