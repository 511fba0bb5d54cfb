package check

import (
	"fmt"
	"slices"
	"strings"
)

// driverPath says what a number that a driver keeps stands for.
type driverPath struct {
	counter   string
	kind      string // of device, "" for any
	part      string // how the part's name begins
	id        string
	function  string
	condition string
	next      string // what to do
}

// driverPathTable is read off the drivers' sources of 5.10 to 7.3. A number in no row is the path "driver".
var driverPathTable = []driverPath{
	{"tx_dropped", "", "veth_priv.dropped", "peer-refused", "veth_xmit", "the peer did not take the frame: too long for it, it is down or gone, or its backlog or ring was full", "look at the peer: its MTU, whether it is up, and what it counts"},
	{"tx_dropped", "", "veth_rq.stats.vs.xdp_tx_err", "xdp-tx", "veth_xdp_flush_bq", "XDP on the device sent the frame back, and the peer did not take it", "see the XDP program: bpftool net"},
	{"tx_dropped", "", "veth_rq.stats.vs.peer_tq_xdp_xmit_err", "xdp-redirect", "veth_xdp_xmit", "XDP redirected the frame into the device, and the peer's ring was full", "see the XDP program: bpftool net"},
	{"rx_dropped", "", "veth_rq.stats.vs.xdp_tx_err", "xdp-tx", "veth_xdp_flush_bq", "XDP on the peer sent the frame back, and this end did not take it", "see the XDP program: bpftool net"},
	{"rx_dropped", "", "veth_rq.stats.vs.peer_tq_xdp_xmit_err", "xdp-redirect", "veth_xdp_xmit", "XDP redirected the frame into the peer, and this end's ring was full", "see the XDP program: bpftool net"},
	{"rx_dropped", "", "veth_rq.stats.vs.rx_drops", "xdp-error", "veth_xdp_rcv_skb", "XDP on the device could not take the frame, send it back or redirect it", "see the XDP program: bpftool net"},
	{"rx_dropped", "", "macvlan_dev.pcpu_stats->rx_errors", "macvlan-receive", "macvlan_count_rx", "the macvlan could not hand the frame on: no memory for a copy, a macvtap whose program does not read, or the stack refused it (then the core counts it, too)", "see the macvlan's MTU and whether it is up; of a macvtap, its program"},
	{"rx_dropped", "", "ipvl_dev.pcpu_stats->rx_errs", "ipvlan-receive", "ipvlan_count_rx", "the ipvlan could not hand the frame on: no memory for a copy, it is down, or the stack refused it (then the core may count it, too)", "see the ipvlan's MTU and whether it is up"},
	{"rx_dropped", "", "team.pcpu_stats->rx_dropped", "team-receive", "team_handle_frame", "the team's mode refused the frame, as one at a port that it does not use", "see the team's mode and ports: teamdctl DEV state"},
	{"rx_nohandler", "", "team.pcpu_stats->rx_nohandler", "team-inactive-port", "team_handle_frame", "the frame came in at a port of the team that is not active", "nothing, as a rule: a port that is not active gets copies"},
	{"tx_dropped", "", "macvlan_dev.pcpu_stats->tx_dropped", "lower-refused", "macvlan_start_xmit", "the device below did not take the frame: its queue dropped it", "look at the device below: tc -s qdisc, and what it counts"},
	{"tx_dropped", "", "vlan_dev_priv.vlan_pcpu_stats->tx_dropped", "lower-refused", "vlan_dev_hard_start_xmit", "the device below did not take the frame: its queue dropped it", "look at the device below: tc -s qdisc, and what it counts"},
	{"tx_dropped", "", "ipvl_dev.pcpu_stats->tx_drps", "lower-refused", "ipvlan_start_xmit", "the device below did not take the frame: its queue dropped it", "look at the device below: tc -s qdisc, and what it counts"},
	{"tx_dropped", "", "team.pcpu_stats->tx_dropped", "no-port", "team_xmit", "no port of the team took the frame", "see the team's mode and ports: teamdctl DEV state"},
	{"tx_dropped", "bridge", "net_device.stats", "copy-failed", "deliver_clone, br_flood", "there was no memory to copy a frame that goes to several ports", "see the kernel's log for page allocation failures"},
	{"tx_dropped", "wireguard", "net_device.stats", "wireguard-queue", "wg_xmit", "the queue of packets that wait for a handshake with the peer was full", "see the last handshake: wg show"},
	{"tx_dropped", "netkit", "net_device.stats", "netkit", "netkit_xmit", "the program at the device dropped the frame, or the peer is down", "see the program: bpftool net"},
	{"tx_dropped", "ifb", "net_device.stats", "ifb", "ifb_xmit", "the frame had not been redirected here, or the device it came from has gone", "see what sends to an ifb, which is for redirected frames alone: tc filter"},
	{"rx_dropped", "ifb", "net_device.stats", "ifb", "ifb_xmit", "a frame was sent to the device that nothing had redirected there", "see what sends to an ifb, which is for redirected frames alone: tc filter"},
	{"rx_dropped", "vxlan", "net_device.", "vxlan-receive", "vxlan_rcv", "the frame could not be handed on: the VXLAN device is down, or the stack did not take its answer (ARP and neighbour proxy)", "see whether the VXLAN device is up"},
	{"tx_dropped", "vxlan", "net_device.dstats", "vxlan-send", "vxlan_xmit, vxlan_xmit_one, vxlan_xmit_nh, arp_reduce", "nowhere to send the frame: its forwarding table has neither the address nor a default (the all-zeros entry, which \"remote\" and \"group\" make), a next hop is missing, the remote is of the other IP version, or the frame is cut short", "see where frames go: bridge fdb show dev DEV; add a default: bridge fdb append 00:00:00:00:00:00 dev DEV dst ADDRESS"},
	{"tx_dropped", "vxlan", "net_device.stats", "vxlan-send", "vxlan_xmit, vxlan_xmit_one, iptunnel_xmit", "the packet around the frame was not sent (netfilter, or a queue below dropped it); where the kernel keeps no net_device.dstats for it, also nowhere to send the frame: its forwarding table has neither the address nor a default (the all-zeros entry, which \"remote\" and \"group\" make)", "see where frames go, and what drops on the way: bridge fdb show dev DEV; tc -s qdisc; nft list ruleset"},
	{"tx_dropped", "geneve", "net_device.", "geneve-send", "geneve_xmit, iptunnel_xmit", "a device of \"external\" got a frame without a tunnel's address (from a route, tc or Open vSwitch), or the packet around the frame was not sent (netfilter, or a queue below dropped it)", "see who gives the address, and what drops on the way: ip -d link show DEV; tc -s qdisc; nft list ruleset"},
	{"rx_dropped", "geneve", "net_device.", "geneve-receive", "geneve_udp_encap_recv", "no geneve device has the frame's VNI, or there was no memory", "compare the VNIs of both ends"},
	{"rx_dropped", "bareudp", "net_device.", "bareudp-receive", "bareudp_udp_encap_recv", "the frame's protocol is not the device's, or there was no memory", "compare the ethertypes of both ends"},
	{"rx_dropped", "macsec", "net_device.stats", "macsec-receive", "macsec_handle_frame", "the frame could not be decrypted or checked, came twice, has no tag, or the stack refused it (then the core counts it, too)", "see which: ip -s macsec show"},
	{"tx_dropped", "macsec", "net_device.stats", "macsec-send", "macsec_start_xmit", "the frame could not be encrypted, or MACsec is not set up", "see which: ip -s macsec show"},
	{"rx_dropped", "vrf", "net_device.dstats", "vrf-receive", "vrf_local_xmit", "the frame could not be queued for the host itself", "see the CPUs' backlogs: kinspect softnet"},
	{"tx_dropped", "vrf", "net_device.dstats", "vrf-send", "vrf_xmit", "the frame has no route in the VRF, or could not be sent", "see the route: ip route get ADDRESS vrf DEV"},
	{"tx_dropped", "tun", "tun_struct.pcpu_stats->tx_dropped", "tun-queue", "tun_net_xmit", "the program at the device does not read fast enough or has gone, or its filter refuses the frame", "see whether the program reads, and how fast; ip link set DEV txqueuelen N"},
	{"rx_dropped", "tun", "tun_struct.pcpu_stats->rx_dropped", "tun", "tun_get_user", "a frame that a program wrote into the device is bad, the device is down, or XDP refused it", "see whether the device is up, and what its program writes: its write() fails"},
}

