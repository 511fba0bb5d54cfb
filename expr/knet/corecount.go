package knet

import (
	"encoding/binary"

	"kinspect/kmem"
)

// coreCounterFunc is what raises the core's counters of a device since 6.7 (net/core/dev.c); before, each place
// did it by itself.
const coreCounterFunc = "netdev_core_stats_inc"

// CountsIdleSends reports whether a frame that is sent while its device is down or has no carrier counts in the
// core's tx_dropped: noop_enqueue (net/sched/sch_generic.c) does that since 6.10, and the code says so.
func (s *Stack) CountsIdleSends() (bool, error) { return s.calls("noop_enqueue", coreCounterFunc) }

// maxNamesakes bounds how many functions of one name are looked at.
const maxNamesakes = 16

// CountsGRE reports whether GRE packets that no tunnel takes count in rx_dropped or rx_nohandler of the device that they came by. The
// modules gre, ip_gre and ip6_gre have a function gre_rcv each, of which newer ones count (7.x: net/ipv4/gre_demux.c,
// net/ipv4/ip_gre.c, net/ipv6/ip6_gre.c).
func (s *Stack) CountsGRE() (bool, error) {
	const name = "gre_rcv"
	if _, ok := s.K.LookupSymbol(name); !ok {
		return false, nil
	}
	to, ok := s.K.LookupSymbol(coreCounterFunc)
	if !ok {
		return false, nil
	}
	found, err := s.K.SymbolsNamed(name, maxNamesakes)
	if err != nil {
		return false, err
	}
	for _, sym := range found {
		counts, err := s.callsAt(sym, to)
		if counts || err != nil {
			return counts, err
		}
	}
	return false, nil
}

// ipsecInputs are the functions by which the kernel takes IPsec off, or what goes with it: where none is loaded,
// no packet was ever decrypted (net/ipv4/esp4.c and its like).
var ipsecInputs = []string{
	"esp_input", "esp6_input", "ah_input", "ah6_input", "ipcomp_input", "ipcomp6_input", "xfrm_tunnel_rcv", "xfrm6_tunnel_rcv",
}

// IPsecStates is how many security associations a namespace has (net.xfrm.state_num). Packets that one takes
// off in tunnel mode go through a gro_cells queue of IPsec's own, and count on the device that they came by
// (net/xfrm/xfrm_input.c: xfrm_input).
func (s *Stack) IPsecStates(ns NetNS) (uint64, error) {
	for _, name := range ipsecInputs {
		if _, ok := s.K.LookupSymbol(name); ok {
			return ns.Value.UintPath("xfrm.state_num")
		}
	}
	return 0, nil
}

// KeepsDropStats reports whether the core keeps per-CPU drop counters for the device's driver, so that what the
// driver drops is none of the core's own (net_device.dstats, since 6.9).
func (s *Stack) KeepsDropStats(d Device) (bool, error) {
	return s.coreKeeps(d, "NETDEV_PCPU_STAT_DSTATS")
}

// RefusedByUpper is how many frames a macvlan or ipvlan could not take, for whatever reason: it counts there each
// frame that forwarding or the backlog refused (drivers/net/macvlan.c: macvlan_count_rx; drivers/net/ipvlan:
// ipvlan_count_rx). ok is false for devices of other kinds.
func (s *Stack) RefusedByUpper(d Device, kind string) (n uint64, ok bool, err error) {
	structName, module, member := "", "", ""
	switch kind {
	case "macvlan", "macvtap":
		structName, module, member = "macvlan_dev", "macvlan", "rx_errors"
	case "ipvlan", "ipvtap":
		structName, module, member = "ipvl_dev", "ipvlan", "rx_errs"
	default:
		return 0, false, nil
	}
	t := &tally{nil, func(_, _ string, refused uint64) { n += refused }}
	err = privPerCPU(structName, module, "pcpu_stats", []string{member, "rx_dropped"}).add(s, d, t)
	return n, err == nil, err
}

// UpperQueue is the queue in which a device with macvlans or ipvlans on top keeps broadcasts for them, in frames.
// limit is nil where the kernel does not say it.
func (s *Stack) UpperQueue(d Device, rxHandler string) (waiting uint64, limit *uint64, err error) {
	data, err := d.Value.PointerPath("rx_handler_data")
	if err != nil {
		return 0, nil, err
	}
	structName, module, queue := "macvlan_port", "macvlan", "bc_queue"
	if rxHandler == "ipvlan_handle_frame" {
		structName, module, queue = "ipvl_port", "ipvlan", "backlog"
	}
	st, err := s.K.Struct(structName, module)
	if err != nil {
		return 0, nil, err
	}
	port := s.K.Ref(st, data)
	if waiting, err = port.UintPath(queue + ".qlen"); err != nil {
		return 0, nil, err
	}
	// It can be set since 5.11 (IFLA_MACVLAN_BC_QUEUE_LEN).
	if port.Has("bc_queue_len_used") {
		n, err := port.UintPath("bc_queue_len_used")
		return waiting, &n, err
	}
	return waiting, nil, nil
}

// ReceivedFrames is how many frames a device's driver counts as received (rx_packets), without the core's part.
func (s *Stack) ReceivedFrames(d Device) (uint64, error) { return s.driverCount(d, "rx_packets") }

func (s *Stack) driverCount(d Device, counter string) (uint64, error) {
	fields, err := s.driverFields(d, map[string]bool{counter: true})
	if err != nil {
		return 0, err
	}
	if len(fields) != 1 || len(fields[0].Parts) == 0 && fields[0].Err == nil {
		return 0, errDriverUnknown // nothing says that there were none
	}
	sum := fields[0].Sum()
	return sum.N, sum.Err
}

// CanInject reports whether a module is loaded that gives made-up frames to the stack on any device
// (net/core/pktgen.c, its mode netif_receive).
func (s *Stack) CanInject() bool {
	_, ok := s.K.LookupSymbol("pktgen_xmit")
	return ok
}

// MirrorsFrames reports whether there is an action mirred, which can hand frames to any device
// (net/sched/act_mirred.c: mirred_list holds them all).
func (s *Stack) MirrorsFrames() (bool, error) {
	if _, ok := s.K.LookupSymbol("tcf_mirred_init"); !ok {
		return false, nil
	}
	list, ok := s.K.LookupSymbol("mirred_list")
	if !ok {
		return true, nil // it is loaded, and cannot be seen into
	}
	var next [8]byte
	if err := s.K.ReadMem(list.Addr, next[:]); err != nil {
		return false, err
	}
	return kmem.Addr(binary.LittleEndian.Uint64(next[:])) != list.Addr, nil
}
