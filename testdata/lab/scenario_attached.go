package main

import "fmt"

// attached is what drops frames below the protocol handlers, or behind them, where no counter of the device
// sees it: generic XDP, a TC filter, and netfilter at the device and before routing. Each device gets unhandled
// frames before, which count, and others after, which do not.
func attached(g *guest, t *truth) error {
	s := t.begin("attached", "drops that no counter of the device shows: XDP, TC, netfilter",
		"xdp0, tc0, nfi0, nf0: 3, 4, 2 and 1 unhandled frames, then programs, filters and rules that drop 8, 6, 7 and 5 more")
	if err := g.load("sch_ingress", "cls_matchall", "act_gact", "nf_tables"); err != nil {
		return err
	}
	if err := edgePair(g, "xdp0", "tc0", "nfi0", "nf0"); err != nil {
		return err
	}
	type run struct {
		dev             string
		counted, hidden int
		kind, payload   string // of the hidden ones
		says            string
	}
	runs := []run{
		{"xdp0", 3, 8, unhandledType, "", "generic XDP is attached (lab_drop, program "},
		{"tc0", 4, 6, unhandledType, "", "a filter is attached to tc ingress (matchall)"},
		{"nfi0", 2, 7, unhandledType, "", "netdev INGRESS"},
		{"nf0", 1, 5, "0x0800", ipv4Packet(true), "netfilter has rules at ipv4 PREROUTING"},
	}
	for _, r := range runs {
		in := injection{Via: r.dev + "p", NetNS: edge, Into: r.dev, Dst: broadcast, Type: unhandledType, Count: r.counted}
		if err := s.send(g, in); err != nil {
			return err
		}
	}
	if _, err := g.run(`
ip netns exec edge guest xdpdrop xdp0 > /tmp/xdp0 2>&1 &
for i in $(seq 50); do grep -q open /tmp/xdp0 && break; sleep 0.1; done
if ! grep -q open /tmp/xdp0; then cat /tmp/xdp0 >&2; exit 1; fi
ip netns exec edge /usr/sbin/tc qdisc add dev tc0 clsact
ip netns exec edge /usr/sbin/tc filter add dev tc0 ingress prio 3 matchall action drop
ip netns exec edge /usr/sbin/nft 'table netdev lab {
	chain in { type filter hook ingress device "nfi0" priority 0; drop; }
}
table ip lab {
	chain before { type filter hook prerouting priority -300; iifname "nf0" drop; }
}'`); err != nil {
		return err
	}
	for _, r := range runs {
		in := injection{Via: r.dev + "p", NetNS: edge, Into: r.dev, Dst: broadcast, Type: r.kind, Payload: r.payload, Count: r.hidden}
		if err := s.send(g, in); err != nil {
			return err
		}
		counted := uint64(r.counted)
		s.Expect = append(s.Expect, expect{
			Device: r.dev, NetNS: edge, ShownDropped: n(counted), OwnDropped: n(counted), Causes: unhandled(counted), Says: []string{r.says},
		})
	}
	// That they did drop, no counter of a device says.
	_, err := g.run(fmt.Sprintf(`ip netns exec edge /usr/sbin/tc -s filter show dev tc0 ingress | grep -q 'dropped %d'`, 6))
	return err
}
