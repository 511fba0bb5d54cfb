package check

import (
	"fmt"

	"kinspect/expr/value"
)

// finding is what a judge makes of one path on one device.
type finding struct {
	out      bool    // it cannot have been taken
	max      *uint64 // at most this many frames, nil where nothing bounds it
	joint    bool    // max bounds all joint paths together, not each
	now      bool    // out by the present set-up alone, which may have been another
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

// paths are the places where the core's rx_dropped and rx_nohandler rise, read
// off the sources of 5.10, 6.1, 6.12, 6.18 and 7.3: the callers of
// dev_core_stats_rx_dropped_inc and dev_core_stats_rx_nohandler_inc, and of
// atomic_long_inc(&dev->rx_dropped) before 5.18.
var paths = []path{
	{"backlog", "rx_dropped", "enqueue_to_backlog", "a CPU's backlog queue is longer than net.core.netdev_max_backlog", judgeBacklog},
	{"flow-limit", "rx_dropped", "enqueue_to_backlog", "the flow limit of a CPU's backlog drops a flow that fills the queue", judgeFlowLimit},
	{"device-down", "rx_dropped", "enqueue_to_backlog", "a frame is queued for a device that is not running", judgeDown},
	{"pfmemalloc", "rx_dropped", "__netif_receive_skb_core", "the frame lies in the emergency reserve of memory and its protocol may not use it", judgePfmemalloc},
	{"orphan-frags", "rx_dropped", "__netif_receive_skb_core", "a zero-copy frame could not be copied for its handler", judgeOrphanFrags},
	{"gro-cells", "rx_dropped", "gro_cells_receive", "a tunnel's receive queue is full, or the tunnel is down", judgeGroCells},
	{"forward", "rx_dropped", "____dev_forward_skb", "a frame handed over from another device is too long, or the device is down", judgeForward},
	{"broadcast-queue", "rx_dropped", "macvlan_broadcast_enqueue, ipvlan_multicast_enqueue", "the broadcast queue of the macvlans or ipvlans on top is full", judgeBroadcastQueue},
	{"tun", "rx_dropped", "tun_get_user", "a frame that a program writes into the device is bad, or XDP refused it", judgeTun},
	{"tunnel-receive", "rx_dropped", "vxlan_rcv", "a VXLAN device is down while its frames arrive (up to 6.1)", judgeVxlan},
	{"unhandled-protocol", "rx_dropped", "__netif_receive_skb_core", "no protocol handler takes the frame's ethertype", judgeUnhandled},

	{"inactive-slave", "rx_nohandler", "__netif_receive_skb_core", "the rx_handler asks for an exact match (an inactive slave of a bond or team), and nothing is bound to the device for that ethertype", judgeInactive},
	{"rmnet", "rx_nohandler", "rmnet_rx_handler", "a frame for a mux id that no rmnet device has", judgeRmnet},
}

func judgeBacklog(sc *scene) (finding, error) {
	switch {
	case sc.softnet == nil:
		return open("the CPUs' backlog counters could not be read"), nil
	case sc.dropped == 0:
		return ruledOut("softnet_data counts 0 dropped frames on each of %d CPUs (column 2 of /proc/net/softnet_stat)", len(sc.softnet)), nil
	}
	f := atMost(sc.dropped, "softnet_data counts %d dropped frames over %d CPUs, for all devices together", sc.dropped, len(sc.softnet))
	if from, ok := aboveOthers[sc.kind]; ok {
		f.evidence = append(f.evidence, fmt.Sprintf("what %s gets from %s does not pass the backlog; multicast that this host sends there and hears itself does", sc.name(), from))
	}
	return backlogOfPeer(sc, f)
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
		return ruledOut("it counts as a backlog drop too, and there are none"), nil
	case !on:
		return outNow("the flow limit is off on every CPU (net.core.flow_limit_cpu_bitmap)"), nil
	}
	return backlogOfPeer(sc, atMost(n, "the flow limit dropped %d frames over all CPUs, for all devices together", n))
}

