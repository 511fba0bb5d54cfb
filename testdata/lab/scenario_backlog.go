package main

import "fmt"

// floodFrames is how many frames a flood sends. How many are dropped depends
// on when the other CPU runs; some hundred are certain.
const (
	floodFrames  = 10000
	floodAtLeast = 500
)

// backlogged is the cause of a flood's drops.
var backlogged = cause{Counter: "rx_dropped", Path: "backlog", Frames: floodAtLeast, AtLeast: true}

// flood makes the softnet backlog overflow: its limit is 1, the receiver's
// frames are steered to CPU 1, and the sender keeps CPU 0. The frames are IP,
// which has a handler: those that are not dropped here are not counted later.
func flood(g *guest, s *scenario, dev string) error {
	if _, err := g.run(fmt.Sprintf(`echo 2 > /sys/class/net/%s/queues/rx-0/rps_cpus
cat /proc/sys/net/core/netdev_max_backlog > /tmp/max_backlog
echo 1 > /proc/sys/net/core/netdev_max_backlog`, dev)); err != nil {
		return err
	}
	cpu := 0
	in := injection{Via: dev + "p", Into: dev, Dst: broadcast, Type: "0x0800", Count: floodFrames, CPU: &cpu}
	if err := s.send(g, in); err != nil {
		return err
	}
	_, err := g.run(fmt.Sprintf(`cat /tmp/max_backlog > /proc/sys/net/core/netdev_max_backlog
echo 0 > /sys/class/net/%s/queues/rx-0/rps_cpus
sleep 0.3`, dev))
	return err
}

// backlogOnly is a device with backlog drops and no others.
func backlogOnly(g *guest, t *truth) error {
	s := t.begin("backlog", "softnet backlog full", "flood0: a flood that overflows the softnet backlog")
	if err := pair(g, "flood0"); err != nil {
		return err
	}
	if err := flood(g, s, "flood0"); err != nil {
		return err
	}
	s.Expect = []expect{{Device: "flood0", AtLeast: n(floodAtLeast), Causes: []cause{backlogged}}}
	return nil
}

// backlogAndUnhandled has two causes on one device, which its counter adds up.
func backlogAndUnhandled(g *guest, t *truth) error {
	s := t.begin("two-causes", "two causes on one device", "mixed0: 17 unhandled frames, then a flood")
	if err := pair(g, "mixed0"); err != nil {
		return err
	}
	in := injection{Via: "mixed0p", Into: "mixed0", Dst: broadcast, Type: unhandledType, Count: 17}
	if err := s.send(g, in); err != nil {
		return err
	}
	if err := flood(g, s, "mixed0"); err != nil {
		return err
	}
	s.Expect = []expect{{Device: "mixed0", AtLeast: n(17 + floodAtLeast), Causes: append(unhandled(17), backlogged)}}
	return nil
}
