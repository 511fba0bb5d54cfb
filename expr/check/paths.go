package check

import (
	"fmt"

	"kinspect/expr/value"
)

// finding is what a judge makes of one path on one device.
type finding struct {
	out      bool    // it cannot have been taken
	max      *uint64 // at most this many frames, nil where nothing bounds it
	shared   []shared
	now      bool // out, or bounded, by the present set-up alone, which may have been another
	evidence []string
}

func ruledOut(format string, args ...any) finding {
	return finding{out: true, evidence: []string{fmt.Sprintf(format, args...)}}
}

// outNow is [ruledOut] by how the host is set up now.
func outNow(format string, args ...any) finding {
	f := ruledOut(format, args...)
	f.now = true
	return f
}

func open(format string, args ...any) finding {
	return finding{evidence: []string{fmt.Sprintf(format, args...)}}
}

func atMost(n uint64, format string, args ...any) finding {
	return finding{max: &n, evidence: []string{fmt.Sprintf(format, args...)}}
}

// path is one place in the kernel that raises a counter that the core keeps for
// a device.
type path struct {
	id        string
	counter   string
	function  string
	condition string
	judge     func(*scene) (finding, error)
}

// paths are the places where the core's counters rise, read off the sources of
// 5.10, 6.1, 6.12, 6.18 and 7.3: the callers of dev_core_stats_rx_dropped_inc and
// its like, and of atomic_long_inc(&dev->rx_dropped) before 5.18. What drivers count
// is in [driverPathTable].
var paths = []path{
	{"backlog", "rx_dropped", "enqueue_to_backlog", "a CPU's backlog queue is longer than net.core.netdev_max_backlog", judgeBacklog},
	{"flow-limit", "rx_dropped", "enqueue_to_backlog", "the flow limit of a CPU's backlog drops a flow that fills the queue", judgeFlowLimit},
	{"device-down", "rx_dropped", "enqueue_to_backlog", "a frame is queued for a device that is not running", judgeDown},
	{"pfmemalloc", "rx_dropped", "__netif_receive_skb_core", "the frame lies in the emergency reserve of memory and its protocol may not use it", judgePfmemalloc},
	{"orphan-frags", "rx_dropped", "__netif_receive_skb_core", "a zero-copy frame could not be copied for its handler", judgeOrphanFrags},
	{"gro-cells", "rx_dropped", "gro_cells_receive", "a tunnel's receive queue is full, or the tunnel is down", judgeGroCells},
	{"forward", "rx_dropped", "____dev_forward_skb", "a frame handed over from another device is too long, or the device is down", judgeForward},
	{"broadcast-queue", "rx_dropped", "macvlan_broadcast_enqueue, ipvlan_multicast_enqueue", "the broadcast queue of the macvlans or ipvlans on top is full", judgeBroadcastQueue},
	{"tun", "rx_dropped", "tun_get_user", "a frame that a program writes into the device is bad, the device is down, or XDP refused it", judgeTun},
	{"tunnel-receive", "rx_dropped", "vxlan_rcv", "a VXLAN device is down while its frames arrive (up to 6.1)", judgeVxlan},
	{"gre-receive", "rx_dropped", "gre_rcv", "a GRE packet that is cut short, or that no tunnel takes (since 7.0)", judgeGRE},
	{"unhandled-protocol", "rx_dropped", "__netif_receive_skb_core", "no protocol handler takes the frame's ethertype", judgeUnhandled},

	{"inactive-slave", "rx_nohandler", "__netif_receive_skb_core", "the rx_handler asks for an exact match (an inactive slave of a bond, team or net_failover), and nothing is bound to the device for that ethertype", judgeInactive},
	{"rmnet", "rx_nohandler", "rmnet_rx_handler", "a frame for a mux id that no rmnet device has", judgeRmnet},
	{"gre-version", "rx_nohandler", "gre_rcv", "a GRE packet of a version that nothing here takes (since 7.0)", judgeGRE},

	{"other-host", "rx_otherhost_dropped", "ip_rcv_core, ip6_rcv_core", "an IP packet in a frame to another host's address", judgeOtherHost},
	{"unknown-vlan", "rx_otherhost_dropped", "__netif_receive_skb_core, ip_rcv_core, ip6_rcv_core", "an IP packet with a VLAN id that this host has no device for", judgeUnknownVLAN},

	{"no-slave", "tx_dropped", "bond_tx_drop, bond_xmit_broadcast", "the bond had no slave to send through, or none took the frame", judgeNoSlave},
	{"no-queue", "tx_dropped", "__dev_queue_xmit", "the device, which has no queue, was down or stopped, or sent to itself in a loop", judgeNoQueue},
	{"idle-queue", "tx_dropped", "noop_enqueue", "the device was down or had no carrier (since 6.10)", judgeIdleQueue},
	{"direct", "tx_dropped", "__dev_direct_xmit", "a socket sends past the queue (PACKET_QDISC_BYPASS, AF_XDP), and the device was down or without a carrier", judgeDirect},
	{"unsendable", "tx_dropped", "validate_xmit_skb, qdisc_pkt_len_segs_init", "the frame could not be made ready: segments, checksum, VLAN tag or encryption", judgeUnsendable},
	{"xdp-generic", "tx_dropped", "generic_xdp_tx", "generic XDP sent a frame back, and the send queue was stopped", judgeGenericXDP},
	{"bpf-neighbour", "tx_dropped", "__bpf_redirect_neigh_v4, __bpf_redirect_neigh_v6", "a BPF program redirected a packet to a neighbour for which there was no memory or no route", judgeBPFNeighbour},
	{"tun-queue", "tx_dropped", "tun_net_xmit", "the program at the tun device does not read fast enough or has gone, or its filter refuses the frame", judgeTunQueue},
	{"netkit", "tx_dropped", "netkit_xmit", "the program at the netkit device dropped the frame, or the peer is down", judgeNetkit},
	{"failover", "tx_dropped", "net_failover_drop_xmit", "neither device of a net_failover pair could send", judgeFailover},
	{"hsr", "tx_dropped", "hsr_dev_xmit", "the HSR or PRP device has no ports", judgeHSR},
	{"card", "tx_dropped", "bnxt_start_xmit, bnge_start_xmit", "the card's driver could not place the frame in its ring", judgeCard},
}

