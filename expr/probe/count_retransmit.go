package probe

import (
	"fmt"
	"regexp"

	"kinspect/expr/disasm"
	"kinspect/expr/value"
)

// What TCP sends once more passes __tcp_retransmit_skb: tcp_retransmit_skb calls it, and loss probes do themselves. Whether there
// is a call is the compiler's choice: that of 6.1 made the beginning part of both callers, and a function of its own of the rest.
const (
	retransmit      = "tcp_retransmit_skb"
	retransmitInner = "__tcp_retransmit_skb"
)

// called is an instruction that calls, or jumps to, the first byte of a function.
var called = regexp.MustCompile(`^(?:call|jmp)\b.*<(` + retransmitInner + `(?:\.[a-z]+\.[0-9]+)*)\+0x0>$`)

// retransmitFunctions are those whose calls are the retransmits of this kernel, each counted once, and what there is to say of that.
func retransmitFunctions(k *value.Kernel) (names []string, note string) {
	sym, ok := k.LookupSymbol(retransmit)
	if !ok {
		return []string{retransmitInner}, ""
	}
	code, err := disasm.Function(k, sym.Addr)
	if err != nil {
		return []string{retransmit}, fmt.Sprintf("loss probes of TCP are not counted as retransmits: the code of %s could not be read: %v", retransmit, err)
	}
	for _, l := range code.Lines {
		if l.Bad {
			return []string{retransmit}, fmt.Sprintf("loss probes of TCP are not counted as retransmits: the code of %s at %v is not understood", retransmit, l.Addr)
		}
	}
	if name := retransmitCallee(code.Lines); name != "" {
		return []string{name}, ""
	}
	return []string{retransmit, retransmitInner}, "" // each has a copy of what the other does
}

// retransmitCallee is what tcp_retransmit_skb calls of it, "" where it has all of it itself.
func retransmitCallee(lines []disasm.Line) string {
	for _, l := range lines {
		if m := called.FindStringSubmatch(l.Text); m != nil {
			return m[1]
		}
	}
	return ""
}
