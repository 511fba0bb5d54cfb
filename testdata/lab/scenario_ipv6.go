package main

// edge is the namespace of the scenarios that are of IP and what is attached below it: its counters are
// theirs alone, and what they attach touches no other device.
const edge = "edge"

// edgePair makes a veth pair NAME, NAMEp in the namespace, which it makes where there is none.
func edgePair(g *guest, names ...string) error {
	for _, name := range names {
		if _, err := g.run("test -e /run/netns/edge || ip netns add edge\n" +
			"ip -n edge link add " + name + " type veth peer name " + name + "p\n" +
			"ip -n edge link set " + name + " up\nip -n edge link set " + name + "p up"); err != nil {
			return err
		}
	}
	return nil
}

// ipv6Off is IPv6 on devices where it is off, which it is in the lab by default: the frames have a handler, so
// that rx_dropped stays 0, and IPv6 counts them.
func ipv6Off(g *guest, t *truth) error {
	s := t.begin("ipv6-off", "IPv6 where it is off", "off6, with disable_ipv6, and small6, whose MTU is too small for IPv6: 9 and 7 IPv6 frames, which count as Ip6InDiscards")
	if err := edgePair(g, "off6", "small6"); err != nil {
		return err
	}
	if _, err := g.run("ip -n edge link set small6 mtu 1000"); err != nil {
		return err
	}
	if err := s.sendAll(
		g,
		injection{Via: "off6p", NetNS: edge, Into: "off6", Dst: broadcast, Type: "0x86dd", Count: 9},
		injection{Via: "small6p", NetNS: edge, Into: "small6", Dst: broadcast, Type: "0x86dd", Count: 7},
	); err != nil {
		return err
	}
	s.Expect = []expect{
		{
			Device: "off6", NetNS: edge, ShownDropped: n(0), OwnDropped: n(0), Otherhost: n(0),
			Says: []string{"IPv6 is off on off6 (disable_ipv6)", "as Ip6InDiscards (9 of off6 so far), not in rx_dropped"},
		},
		{
			Device: "small6", NetNS: edge, ShownDropped: n(0), OwnDropped: n(0), Otherhost: n(0),
			Says: []string{"small6 has no IPv6", "as Ip6InDiscards (16 in its namespace so far, of all devices), not in rx_dropped"},
		},
	}
	return nil
}

// ipv6Absent is a kernel without IPv6, whose frames nobody takes.
func ipv6Absent(g *guest, t *truth) error {
	s := t.begin("ipv6-absent", "IPv6 in a kernel without it", "no6: 8 IPv6 frames, which count as unhandled")
	if err := g.load("veth"); err != nil {
		return err
	}
	if err := pair(g, "no6"); err != nil {
		return err
	}
	in := injection{Via: "no6p", Into: "no6", Dst: broadcast, Type: "0x86dd", Count: 8}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{{
		Device: "no6", ShownDropped: n(8), OwnDropped: n(8), Causes: unhandled(8),
		Says: []string{"the kernel has no IPv6: IPv6 frames on no6 have no handler, and count in rx_dropped"},
	}}
	return nil
}