func judgeBacklog(sc *scene) (finding, error) {
	switch {
	case sc.softnet == nil:
		return open("the CPUs' backlog counters could not be read"), nil
	case sc.dropped == 0:
		return ruledOut("softnet_data counts 0 dropped frames%s on each of %d CPUs (column 2 of /proc/net/softnet_stat)", sc.span(), len(sc.softnet)), nil
	}
	f := atMost(sc.dropped, "softnet_data counts %d dropped frames%s over %d CPUs, for all devices together", sc.dropped, sc.span(), len(sc.softnet))
	if n := min(sc.limited, sc.dropped); n > 0 {
		f.max = num(sc.dropped - n)
		f.evidence = append(f.evidence, fmt.Sprintf("%d of them were the flow limit's", n))
	}
	f.share(inSoftnet, sc.dropped)
	return queuedByPeer(sc, f.pastBacklog(sc))
}

func judgeFlowLimit(sc *scene) (finding, error) {
	var on bool
	var n uint64
	for _, c := range sc.softnet {
		on = on || c.FlowOn
		n += c.FlowLimit
	}
	switch {
	case sc.softnet == nil:
		return open("the CPUs' backlog counters could not be read"), nil
	case sc.dropped == 0:
		return ruledOut("it counts as a backlog drop too, and there are none%s", sc.span()), nil
	case !on:
		return outNow("the flow limit is off on every CPU (net.core.flow_limit_cpu_bitmap)"), nil
	}
	f := atMost(n, "the flow limit dropped %d frames%s over all CPUs since it was switched on, for all devices together", n, sc.span())
	f.now = true // its count goes when it is switched off
	f.share(inSoftnet, sc.dropped)
	return queuedByPeer(sc, f.pastBacklog(sc))
}

// ownMulticast is what passes the backlog of a device whose received frames do not (dev_loopback_xmit). That takes a
// running device.
const ownMulticast = "only multicast and broadcasts that this host sends there and hears itself do"

// pastBacklog adds which of the device's frames the backlog could have dropped, where that is not all of them.
func (f finding) pastBacklog(sc *scene) finding {
	if from, ok := aboveOthers[sc.kind]; ok {
		f.evidence = append(f.evidence, fmt.Sprintf("what %s gets from %s does not pass the backlog; %s", sc.name(), from, ownMulticast))
		return f
	}
	if how, past, err := pastBacklog(sc); err == nil && past { // an error is told with the path device-down
		f.evidence = append(f.evidence, fmt.Sprintf("%s: they do not pass the backlog; %s", how, ownMulticast))
	}
	return f
}

// aboveOthers are the kinds of devices whose frames come from a device below,
// inside __netif_receive_skb_core: they never pass the backlog as this device's
// own (bond_handle_frame, team_handle_frame, vlan_do_receive).
//
// What does pass it as theirs is not bounded by what the namespace counts as sent:
// multicast with a time to live of 0 is looped back and counted by no one
// (net/ipv4/ip_output.c: ip_mc_output), OutMcastPkts rises behind netfilter and
// cgroup programs, which may drop, and macvlans on top, mirred, redirecting BPF
// programs, segment routing and a bridge's own queries (br_multicast.c) queue frames
// there, too.
var aboveOthers = map[string]string{
	"bond": "its slaves' rx_handler",
	"team": "its ports' rx_handler",
	"vlan": "the VLAN code of the device below",
}

