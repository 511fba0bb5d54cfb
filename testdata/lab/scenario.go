package main

import "fmt"

// The scenarios that share the incident's boot, in the order in which they run. Each has devices of its own and
// leaves bond0 alone. The bridge comes after the ones that need 802.2 to be unhandled.
//
// Backlog drops anywhere on the host make verdicts on other devices less sure, so the quiet ones are captured before
// the floods. LACP and the bridge's STP never fall silent, and floods would drop some of theirs, as the backlog's
// limit is global: they end before the floods, and are played anew after them.
var (
	quietScenarios = []func(*guest, *truth) error{
		bondHistory, bondNohandler,
		plainUnhandled, vlanUnhandled, packetTap, longFrames, macvlanUnhandled,
		badVLAN, unhandledAndLong, tapOwners,
		macvlanForward, noCarrier, driversOwn, tunDevice,
		macvlanQueue, ipvlanQueue, cellFull,
		bondLACP, bridgeAndLLC, bondStacked,
		ipv6Off, otherHost, attached,
	}
	floodScenarios = []func(*guest, *truth) error{
		endLACP, endBridge,
		backlogOnly, backlogAndUnhandled,
		notRunning, flowLimit,
		bondLACP, bridgeAndLLC,
		lossScene,
		netScene,
	}
)

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
