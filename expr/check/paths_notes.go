package check

import (
	"slices"
	"strings"

	"kinspect/expr/value"
)

// pathNote is what is said of a path beside its verdict.
type pathNote struct {
	reasons []string // enumerators of enum skb_drop_reason, without their prefix; none where the kernel names none
	do      string   // what to do about it
}

// pathNotes are the drop reasons and the advice for the paths of [paths], by id. The reasons are those of 7.3; a
// kernel that does not have one of that name is not said to give it.
var pathNotes = map[string]pathNote{
	"backlog":            {[]string{"CPU_BACKLOG"}, "spread the load over CPUs (RSS, RPS), then raise net.core.netdev_max_backlog"},
	"flow-limit":         {[]string{"CPU_BACKLOG"}, "find the flow that fills a CPU; net.core.flow_limit_cpu_bitmap turns the limit off"},
	"device-down":        {[]string{"DEV_READY"}, "set the device up, or remove it: something still hands frames to it"},
	"pfmemalloc":         {[]string{"PFMEMALLOC"}, "find what takes the memory; vm.min_free_kbytes is the reserve"},
	"orphan-frags":       {nil, "see the kernel's log for \"page allocation failure\""},
	"gro-cells":          {nil, "see whether the tunnel was down; else raise net.core.netdev_max_backlog"},
	"forward":            {nil, "compare the device's MTU with that of the one that sends to it: ip -d link"},
	"broadcast-queue":    {[]string{"MACVLAN_BROADCAST_BACKLOG", "IPVLAN_MULTICAST_BACKLOG"}, "see who floods: tcpdump broadcast or multicast; macvlan: raise bcqueuelen"},
	"tun":                {nil, "see whether the device is up, and what its program writes: its write() fails"},
	"tunnel-receive":     {nil, "set the tunnel up"},
	"gre-receive":        {nil, "see who sends GRE here (tcpdump proto gre), and whether its tunnel is there"},
	"gre-version":        {nil, "see who sends GRE here (tcpdump proto gre): ip_gre or pptp may be missing"},
	"unhandled-protocol": {[]string{"UNHANDLED_PROTO"}, "see which frames they are, and who sends them: kinspect handler ETHERTYPE"},
	"inactive-slave":     {[]string{"UNHANDLED_PROTO"}, "nothing, as a rule: an inactive slave gets copies of what the active one gets"},
	"rmnet":              {nil, "compare the mux ids of the modem with those of the rmnet devices"},
	"other-host":         {[]string{"OTHERHOST"}, "see what made the device promiscuous, or why the switch floods frames to it"},
	"unknown-vlan":       {[]string{"OTHERHOST"}, "take the VLAN off the switch's port, or make a device for it"},
	"no-slave":           {nil, "see the bond's slaves and their carriers: /proc/net/bonding"},
	"no-queue":           {[]string{"DEV_READY", "RECURSION_LIMIT"}, "see the kernel's log, and what routes frames in a loop"},
	"idle-queue":         {nil, "see the carrier and whether the device is up: ip -d link, ethtool"},
	"direct":             {nil, "see the carrier; the sender may use the queue (no PACKET_QDISC_BYPASS)"},
	"unsendable":         {nil, "see the kernel's log; try ethtool -K DEV tso off gso off"},
	"xdp-generic":        {nil, "see the XDP program: bpftool net"},
	"bpf-neighbour":      {nil, "see the route and neighbour that the program asks for: bpftool net"},
	"tun-queue":          {[]string{"FULL_RING", "TAP_TXFILTER", "TAP_FILTER"}, "see whether the program reads, and how fast; ip link set DEV txqueuelen N"},
	"netkit":             {nil, "see the program at the netkit device: bpftool net"},
	"failover":           {nil, "see the two devices below: ip -d link"},
	"hsr":                {nil, "see the ring's ports: ip -d link"},
	"card":               {nil, "see the driver's counters, on the live host: ethtool -S DEV"},
}

// reasonPrefix is what the enumerators of enum skb_drop_reason begin with.
const reasonPrefix = "SKB_DROP_REASON_"

// reasonsOf are the drop reasons of a path that this kernel has and gives there, full names joined by " or ".
func reasonsOf(sc *scene, id string) string {
	names := pathNotes[id].reasons
	switch {
	case id == "broadcast-queue" && sc.rxHandler == "macvlan_handle_frame":
		names = names[:1]
	case id == "broadcast-queue":
		names = names[1:]
	case id == "device-down":
		// DEV_READY is older than its use here, which came when such frames were not counted with the
		// backlog's any more (net/core/dev.c: enqueue_to_backlog).
		if with, err := sc.s.CountsDownDevices(); err != nil || with {
			return ""
		}
	case id == "no-queue":
		// The two came to be given here together.
		if _, err := sc.s.K.Enumerator(reasonPrefix + "RECURSION_LIMIT"); err != nil {
			return ""
		}
	}
	var known []string
	for _, n := range names {
		if _, err := sc.s.K.Enumerator(reasonPrefix + n); err == nil {
			known = append(known, reasonPrefix+n)
		}
	}
	return strings.Join(known, " or ")
}

// shortReason is a drop reason without the prefix that all have, as tools print it.
func shortReason(s string) string { return strings.ReplaceAll(s, reasonPrefix, "") }

// troubles are parts of names that drivers give to counters of frames that they lost.
var troubles = []string{"drop", "discard", "miss", "err", "fifo", "no_buf", "nobuf", "no_desc", "overrun", "over_", "refus"}

// maxNames bounds how many of a driver's counters an answer names.
const maxNames = 8

// driversOwn are the counters of `ethtool -S` that are not 0 and tell of losses by their name, "rx_no_buffer 5";
// ok is false where the driver cannot be asked, as on a dump.
func driversOwn(sc *scene) (names []string, ok bool) {
	stats, err := sc.s.Facts.EthtoolStats(sc.dev.NS.Inum, sc.dev.Name)
	if err != nil {
		return nil, false
	}
	for _, st := range stats {
		name := strings.ToLower(st.Name)
		if st.Value == 0 || !slices.ContainsFunc(troubles, func(t string) bool { return strings.Contains(name, t) }) {
			continue
		}
		if len(names) == maxNames {
			names = append(names, "and more")
			break
		}
		names = append(names, value.Printable(st.Name)+" "+text(num(st.Value)))
	}
	return names, true
}

// nameOwn adds to a driver's verdict what the driver calls it, live.
func nameOwn(sc *scene, list []PathResult) {
	for i := range list {
		p := &list[i]
		if p.ID != "driver" || p.Verdict == RuledOut {
			continue
		}
		names, ok := driversOwn(sc)
		switch {
		case !ok:
		case len(names) == 0:
			p.Evidence = append(p.Evidence, "ethtool -S has no counter of losses that is not 0")
			p.Do = "see where the driver lets go of frames: kinspect drops DEV"
		default:
			p.Evidence = append(p.Evidence, "ethtool -S: "+strings.Join(names, ", "))
		}
	}
}
