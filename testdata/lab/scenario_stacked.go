package main

// bondStacked is bonds as they are used: bond4 carries a VLAN, and bond5 is a bridge's port. What nobody takes
// counts on the device where the last one looked for a handler.
func bondStacked(g *guest, t *truth) error {
	s := t.begin("bond-stacked", "a VLAN on a bond, a bond under a bridge",
		"bond4.7 on bond4 (st0, st1), and bond5 (sb0, sb1) in br5: 24 unhandled frames through the active slaves, 10 frames into the inactive one")
	if err := g.load("8021q", "bridge"); err != nil {
		return err
	}
	if err := pair(g, "st0", "st1", "sb0", "sb1"); err != nil {
		return err
	}
	if _, err := g.run(`
for b in 4:st 5:sb; do
	bond=bond${b%:*}
	ip link add $bond type bond mode active-backup miimon 100
	for i in 0 1; do
		ip link set ${b#*:}$i down
		ip link set ${b#*:}$i master $bond
	done
	ip link set $bond type bond primary ${b#*:}0
	ip link set $bond up
done
ip link add link bond4 name bond4.7 type vlan id 7
ip link set bond4.7 up
ip link add br5 type bridge stp_state 0 forward_delay 0
ip link set bond5 master br5
ip link set br5 up`); err != nil {
		return err
	}
	for bond, slave := range map[string]string{"bond4": "st0", "bond5": "sb0"} {
		if err := waitActive(g, bond, slave); err != nil {
			return err
		}
	}
	if _, err := g.run(`for i in $(seq 100); do
	test "$(cat /sys/class/net/bond5/brport/state)" = 3 && exit 0
	sleep 0.1
done
exit 1`); err != nil {
		return err
	}
	if err := s.sendAll(
		g,
		injection{Via: "st0p", Into: "st0", Dst: broadcast, Type: unhandledType, VLAN: 7, Count: 10},
		injection{Via: "st0p", Into: "st0", Dst: broadcast, Type: unhandledType, Count: 5},
		injection{Via: "st0p", Into: "st0", Dst: broadcast, Type: "0x0800", VLAN: 8, Count: 2},
		injection{Via: "st1p", Into: "st1", Dst: lldpGroup, Type: "0x88cc", Count: 4},
		injection{Via: "st1p", Into: "st1", Dst: "01:00:5e:00:00:fb", Type: "0x0800", Count: 6},
		injection{Via: "sb0p", Into: "sb0", Dst: broadcast, Type: unhandledType, Count: 9},
		injection{Via: "sb0p", Into: "sb0", Dst: lldpGroup, Type: "0x88cc", Count: 3},
	); err != nil {
		return err
	}
	otherVLAN := cause{Counter: "rx_otherhost_dropped", Path: "unknown-vlan", Frames: 2}
	inactive := cause{Counter: "rx_nohandler", Path: "inactive-slave", Frames: 6}
	s.Expect = []expect{
		{Device: "bond4.7", ShownDropped: n(10), OwnDropped: n(10), Otherhost: n(0), Causes: unhandled(10)},
		{
			Device: "bond4", ShownDropped: n(5 + 4), OwnDropped: n(5), RxNohandler: n(6), Otherhost: n(2),
			Causes: append(unhandled(5), ofSlaves("rx_dropped", 4), ofSlaves("rx_nohandler", 6), otherVLAN),
		},
		{Device: "st0", ShownDropped: n(0), OwnDropped: n(0), RxNohandler: n(0)},
		{Device: "st1", ShownDropped: n(4), OwnDropped: n(4), RxNohandler: n(6), Causes: append(unhandled(4), inactive)},
		{Device: "br5", ShownDropped: n(9), OwnDropped: n(9), Causes: unhandled(9)},
		{Device: "bond5", ShownDropped: n(3), OwnDropped: n(3), RxNohandler: n(0), Causes: unhandled(3)},
		{Device: "sb0", ShownDropped: n(0), OwnDropped: n(0)},
	}
	return nil
}