func judgeDown(sc *scene) (finding, error) {
	counted, err := sc.s.CountsDownDevices()
	if err != nil {
		return finding{}, err
	}
	if counted && sc.softnet != nil {
		if sc.dropped == 0 {
			return ruledOut("this kernel counts it in softnet_data's dropped too, which is 0%s on every CPU", sc.span()), nil
		}
	}
	if from, ok := aboveOthers[sc.kind]; ok {
		return ruledOut("frames reach %s from %s, past the backlog queue; only what this host sends there and hears itself is queued, and that takes a running device", sc.name(), from), nil
	}
	if how, past, err := pastBacklog(sc); err != nil || past {
		return outNow("%s: they do not pass the backlog; %s, and that takes a running device", how, ownMulticast), err
	}
	f := open("the device is running now; whether frames were queued for it while it was not, memory does not say")
	if !sc.running {
		f = open("the device is not running")
	}
	if counted && sc.softnet != nil {
		f.share(inSoftnet, sc.dropped)
	}
	if sc.kind != "veth" {
		return boundByRefused(sc, f)
	}
	if f, err = queuedByPeer(sc, f); err != nil || f.out {
		return f, err
	}
	return stayedUp(sc, f), nil
}

// pastBacklog tells how frames of a device reach the stack by netif_receive_skb, which queues them for RPS alone:
// of a bridge (br_pass_frame_up), of what a program writes into a tun device (tun_rx_batched), and of a driver with
// NAPI. macvlans and ipvlans hand frames to the device below through the backlog.
func pastBacklog(sc *scene) (how string, past bool, err error) {
	if sc.hasUppers() {
		return "", false, nil
	}
	how = "frames reach a bridge from its ports' rx_handler"
	switch sc.kind {
	case "bridge":
	case "tun":
		how = "frames that the device's program writes go to the stack at once"
	default:
		napi, err := sc.dev.HasNAPI()
		if err != nil || !napi || sc.kind != "" {
			return "", false, err
		}
		how = "the driver uses NAPI for its frames"
	}
	on, queues, err := sc.dev.RPSQueues()
	if err != nil || on > 0 {
		return "", false, err
	}
	return fmt.Sprintf("%s, and RPS is off on its %d receive queues", how, queues), true, nil
}

func judgePfmemalloc(sc *scene) (finding, error) {
	on, err := sc.s.PfmemallocPossible()
	if err != nil {
		return finding{}, err
	}
	if !on {
		return outNow("no socket may use the emergency reserve (memalloc_socks_key is 0: no swap over the network)"), nil
	}
	// The reserve is touched below the lowest watermark alone, and the first thing that an allocation does there is to wake
	// kswapd (mm/page_alloc.c: __alloc_pages_slowpath).
	runs, err := sc.count(reclaims)
	if err != nil {
		return finding{}, err
	}
	if runs == 0 {
		return ruledOut("frames lie in the emergency reserve only where memory is short, which it never was%s (vm_event PAGEOUTRUN is 0)", orElse(sc.span(), " since boot")), nil
	}
	return open("sockets may use the emergency reserve (swap over the network, or WireGuard), and memory was short: how often frames were refused is not counted"), nil
}

// judgeOrphanFrags: a zero-copy frame (MSG_ZEROCOPY, vhost, Xen) must be copied
// before its handler gets it, up to 6.12, and that failed for lack of memory. 7.3's code shows that it does not.
func judgeOrphanFrags(sc *scene) (finding, error) {
	runs, err := sc.count(reclaims)
	if err != nil {
		return finding{}, err
	}
	if runs == 0 {
		return ruledOut("it takes an allocation that fails, and memory was never short%s (vm_event PAGEOUTRUN is 0)", orElse(sc.span(), " since boot")), nil
	}
	copies, err := sc.s.CopiesInReceive()
	if err == nil && !copies {
		return ruledOut("on this kernel frames are not copied there: __netif_receive_skb_core does not call skb_copy_ubufs"), nil
	}
	wire, err := sc.s.FromWire(sc.dev)
	if err != nil {
		return finding{}, err
	}
	if wire {
		return outNow("it takes a zero-copy frame of a sender on this host, and frames of %s come off the wire", sc.name()), nil
	}
	return open("it takes a zero-copy frame of a sender on this host and an allocation that fails; the kernel's log then has \"page allocation failure\""), nil
}

// groCells are the kinds of devices that receive through gro_cells_receive.
var groCells = set("vxlan", "geneve", "bareudp", "gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan", "ipip", "sit", "ip6tnl", "vti", "vti6", "macsec", "amt", "rmnet", "pfcp", "ovpn", "xfrm", "dsa")

