package main

// bridgeAndLLC loads the bridge, and with it llc, which handles 802.2 from
// then on, and opens SAP 0x42 for STP. On a port, frames to most link-local
// groups stay the port's own; others go to the bridge, and count there.
func bridgeAndLLC(g *guest, t *truth) error {
	s := t.begin("bridge", "a bridge and its port", "br0 with port0: 6 LLDP frames count on port0, 4 unhandled ones on br0; 8 STP frames into quiet0 have a handler now")
	if err := g.load("bridge"); err != nil {
		return err
	}
	if err := pair(g, "port0", "quiet0"); err != nil {
		return err
	}
	// Two seconds is the shortest forward delay that STP allows.
	if _, err := g.run(`
ip link add br0 type bridge stp_state 1 forward_delay 200
ip link set port0 master br0
ip link set br0 up
for i in $(seq 150); do
	test "$(cat /sys/class/net/port0/brport/state)" = 3 && break
	sleep 0.1
done
test "$(cat /sys/class/net/port0/brport/state)" = 3`); err != nil {
		return err
	}
	if err := s.sendAll(g,
		injection{Via: "port0p", Into: "port0", Dst: lldpGroup, Type: "0x88cc", Count: 6},
		injection{Via: "port0p", Into: "port0", Dst: broadcast, Type: unhandledType, Count: 4},
		injection{Via: "quiet0p", Into: "quiet0", Dst: stpGroup, Type: "802.2", Payload: stpLLC, Count: 8},
		// A closed SAP: llc takes the frame and drops it without a count.
		injection{Via: "quiet0p", Into: "quiet0", Dst: stpGroup, Type: "802.2", Payload: "fefe03", Count: 2},
	); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "port0", ShownDropped: n(6), OwnDropped: n(6), Causes: unhandled(6)},
		{Device: "br0", ShownDropped: n(4), OwnDropped: n(4), Causes: unhandled(4)},
		{Device: "quiet0", ShownDropped: n(0), OwnDropped: n(0)},
	}
	return nil
}

// endBridge takes the devices of bridgeAndLLC away.
func endBridge(g *guest, t *truth) error {
	t.end("bridge")
	_, err := g.run("ip link del br0\nip link del port0\nip link del quiet0")
	return err
}
