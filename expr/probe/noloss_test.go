package probe

import (
	"slices"
	"testing"

	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// made is a kernel by what it has.
type made struct{ enums, reasons []string }

func (m made) hasEnum(name string) bool       { return slices.Contains(m.enums, name) }
func (m made) returnsReason(name string) bool { return slices.Contains(m.reasons, name) }

// TestNoLoss: what a place frees is no loss only where the kernel frees the rest there in the same way.
func TestNoLoss(t *testing.T) {
	old := made{}                                                                      // 2.6.32, 3.10
	middle := made{enums: []string{"skb_free_reason"}}                                 // 3.14 to 5.16
	reasons := made{enums: []string{"skb_free_reason", "skb_drop_reason"}}             // 5.17 to 6.3
	recent := made{enums: []string{"skb_drop_reason"}, reasons: []string{"ndisc_rcv"}} // since 6.6
	for _, tt := range []struct {
		name             string
		k                asked
		function, reason string
		e                knet.Ethertype
		want             Loss
	}{
		{"case B of 2.6.32", old, "net_tx_action", "", knet.EthIPv4, NoLoss},
		{"3.14 tells them apart", middle, "net_tx_action", "", knet.EthIPv4, Lost},
		{"6.1", reasons, "net_tx_action", "NOT_SPECIFIED", knet.EthIPv4, Lost},
		{"6.12", recent, "net_tx_action", "QDISC_DROP", knet.EthIPv4, Lost},
		{"another place of 2.6.32", old, "__netif_receive_skb", "", knet.EthIPv4, Lost},
		{"neighbour discovery of 5.10", middle, "icmpv6_rcv", "", knet.EthIPv6, Perhaps},
		{"of 6.1", reasons, "icmpv6_rcv", "NOT_SPECIFIED", knet.EthIPv6, Perhaps},
		{"6.1 says why", reasons, "icmpv6_rcv", "ICMP_CSUM", knet.EthIPv6, Lost},
		{"6.12 consumes it", recent, "icmpv6_rcv", "NOT_SPECIFIED", knet.EthIPv6, Lost},
		{"a group that nobody joined", recent, "ip6_mc_input", "NOT_SPECIFIED", knet.EthIPv6, Perhaps},
		{"no IPv6", middle, "icmpv6_rcv", "", knet.EthIPv4, Lost},
	} {
		got, why := lossOf(tt.k, tt.function, tt.reason, tt.e)
		if got != tt.want || (why == "") != (got == Lost) {
			t.Errorf("%s: %q, %q, want %q", tt.name, got, why, tt.want)
		}
	}
}

// TestNoLossReal asks the BTF of real kernels.
func TestNoLossReal(t *testing.T) {
	for series, want := range map[string]Loss{"6.1": Perhaps, "6.12": Lost, "7.3": Lost} {
		img := kernels.Open(t, series)
		k := ofBTF{value.New(img, img)}
		if got, _ := lossOf(k, "icmpv6_rcv", "", knet.EthIPv6); got != want {
			t.Errorf("%s: icmpv6_rcv: %q, want %q", series, got, want)
		}
		if got, _ := lossOf(k, "net_tx_action", "", knet.EthIPv4); got != Lost {
			t.Errorf("%s: net_tx_action: %q", series, got)
		}
	}
}
