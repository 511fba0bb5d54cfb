package probe

import (
	"github.com/cilium/ebpf/asm"

	"kinspect/expr/probe/compile"
)

// countProgram is what a program that counts needs.
type countProgram struct {
	counts  int  // file descriptor of the counters, by function, and behind them what --by had no room for
	unsplit int  // the index of that
	cookie  bool // the function is told by the attachment's cookie
	index   int  // else it is this one

	by          *compile.Expr // may be nil
	table, room int           // file descriptors; room is where keys are made that the stack has no room for, 0 where it has
}

// instructions is the program. R6 is the context, R7 the key of --by, R8 the function's index.
func (p countProgram) instructions() asm.Instructions {
	const word = -8
	own, size := 8, 0
	if p.by != nil {
		if size = keyBytes(p.by.Size()); p.room == 0 {
			own += size
		}
	}
	g := compile.NewGen("count", int16(own))
	end := g.NewLabel()
	g.Add(asm.Mov.Reg(asm.R6, asm.R1))
	if p.cookie {
		g.Add(asm.FnGetAttachCookie.Call(), asm.Mov.Reg(asm.R8, asm.R0))
	} else {
		g.Add(asm.Mov.Imm(asm.R8, int32(p.index)))
	}
	g.Add(asm.StoreMem(asm.RFP, word, asm.R8, asm.Word))
	wordKey := func(fd int) {
		g.Add(asm.LoadMapPtr(asm.R1, fd), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, word), asm.FnMapLookupElem.Call())
	}
	one := func() { g.Add(asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord)) }
	wordKey(p.counts)
	g.Add(asm.JEq.Imm(asm.R0, 0, end))
	one()
	if p.by != nil {
		if p.room != 0 {
			g.Add(asm.StoreImm(asm.RFP, word, 0, asm.Word))
			wordKey(p.room)
			g.Add(asm.JEq.Imm(asm.R0, 0, end), asm.Mov.Reg(asm.R7, asm.R0))
		} else {
			g.Add(asm.Mov.Reg(asm.R7, asm.RFP), asm.Add.Imm(asm.R7, int32(-own)))
		}
		p.split(g, size, end)
		// Neither is the row there, nor could it be made.
		g.Add(asm.StoreImm(asm.RFP, word, int64(p.unsplit), asm.Word))
		wordKey(p.counts)
		g.Add(asm.JEq.Imm(asm.R0, 0, end))
		one()
	}
	g.Place(end)
	g.Add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return g.Instructions()
}

// split counts the value of --by, or goes on where it cannot.
func (p countProgram) split(g *compile.Gen, size int, end string) {
	const word, noExist = -8, 1
	clear := func(from int) { // R0 stays
		g.Add(asm.Mov.Imm(asm.R1, 0))
		for off := from; off < size; off += 8 {
			g.Add(asm.StoreMem(asm.R7, int16(off), asm.R1, asm.DWord))
		}
	}
	fault, made := g.NewLabel(), g.NewLabel()
	clear(0)
	g.Add(asm.StoreMem(asm.R7, keyFunc, asm.R8, asm.DWord))
	g.StoreKey(p.by, asm.R7, keyValue, fault)
	if g.Used(fault) {
		g.Add(asm.Ja.Label(made))
		g.Place(fault)
		clear(keyState)
		g.Add(asm.StoreMem(asm.R7, keyState, asm.R0, asm.DWord))
		g.Place(made)
	}
	row := func() {
		g.Add(asm.LoadMapPtr(asm.R1, p.table), asm.Mov.Reg(asm.R2, asm.R7))
	}
	add := func(missing string) {
		row()
		g.Add(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, missing),
			asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord), asm.Ja.Label(end))
		g.Place(missing)
	}
	add(g.NewLabel())
	g.Add(asm.Mov.Imm(asm.R1, 1), asm.StoreMem(asm.RFP, word, asm.R1, asm.DWord))
	row()
	g.Add(asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, word), asm.Mov.Imm(asm.R4, noExist),
		asm.FnMapUpdateElem.Call(), asm.JEq.Imm(asm.R0, 0, end))
	add(g.NewLabel()) // another CPU has made it
}