// driverPaths are the verdicts on the driver's part of a counter: a row for each number of the driver that is
// not 0, and one for the rest.
func driverPaths(c *Counter, kind, driver string) []PathResult {
	rest := PathResult{ID: "driver", Function: driver, Condition: "the driver counted the frame itself", Do: "see the driver's counters, on the live host: ethtool -S", Count: c.Driver, Max: c.Driver}
	if driver == "" {
		rest.Condition += ", in a counter that the core keeps for it (net_device.stats and the like)"
	}
	switch {
	case c.Driver == nil:
		rest.Verdict, rest.Level = Possible, CannotTell
		rest.Evidence = []string{"the driver's part is made by " + orElse(driver, "the driver") + ", which cannot be called from here: `ip -s -s link` and `ethtool -S` show it on the live host"}
		return []PathResult{rest}
	case *c.Driver == 0:
		rest.Verdict, rest.Level, rest.Evidence = RuledOut, Proved, []string{"the driver's part is 0" + c.span}
		return []PathResult{rest}
	}
	var out []PathResult
	left := *c.Driver
	for _, p := range c.DriverParts {
		row, ok := driverPathOf(c.Counter, kind, p.From)
		if !ok || p.Value == 0 || p.Value > left {
			continue
		}
		left -= p.Value
		out = append(out, PathResult{
			ID: row.id, Function: row.function, Condition: row.condition, Verdict: Fired, Level: Proved,
			Count: num(p.Value), Min: p.Value, Max: num(p.Value), Evidence: []string{fmt.Sprintf("%s is %d%s", p.From, p.Value, c.span)},
			Do: row.next,
		})
	}
	if left > 0 || len(out) == 0 {
		rest.Verdict, rest.Level, rest.Count, rest.Min, rest.Max = Fired, Proved, num(left), left, num(left)
		rest.Evidence = []string{fmt.Sprintf("%s adds %d%s", orElse(driver, "net_device.stats"), left, c.span)}
		out = append(out, rest)
	}
	return out
}

// besides are the core's paths without those that the driver counts on this kernel: a tun device kept its own counters
// up to 5.10.
func besides(core, own []PathResult) []PathResult {
	return slices.DeleteFunc(core, func(p PathResult) bool {
		return p.Verdict == RuledOut && slices.ContainsFunc(own, func(q PathResult) bool { return q.ID == p.ID && q.Verdict == Fired })
	})
}

func driverPathOf(counter, kind, part string) (driverPath, bool) {
	for _, row := range driverPathTable {
		if row.counter == counter && (row.kind == "" || row.kind == kind) && strings.HasPrefix(part, row.part) {
			return row, true
		}
	}
	return driverPath{}, false
}
