package main

import "fmt"

// openTap has a tap opened in the guest, and waits for it.
func openTap(g *guest, flags, dev string) error {
	_, err := g.run(fmt.Sprintf(`guest tap %[1]s %[2]s > /tmp/tap.%[2]s 2>&1 &
for i in $(seq 50); do grep -q open /tmp/tap.%[2]s && exit 0; sleep 0.1; done
cat /tmp/tap.%[2]s >&2
exit 1`, flags, dev))
	return err
}

// tapOwners are taps whose owner is not where one looks first: away0's is a process in other network and PID
// namespaces, and sent0's is nobody, as the socket lies in a message that nobody has received.
func tapOwners(g *guest, t *truth) error {
	s := t.begin("tap-owners", "who has a tap open", "away0, sent0: 6 and 5 unhandled frames, then taps open, of a process in other namespaces and of none, then 9 more each")
	if err := pair(g, "away0", "sent0"); err != nil {
		return err
	}
	for dev, counted := range map[string]int{"away0": 6, "sent0": 5} {
		in := injection{Via: dev + "p", Into: dev, Dst: broadcast, Type: unhandledType, Count: counted}
		if err := s.send(g, in); err != nil {
			return err
		}
		if err := openTap(g, map[string]string{"away0": "-away", "sent0": "-sent"}[dev], dev); err != nil {
			return err
		}
		in.Count = 9
		if err := s.send(g, in); err != nil {
			return err
		}
	}
	s.Expect = []expect{
		{
			Device: "away0", ShownDropped: n(6), OwnDropped: n(6), Causes: unhandled(6),
			Says: []string{"a tap is open now", " of guest, PID ", "PID 1 in pid:[", ", in net:["},
		},
		{
			Device: "sent0", ShownDropped: n(5), OwnDropped: n(5), Causes: unhandled(5),
			Says: []string{"a tap is open now", "that no process has as an open file"},
		},
	}
	return nil
}
