package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// cellFull overflows the queue between a tunnel and the stack (gro_cells). It holds as many frames as a CPU's
// backlog, which frames of one arrival at a time never fill, so they come all at once: an ifb holds them back,
// and its tasklet gives them to the stack one after the other, before the tunnel's queue is looked at. They do
// not pass the backlog.
func cellFull(g *guest, t *truth) error {
	const sent, limit = 40, 4
	s := t.begin("gro-cells", "gro_cells of a tunnel", fmt.Sprintf("vx0 on cell0: %d VXLAN frames at once, for a queue of %d", sent, limit+1))
	if err := g.load("vxlan", "ifb", "sch_plug", "sch_ingress", "cls_matchall", "act_mirred"); err != nil {
		return err
	}
	if err := quietPair(g, "cell0"); err != nil {
		return err
	}
	if _, err := g.run(`ip addr add 192.0.2.1/24 dev cell0
ip link add vx0 type vxlan id 42 dstport 4789 local 192.0.2.1 remote 192.0.2.2 dev cell0 nolearning
ip link add ifb-cell type ifb
for d in vx0 ifb-cell; do echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; done
ip link set vx0 up
ip link set ifb-cell txqueuelen 1000 up
tc qdisc add dev ifb-cell root plug limit 1000000
tc qdisc add dev cell0 ingress
tc filter add dev cell0 parent ffff: matchall action mirred egress redirect dev ifb-cell`); err != nil {
		return err
	}
	in := injection{Via: "cell0p", Into: "cell0", Dst: broadcast, Type: "0x0800", Payload: vxlanPacket(42), Size: 120, Count: sent}
	if err := s.send(g, in); err != nil {
		return err
	}
	if err := withBacklog(g, limit, "tc qdisc change dev ifb-cell root plug release_indefinite\nsleep 0.3"); err != nil {
		return err
	}
	// With the redirection in place any device might get frames by another way than its own.
	if _, err := g.run("tc qdisc del dev cell0 ingress\nip link del ifb-cell"); err != nil {
		return err
	}
	const lost = sent - (limit + 1)
	s.Expect = []expect{
		{Device: "cell0", ShownDropped: n(0), OwnDropped: n(0)},
		{
			Device: "vx0", ShownDropped: n(lost), OwnDropped: n(lost), Causes: []cause{ofDropped("gro-cells", lost)},
			Path: []string{"UDP", " → vxlan_rcv+0x0 [vxlan] → vx0 (what it sends leaves by cell0)"},
		},
	}
	return nil
}

// vxlanPacket is an IPv4 packet with a frame in VXLAN from 192.0.2.2 to 192.0.2.1, in hex.
func vxlanPacket(vni uint32) string {
	inner := make([]byte, 50)
	for i := range 6 {
		inner[i] = 0xff
	}
	copy(inner[6:], []byte{0x02, 0, 0, 0, 0, 0x77, 0x08, 0x00})
	vxlan := binary.BigEndian.AppendUint32([]byte{0x08, 0, 0, 0}, vni<<8)
	udp := []byte{0x80, 0x00, 0x12, 0xb5} // from 32768 to 4789, without a checksum
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(vxlan)+len(inner)))
	udp = append(udp, 0, 0)
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(udp)+len(vxlan)+len(inner)))
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	packet := append(append(append(ip, udp...), vxlan...), inner...)
	return hex.EncodeToString(packet)
}

// queueFrames are more than the queues of broadcasts hold, 1000 frames as a rule.
const queueFrames = 1100

// macvlanQueue overflows the queue of broadcasts for the macvlans on a device. It can be made short since 5.11;
// before, a sender that lets nothing else onto its CPU fills it.
func macvlanQueue(g *guest, t *truth) error {
	s := t.begin("macvlan-queue", "macvlan's broadcast queue", fmt.Sprintf("mq0, with the macvlan mq1: %d broadcasts, for a queue of 0 frames, or 1000 where it has no length", queueFrames))
	if err := g.load("macvlan"); err != nil {
		return err
	}
	if err := quietPair(g, "mq0"); err != nil {
		return err
	}
	if _, err := g.run(`ip link add link mq0 name mq1 type macvlan mode bridge bcqueuelen 0
echo 1 > /proc/sys/net/ipv6/conf/mq1/disable_ipv6
ip link set mq1 up`); err != nil {
		return err
	}
	lost, err := s.fillQueue(g, "mq0p", "mq0")
	if err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "mq0", ShownDropped: n(lost), OwnDropped: n(lost), Causes: queued(lost)},
		{Device: "mq1", ShownDropped: n(0), OwnDropped: n(0)},
	}
	return nil
}

