package probe

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
)

// Before the table stand some rows of each CPU's own, found without a search: a flood of drops is of a few kinds, and what is
// done for each drop is what the flood costs. A kind takes the place that its key gives it when it is the first there, and keeps
// it; all others are counted in the table, where each has a row anyway. So what was counted is the sum of both.
const (
	recentSlots = 64 // of a CPU

	recentReady  = 0 // u32: 1 when the key is there
	recentClaims = 4 // u32: how many wanted the place
	recentCount  = 8 // as in a row of the table: count, and samples that were taken
	recentKey    = 24
	recentSize   = 64 // a line of the cache

	recentShift = 12 // recentSlots*recentSize is 1<<recentShift

	// maxRecentCPUs bounds the memory; CPUs above count in the table alone.
	maxRecentCPUs = 512
)

// recentLookup leaves the count of a drop's own place in R0 and jumps to found, or R9 as its place, or 0, and goes on. Map
// values of an array with one element need no helper to be found.
func recentLookup(fd, cpus int, key int16, found string) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R9, 0),
		asm.FnGetSmpProcessorId.Call(),
		asm.JGE.Imm(asm.R0, int32(cpus), "recent.no"),
		asm.LSh.Imm(asm.R0, recentShift),
		asm.LoadMem(asm.R1, asm.RFP, key, asm.DWord),
		asm.LoadMem(asm.R2, asm.RFP, key+8, asm.DWord),
		asm.LoadMem(asm.R3, asm.RFP, key+16, asm.DWord),
		// Of a product the higher bits are of all below them.
		asm.Mov.Reg(asm.R4, asm.R1),
		asm.Xor.Reg(asm.R4, asm.R2),
		asm.Xor.Reg(asm.R4, asm.R3),
		asm.Mul.Imm(asm.R4, 0x5bd1e995),
		asm.RSh.Imm(asm.R4, 40),
		asm.And.Imm(asm.R4, recentSlots-1),
		asm.LSh.Imm(asm.R4, 6),
		asm.Add.Reg(asm.R0, asm.R4),
		asm.LoadMapValue(asm.R9, fd, 0),
		asm.Add.Reg(asm.R9, asm.R0),
		asm.LoadMem(asm.R4, asm.R9, recentReady, asm.Word),
		asm.JEq.Imm(asm.R4, 0, "recent.no"),
		asm.LoadMem(asm.R4, asm.R9, recentKey, asm.DWord),
		asm.JNE.Reg(asm.R4, asm.R1, "recent.no"),
		asm.LoadMem(asm.R4, asm.R9, recentKey+8, asm.DWord),
		asm.JNE.Reg(asm.R4, asm.R2, "recent.no"),
		asm.LoadMem(asm.R4, asm.R9, recentKey+16, asm.DWord),
		asm.JNE.Reg(asm.R4, asm.R3, "recent.no"),
		asm.Mov.Reg(asm.R0, asm.R9),
		asm.Add.Imm(asm.R0, recentCount),
		asm.Ja.Label(found),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("recent.no"),
	}
}

// recentClaim makes the place R9 that of a drop's kind, unless it is somebody's, and jumps or goes on to a label. R0 stays.
// An interrupt may drop frames in between: who finds that he is not the only one leaves the place alone, which
// then nobody has.
func recentClaim(key int16, next string) asm.Instructions {
	p := asm.Instructions{
		asm.JEq.Imm(asm.R9, 0, next),
		asm.LoadMem(asm.R1, asm.R9, recentClaims, asm.Word),
		asm.JNE.Imm(asm.R1, 0, next),
		asm.Mov.Reg(asm.R2, asm.R9),
		asm.Add.Imm(asm.R2, recentClaims),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R2, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R9, recentClaims, asm.Word),
		asm.JNE.Imm(asm.R1, 1, next),
	}
	for i := int16(0); i < keySize; i += 8 {
		p = append(p, asm.LoadMem(asm.R1, asm.RFP, key+i, asm.DWord), asm.StoreMem(asm.R9, recentKey+i, asm.R1, asm.DWord))
	}
	return append(p, asm.StoreImm(asm.R9, recentReady, 1, asm.Word))
}

// addRecent adds what was counted before the table.
func addRecent(raw []byte, to map[DropKey]uint64) {
	for ; len(raw) >= recentSize; raw = raw[recentSize:] {
		if binary.NativeEndian.Uint32(raw[recentReady:]) == 1 {
			to[parseKey(raw[recentKey:])] += binary.NativeEndian.Uint64(raw[recentCount:])
		}
	}
}