// plainKinds are the kinds that are known to use neither gro_cells nor
// dev_forward_skb. A device of a kind in no list might.
var plainKinds = set("", "bond", "bridge", "team", "vlan", "dummy", "ifb", "tun", "vrf", "nlmon", "wireguard", "vcan", "vxcan", "can")

// forwarded are the kinds whose frames come through dev_forward_skb.
var forwarded = set("veth", "macvlan", "macvtap", "ipvlan", "ipvtap", "netkit", "netdevsim", "l2tpeth")

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func judgeGroCells(sc *scene) (finding, error) {
	switch {
	case groCells[sc.kind]:
		return open("%s is a %s device, which receives through gro_cells; how often its queue was full is not counted apart", sc.name(), sc.kind), nil
	case plainKinds[sc.kind] || forwarded[sc.kind]:
		n, err := sc.s.IPsecStates(sc.dev.NS)
		if err != nil {
			return finding{}, err
		}
		if n > 0 {
			return open("%s does not receive through gro_cells, but IPsec does, and counts on the device by which a packet came; it has %d security associations", sc.name(), n), nil
		}
		return outNow("%s is %s, which does not receive through gro_cells, and IPsec, which does, has no security association", sc.name(), aKind(sc.kind)), nil
	}
	return open("%s is of kind %q, which is not known here", sc.name(), sc.kind), nil
}

func aKind(kind string) string {
	if kind == "" {
		return "a driver's own device"
	}
	return "a " + value.Printable(kind) + " device"
}

func judgeForward(sc *scene) (finding, error) {
	switch {
	case sc.kind == "veth":
		return forwardedByPeer(sc, open("frames reach a veth from its peer this way"))
	case forwarded[sc.kind] || sc.driver == "l2tp_eth":
		return boundByRefused(sc, open("frames reach %s this way; those refused are not counted apart", aKind(sc.kind)))
	case sc.hasUppers():
		return open("macvlans or ipvlans on top of %s hand frames to it this way", sc.name()), nil
	case !plainKinds[sc.kind] && !groCells[sc.kind]:
		return open("%s is of kind %q, which is not known here", sc.name(), sc.kind), nil
	}
	n, err := redirectors(sc.s.K)
	if err != nil {
		return finding{}, err
	}
	if n > 0 {
		return open("%s takes no frames from other devices, but %d BPF programs of kinds that can redirect frames into it are loaded", sc.name(), n), nil
	}
	return withoutProgram(sc, "%s takes no frames from other devices (it is %s), and no BPF program that could redirect some is loaded", sc.name(), aKind(sc.kind)), nil
}

func judgeTun(sc *scene) (finding, error) {
	if sc.kind == "tun" {
		return open("%s is a tun or tap device; frames refused are not counted apart", sc.name()), nil
	}
	return ruledOut("%s is not a tun or tap device", sc.name()), nil
}

func judgeUnhandled(sc *scene) (finding, error) {
	where := "below"
	if sc.watched != nil {
		where = "by explain"
	}
	f := open("which ethertype a dropped frame had, memory does not record; those without a handler are listed %s", where)
	f.evidence = append(f.evidence, "a kernel that limits how many VLAN tags it takes off (7.x) counts frames with more of them here too")
	return boundByReceived(sc, f)
}

func judgeInactive(sc *scene) (finding, error) {
	if sc.slaveOf != nil {
		sl, ok := sc.slaveOf.Slave(sc.dev)
		bond := value.Printable(sc.slaveOf.Device.Name)
		switch {
		case sc.slaveOf.TypesErr != nil || !ok:
			return open("%s is in %s; whether as an inactive slave cannot be seen", sc.name(), bond), nil
		case sl.Inactive:
			return open("%s is an inactive slave of %s now: frames to other than link-local addresses need a handler bound to %s", sc.name(), bond, sc.name()), nil
		}
		return open("%s is an active slave of %s now, and was inactive when it counted these", sc.name(), bond), nil
	}
	switch sc.rxHandler {
	case "team_handle_frame":
		return open("%s is a team's port; frames at one that the team does not use need a handler bound to %s", sc.name(), sc.name()), nil
	case "net_failover_handle_frame":
		return open("%s is one of net_failover's two devices; frames at the one that is not in use need a handler bound to %s", sc.name(), sc.name()), nil
	}
	return open("%s is in no bond now: it was one's inactive slave, or a team's or net_failover's, when it counted these", sc.name()), nil
}

func judgeRmnet(sc *scene) (finding, error) {
	if sc.rxHandler == "rmnet_rx_handler" {
		return open("%s carries rmnet devices", sc.name()), nil
	}
	return outNow("%s carries no rmnet devices", sc.name()), nil
}