// aboveOthers are the kinds of devices whose frames come from a device below,
// inside __netif_receive_skb_core: they never pass the backlog as this device's
// own (bond_handle_frame, team_handle_frame, vlan_do_receive).
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
			return ruledOut("this kernel counts it in softnet_data's dropped too, which is 0 on every CPU"), nil
		}
	}
	if from, ok := aboveOthers[sc.kind]; ok {
		return ruledOut("frames reach %s from %s, past the backlog queue; only what this host sends there and hears itself is queued, and that takes a running device", sc.name(), from), nil
	}
	if past, f, err := pastBacklog(sc); err != nil || past {
		return f, err
	}
	f := open("the device is running now; whether frames were queued for it while it was not, memory does not say")
	if !sc.running {
		f = open("the device is not running")
	}
	if counted && sc.softnet != nil {
		f.max = num(sc.dropped)
	}
	return boundByPeer(sc, f)
}

// pastBacklog rules the backlog out for a device whose frames reach the stack by
// netif_receive_skb, which queues them for RPS alone: a bridge (br_pass_frame_up),
// and a driver with NAPI.
func pastBacklog(sc *scene) (bool, finding, error) {
	how := "frames reach a bridge from its ports' rx_handler"
	if sc.kind != "bridge" {
		napi, err := sc.dev.HasNAPI()
		if err != nil || !napi || sc.kind != "" {
			return false, finding{}, err
		}
		how = "the driver uses NAPI"
	}
	on, queues, err := sc.dev.RPSQueues()
	if err != nil || on > 0 {
		return false, finding{}, err
	}
	return true, outNow("%s, and RPS is off on its %d receive queues: its frames do not pass the backlog queue", how, queues), nil
}

// backlogOfPeer is [boundByPeer] for the backlog, which also takes what this host
// sends as multicast on the veth and hears itself: no more than it sent there.
func backlogOfPeer(sc *scene, f finding) (finding, error) {
	if sc.kind != "veth" {
		return f, nil
	}
	sent, ok, err := sc.s.SentFrames(sc.dev)
	if err != nil || !ok {
		return f, nil // not known: the peer's counter alone is no bound
	}
	refused, err := sc.s.VethSendDrops(sc.dev)
	if err != nil {
		return f, nil
	}
	own := sent + refused
	bounded, err := boundByPeer(sc, f)
	switch {
	case err != nil || own == 0:
		return bounded, err
	case bounded.out:
		f.max, f.joint = num(min(own, *f.max)), false
		f.evidence = append(f.evidence, bounded.evidence...)
	case bounded.joint:
		// Not joint any more: the bound is the peer's and what was sent here.
		f.max, f.joint = num(min(*bounded.max+own, *f.max)), false
		f.evidence = bounded.evidence
	}
	f.evidence = append(f.evidence, fmt.Sprintf("%d frames were sent through %s itself, of which multicast may have come back through the backlog", own, sc.name()))
	return f, nil
}

// boundByPeer bounds a path of a veth by what its peer could not hand over:
// veth_xmit counts each frame that forwarding or the backlog refused
// (drivers/net/veth.c), as long as no receive queue uses NAPI.
func boundByPeer(sc *scene, f finding) (finding, error) {
	if sc.kind != "veth" {
		return f, nil
	}
	peer, ok, err := sc.s.VethPeer(sc.dev)
	if err != nil || !ok {
		return f, nil // without the peer there is no bound: the path stays open
	}
	n, err := sc.s.VethSendDrops(peer)
	if err != nil {
		return f, nil
	}
	if napi, err := sc.s.VethUsesNAPI(sc.dev); err != nil || napi {
		return f, nil
	}
	if bpf, err := redirectors(sc.s.K); err != nil || bpf > 0 {
		return f, nil // frames may come by another way than the peer
	}
	from := value.Printable(peer.Name)
	if n == 0 {
		return ruledOut("its peer %s counts each of its frames that could not be handed over, and counts 0", from), nil
	}
	f.joint = f.max == nil || *f.max >= n
	if f.joint {
		f.max = num(n)
	}
	f.evidence = append(f.evidence, fmt.Sprintf("its peer %s counts %d frames that could not be handed over (too long, device down or backlog)", from, n))
	return f, nil
}

