package probe

import (
	"github.com/cilium/ebpf/asm"

	"kinspect/expr/probe/compile"
)

// How a call's exit finds what its entry noted: in a map of calls that run.
//
// With fentry and fexit both see the arguments, which tell calls of a task from each other. At a kprobe's return they
// are gone, so that they are kept there, and a call is known by its task and where on the stack it returns to.
const (
	frameKeyWords = 2 // the task, and the address of the return address

	keptTime  = 0 // u64: ns of CLOCK_MONOTONIC
	keptArgs  = 8
	keptArg   = 6 // of the registers that arguments are in
	keptSize  = keptArgs + 8*keptArg
	keptWords = keptSize / 8

	// What an exit's expressions find of registers: the arguments, and behind them what is returned.
	savedResult = 8 * keptArg
	savedSize   = savedResult + 8
)

// callWords are how many words the map's keys and values have.
func (t *Target) callWords(registers bool) (key, value int16) {
	if registers {
		return frameKeyWords, keptWords
	}
	return 1 + t.Words(), 1
}

// pairing is where on the stack a call's key is, its value below that, and a word for the context, which R6 no longer
// is at an exit of registers.
type pairing struct {
	key, value, context int16
	keyWords            int16
}

// makeKey writes the key of the call that the program runs for.
func (at *traced) makeKey(g *compile.Gen, t *Target, p pairing) {
	g.Add(asm.FnGetCurrentTask.Call(), asm.StoreMem(asm.RFP, p.key, asm.R0, asm.DWord))
	if at.site.Registers {
		g.Add(asm.LoadMem(asm.R1, asm.R6, stackRegister, asm.DWord))
		if at.site.Exit { // the return has taken the address from the stack
			g.Add(asm.Add.Imm(asm.R1, -8))
		}
		g.Add(asm.StoreMem(asm.RFP, p.key+8, asm.R1, asm.DWord))
		return
	}
	if n := t.Words(); n > 0 {
		g.Add(asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(p.key)+8), asm.Mov.Imm(asm.R2, int32(8*n)),
			asm.Mov.Reg(asm.R3, asm.R6), asm.FnProbeReadKernel.Call())
	}
}

// note keeps a call at its entry.
func (at *traced) note(g *compile.Gen, t *Target, m traceMaps, p pairing, count func(int32), end string) {
	at.makeKey(g, t, p)
	mapKey := func() {
		g.Add(asm.LoadMapPtr(asm.R1, m.calls), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(p.key)))
	}
	if at.site.Registers {
		// What is there already was left by a call whose return the kernel did not tell.
		fresh := g.NewLabel()
		mapKey()
		g.Add(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, fresh))
		count(rowUnreturned)
		g.Place(fresh)
		for i, from := range argumentRegisters {
			g.Add(asm.LoadMem(asm.R1, asm.R6, from, asm.DWord), asm.StoreMem(asm.RFP, p.value+keptArgs+8*int16(i), asm.R1, asm.DWord))
		}
	}
	g.Add(asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.RFP, p.value+keptTime, asm.R0, asm.DWord))
	mapKey()
	g.Add(asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(p.value)), asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call())
	kept := g.NewLabel()
	g.Add(asm.JEq.Imm(asm.R0, 0, kept))
	count(rowLost) // and its exit with it
	g.Add(asm.Ja.Label(end))
	g.Place(kept)
}

// find takes a call out of the map at its exit: R8 is when it began, R9 that this is known, and for registers R6 is
// what expressions are computed on. An exit that no entry was noted for is not told: the call began before the trace,
// or a condition did not choose it.
func (at *traced) find(g *compile.Gen, t *Target, m traceMaps, p pairing, end string) {
	at.makeKey(g, t, p)
	mapKey := func() {
		g.Add(asm.LoadMapPtr(asm.R1, m.calls), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(p.key)))
	}
	mapKey()
	g.Add(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, end),
		asm.LoadMem(asm.R8, asm.R0, keptTime, asm.DWord), asm.Mov.Imm(asm.R9, 1))
	if at.site.Registers {
		for i := int16(0); i < keptArg; i++ {
			g.Add(asm.LoadMem(asm.R1, asm.R0, keptArgs+8*i, asm.DWord), asm.StoreMem(asm.RFP, p.value+8*i, asm.R1, asm.DWord))
		}
		g.Add(asm.LoadMem(asm.R1, asm.R6, resultRegister, asm.DWord), asm.StoreMem(asm.RFP, p.value+savedResult, asm.R1, asm.DWord),
			asm.StoreMem(asm.RFP, p.context, asm.R6, asm.DWord),
			asm.Mov.Reg(asm.R6, asm.RFP), asm.Add.Imm(asm.R6, int32(p.value)))
	}
	mapKey()
	g.Add(asm.FnMapDeleteElem.Call())
}
