package probe

import (
	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// Loss is what a row of drops means.
type Loss string

// What it can mean.
const (
	Lost    Loss = "lost"
	NoLoss  Loss = "no loss"     // the skb had done what it was for
	Perhaps Loss = "may be none" // the place frees what was taken as well as what was lost
)

// notLost is a place that tells kfree_skb's tracepoint of skbs that nobody lost.
type notLost struct {
	function string
	ipv6     bool // of IPv6 frames alone
	loss     Loss
	why      string
	// here tells whether this kernel does so.
	here func(k asked) bool
}

// asked is what the table asks of a kernel.
type asked interface {
	hasEnum(name string) bool
	// returnsReason reports whether a function tells what became of the skb by a drop reason.
	returnsReason(function string) bool
}

// notLosses are those places. Reasons of their own (skb_drop_reason) were given to most since, and a row that has a
// reason which says more than NOT_SPECIFIED is taken by its word.
var notLosses = []notLost{
	{
		// net/core/dev.c. It frees what a driver has handed back after sending. Since 3.14 the skb says which of the two it
		// was, enum skb_free_reason in its cb (skb_drop_reason since 6.6), and what was sent goes to consume_skb.
		"net_tx_action", false, NoLoss, "a driver had sent them: this kernel's net_tx_action frees them as if they were dropped",
		func(k asked) bool { return !k.hasEnum("skb_free_reason") && !k.hasEnum("skb_drop_reason") },
	},
	{
		// net/ipv6/icmp.c. Neighbour discovery and multicast listener reports are freed there when they were handled; since
		// 6.4 ndisc_rcv returns a reason, and what was handled is consumed.
		"icmpv6_rcv", true, Perhaps, "this kernel's icmpv6_rcv frees neighbour discovery that it has handled in the same way",
		func(k asked) bool { return !k.returnsReason("ndisc_rcv") },
	},
	{
		// net/ipv6/ip6_input.c. What no socket or router here wants is freed there without a reason, up to 7.3.
		"ip6_mc_input", true, Perhaps, "multicast to a group that nobody here joined, such as other hosts' listener reports, is freed there: nobody waits for it",
		func(asked) bool { return true },
	},
}

// ofBTF asks the kernel's BTF. Where it does not know, nothing is called harmless.
type ofBTF struct{ k *value.Kernel }

func (b ofBTF) hasEnum(name string) bool {
	types, err := b.k.Types()
	if err != nil {
		return true
	}
	_, err = types.Enum(name)
	return err == nil
}

func (b ofBTF) returnsReason(function string) bool {
	types, err := b.k.Types()
	if err != nil {
		return true
	}
	f, err := types.Func(function)
	if err != nil {
		return true
	}
	proto, ok := btf.Underlying(f.Type()).(*btf.FuncProto)
	if !ok {
		return true
	}
	e, ok := btf.Underlying(proto.Return()).(*btf.Enum)
	return ok && e.Name == "skb_drop_reason"
}

// unspecified are reasons that say nothing.
var unspecified = map[string]bool{"": true, "NOT_SPECIFIED": true, "NOT_DROPPED_YET": true}

// lossOf tells what the drops of a place are.
func lossOf(k asked, function, reason string, e knet.Ethertype) (Loss, string) {
	if !unspecified[reason] {
		return Lost, ""
	}
	for _, n := range notLosses {
		if n.function == function && (!n.ipv6 || e == knet.EthIPv6) && n.here(k) {
			return n.loss, n.why
		}
	}
	return Lost, ""
}
