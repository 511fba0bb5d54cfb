package main

// badVLAN is a device without any VLAN device above: a frame with a VLAN id is another host's there, and
// counts as that where IP takes it, and as unhandled where nothing does.
func badVLAN(g *guest, t *truth) error {
	s := t.begin("bad-vlan", "a VLAN id that the host does not have", "tag0, without VLAN devices: 5 unhandled frames in VLAN 9, and 4 of IP")
	if err := pair(g, "tag0"); err != nil {
		return err
	}
	if err := s.sendAll(
		g,
		injection{Via: "tag0p", Into: "tag0", Dst: broadcast, Type: unhandledType, VLAN: 9, Count: 5},
		injection{Via: "tag0p", Into: "tag0", Dst: broadcast, Type: "0x0800", VLAN: 9, Count: 4},
	); err != nil {
		return err
	}
	s.Expect = []expect{{
		Device: "tag0", ShownDropped: n(5), OwnDropped: n(5), Otherhost: n(4),
		Causes: append(unhandled(5), cause{Counter: "rx_otherhost_dropped", Path: "unknown-vlan", Frames: 4}),
	}}
	return nil
}
