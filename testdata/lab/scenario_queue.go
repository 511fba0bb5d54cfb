package main

import (
	"fmt"
	"strconv"
	"strings"
)

// pathModules are what the scenarios of single paths load.
var pathModules = []string{"ifb", "sch_plug", "act_mirred", "vxlan", "ipvlan", "macsec", "tun"}

// quietPair is [pair] without IPv6, whose own frames would be counted with the lab's.
func quietPair(g *guest, name string) error {
	_, err := g.run(fmt.Sprintf(`ip link add %[1]s type veth peer name %[1]sp
for d in %[1]s %[1]sp; do
	echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6
	ip link set $d up
done`, name))
	return err
}

// dropped reads a counter of the kernel's own, of a scenario whose number follows from one fact that the
// lab did not choose, as the length of a queue. That it has one cause alone the lab did see to.
func dropped(g *guest, dev, counter string) (uint64, error) {
	out, err := g.run(fmt.Sprintf("cat /sys/class/net/%s/statistics/%s", dev, counter))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
}

// countedBy is the path of a number that a module keeps: by its id where the module's types are there to read it,
// and "driver" where they are not, as in Debian's 5.10.
func countedBy(g *guest, module, id string) (string, error) {
	out, err := g.run(fmt.Sprintf("test -e /sys/kernel/btf/%s && echo yes || echo no", module))
	if strings.TrimSpace(string(out)) == "no" {
		id = "driver"
	}
	return id, err
}

// ofDropped is a cause of rx_dropped.
func ofDropped(path string, frames uint64) cause {
	return cause{Counter: "rx_dropped", Path: path, Frames: frames}
}

// withBacklog runs a script while a CPU's backlog holds few frames.
func withBacklog(g *guest, frames int, script string) error {
	_, err := g.run(fmt.Sprintf(`cat /proc/sys/net/core/netdev_max_backlog > /tmp/max_backlog
echo %d > /proc/sys/net/core/netdev_max_backlog
%s
cat /tmp/max_backlog > /proc/sys/net/core/netdev_max_backlog`, frames, script))
	return err
}

// flowLimit is one flow that the limit of CPU 0 refuses: of the last 128 frames it may have half. The limit
// looks at flows while the queue is half full; half of a queue of one frame is none. It stays on, as its count
// goes when it is turned off.
func flowLimit(g *guest, t *truth) error {
	const sent, allowed = 300, 64
	s := t.begin("flow-limit", "flow limit", fmt.Sprintf("flow0: one flow of %d frames, of which the limit lets %d pass", sent, allowed))
	if err := quietPair(g, "flow0"); err != nil {
		return err
	}
	cpu := 0
	in := injection{Via: "flow0p", Into: "flow0", Dst: broadcast, Type: "0x0800", Count: sent, CPU: &cpu}
	s.Sent = append(s.Sent, in)
	err := withBacklog(g, 1, fmt.Sprintf(`echo 1 > /proc/sys/net/core/flow_limit_cpu_bitmap
guest frames -i %s -dst %s -type %s -count %d -cpu %d`, in.Via, in.Dst, in.Type, in.Count, cpu))
	if err != nil {
		return err
	}
	s.Expect = []expect{{Device: "flow0", ShownDropped: n(sent - allowed), OwnDropped: n(sent - allowed), Causes: []cause{ofDropped("flow-limit", sent-allowed)}}}
	return nil
}

// notRunning are frames that are queued for a device which is down: macsec hands untagged frames to its
// device by netif_rx, whether that is up or not.
func notRunning(g *guest, t *truth) error {
	s := t.begin("not-running", "device not running", "down0 on sec0, a macsec that is down: 9 untagged frames are queued for it")
	if err := g.load("macsec"); err != nil {
		return err
	}
	if err := quietPair(g, "sec0"); err != nil {
		return err
	}
	if _, err := g.run("ip link add link sec0 name down0 type macsec validate disabled"); err != nil {
		return err
	}
	if err := s.send(g, injection{Via: "sec0p", Into: "sec0", Dst: broadcast, Type: "0x0800", Count: 9}); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "sec0", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "down0", ShownDropped: n(9), OwnDropped: n(9), Causes: []cause{ofDropped("device-down", 9)}},
	}
	return nil
}

// noCarrier sends through a device without a carrier, whose queue is noop. Newer kernels count that.
func noCarrier(g *guest, t *truth) error {
	s := t.begin("no-carrier", "no carrier", "idle-tx: 8 frames are sent while the other end of the veth is down")
	if _, err := g.run(`ip link add idle-tx type veth peer name idle-txp
echo 1 > /proc/sys/net/ipv6/conf/idle-tx/disable_ipv6
ip link set idle-tx up`); err != nil {
		return err
	}
	if err := s.send(g, injection{Via: "idle-tx", Into: "idle-txp", Dst: broadcast, Type: "0x0800", Count: 8}); err != nil {
		return err
	}
	lost, err := dropped(g, "idle-tx", "tx_dropped")
	if err != nil {
		return err
	}
	want := expect{Device: "idle-tx", ShownDropped: n(0), OwnDropped: n(0)}
	switch lost {
	case 8:
		want.Causes = []cause{{Counter: "tx_dropped", Path: "idle-queue", Frames: lost}}
	case 0: // up to 6.9
	default:
		return fmt.Errorf("%d of 8 frames are counted as lost", lost)
	}
	s.Expect = []expect{want}
	return nil
}
