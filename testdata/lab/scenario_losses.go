package main

import "time"

// lossScene loses datagrams, connections, segments, packets and fragments in a namespace of its own, whose
// counters then say so. How many, the guest's program tells (guest/losses.go).
func lossScene(g *guest, t *truth) error {
	t.begin("losses", "what snmp and netstat count as lost", "namespace losses: what /proc/net/snmp and netstat count as lost")
	if err := g.load("cls_matchall", "act_gact", "sch_ingress"); err != nil {
		return err
	}
	_, err := g.runFor(2*time.Minute, `
ip netns add losses
ip -n losses link set lo up
ip netns exec losses guest losses > /tmp/losses.out 2>&1 &
for i in $(seq 400); do grep -q lost /tmp/losses.out && break; sleep 0.1; done
if ! grep -q lost /tmp/losses.out; then cat /tmp/losses.out >&2; exit 1; fi
`)
	return err
}
