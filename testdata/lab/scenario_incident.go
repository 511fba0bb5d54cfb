package main

// The numbers of the incident.
const (
	stpActive  = 37
	lldpActive = 11
	stpBackup  = 5
)

// incident is case A: bond0's drops grow and its slaves' do not.
//
// bond0 (active-backup) has veth0, active, and veth1, backup; the other ends
// of the cables, veth0p and veth1p, stand for the switch. The switch sends STP
// and LLDP, which nothing in this kernel takes: it must run before anything
// loads llc. Beside it lie what namespaces are tested with: eth0 exists in
// "blue" alone, twin in both.
func incident(g *guest, t *truth) error {
	s := t.begin("incident", "no handler, on a bond and its slaves", "STP and LLDP frames that nobody handles, on a bond")
	if err := g.load("bonding", "veth", "dummy"); err != nil {
		return err
	}
	if _, err := g.run(`
ip link add veth0 type veth peer name veth0p
ip link add veth1 type veth peer name veth1p
ip link add bond0 type bond mode active-backup miimon 100
ip link set veth0 master bond0
ip link set veth1 master bond0
ip link set bond0 type bond primary veth0
ip addr add 192.0.2.1/24 dev bond0
for d in veth0p veth1p bond0; do ip link set $d up; done

ip netns add blue
ip netns exec blue ip link set lo up
ip -n blue link add eth0 type veth peer name eth0p
ip -n blue link set eth0 up
ip -n blue link set eth0p up
ip -n blue link add twin type dummy
ip link add twin type dummy

for i in $(seq 100); do
	test "$(cat /sys/class/net/bond0/bonding/active_slave)" = veth0 && break
	sleep 0.1
done
test "$(cat /sys/class/net/bond0/bonding/active_slave)" = veth0
sleep 0.5
`); err != nil {
		return err
	}
	for _, in := range []injection{
		{Via: "veth0p", Into: "veth0", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: stpActive},
		{Via: "veth0p", Into: "veth0", Dst: lldpGroup, Type: "0x88cc", Count: lldpActive},
		{Via: "veth1p", Into: "veth1", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: stpBackup},
	} {
		if err := s.send(g, in); err != nil {
			return err
		}
	}
	s.Expect = []expect{
		{Device: "bond0", ShownDropped: n(stpActive + lldpActive + stpBackup), OwnDropped: n(stpActive + lldpActive), RxNohandler: n(0), Causes: append(unhandled(stpActive+lldpActive), ofSlaves("rx_dropped", stpBackup))},
		{Device: "veth0", ShownDropped: n(0), OwnDropped: n(0), RxNohandler: n(0)},
		{Device: "veth1", ShownDropped: n(stpBackup), OwnDropped: n(stpBackup), RxNohandler: n(0), Causes: unhandled(stpBackup)},
		{Device: "veth0p", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "veth1p", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "eth0", NetNS: "blue", ShownDropped: n(0), OwnDropped: n(0)},
	}
	return nil
}
