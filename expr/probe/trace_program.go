package probe

import (
	"github.com/cilium/ebpf/asm"

	"kinspect/expr/probe/compile"
)

// The counters of a trace.
const (
	rowCalls = iota
	rowMatched
	rowUnknown
	rowFaults
	rowLost
	rowUnreturned
	traceRows
)

// traceMaps are the file descriptors that a trace's programs use.
type traceMaps struct {
	counts, ring, hist, calls int
}

// program is what runs at a site. R6 is the context, or what was kept of it, R7 the record, R8 when the call began, R9 whether
// that is known.
func (at *traced) program(t *Target, m traceMaps, stack bool) asm.Instructions {
	const counter = -8 // a key of the map of counters; below it the key of a call, and its value
	own := int16(8)
	var p pairing
	if at.paired != 0 {
		var words int16
		p.keyWords, words = t.callWords(at.site.Registers)
		p.key = -own - 8*p.keyWords
		p.value = p.key - 8*words
		p.context = p.value - 8
		own = -p.context
	}
	prefix := "entry"
	if at.site.Exit {
		prefix = "exit"
	}
	g := compile.NewGen(prefix, own)
	count := func(row int32) {
		done := g.NewLabel()
		g.Add(asm.StoreImm(asm.RFP, counter, int64(row), asm.Word),
			asm.LoadMapPtr(asm.R1, m.counts), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, counter),
			asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, done),
			asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord))
		g.Place(done)
	}
	end, unknown := g.NewLabel(), g.NewLabel()
	g.Add(asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(asm.R8, 0), asm.Mov.Imm(asm.R9, 0))
	if at.paired == pairKept {
		at.note(g, t, m, p, count, end)
		g.Place(end)
		g.Add(asm.Mov.Imm(asm.R0, 0), asm.Return())
		return g.Instructions()
	}
	kept := at.paired == pairFound && at.site.Registers // the expressions are computed on what was kept
	if kept {
		at.find(g, t, m, p, end)
	}
	if !at.site.Exit || at.only {
		count(rowCalls)
	}
	if at.cond != nil {
		g.Condition(at.cond, end, unknown)
	}
	switch {
	case at.paired == pairNoted:
		at.note(g, t, m, p, count, end)
	case at.paired == pairFound && !kept:
		at.find(g, t, m, p, end)
	}
	if !at.site.Exit || at.only {
		count(rowMatched)
	}
	if at.hist != nil {
		at.count(g, m, count, end)
	} else {
		at.event(g, m, p, stack, count, end)
	}
	if g.Used(unknown) {
		g.Add(asm.Ja.Label(end))
		g.Place(unknown)
		count(rowUnknown)
	}
	g.Place(end)
	g.Add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return g.Instructions()
}

// count adds to a histogram.
func (at *traced) count(g *compile.Gen, m traceMaps, count func(int32), end string) {
	fault, up, done := g.NewLabel(), g.NewLabel(), g.NewLabel()
	g.Number(at.hist, fault)
	// The number of bits, in R2, by halves.
	g.Add(asm.Mov.Imm(asm.R2, 0))
	if at.hist.Signed() {
		g.Add(asm.JSGE.Imm(asm.R0, 0, up), asm.Mov.Imm(asm.R2, bucketsUp-1), asm.Neg.Imm(asm.R0, 0))
		g.Place(up)
	}
	g.Add(asm.JEq.Imm(asm.R0, 0, done))
	for _, bits := range []int32{32, 16, 8, 4, 2, 1} {
		small := g.NewLabel()
		g.Add(asm.Mov.Reg(asm.R1, asm.R0), asm.RSh.Imm(asm.R1, bits), asm.JEq.Imm(asm.R1, 0, small),
			asm.Mov.Reg(asm.R0, asm.R1), asm.Add.Imm(asm.R2, bits))
		g.Place(small)
	}
	g.Add(asm.Add.Imm(asm.R2, 1))
	g.Place(done)
	missing := g.NewLabel()
	g.Add(asm.StoreMem(asm.RFP, -8, asm.R2, asm.Word),
		asm.LoadMapPtr(asm.R1, m.hist), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -8),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, missing),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord))
	g.Place(missing)
	if g.Used(fault) {
		g.Add(asm.Ja.Label(end))
		g.Place(fault)
		count(rowFaults)
	}
}

// event writes a record to the ring.
func (at *traced) event(g *compile.Gen, m traceMaps, p pairing, stack bool, count func(int32), end string) {
	have := g.NewLabel()
	g.Add(asm.LoadMapPtr(asm.R1, m.ring), asm.Mov.Imm(asm.R2, int32(at.size)), asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(), asm.JNE.Imm(asm.R0, 0, have))
	count(rowLost)
	g.Add(asm.Ja.Label(end))
	g.Place(have)
	store := func(off int16) { g.Add(asm.StoreMem(asm.R7, off, asm.R0, asm.DWord)) }
	exit := int64(0)
	if at.site.Exit {
		exit = 1
	}
	timed := g.NewLabel()
	g.Add(asm.Mov.Reg(asm.R7, asm.R0), asm.StoreMem(asm.R7, eventTimed, asm.R9, asm.DWord))
	if at.paired == pairNoted { // the time that the exit counts from
		g.Add(asm.LoadMem(asm.R0, asm.RFP, p.value+keptTime, asm.DWord))
	} else {
		g.Add(asm.FnKtimeGetNs.Call())
	}
	store(eventTime)
	g.Add(asm.JEq.Imm(asm.R9, 0, timed), asm.Sub.Reg(asm.R0, asm.R8))
	g.Place(timed)
	store(eventTook)
	g.Add(asm.FnGetSmpProcessorId.Call(), asm.StoreMem(asm.R7, eventCPU, asm.R0, asm.Word), asm.StoreImm(asm.R7, eventSite, exit, asm.Word),
		asm.FnGetCurrentPidTgid.Call())
	store(eventTask)
	g.Add(asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, eventName), asm.Mov.Imm(asm.R2, eventTook-eventName), asm.FnGetCurrentComm.Call())
	if stack {
		if at.paired == pairFound && at.site.Registers {
			g.Add(asm.LoadMem(asm.R1, asm.RFP, p.context, asm.DWord))
		} else {
			g.Add(asm.Mov.Reg(asm.R1, asm.R6))
		}
		g.Add(asm.Mov.Reg(asm.R2, asm.R7), asm.Add.Imm(asm.R2, eventValues),
			asm.Mov.Imm(asm.R3, 8*maxFrames), asm.Mov.Imm(asm.R4, 0), asm.FnGetStack.Call())
		store(eventFrames)
	}
	for i, e := range at.show {
		fault, next := g.NewLabel(), g.NewLabel()
		g.Store(e, asm.R7, at.places[i]+valueHead, fault)
		g.Add(asm.Mov.Imm(asm.R0, 0))
		store(at.places[i] + valueState)
		if g.Used(fault) {
			g.Add(asm.Ja.Label(next))
			g.Place(fault)
			store(at.places[i] + valueState)
			g.FaultAddr(asm.R0)
			store(at.places[i] + valueFault)
			g.Place(next)
		}
	}
	g.Add(submit(m.ring, traceRing, asm.R7, g.NewLabel())...)
}
