package main

import "fmt"

// tunDevice is a tun device whose program writes what is refused and reads nothing (guest/tun.go).
func tunDevice(g *guest, t *truth) error {
	const written, ring, sent = 4 + 3, 10, 25
	s := t.begin("tun", "tun", fmt.Sprintf("tq0: 4 packets while it is down, 3 of no IP version, and %d into a ring of %d", sent, ring))
	if err := g.load("tun"); err != nil {
		return err
	}
	if _, err := g.run(`mkdir -p /dev/net
test -e /dev/net/tun || mknod /dev/net/tun c 10 200
guest tun tq0 > /tmp/tun.out 2>&1 &
for i in $(seq 50); do grep -qx held /tmp/tun.out && break; sleep 0.1; done
if ! grep -qx held /tmp/tun.out; then cat /tmp/tun.out >&2; exit 1; fi
ip link set tq0 txqueuelen ` + fmt.Sprint(ring)); err != nil {
		return err
	}
	if err := s.send(g, injection{Via: "tq0", Into: "tq0", Dst: "45:00:00:28:00:00", Type: "0x0800", Count: sent}); err != nil {
		return err
	}
	lost, err := dropped(g, "tq0", "tx_dropped")
	if err != nil {
		return err
	}
	if lost != sent-ring {
		return fmt.Errorf("%d of %d packets did not fit into a ring of %d", lost, sent, ring)
	}
	in, err := countedBy(g, "tun", "tun")
	if err != nil {
		return err
	}
	out, err := countedBy(g, "tun", "tun-queue")
	if err != nil {
		return err
	}
	s.Expect = []expect{{
		Device: "tq0", ShownDropped: n(written),
		Causes: []cause{ofDropped(in, written), {Counter: "tx_dropped", Path: out, Frames: lost}},
	}}
	return nil
}

// driversOwn are counters of drivers: a macsec in strict mode refuses what has no tag, and an ifb what nobody
// redirected to it.
func driversOwn(g *guest, t *truth) error {
	s := t.begin("driver", "a driver's own counter", "ifb-own: 5 frames that were not redirected; strict0 on sec1, a macsec: 8 frames without a tag")
	if err := g.load("macsec", "ifb"); err != nil {
		return err
	}
	if err := quietPair(g, "sec1"); err != nil {
		return err
	}
	if _, err := g.run(`ip link add link sec1 name strict0 type macsec validate strict
ip link add ifb-own type ifb
for d in strict0 ifb-own; do
	echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6
	ip link set $d up
done`); err != nil {
		return err
	}
	if err := s.sendAll(g,
		injection{Via: "sec1p", Into: "sec1", Dst: broadcast, Type: "0x0800", Count: 8},
		injection{Via: "ifb-own", Into: "ifb-own", Dst: broadcast, Type: "0x0800", Count: 5},
	); err != nil {
		return err
	}
	strict := expect{Device: "strict0", OwnDropped: n(0)}
	lost, err := dropped(g, "strict0", "rx_dropped")
	switch {
	case err != nil:
		return err
	case lost == 8:
		strict.ShownDropped, strict.Causes = n(lost), []cause{ofDropped("macsec-receive", lost)}
	case lost != 0: // older ones count it with MACsec's own alone
		return fmt.Errorf("%d of 8 frames are counted as lost", lost)
	}
	s.Expect = []expect{
		strict,
		{Device: "ifb-own", ShownDropped: n(5), OwnDropped: n(0), Causes: []cause{ofDropped("ifb", 5)}},
	}
	return nil
}