func judgePfmemalloc(sc *scene) (finding, error) {
	on, err := sc.s.PfmemallocPossible()
	if err != nil {
		return finding{}, err
	}
	if !on {
		return outNow("no socket may use the emergency reserve (memalloc_socks_key is 0: no swap over the network)"), nil
	}
	return open("sockets may use the emergency reserve (swap over the network): memory does not say how often frames were refused"), nil
}

// judgeOrphanFrags: a zero-copy frame (MSG_ZEROCOPY, vhost, Xen) must be copied
// before its handler gets it, up to 6.12, and that failed for lack of memory.
func judgeOrphanFrags(sc *scene) (finding, error) {
	short, err := sc.s.MemoryWasShort()
	if err != nil {
		return finding{}, err
	}
	if !short {
		return ruledOut("it takes an allocation that fails, and memory was never short since boot (vm_event PAGEOUTRUN is 0)"), nil
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
var groCells = set("vxlan", "geneve", "bareudp", "gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan", "ipip", "sit", "ip6tnl", "vti", "vti6", "macsec", "amt", "rmnet", "pfcp", "ovpn")

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
		return ruledOut("%s is %s, which does not receive through gro_cells", sc.name(), aKind(sc.kind)), nil
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
		return boundByPeer(sc, open("frames reach a veth from its peer this way"))
	case forwarded[sc.kind] || sc.driver == "l2tp_eth":
		return open("frames reach %s this way; those refused are not counted apart", aKind(sc.kind)), nil
	case sc.rxHandler == "macvlan_handle_frame" || sc.rxHandler == "ipvlan_handle_frame":
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
	return outNow("%s takes no frames from other devices (it is %s), and no BPF program that could redirect some is loaded", sc.name(), aKind(sc.kind)), nil
}

func judgeBroadcastQueue(sc *scene) (finding, error) {
	if sc.rxHandler == "macvlan_handle_frame" || sc.rxHandler == "ipvlan_handle_frame" {
		return open("%s has macvlans or ipvlans on top (rx_handler %s)", sc.name(), sc.rxHandler), nil
	}
	return outNow("%s has no macvlan or ipvlan on top", sc.name()), nil
}

func judgeTun(sc *scene) (finding, error) {
	if sc.kind == "tun" {
		return open("%s is a tun or tap device; frames refused are not counted apart", sc.name()), nil
	}
	return ruledOut("%s is not a tun or tap device", sc.name()), nil
}

func judgeVxlan(sc *scene) (finding, error) {
	if sc.kind == "vxlan" {
		return open("%s is a vxlan device; what it refused is not counted apart", sc.name()), nil
	}
	return ruledOut("%s is not a vxlan device", sc.name()), nil
}

func judgeUnhandled(*scene) (finding, error) {
	f := open("which ethertype a dropped frame had, memory does not record; those without a handler are listed below")
	f.evidence = append(f.evidence, "a kernel that limits how many VLAN tags it takes off (7.x) counts frames with more of them here too")
	return f, nil
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
	return open("%s is in no bond now: it was one's inactive slave, or a team's, when it counted these", sc.name()), nil
}

func judgeRmnet(sc *scene) (finding, error) {
	if sc.rxHandler == "rmnet_rx_handler" {
		return open("%s carries rmnet devices", sc.name()), nil
	}
	return ruledOut("%s carries no rmnet devices", sc.name()), nil
}
