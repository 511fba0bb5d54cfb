package knet

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/host"
	"kinspect/expr/value"
)

// statsSource is one place that a driver's statistics function takes numbers from.
type statsSource struct {
	fields []string // of [host.LinkFields]: those that it adds to
	add    func(s *Stack, d Device, t *tally) error
}

// tally collects what sources count.
type tally struct {
	want map[string]bool // the fields that are asked for; nil for all. Nothing else is read.
	add  func(field, from string, n uint64)
}

func (t *tally) wants(fields ...string) bool {
	return t.want == nil || slices.ContainsFunc(fields, func(f string) bool { return t.want[f] })
}

func (src statsSource) counts(field string) bool { return slices.Contains(src.fields, field) }

// statsFuncs tells what a driver's statistics function (ndo_get_stats64, else ndo_get_stats) adds up. The
// key is the function's name: its code, not the kernel's version, decides. What is not in the table is not
// known. Read off the kernels 5.10 to 7.3; where they differ, a source asks the types.
var statsFuncs = map[string][]statsSource{
	"dev_get_tstats64":        {deviceStats(), swStats("tstats")},                                                                                                                         // net/core/dev.c
	"br_get_stats64":          {deviceStats(), bridgeStats()},                                                                                                                             // net/bridge/br_device.c, up to 5.10
	"tun_net_get_stats64":     {tunStats()},                                                                                                                                               // drivers/net/tun.c
	"ifb_stats64":             {ifbStats(), deviceStats("rx_dropped", "tx_dropped")},                                                                                                      // drivers/net/ifb.c
	"dummy_get_stats64":       {lightStats("tx_packets", "tx_bytes")},                                                                                                                     // drivers/net/dummy.c
	"loopback_get_stats64":    {lightStats("rx_packets", "rx_bytes"), lightStats("tx_packets", "tx_bytes")},                                                                               // drivers/net/loopback.c
	"nlmon_get_stats64":       {lightStats("rx_packets", "rx_bytes")},                                                                                                                     // drivers/net/nlmon.c
	"vsockmon_get_stats64":    {lightStats("rx_packets", "rx_bytes")},                                                                                                                     // drivers/net/vsockmon.c
	"vlan_dev_get_stats64":    {privPerCPU("vlan_dev_priv", "8021q", "vlan_pcpu_stats", append(vlanMembers, "rx_errors", "rx_errors", "tx_dropped", "tx_dropped"))},                       // net/8021q/vlan_dev.c
	"macvlan_dev_get_stats64": {privPerCPU("macvlan_dev", "macvlan", "pcpu_stats", append(vlanMembers, "rx_errors", "rx_errors", "rx_errors", "rx_dropped", "tx_dropped", "tx_dropped"))}, // drivers/net/macvlan.c: receive errors are shown as drops too
	"ipvlan_get_stats64": {privPerCPU("ipvl_dev", "ipvlan", "pcpu_stats", []string{
		"rx_pkts", "rx_packets", "rx_bytes", "rx_bytes", "rx_mcast", "multicast", "tx_pkts", "tx_packets", "tx_bytes", "tx_bytes",
		"rx_errs", "rx_errors", "rx_errs", "rx_dropped", "tx_drps", "tx_dropped",
	}), deviceStats("tx_errors")}, // drivers/net/ipvlan/ipvlan_main.c
	"team_get_stats64": {privPerCPU("team", "team", "pcpu_stats",
		append(vlanMembers, "rx_dropped", "rx_dropped", "tx_dropped", "tx_dropped", "rx_nohandler", "rx_nohandler"))}, // drivers/net/team
	"macsec_get_stats64": {swStats("tstats"), deviceStats("rx_dropped", "tx_dropped", "rx_errors")},                           // drivers/net/macsec.c
	"netkit_get_stats":   {swStats("tstats"), deviceStats("tx_dropped")},                                                      // drivers/net/netkit.c
	"vrf_get_stats64":    {dropStats("tx_packets", "tx_bytes", "tx_drops", "rx_packets", "rx_bytes")},                         // drivers/net/vrf.c, up to 6.8
	"ppp_get_stats64":    {deviceStats("rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "rx_length_errors"), pppStats()}, // drivers/net/ppp/ppp_generic.c
	"veth_get_stats64":   {vethSource()},                                                                                      // drivers/net/veth.c
}

// vlanMembers are the members of struct vlan_pcpu_stats (include/linux/if_vlan.h), and the like, beside the
// fields that they make up.
var vlanMembers = slices.Clip([]string{
	"rx_packets", "rx_packets", "rx_bytes", "rx_bytes", "rx_multicast", "multicast", "tx_packets", "tx_packets", "tx_bytes", "tx_bytes",
})

// statsSources is what makes up the driver's part of a device's statistics.
func (s *Stack) statsSources(d Device) ([]statsSource, error) {
	f, err := s.DriverStatsFunc(d)
	if err != nil {
		return nil, err
	}
	if f == "" {
		return s.coreKeptSources(d)
	}
	src, ok := statsFuncs[f]
	if !ok {
		return nil, fmt.Errorf("%w: it is made by %s", errDriverUnknown, value.Printable(f))
	}
	return src, nil
}

// coreKeptSources is what dev_get_stats adds for a driver without a function of its own: net_device.stats,
// and since 6.9 the per-CPU counters that the core keeps for the driver (net_device.pcpu_stat_type).
func (s *Stack) coreKeptSources(d Device) ([]statsSource, error) {
	sources := []statsSource{deviceStats()}
	for name, src := range map[string]statsSource{
		"NETDEV_PCPU_STAT_TSTATS": swStats("tstats"),
		"NETDEV_PCPU_STAT_DSTATS": dropStats("rx_packets", "rx_bytes", "rx_drops", "tx_packets", "tx_bytes", "tx_drops"),
	} {
		kept, err := s.coreKeeps(d, name)
		if err != nil {
			return nil, err
		}
		if kept {
			sources = append(sources, src)
		}
	}
	return sources, nil
}

// coreKeeps reports whether the core keeps per-CPU counters of that kind (enum netdev_stat_type) for a driver;
// no kernel before 6.9 does.
func (s *Stack) coreKeeps(d Device, kind string) (bool, error) {
	if !d.Value.Has("pcpu_stat_type") {
		return false, nil
	}
	has, err := d.Value.UintPath("pcpu_stat_type")
	if err != nil {
		return false, err
	}
	want, err := s.K.Enumerator(kind)
	return has == want, err
}

// deviceStats is net_device.stats, the fields that are named or all that it has (struct net_device_stats,
// include/linux/netdevice.h).
func deviceStats(fields ...string) statsSource {
	if len(fields) == 0 {
		fields = host.LinkFields[:slices.Index(host.LinkFields, "rx_nohandler")]
	}
	return statsSource{fields, func(_ *Stack, d Device, t *tally) error {
		for _, f := range fields {
			if !t.wants(f) {
				continue
			}
			n, err := d.Value.UintPath("stats." + f)
			if err != nil {
				return err
			}
			t.add(f, "net_device.stats."+f, n)
		}
		return nil
	}}
}

// swStats is a per-CPU struct pcpu_sw_netstats of struct net_device.
func swStats(member string) statsSource {
	return devicePerCPU(member, []string{"rx_packets", "rx_packets", "rx_bytes", "rx_bytes", "tx_packets", "tx_packets", "tx_bytes", "tx_bytes"})
}

// dropStats is the per-CPU struct pcpu_dstats of struct net_device, some members of it.
func dropStats(members ...string) statsSource {
	var pairs []string
	for _, m := range members {
		pairs = append(pairs, m, strings.Replace(m, "drops", "dropped", 1))
	}
	return devicePerCPU("dstats", pairs)
}

// lightStats is the per-CPU struct pcpu_lstats of struct net_device, which counts one direction.
func lightStats(packets, bytes string) statsSource {
	return devicePerCPU("lstats", []string{"packets", packets, "bytes", bytes})
}

// devicePerCPU is a per-CPU struct that struct net_device points to; see [addPerCPU] for pairs.
func devicePerCPU(member string, pairs []string) statsSource {
	return statsSource{odd(pairs), func(s *Stack, d Device, t *tally) error {
		p, err := d.Value.Path(member)
		if err != nil {
			return err
		}
		return s.addPerCPU(p, "net_device."+member, pairs, t)
	}}
}

// privPerCPU is a per-CPU struct that the driver's private part of the device points to.
func privPerCPU(structName, module, member string, pairs []string) statsSource {
	return statsSource{odd(pairs), func(s *Stack, d Device, t *tally) error {
		v, err := s.Priv(d, structName, module)
		if err != nil {
			return err
		}
		p, err := v.Path(member)
		if err != nil {
			return err
		}
		return s.addPerCPU(p, structName+"."+member, pairs, t)
	}}
}

// privStats is one number in the driver's private part of the device.
func privStats(structName, module, member, field string) statsSource {
	return statsSource{[]string{field}, func(s *Stack, d Device, t *tally) error {
		if !t.wants(field) {
			return nil
		}
		v, err := s.Priv(d, structName, module)
		if err != nil {
			return err
		}
		n, err := v.UintPath(member)
		if err != nil {
			return err
		}
		t.add(field, structName+"."+strings.TrimSuffix(member, ".counter"), n)
		return nil
	}}
}

// tunStats: a tun device counts in tstats and net_device.stats, and up to 5.10 in a per-CPU struct of its own
// (struct tun_pcpu_stats).
func tunStats() statsSource {
	all := deviceStats().fields
	return statsSource{all, func(s *Stack, d Device, t *tally) error {
		v, err := s.Priv(d, "tun_struct", "tun")
		if err != nil {
			return err
		}
		if v.Has("pcpu_stats") {
			return privPerCPU("tun_struct", "tun", "pcpu_stats", []string{
				"rx_packets", "rx_packets", "rx_bytes", "rx_bytes", "tx_packets", "tx_packets", "tx_bytes", "tx_bytes",
				"rx_dropped", "rx_dropped", "tx_dropped", "tx_dropped", "rx_frame_errors", "rx_frame_errors",
			}).add(s, d, t)
		}
		for _, src := range []statsSource{deviceStats(), swStats("tstats"), privStats("tun_struct", "tun", "rx_frame_errors.counter", "rx_frame_errors")} {
			if err := src.add(s, d, t); err != nil {
				return err
			}
		}
		return nil
	}}
}

// pppStats: a ppp device counts in stats64 of its own up to 5.15 (struct ppp_link_stats), and in tstats since.
func pppStats() statsSource {
	fields := []string{"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"}
	return statsSource{fields, func(s *Stack, d Device, t *tally) error {
		v, err := s.Priv(d, "ppp", "ppp_generic")
		if err != nil {
			return err
		}
		if !v.Has("stats64") {
			return swStats("tstats").add(s, d, t)
		}
		for _, f := range fields {
			n, err := v.UintPath("stats64." + f)
			if err != nil {
				return err
			}
			t.add(f, "ppp.stats64."+f, n)
		}
		return nil
	}}
}

// bridgeStats is net_bridge.stats, a per-CPU struct pcpu_sw_netstats.
func bridgeStats() statsSource {
	return privPerCPU("net_bridge", "bridge", "stats", []string{"rx_packets", "rx_packets", "rx_bytes", "rx_bytes", "tx_packets", "tx_packets", "tx_bytes", "tx_bytes"})
}

func odd(pairs []string) (fields []string) {
	for i := 1; i < len(pairs); i += 2 {
		fields = append(fields, pairs[i])
	}
	return fields
}

// addPerCPU adds up members of a per-CPU struct over the possible CPUs. pairs are members, each followed by
// the field that it goes into. What is 32 bits wide is summed up in 32 bits, as the drivers do.
func (s *Stack) addPerCPU(p value.Value, from string, pairs []string, t *tally) error {
	var asked []string
	for i := 0; i < len(pairs); i += 2 {
		if t.wants(pairs[i+1]) {
			asked = append(asked, pairs[i], pairs[i+1])
		}
	}
	if pairs = asked; len(pairs) == 0 {
		return nil
	}
	if a, err := p.Pointer(); err != nil || a == 0 {
		return err // not allocated: nothing was counted
	}
	sums := make([]uint64, len(pairs)/2)
	cpus := 0
	err := s.K.EachCPU(p, func(_ int, v value.Value) error {
		cpus++
		for i := range sums {
			n, narrow, err := counterIn(v, pairs[2*i])
			if err != nil {
				return err
			}
			sums[i] += n
			if narrow {
				sums[i] = uint64(uint32(sums[i]))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, n := range sums {
		t.add(pairs[2*i+1], fmt.Sprintf("%s->%s over %d CPUs", from, pairs[2*i], cpus), n)
	}
	return nil
}

// counterIn reads a counter of 64 or 32 bits: a plain one, or one that is wrapped, as a u64_stats_t is.
func counterIn(v value.Value, member string) (n uint64, narrow bool, err error) {
	m, err := v.Path(member)
	if err != nil {
		return 0, false, err
	}
	if m, err = m.Only(); err != nil {
		return 0, false, err
	}
	size, err := m.Size()
	if err != nil {
		return 0, false, err
	}
	n, err = m.Uint()
	return n, size == 4, err
}

// ifbStats are the queues of an ifb device (struct ifb_q_private).
func ifbStats() statsSource {
	fields := []string{"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"}
	return statsSource{fields, func(s *Stack, d Device, t *tally) error {
		v, err := s.Priv(d, "ifb_dev_private", "ifb")
		if err != nil {
			return err
		}
		queues, err := v.Path("tx_private")
		if err != nil {
			return err
		}
		count, err := d.Value.UintPath("num_tx_queues")
		if err != nil {
			return err
		}
		if count > maxQueues {
			return fmt.Errorf("%s claims %d queues", value.Printable(d.Name), count)
		}
		sums := make([]uint64, len(fields))
		for q := range int64(count) {
			queue, err := queues.Index(q)
			if err != nil {
				return err
			}
			for i, f := range fields {
				way, what, _ := strings.Cut(f, "_")
				stats, err := queue.Path(way + "_stats")
				if err != nil {
					return err
				}
				n, _, err := counterIn(stats, what)
				if err != nil {
					return err
				}
				sums[i] += n
			}
		}
		for i, f := range fields {
			way, what, _ := strings.Cut(f, "_")
			t.add(f, fmt.Sprintf("ifb_q_private.%s_stats.%s over %d queues", way, what, count), sums[i])
		}
		return nil
	}}
}
