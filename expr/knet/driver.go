package knet

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// driverRule tells how a driver's statistics function makes up its part of
// rx_dropped. The key of the table below is the function's name: its code, not
// the kernel's version, decides. What is not in the table is not known.
type driverRule func(*Stack, Device) (uint64, error)

// rxDroppedRules is read off the kernels 5.10 to 7.3; each function does the same
// in all of them.
var rxDroppedRules = map[string]driverRule{
	"dev_get_tstats64":        devStatsRxDropped, // net/core/dev.c
	"br_get_stats64":          devStatsRxDropped, // net/bridge/br_device.c
	"tun_net_get_stats64":     devStatsRxDropped, // drivers/net/tun.c
	"ifb_stats64":             devStatsRxDropped, // drivers/net/ifb.c
	"dummy_get_stats64":       noDrops,           // drivers/net/dummy.c: counts sent frames alone
	"loopback_get_stats64":    noDrops,           // drivers/net/loopback.c
	"vlan_dev_get_stats64":    noDrops,           // net/8021q/vlan_dev.c: rx_errors, no rx_dropped
	"netkit_get_stats":        noDrops,           // drivers/net/netkit.c
	"macvlan_dev_get_stats64": macvlanRxDropped,  // drivers/net/macvlan.c
	"veth_get_stats64":        vethRxDropped,     // drivers/net/veth.c
}

func noDrops(*Stack, Device) (uint64, error) { return 0, nil }

func devStatsRxDropped(_ *Stack, d Device) (uint64, error) {
	return d.Value.UintPath("stats.rx_dropped")
}

// DriverStatsFunc names the function that the device's driver part comes from:
// ndo_get_stats64, else ndo_get_stats, else "".
func (s *Stack) DriverStatsFunc(d Device) (string, error) {
	ops, err := d.Value.PointerPath("netdev_ops")
	if err != nil || ops == 0 {
		return "", err
	}
	for _, m := range []string{"ndo_get_stats64", "ndo_get_stats"} {
		f, err := d.Value.PointerPath("netdev_ops." + m)
		if err != nil {
			return "", err
		}
		if f == 0 {
			continue
		}
		if name := s.K.FuncName(f); name != "" {
			return name, nil
		}
		return s.K.Symbolize(f), nil
	}
	return "", nil
}

// driverPart is the driver's part of a counter, if memory can tell.
func (s *Stack) driverPart(d Device, counter string) Part {
	f, err := s.DriverStatsFunc(d)
	if err != nil {
		return Part{Err: err}
	}
	rule, known := rxDroppedRules[f]
	switch {
	case counter == "rx_nohandler", counter == "rx_otherhost_dropped":
		// Only the core counts these: struct net_device_stats has no
		// rx_otherhost_dropped, and no driver in the table sets either; team
		// keeps its own rx_nohandler.
		if known || f == "" {
			return Part{From: "drivers of this kind do not count it"}
		}
	case f == "":
		n, err := s.coreKeptRxDropped(d)
		return Part{N: n, Err: err, From: "net_device.stats"}
	case known:
		n, err := rule(s, d)
		if err != nil {
			err = fmt.Errorf("%w: %s: %w", errDriverUnknown, f, err)
		}
		return Part{N: n, Err: err, From: value.Printable(f)}
	}
	return Part{Err: fmt.Errorf("%w: it is made by %s", errDriverUnknown, value.Printable(f))}
}

// coreKeptRxDropped is what dev_get_stats adds for a driver without a function of
// its own: net_device.stats, and since 6.9 the per-CPU counters that the core keeps
// for the driver (net_device.pcpu_stat_type), of which dstats count drops.
func (s *Stack) coreKeptRxDropped(d Device) (uint64, error) {
	n, err := d.Value.UintPath("stats.rx_dropped")
	if err != nil {
		return n, err
	}
	kept, _, err := s.coreKept(d, "NETDEV_PCPU_STAT_DSTATS", "dstats", "rx_drops")
	return n + kept, err
}

