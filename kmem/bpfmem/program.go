package bpfmem

import (
	"github.com/cilium/ebpf/asm"

	"kinspect/kmem"
)

// The value of the map: a head, the data, and a page more, so that the verifier sees at once that a piece
// ends within it, wherever it begins. All numbers are in the byte order of the machine.
//
//	 0  u32 pieces      0: one range, of length bytes at address
//	 4  s32 status      of that range: 0, or the negative error
//	 8  u64 address     of the range; or the answer of a look-up
//	16  u32 length
//	32  name            of a symbol to look up, with its NUL
//	 n  piece[pieces]   from headPieces on: u64 address, u32 offset in data, u32 length, s32 status, 4 bytes of nothing
const (
	headCount  = 0
	headStatus = 4
	headAddr   = 8
	headLen    = 16
	headName   = 32
	maxName    = 128 // with the NUL
	headPieces = headName + maxName

	pieceAddr, pieceOff, pieceLen, pieceStatus, pieceSize = 0, 8, 12, 16, 24
)

// layout is how a map's value is divided.
type layout struct {
	data  int // bytes of data: a power of two, whole pages
	start int // where they begin
}

// newLayout divides a value for so many pages at a time, a power of two.
func newLayout(pages int) layout {
	head := headPieces + (pages+1)*pieceSize // a range of so many bytes may touch a page more
	return layout{data: pages * kmem.PageSize, start: (head + kmem.PageSize - 1) &^ (kmem.PageSize - 1)}
}

// size is the size of the value.
func (l layout) size() int { return l.start + l.data + kmem.PageSize }

// pieces is how many pieces there may be.
func (l layout) pieces() int { return l.data/kmem.PageSize + 1 }

// reader is the program that copies.
func (l layout) reader(fd int) asm.Instructions {
	const (
		value, piece, index, count = asm.R6, asm.R7, asm.R8, asm.R9
	)
	return asm.Instructions{
		asm.LoadMapValue(value, fd, 0),
		asm.LoadMem(count, value, headCount, asm.Word),
		asm.JNE.Imm(count, 0, "pieces"),

		// One range. The verifier wants to know the bounds of what this process wrote.
		asm.LoadMem(asm.R2, value, headLen, asm.Word),
		asm.JGT.Imm(asm.R2, int32(l.data), "out"),
		asm.Mov.Reg(asm.R1, value),
		asm.Add.Imm(asm.R1, int32(l.start)),
		asm.LoadMem(asm.R3, value, headAddr, asm.DWord),
		asm.FnProbeReadKernel.Call(),
		asm.StoreMem(value, headStatus, asm.R0, asm.Word),
		asm.Ja.Label("out"),

		// Or pieces, each within a page.
		asm.Mov.Reg(piece, value).WithSymbol("pieces"),
		asm.Add.Imm(piece, headPieces),
		asm.Mov.Imm(index, 0),
		asm.JGE.Reg(index, count, "out").WithSymbol("next"),
		asm.LoadMem(asm.R2, piece, pieceLen, asm.Word),
		asm.JGT.Imm(asm.R2, kmem.PageSize, "out"),
		asm.LoadMem(asm.R4, piece, pieceOff, asm.Word),
		asm.And.Imm(asm.R4, int32(l.data-1)),
		asm.Mov.Reg(asm.R1, value),
		asm.Add.Imm(asm.R1, int32(l.start)),
		asm.Add.Reg(asm.R1, asm.R4),
		asm.LoadMem(asm.R3, piece, pieceAddr, asm.DWord),
		asm.FnProbeReadKernel.Call(),
		asm.StoreMem(piece, pieceStatus, asm.R0, asm.Word),
		asm.Add.Imm(piece, pieceSize),
		asm.Add.Imm(index, 1),
		asm.JLT.Imm(index, int32(l.pieces()), "next"),

		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}

// lookup is the program that asks for a symbol's address: a name of maxName bytes at most.
func (l layout) lookup(fd int) asm.Instructions {
	const value = asm.R6
	return asm.Instructions{
		asm.LoadMapValue(value, fd, 0),
		asm.LoadMem(asm.R2, value, headLen, asm.Word), // of the name with its NUL
		asm.JGT.Imm(asm.R2, maxName, "out"),
		asm.Mov.Reg(asm.R1, value),
		asm.Add.Imm(asm.R1, headName),
		asm.Mov.Imm(asm.R3, 0),
		// The kernel writes to memory of its own: that of maps does not do on all.
		asm.Mov.Reg(asm.R4, asm.RFP),
		asm.Add.Imm(asm.R4, -8),
		asm.StoreMem(asm.RFP, -8, asm.R3, asm.DWord),
		asm.FnKallsymsLookupName.Call(),
		asm.StoreMem(value, headStatus, asm.R0, asm.Word),
		asm.LoadMem(asm.R1, asm.RFP, -8, asm.DWord),
		asm.StoreMem(value, headAddr, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}
