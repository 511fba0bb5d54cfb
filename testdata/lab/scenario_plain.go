package main

// plainUnhandled is the simplest drop: no bond, no handler.
func plainUnhandled(g *guest, t *truth) error {
	s := t.begin("plain", "no handler for the ethertype", "plain0: 13 frames of an ethertype that nobody handles")
	if err := pair(g, "plain0"); err != nil {
		return err
	}
	in := injection{Via: "plain0p", Into: "plain0", Dst: broadcast, Type: unhandledType, Count: 13}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{{Device: "plain0", ShownDropped: n(13), OwnDropped: n(13), Causes: unhandled(13)}}
	return nil
}

// vlanUnhandled counts on the VLAN device where there is one for the tag, and
// on the device below where there is none; IP in an unknown VLAN is another
// host's, and counts as rx_otherhost_dropped (since 5.18).
func vlanUnhandled(g *guest, t *truth) error {
	s := t.begin("vlan", "VLANs that the host has, and has not", "vl0.5: 14 frames in VLAN 5; vl0: 3 in VLAN 6, which has no device, and 2 of IP")
	if err := g.load("8021q"); err != nil {
		return err
	}
	if err := pair(g, "vl0"); err != nil {
		return err
	}
	if _, err := g.run("ip link add link vl0 name vl0.5 type vlan id 5\nip link set vl0.5 up"); err != nil {
		return err
	}
	if err := s.sendAll(g,
		injection{Via: "vl0p", Into: "vl0", Dst: broadcast, Type: unhandledType, VLAN: 5, Count: 14},
		injection{Via: "vl0p", Into: "vl0", Dst: broadcast, Type: unhandledType, VLAN: 6, Count: 3},
		injection{Via: "vl0p", Into: "vl0", Dst: broadcast, Type: "0x0800", VLAN: 6, Count: 2},
	); err != nil {
		return err
	}
	s.Expect = []expect{
		{
			Device: "vl0", ShownDropped: n(3), OwnDropped: n(3), Otherhost: n(2),
			Causes: append(unhandled(3), cause{Counter: "rx_otherhost_dropped", Path: "unknown-vlan", Frames: 2}),
		},
		{Device: "vl0.5", ShownDropped: n(14), OwnDropped: n(14), Otherhost: n(0), Causes: unhandled(14)},
	}
	return nil
}

// packetTap is "the drops stop when tcpdump runs": an ETH_P_ALL socket counts
// as a taker. It stays open, so that facts and dumps show it.
func packetTap(g *guest, t *truth) error {
	s := t.begin("tap", "a tap that hides drops", "tapped0: 10 unhandled frames, then a packet socket opens, then 15 more that do not count")
	if err := pair(g, "tapped0"); err != nil {
		return err
	}
	in := injection{Via: "tapped0p", Into: "tapped0", Dst: broadcast, Type: unhandledType, Count: 10}
	if err := s.send(g, in); err != nil {
		return err
	}
	if _, err := g.run(`guest tap tapped0 > /tmp/tap.out 2>&1 &
for i in $(seq 50); do grep -q open /tmp/tap.out && exit 0; sleep 0.1; done
cat /tmp/tap.out >&2
exit 1`); err != nil {
		return err
	}
	in.Count = 15
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{{Device: "tapped0", ShownDropped: n(10), OwnDropped: n(10), Causes: unhandled(10)}}
	return nil
}

// longFrames do not fit the receiver's MTU: ____dev_forward_skb refuses them.
func longFrames(g *guest, t *truth) error {
	s := t.begin("forward", "frames too long for a veth", "long0 has an MTU of 1000 and its peer sends 16 frames of 1400 bytes")
	if err := pair(g, "long0"); err != nil {
		return err
	}
	if _, err := g.run("ip link set long0 mtu 1000"); err != nil {
		return err
	}
	in := injection{Via: "long0p", Into: "long0", Dst: broadcast, Type: "0x0800", Size: 1400, Count: 16}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{{Device: "long0", ShownDropped: n(16), OwnDropped: n(16), Causes: []cause{{Counter: "rx_dropped", Path: "forward", Frames: 16}}}}
	return nil
}

// macvlanUnhandled moves unicast frames to the macvlan device above, where
// they are dropped and counted, as on a bond.
func macvlanUnhandled(g *guest, t *truth) error {
	s := t.begin("macvlan", "no handler, through a macvlan", "mv0 on low0: 11 unhandled frames to mv0's address")
	if err := g.load("macvlan"); err != nil {
		return err
	}
	if err := pair(g, "low0"); err != nil {
		return err
	}
	const address = "02:00:00:00:0b:01"
	if _, err := g.run("ip link add link low0 name mv0 address " + address + " type macvlan mode bridge\nip link set mv0 up"); err != nil {
		return err
	}
	in := injection{Via: "low0p", Into: "low0", Dst: address, Type: unhandledType, Count: 11}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "low0", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "mv0", ShownDropped: n(11), OwnDropped: n(11), Causes: unhandled(11)},
	}
	return nil
}
