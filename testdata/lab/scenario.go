package main

import "fmt"

// stageB lists the scenarios that share the incident's boot, in the order in
// which they run. Each has devices of its own and leaves bond0 alone. The
// bridge comes after the ones that need 802.2 to be unhandled. LACP and the
// bridge's STP never fall silent, and the backlog's limit is global, so both
// come after the floods, which would drop some of theirs.
var stageB = []func(*guest, *truth) error{
	bondHistory, bondNohandler,
	plainUnhandled, vlanUnhandled, packetTap, longFrames, macvlanUnhandled,
	backlogOnly, backlogAndUnhandled,
	bondLACP, bridgeAndLLC,
	netScene,
}

// playAll runs scenarios one after the other.
func playAll(g *guest, t *truth, list []func(*guest, *truth) error) error {
	for _, play := range list {
		known := len(t.Scenarios)
		if err := play(g, t); err != nil {
			name := "?"
			if len(t.Scenarios) > known {
				name = t.Scenarios[known].Name
			}
			return fmt.Errorf("scenario %s: %w", name, err)
		}
	}
	return nil
}

// unhandledType is an ethertype that no kernel handles: IEEE's first "local
// experimental" one.
const unhandledType = "0x88b5"

// broadcast reaches a device whatever its own address is.
const broadcast = "ff:ff:ff:ff:ff:ff"

// unhandledPath is the path id of frames that nobody takes.
var unhandledPath = []string{"unhandled-protocol"}

// pair makes a veth pair NAME, NAMEp with both ends up.
func pair(g *guest, names ...string) error {
	for _, name := range names {
		_, err := g.run(fmt.Sprintf(`ip link add %[1]s type veth peer name %[1]sp
ip link set %[1]s up
ip link set %[1]sp up`, name))
		if err != nil {
			return err
		}
	}
	return nil
}

// sendAll sends one run after the other.
func (s *scenario) sendAll(g *guest, list ...injection) error {
	for _, in := range list {
		if err := s.send(g, in); err != nil {
			return err
		}
	}
	return nil
}