// coreKept sums up a u64_stats_t of the per-CPU counters that the core keeps for a
// driver, where they are of the given kind (enum netdev_stat_type); ok is false
// where they are not.
func (s *Stack) coreKept(d Device, kind, stats, member string) (n uint64, ok bool, err error) {
	if !d.Value.Has("pcpu_stat_type") {
		return 0, false, nil
	}
	has, err := d.Value.UintPath("pcpu_stat_type")
	if err != nil {
		return 0, false, err
	}
	want, err := s.K.Enumerator(kind)
	if err != nil || want != has {
		return 0, false, err
	}
	p, err := d.Value.Path(stats)
	if err != nil {
		return 0, false, err
	}
	err = s.K.EachCPU(p, func(_ int, v value.Value) error {
		m, err := v.Path(member)
		if err != nil {
			return err
		}
		// On 64-bit machines a u64 wrapped into types of its own.
		a, _ := m.Addr()
		u, err := kmem.ReadUint64(s.K, a)
		n += u
		return err
	})
	return n, err == nil, err
}

// macvlanRxDropped: macvlan shows its receive errors as drops too.
func macvlanRxDropped(s *Stack, d Device) (uint64, error) {
	v, err := s.Priv(d, "macvlan_dev", "macvlan")
	if err != nil {
		return 0, err
	}
	p, err := v.Path("pcpu_stats")
	if err != nil {
		return 0, err
	}
	if a, err := p.Pointer(); err != nil || a == 0 {
		return 0, err
	}
	var sum uint32
	err = s.K.EachCPU(p, func(_ int, v value.Value) error {
		u, err := v.UintPath("rx_errors")
		sum += uint32(u)
		return err
	})
	return uint64(sum), err
}

// vethRxDropped: a veth's receive queues count what XDP dropped, and what could
// not be sent on; the peer's XDP transmit errors are drops on this side.
func vethRxDropped(s *Stack, d Device) (uint64, error) {
	own, err := vethQueues(s, d, "rx_drops", "peer_tq_xdp_xmit_err")
	if err != nil {
		return 0, err
	}
	peer, ok, err := s.VethPeer(d)
	if err != nil || !ok {
		return own, err
	}
	other, err := vethQueues(s, peer, "xdp_tx_err")
	return own + other, err
}

// VethPeer is the other end of a veth pair, in whatever namespace it is; ok is
// false where it has gone.
func (s *Stack) VethPeer(d Device) (peer Device, ok bool, err error) {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return Device{}, false, err
	}
	p, err := priv.Path("peer")
	if err != nil {
		return Device{}, false, err
	}
	if a, err := p.Pointer(); err != nil || a == 0 {
		return Device{}, false, err
	}
	peer, err = s.DeviceAt(p)
	return peer, err == nil, err
}

// VethSendDrops is how many frames sent through this end of a veth pair the other
// end did not take (veth_priv.dropped, part of this end's tx_dropped).
func (s *Stack) VethSendDrops(d Device) (uint64, error) {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return 0, err
	}
	return priv.UintPath("dropped.counter")
}

// maxQueues bounds the receive queues that a device claims.
const maxQueues = 1 << 16

// vethQueues sums up counters of all receive queues.
func vethQueues(s *Stack, d Device, members ...string) (sum uint64, err error) {
	err = s.eachVethQueue(d, func(q value.Value) error {
		for _, m := range members {
			u, err := q.UintPath("stats.vs." + m)
			if err != nil {
				return err
			}
			sum += u
		}
		return nil
	})
	return sum, err
}

// VethUsesNAPI reports whether a receive queue of the veth uses NAPI, as it does
// with XDP or GRO: then its frames do not pass the backlog at once.
func (s *Stack) VethUsesNAPI(d Device) (uses bool, err error) {
	err = s.eachVethQueue(d, func(q value.Value) error {
		napi, err := q.UintPath("napi")
		uses = uses || napi != 0
		return err
	})
	return uses, err
}

// eachVethQueue calls visit with each struct veth_rq of the device.
func (s *Stack) eachVethQueue(d Device, visit func(value.Value) error) error {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return err
	}
	n, err := d.Value.UintPath("num_rx_queues")
	if err != nil {
		return err
	}
	if n > maxQueues {
		return fmt.Errorf("%s claims %d receive queues", value.Printable(d.Name), n)
	}
	rq, err := priv.Path("rq")
	if err != nil {
		return err
	}
	for i := range int64(n) {
		q, err := rq.Index(i)
		if err != nil {
			return err
		}
		if err := visit(q); err != nil {
			return err
		}
	}
	return nil
}
