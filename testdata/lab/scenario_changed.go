package main

// changedSetUp is a device whose frames came by a way that is there no longer: a BPF program handed them to a
// bond that was down, which refused them, and was then unloaded. Memory has nothing of it left, so that what
// explain says holds as the host is set up now, and it has to say so.
func changedSetUp(g *guest, t *truth) error {
	s := t.begin("changed-setup", "a way that was taken away since", "past0, a bond: 6 frames that a BPF program redirected into it while it was down; the program is gone")
	if err := pair(g, "from0"); err != nil {
		return err
	}
	if _, err := g.run(`
ip link add past0 type bond mode active-backup miimon 100
guest redirect from0 past0 > /tmp/redirect 2>&1 &
echo $! > /tmp/redirect.pid
for i in $(seq 50); do grep -q open /tmp/redirect && exit 0; sleep 0.1; done
cat /tmp/redirect >&2
exit 1`); err != nil {
		return err
	}
	in := injection{Via: "from0p", Into: "from0", Dst: broadcast, Type: unhandledType, Count: 6}
	if err := s.send(g, in); err != nil {
		return err
	}
	if _, err := g.run("kill $(cat /tmp/redirect.pid)\nsleep 0.5\nip link set past0 up"); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "from0", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "past0", ShownDropped: n(6), OwnDropped: n(6), Causes: []cause{{Counter: "rx_dropped", Path: "forward", Frames: 6}}, Changed: true},
	}
	return nil
}