// ipvlanQueue is the same with an ipvlan, in both directions: what an ipvlan sends counts as rx_dropped of its own. It
// is up for that alone: 7.x counts frames that IP refuses as the ipvlan's receive errors.
func ipvlanQueue(g *guest, t *truth) error {
	s := t.begin("ipvlan-queue", "ipvlan's multicast queue", fmt.Sprintf("iq0, with the ipvlan iq1: %d broadcasts into each, for a queue of 1000", queueFrames))
	if err := g.load("ipvlan"); err != nil {
		return err
	}
	if err := quietPair(g, "iq0"); err != nil {
		return err
	}
	if _, err := g.run(`ip link add link iq0 name iq1 type ipvlan mode l2
echo 1 > /proc/sys/net/ipv6/conf/iq1/disable_ipv6`); err != nil {
		return err
	}
	in, err := s.fillQueue(g, "iq0p", "iq0")
	if err != nil {
		return err
	}
	if _, err := g.run("ip link set iq1 up"); err != nil {
		return err
	}
	out, err := s.fillQueue(g, "iq1", "iq1")
	if err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "iq0", ShownDropped: n(in), OwnDropped: n(in), Causes: queued(in)},
		{Device: "iq1", ShownDropped: n(out), OwnDropped: n(out), Causes: queued(out)},
	}
	return nil
}

// fillTries bounds how often a queue is tried to be filled: a guest that gets little of its machine's time takes longer
// than a sender may keep the CPU to itself (newer kernels give other tasks 50 ms of a second).
const fillTries = 5

// fillQueue sends broadcasts faster than they are taken, and returns how many did not fit. Those that did may come on
// through the backlog, all at once, and must fit there.
func (s *scenario) fillQueue(g *guest, via, counts string) (uint64, error) {
	before, err := dropped(g, counts, "rx_dropped")
	if err != nil {
		return 0, err
	}
	const limit = "/proc/sys/kernel/sched_rt_runtime_us"
	const backlog = "/proc/sys/net/core/netdev_max_backlog"
	if _, err := g.run("cat " + limit + " > /tmp/rt_runtime\necho -1 > " + limit + "\ncat " + backlog + " > /tmp/max_backlog\necho 100000 > " + backlog); err != nil {
		return 0, err
	}
	cpu := 0
	after := before
	for i := 0; i < fillTries && after == before; i++ {
		if err := s.send(g, injection{Via: via, Into: counts, Dst: broadcast, Type: "0x0800", Count: queueFrames, CPU: &cpu, Alone: true}); err != nil {
			return 0, err
		}
		if _, err := g.run("sleep 0.3"); err != nil {
			return 0, err
		}
		if after, err = dropped(g, counts, "rx_dropped"); err != nil {
			return 0, err
		}
	}
	if _, err := g.run("cat /tmp/rt_runtime > " + limit + "\nsleep 0.7\ncat /tmp/max_backlog > " + backlog); err != nil {
		return 0, err
	}
	return after - before, nil
}

// queued are the causes of what did not fit into a queue: none where a guest takes frames out as fast as they come.
func queued(lost uint64) []cause {
	if lost == 0 {
		return nil
	}
	c := ofDropped("broadcast-queue", lost)
	c.Measured = true
	return []cause{c}
}

// macvlanForward are broadcasts of one macvlan that are too long for another one beside it. It counts them
// as receive errors, too, which tools show as drops.
func macvlanForward(g *guest, t *truth) error {
	const sent = 12
	s := t.begin("macvlan-forward", "frames not forwardable into a macvlan", fmt.Sprintf("fw1 and fw2 on fw0: fw1 sends %d frames of 1400 bytes, fw2 has an MTU of 1000", sent))
	if err := g.load("macvlan"); err != nil {
		return err
	}
	if err := quietPair(g, "fw0"); err != nil {
		return err
	}
	if _, err := g.run(`for i in 1 2; do
	ip link add link fw0 name fw$i type macvlan mode bridge
	echo 1 > /proc/sys/net/ipv6/conf/fw$i/disable_ipv6
done
ip link set fw2 mtu 1000
ip link set fw1 up
ip link set fw2 up`); err != nil {
		return err
	}
	if err := s.send(g, injection{Via: "fw1", Into: "fw2", Dst: broadcast, Type: "0x0800", Size: 1400, Count: sent}); err != nil {
		return err
	}
	s.Expect = []expect{
		{Device: "fw0", ShownDropped: n(0), OwnDropped: n(0)},
		{Device: "fw2", ShownDropped: n(2 * sent), OwnDropped: n(sent), Causes: []cause{ofDropped("forward", sent), ofDropped("macvlan-receive", sent)}},
	}
	return nil
}
