package probe

import (
	"testing"

	"kinspect/expr/disasm"
)

// TestRetransmitCallee has what the lab's kernels call: 5.10, 6.12 and 7.3 all of it, 6.1 the rest of it.
func TestRetransmitCallee(t *testing.T) {
	for want, text := range map[string]string{
		"__tcp_retransmit_skb":        "call 0xffffffff88d96020 <__tcp_retransmit_skb+0x0>",
		"__tcp_retransmit_skb.part.0": "call 0xffffffffade72e40 <__tcp_retransmit_skb.part.0+0x0>",
		"":                            "call 0xffffffffade72e40 <__tcp_retransmit_skb_of_another+0x0>",
	} {
		lines := []disasm.Line{{Text: "je 0xffffffffade7397a <tcp_retransmit_skb+0x2a>"}, {Text: text}}
		if got := retransmitCallee(lines); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := retransmitCallee([]disasm.Line{{Text: "jne 0xffffffff88d96020 <__tcp_retransmit_skb+0x20>"}}); got != "" {
		t.Errorf("a jump into its middle: %q", got)
	}
}
