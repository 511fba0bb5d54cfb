package compile

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// MaxText is how much of the string behind a char pointer is kept with it.
const MaxText = 256

// form is how a value stands in a record.
type form uint8

const (
	formNothing form = iota // it is known without
	formNumber              // eight bytes
	formPlace               // the address, and what is there
	formText                // a char pointer: the address, the length of the string, and that
)

func (e *Expr) form() form {
	switch o := e.out; {
	case o.kind == kindPlace && isFunction(o):
		return formNumber
	case o.kind == kindNumber && !o.constant && isText(o), o.kind == kindPlace && isPointer(o) && isText(o):
		return formText
	case o.kind == kindNumber && !o.constant:
		return formNumber
	case o.kind == kindPlace:
		return formPlace
	}
	return formNothing
}

func isFunction(o *operand) bool {
	_, ok := btf.Underlying(o.ctype()).(*btf.FuncProto)
	return ok
}

// content is how many bytes a place has.
func (e *Expr) content() (uint64, error) {
	bitOff, bits := e.out.val.BitPlace()
	if bits != 0 {
		return uint64(bitOff+bits+7) / 8, nil
	}
	return btf.Sizeof(e.out.val.Type())
}

// Size is how many bytes the value takes in a record, a multiple of eight.
func (e *Expr) Size() int {
	switch e.form() {
	case formNumber:
		return 8
	case formText:
		return 16 + MaxText
	case formPlace:
		n, err := e.content()
		if err != nil || n > 1<<20 {
			return 1 << 20 // larger than any record
		}
		return 8 + int(n+7)/8*8
	}
	return 0
}

// Fixed is the part of a record that alone decides what the value is printed as; ok is false where the kernel's symbols or
// memory do, too, or where it is long.
func (e *Expr) Fixed() (from, to int, ok bool) {
	const most = 64
	o := e.out
	t := o.ctype()
	if a, isArray := btf.Underlying(t).(*btf.Array); isArray {
		t = a.Elem()
	}
	switch btf.Underlying(t).(type) {
	case *btf.Int, *btf.Enum:
	default:
		if o.kind != kindNumber || o.typ != nil { // the language's own numbers have no type
			return 0, 0, false
		}
	}
	switch e.form() {
	case formNumber:
		return 0, 8, o.kind == kindNumber
	case formPlace:
		n, err := e.content()
		return 8, 8 + int(n), err == nil && n <= most && !o.val.IsPerCPU()
	}
	return 0, 0, false
}

// Condition jumps to a label where the expression, one of [Condition], does not hold; else the
// program goes on. Where it has no value it jumps to unknown.
func (g *Gen) Condition(e *Expr, not, unknown string) {
	g.Number(e, unknown)
	g.Add(asm.JEq.Imm(asm.R0, 0, not))
}

// Number leaves the number of an expression of [Number] or [Condition] in R0, or jumps.
func (g *Gen) Number(e *Expr, fault string) {
	g.fault = fault
	g.number(e.out)
}

// Store writes the value to a record, which a register points to that calls keep, or jumps.
func (g *Gen) Store(e *Expr, record asm.Register, off int16, fault string) {
	g.fault = fault
	to := func(at int16) {
		g.Add(asm.Mov.Reg(asm.R1, record), asm.Add.Imm(asm.R1, int32(off+at)))
	}
	o := e.out
	switch e.form() {
	case formNumber:
		if o.kind == kindPlace {
			g.address(o)
		} else {
			g.number(o)
		}
		g.Add(asm.StoreMem(record, off, asm.R0, asm.DWord))
	case formPlace:
		n, _ := e.content()
		if n == 0 {
			g.address(o)
			g.Add(asm.StoreMem(record, off, asm.R0, asm.DWord))
			return
		}
		g.source(o)
		g.Add(asm.StoreMem(record, off, asm.R3, asm.DWord))
		to(8)
		g.Add(asm.Mov.Imm(asm.R2, int32(n)), asm.FnProbeReadKernel.Call(), asm.JNE.Imm(asm.R0, 0, fault))
	case formText:
		if o.kind == kindPlace {
			n, _ := numType(o.val.Type())
			g.load(o, n, 0, 0)
		} else {
			g.number(o)
		}
		g.Add(asm.StoreMem(record, off, asm.R0, asm.DWord), asm.Mov.Reg(asm.R3, asm.R0))
		to(16)
		g.Add(asm.Mov.Imm(asm.R2, MaxText), asm.FnProbeReadKernelStr.Call(), asm.StoreMem(record, off+8, asm.R0, asm.DWord))
	}
}

// Piece is a piece of memory that was read along with a value.
type Piece struct {
	Addr kmem.Addr
	Data []byte
}

// Value is the value in a record, as [expr.Result] has values, and what memory it is of, which need not be
// the same any more.
func (e *Expr) Value(k *value.Kernel, record []byte) (v any, memory Piece) {
	if len(record) < e.Size() {
		return nil, Piece{}
	}
	o := e.out
	switch e.form() {
	case formNumber:
		return e.number(k, binary.LittleEndian.Uint64(record)), Piece{}
	case formPlace:
		n, _ := e.content()
		at := kmem.Addr(binary.LittleEndian.Uint64(record))
		out := o.val
		out.MoveTo(at)
		return out, Piece{at, record[8 : 8+n]}
	case formText:
		at := kmem.Addr(binary.LittleEndian.Uint64(record))
		length := int64(binary.LittleEndian.Uint64(record[8:]))
		v := k.InHand(o.ctype(), record[:8:8])
		if length <= 0 || length > MaxText {
			return v, Piece{}
		}
		return v, Piece{at, record[16 : 16+length]}
	}
	return e.Constant()
}

// Constant is the value of what is known without a record.
func (e *Expr) Constant() (any, Piece) {
	o := e.out
	switch {
	case o.kind == kindString:
		return o.text, Piece{}
	case o.kind == kindNumber && o.val.Valid():
		return o.val, Piece{}
	case o.kind == kindNumber:
		return e.plain(o.num), Piece{}
	}
	return nil, Piece{}
}

func (e *Expr) number(k *value.Kernel, bits uint64) any {
	o := e.out
	if o.kind == kindPlace { // a function
		return k.Ref(o.val.Type(), kmem.Addr(bits))
	}
	n := o.num
	n.Bits = bits
	if o.typ == nil {
		return e.plain(n)
	}
	v := k.InHand(o.typ, binary.LittleEndian.AppendUint64(nil, bits))
	if o.wire != 0 {
		v = v.InNetworkOrder(o.wire)
	}
	return v
}

// plain is a number of the language's own.
func (e *Expr) plain(n value.Num) any {
	switch {
	case e.out.truth:
		return n.Bits != 0
	case n.Signed && n.Size <= 4, n.Size < 4:
		return int(int64(n.Bits))
	case n.Signed:
		return int64(n.Bits)
	case n.Size == 4:
		return uint32(n.Bits)
	}
	return n.Bits
}

// Signed reports whether the number of an expression is signed.
func (e *Expr) Signed() bool { return e.out.num.Signed }
