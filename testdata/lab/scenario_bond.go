package main

import "fmt"

// waitActive waits until a bond has chosen the slave.
func waitActive(g *guest, bond, slave string) error {
	_, err := g.run(fmt.Sprintf(`for i in $(seq 100); do
	test "$(cat /sys/class/net/%[1]s/bonding/active_slave)" = %[2]s && break
	sleep 0.1
done
test "$(cat /sys/class/net/%[1]s/bonding/active_slave)" = %[2]s
sleep 0.3`, bond, slave))
	return err
}

// bondHistory is a bond whose number is not the sum of anything that is there
// to be added: one slave had drops before it joined, which never count, and
// one got drops in the bond and left, which stay.
func bondHistory(g *guest, t *truth) error {
	s := t.begin("bond-history", "a bond's history: slaves that brought drops, and that left", "bond1: hist0 had 7 drops before it joined, hist2 had 6 in the bond, left, and got 3 more")
	if err := pair(g, "hist0", "hist1", "hist2"); err != nil {
		return err
	}
	early := injection{Via: "hist0p", Into: "hist0", Dst: lldpGroup, Type: "0x88cc", Count: 7}
	if err := s.send(g, early); err != nil {
		return err
	}
	if _, err := g.run(`
ip link add bond1 type bond mode active-backup miimon 100
for d in hist0 hist1 hist2; do
	ip link set $d down
	ip link set $d master bond1
done
ip link set bond1 type bond primary hist0
ip link set bond1 up`); err != nil {
		return err
	}
	if err := waitActive(g, "bond1", "hist0"); err != nil {
		return err
	}
	if err := s.sendAll(g,
		injection{Via: "hist0p", Into: "hist0", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: 10},
		injection{Via: "hist1p", Into: "hist1", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: 4},
		injection{Via: "hist2p", Into: "hist2", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: 6},
	); err != nil {
		return err
	}
	if _, err := g.run("ip link set hist2 nomaster\nip link set hist2 up"); err != nil {
		return err
	}
	late := injection{Via: "hist2p", Into: "hist2", Dst: lldpGroup, Type: "0x88cc", Count: 3}
	if err := s.send(g, late); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "bond1", ShownDropped: n(10 + 4 + 6), OwnDropped: n(10), RxNohandler: n(0), Causes: append(unhandled(10), ofSlaves("rx_dropped", 4+6))},
		{Device: "hist0", ShownDropped: n(7), OwnDropped: n(7), Causes: unhandled(7)},
		{Device: "hist1", ShownDropped: n(4), OwnDropped: n(4), Causes: unhandled(4)},
		{Device: "hist2", ShownDropped: n(6 + 3), OwnDropped: n(6 + 3), Causes: unhandled(6 + 3)},
	}
	return nil
}

// bondLACP is two 802.3ad bonds that face each other, ours and one in the
// namespace "switch". LACP is consumed by the bond's recv_probe and is no
// drop; LLDP is. Our side stands before the other sends its first LACPDU, or
// those would be drops of lag0 and lag1.
func bondLACP(g *guest, t *truth) error {
	s := t.begin("bond-lacp", "a bond with LACP", "bond2, 802.3ad: LACP is taken by the bond, 9 LLDP frames are not")
	if _, err := g.run(`
ip netns add switch
for i in 0 1; do ip link add lag$i type veth peer name lag${i}p netns switch; done
ip link add bond2 type bond mode 802.3ad miimon 100 lacp_rate fast
for i in 0 1; do ip link set lag$i master bond2; done
ip link set bond2 up
ip -n switch link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
for i in 0 1; do ip -n switch link set lag${i}p master bond0; done
ip -n switch link set bond0 up
for i in $(seq 150); do
	test "$(cat /sys/class/net/bond2/bonding/ad_num_ports)" = 2 && break
	sleep 0.1
done
test "$(cat /sys/class/net/bond2/bonding/ad_num_ports)" = 2
test "$(cat /sys/class/net/bond2/bonding/ad_partner_mac)" != 00:00:00:00:00:00
for i in $(seq 150); do
	grep -q 1 /sys/class/net/lag0/bonding_slave/ad_aggregator_id &&
	test "$(cat /sys/class/net/lag0/bonding_slave/state)" = active && break
	sleep 0.1
done
sleep 0.3`); err != nil {
		return err
	}
	in := injection{Via: "lag0p", NetNS: "switch", Into: "lag0", Dst: lldpGroup, Type: "0x88cc", Count: 9}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "bond2", ShownDropped: n(9), OwnDropped: n(9), RxNohandler: n(0), Causes: unhandled(9)},
		{Device: "lag0", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "lag1", ShownDropped: n(0), OwnDropped: n(0)},
	}
	return nil
}

// endLACP takes the devices of bondLACP away.
func endLACP(g *guest, t *truth) error {
	t.end("bond-lacp")
	_, err := g.run("ip link del lag0\nip link del lag1\nip link del bond2\nip netns del switch")
	return err
}

// bondNohandler sends frames that are not link-local into an inactive slave:
// they may reach handlers bound to the slave alone, and are its rx_nohandler
// when there is none. A bond adds its slaves' to its own.
func bondNohandler(g *guest, t *truth) error {
	s := t.begin("bond-nohandler", "multicast on an inactive slave", "bond3: 12 multicast frames into the inactive slave idle1")
	if err := pair(g, "idle0", "idle1"); err != nil {
		return err
	}
	if _, err := g.run(`
ip link add bond3 type bond mode active-backup miimon 100
for d in idle0 idle1; do
	ip link set $d down
	ip link set $d master bond3
done
ip link set bond3 type bond primary idle0
ip link set bond3 up`); err != nil {
		return err
	}
	if err := waitActive(g, "bond3", "idle0"); err != nil {
		return err
	}
	in := injection{Via: "idle1p", Into: "idle1", Dst: "01:00:5e:00:00:fb", Type: "0x0800", Count: 12}
	if err := s.send(g, in); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "bond3", ShownDropped: n(0), OwnDropped: n(0), RxNohandler: n(12), Causes: []cause{ofSlaves("rx_nohandler", 12)}},
		{Device: "idle0", ShownDropped: n(0), OwnDropped: n(0), RxNohandler: n(0)},
		{
			Device: "idle1", ShownDropped: n(0), OwnDropped: n(0), RxNohandler: n(12),
			Causes: []cause{{Counter: "rx_nohandler", Path: "inactive-slave", Frames: 12}},
		},
	}
	return nil
}
