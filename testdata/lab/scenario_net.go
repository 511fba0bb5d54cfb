package main

import "time"

// netScene is what the helpers of the network are compared with the guest's own tools on: sockets of
// every kind with something in their queues, addresses and neighbours of both families, qdiscs with
// drops and a backlog, BPF programs, and netfilter hooks. Nothing of it drops frames as devices count
// them. It comes last: a connection that is over is kept for a minute alone.
func netScene(g *guest, t *truth) error {
	s := t.begin("net", "sockets, qdiscs, hooks", "sock0: sockets, addresses, neighbours, qdiscs, programs and netfilter hooks")
	s.Expect = []expect{{Device: "sock0", ShownDropped: n(0)}, {Device: "sock0p", ShownDropped: n(0)}}
	if err := g.load(netModules...); err != nil {
		return err
	}
	_, err := g.runFor(2*time.Minute, `
ip link add sock0 type veth peer name sock0p
ip link set sock0 up
ip link set sock0p up
ip addr add 198.51.100.1/24 dev sock0
ip addr add 198.51.100.2/24 dev sock0
ip addr add 203.0.113.1 peer 203.0.113.9/32 dev sock0
ip addr add 198.51.100.3/32 dev sock0 scope link
ip neigh add 198.51.100.77 lladdr 02:00:00:00:00:77 dev sock0 nud permanent
ip neigh add 198.51.100.78 lladdr 02:00:00:00:00:78 dev sock0 nud stale

ip link add six0 type dummy
echo 0 > /proc/sys/net/ipv6/conf/six0/disable_ipv6
ip link set six0 up
ip addr add 2001:db8::1/64 dev six0 nodad
ip addr add 2001:db8:1::1 peer 2001:db8:1::9/128 dev six0 nodad
ip -6 neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev six0 nud permanent
ip maddr add 33:33:00:00:12:34 dev six0

ip link add many0 numtxqueues 3 type veth peer name many0p numrxqueues 3
ip link set many0 up
ip link set many0p up
tc qdisc add dev many0 root handle 5: mq

tc qdisc add dev sock0p clsact
tc filter add dev sock0p ingress prio 7 matchall action ok

echo 15 > /proc/sys/net/ipv4/tcp_synack_retries
guest sockets sock0 sock0p many0 > /tmp/sockets.out 2>&1 &
for i in $(seq 150); do grep -q open /tmp/sockets.out && break; sleep 0.1; done
if ! grep -q open /tmp/sockets.out; then cat /tmp/sockets.out >&2; exit 1; fi
# What answers goes out through six0, and nowhere.
ip addr add 198.18.0.1/24 dev six0
guest syn 198.18.0.77 198.18.0.1 7001
guest frames -i many0 -type 0x0800 -size 1000 -count 9

# From here on what is sent stays: one byte a second leaves, and the first frame has used up what may go at once.
tc qdisc add dev sock0 root handle 1: prio
tc qdisc add dev sock0 parent 1:1 handle 10: tbf rate 8bit burst 1450 limit 7000
tc qdisc add dev sock0 parent 1:2 handle 20: tbf rate 8bit burst 1450 limit 7000
tc qdisc add dev sock0 parent 1:3 handle 30: tbf rate 8bit burst 1450 limit 7000
guest frames -i sock0 -type 0x0800 -size 1400 -count 20
sleep 1.5
`)
	return err
}

// netModules are what the scene loads: ss reads more through the diag modules than from procfs.
var netModules = []string{
	"sch_prio", "sch_tbf", "sch_ingress", "cls_matchall", "act_gact", "dummy", "veth", "nf_conntrack",
	"inet_diag", "tcp_diag", "udp_diag", "raw_diag", "unix_diag", "af_packet_diag", "netlink_diag",
}
