package main

// unhandledAndLong has two causes on one device, which its counter adds up. The peer counts one of them, so
// that memory bounds both; drops of the backlog elsewhere make the bounds wider.
func unhandledAndLong(g *guest, t *truth) error {
	s := t.begin("two-bounded", "two causes on one device, one of which its peer counts", "both0: 7 unhandled frames, and 9 that are longer than its MTU")
	if err := pair(g, "both0"); err != nil {
		return err
	}
	if _, err := g.run("ip link set both0 mtu 1000"); err != nil {
		return err
	}
	if err := s.sendAll(
		g,
		injection{Via: "both0p", Into: "both0", Dst: broadcast, Type: unhandledType, Count: 7},
		injection{Via: "both0p", Into: "both0", Dst: broadcast, Type: "0x0800", Size: 1400, Count: 9},
	); err != nil {
		return err
	}
	s.Expect = []expect{{
		Device: "both0", ShownDropped: n(7 + 9), OwnDropped: n(7 + 9),
		Causes: append(unhandled(7), cause{Counter: "rx_dropped", Path: "forward", Frames: 9}),
	}}
	return nil
}
