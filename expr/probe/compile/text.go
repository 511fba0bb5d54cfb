package compile

import (
	"strings"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
)

// compareText compares a char array, or what a char pointer points to, with a string that is
// known.
func (c *compiler) compareText(op string, x *operand, text string, at int) *operand {
	switch {
	case op != "==" && op != "!=":
		return c.fail(at, "strings have no order in the kernel: == and != compare them there")
	case len(text) > maxString:
		return c.fail(at, "the string is %d bytes long: %d is the limit where it is compared in the kernel", len(text), maxString)
	case strings.ContainsRune(text, 0):
		return c.fail(at, "the string has a NUL in it, which ends strings in the kernel")
	}
	length := 0 // of the array, or unknown
	source := func(g *Gen) { g.source(x) }
	if t, ok := btf.Underlying(x.ctype()).(*btf.Array); ok {
		length = int(t.Len)
	} else {
		p := c.number(x, at)
		if c.err != nil {
			return p
		}
		source = func(g *Gen) {
			g.number(p)
			g.Add(asm.Mov.Reg(asm.R3, asm.R0), asm.StoreMem(asm.RFP, g.faultSlot(), asm.R3, asm.DWord))
		}
	}
	return boolean(func(g *Gen) {
		no, end := g.NewLabel(), g.NewLabel()
		source(g)
		want := text
		switch {
		case length == 0:
			// One more than the string and its NUL: what is longer gives another length.
			g.Add(asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(g.textSlot())), asm.Mov.Imm(asm.R2, int32(len(text)+2)),
				asm.FnProbeReadKernelStr.Call(), asm.JSLT.Imm(asm.R0, 0, g.fault), asm.JNE.Imm(asm.R0, int32(len(text)+1), no))
		case len(text) > length:
			g.read(g.textSlot(), int32(min(length, textBytes)))
			unequal := int32(0)
			if op == "!=" {
				unequal = 1
			}
			g.Add(asm.Mov.Imm(asm.R0, unequal))
			return
		default:
			if len(text) < length {
				want += "\x00"
			}
			g.read(g.textSlot(), int32(len(want)))
		}
		g.bytes(g.textSlot(), want, no)
		yes := int32(1)
		if op == "!=" {
			yes = 0
		}
		g.Add(asm.Mov.Imm(asm.R0, yes), asm.Ja.Label(end))
		g.Place(no)
		g.Add(asm.Mov.Imm(asm.R0, 1-yes))
		g.Place(end)
	})
}

// bytes jumps to no where the bytes on the stack are others.
func (g *Gen) bytes(slot int16, want string, no string) {
	for i := 0; i < len(want); {
		n := 8
		for n > len(want)-i || i%n != 0 {
			n /= 2
		}
		var bits uint64
		for j := range n {
			bits |= uint64(want[i+j]) << (8 * j)
		}
		g.Add(asm.LoadMem(asm.R1, asm.RFP, slot+int16(i), sizes[uint32(n)]))
		g.imm(asm.R2, int64(bits))
		g.Add(asm.JNE.Reg(asm.R1, asm.R2, no))
		i += n
	}
}
