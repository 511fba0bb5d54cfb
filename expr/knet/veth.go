package knet

import (
	"errors"

	"kinspect/expr/value"
)

// VethUsedNAPI reports whether a receive queue of the veth uses NAPI, as it does with XDP or GRO, or ever did: then
// frames reached the stack another way than by the backlog. netif_napi_add sets veth_rq.xdp_napi.poll, which nothing
// clears when NAPI is switched off again (drivers/net/veth.c: veth_napi_del_range; net/core/dev.c: __netif_napi_del);
// the queues are allocated as zeros, with the device.
func (s *Stack) VethUsedNAPI(d Device) (used bool, err error) {
	err = s.eachVethQueue(d, func(q value.Value) error {
		poll, err := q.UintPath("xdp_napi.poll")
		used = used || poll != 0
		return err
	})
	return used, err
}

// VethStayedUp reports whether both ends of a veth pair have been up all the time since they first were at once. Opening
// the second end gives both a carrier, and closing one takes it from both, before anything else can follow
// (drivers/net/veth.c: veth_open, veth_close). netif_carrier_on counts each time that it comes, from the device's
// registration on (net/sched/sch_generic.c): where it came once and is there, it never went. Both ends are asked, as a
// protocol may hold the carrier of one down while the device is up (net_device.proto_down).
func (s *Stack) VethStayedUp(d Device) (bool, error) {
	peer, ok, err := s.VethPeer(d)
	if err != nil || !ok {
		return false, err
	}
	for _, end := range []Device{d, peer} {
		once, err := end.carrierCameOnce()
		if err != nil || !once {
			return false, err
		}
	}
	return true, nil
}

// carrierCameOnce reports whether the device is up with a carrier that came once and never went.
func (d Device) carrierCameOnce() (bool, error) {
	running, err := d.Running()
	if err != nil || !running {
		return false, err
	}
	carrier, err := d.Carrier()
	if err != nil || !carrier {
		return false, err
	}
	came, err := d.Value.UintPath("carrier_up_count.counter")
	return came == 1, err
}

// VethSentFrames is how many frames were sent through a veth (tx_packets). Where the core keeps tstats for it (since
// 6.9), the code of veth_get_stats64 need not be there to tell.
func (s *Stack) VethSentFrames(d Device) (n uint64, err error) {
	kept, err := s.coreKeeps(d, "NETDEV_PCPU_STAT_TSTATS")
	if err != nil {
		return 0, err
	}
	if !kept {
		return s.driverCount(d, "tx_packets")
	}
	peer, ok, err := s.VethPeer(d)
	if err != nil || !ok {
		return 0, errors.Join(err, errDriverUnknown)
	}
	t := &tally{map[string]bool{"tx_packets": true}, func(_, _ string, sent uint64) { n += sent }}
	if err := swStats("tstats").add(s, d, t); err != nil {
		return 0, err
	}
	err = s.vethQueues(peer, "", vethPeers, t)
	return n, err
}

// TakesRoutingHeaders reports whether segment routing headers in IPv6 packets are taken off on a device
// (net.ipv6.conf.DEV.seg6_enabled and rpl_seg_enabled): what was in such a packet is then received once more.
func (s *Stack) TakesRoutingHeaders(d Device) (bool, error) {
	if !d.Value.Has("ip6_ptr") {
		return false, nil
	}
	idev, err := d.Value.Path("ip6_ptr")
	if err != nil {
		return false, err
	}
	if a, err := idev.Pointer(); err != nil || a == 0 {
		return false, err
	}
	cnf, err := idev.Path("cnf")
	if err != nil {
		return false, err
	}
	for _, setting := range []string{"seg6_enabled", "rpl_seg_enabled"} { // rpl_seg_enabled since 5.7
		if !cnf.Has(setting) {
			continue
		}
		if on, err := cnf.UintPath(setting); err != nil || on != 0 {
			return on != 0, err
		}
	}
	return false, nil
}
