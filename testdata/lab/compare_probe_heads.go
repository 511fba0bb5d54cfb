package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// headChecks are of what the frames of drops begin with, and which way they went.
var headChecks = []check{{name: "drops-heads", at: []string{probes}, run: checkHeads}}

// headModules are what they need.
var headModules = []string{"ip_gre", "ipip", "sit", "8021q", "nf_tables", "tun", "dummy"}

// A head is a frame that is dropped at a place where skb->mac_header, the network header and skb->protocol stand
// otherwise than elsewhere.
type head struct {
	what      string
	device    string // "" is any: skb->dev may not be set yet
	text      string // in the frame's line
	begins    string
	direction string
	send      string // a script
}

// Addresses: hd0 is 172.30.1.1, and 172.30.1.2 is behind it; hf0 leads to 203.0.113.0/24. gt0, it0 and st0 are tunnels to
// 172.30.1.2.
const (
	headMAC   = "02:00:00:00:0d:00"
	headHost  = "172.30.1.1"
	headOther = "172.30.1.2"
)

// headSetup makes the devices. What is sent out is dropped by nftables, at hooks before and behind the one that sets
// skb->dev, or as its neighbour does not answer.
const headSetup = `set -e
ip link add hd0 type veth peer name hd1
ip link add hf0 type dummy
ip link add hq0 type dummy
ip link add link hd0 name hv0 type vlan id 5
ip link set hd0 address ` + headMAC + `
ip tunnel add gt0 mode gre local 172.30.1.1 remote 172.30.1.2
ip tunnel add it0 mode ipip local 172.30.1.1 remote 172.30.1.2
ip tunnel add st0 mode sit local 172.30.1.1
for d in hd0 hd1 hf0 hq0 hv0; do echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; done
for d in gt0 it0 st0; do test ! -e /proc/sys/net/ipv6/conf/$d || echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; done
ip addr add 172.30.1.1/24 dev hd0
ip addr add 203.0.113.1/24 dev hf0
for d in hd1 hd0 hf0 hq0 hv0 gt0 it0 st0; do ip link set $d up; done
ip link set hd1 mtu 1000
ip neigh add 172.30.1.2 lladdr 02:00:00:00:0d:01 dev hd0
ip route add 198.51.100.0/25 dev gt0 src 172.30.1.1
ip route add 198.51.100.128/25 dev it0 src 172.30.1.1
echo 1 > /proc/sys/net/ipv4/conf/hd0/forwarding
echo 1 > /proc/sys/net/ipv4/neigh/hd0/mcast_solicit
echo 100 > /proc/sys/net/ipv4/neigh/hd0/retrans_time_ms
tc qdisc add dev hq0 root bfifo limit 1
nft -f - <<'END'
table netdev heads {
	chain ingress { type filter hook ingress device hd0 priority 0; meta protocol 0x88b5 drop; }
}
table ip heads {
	chain pre { type filter hook prerouting priority 0; ip frag-off & 0x1fff != 0 drop; }
	chain in { type filter hook input priority 0; iif lo ip daddr 127.0.0.7 drop; }
	chain out { type filter hook output priority 0; ip protocol 47 drop; ip daddr 172.30.1.66 drop; }
	chain post { type filter hook postrouting priority 0; ip protocol 4 drop; oifname hf0 drop; }
}
END
`

// rememberModules and unloadModules stand before and behind what loads modules of its own: the tunnels' have devices of their
// own, and 8021q brings llc, with which STP frames have a handler and the incident is another one.
const (
	rememberModules = "cut -d' ' -f1 /proc/modules >/tmp/modules.before"
	unloadModules   = `for i in $(seq 20); do
	cut -d' ' -f1 /proc/modules | grep -vxFf /tmp/modules.before >/tmp/modules.new || break
	for m in $(cat /tmp/modules.new); do rmmod $m 2>/dev/null; done
	sleep 0.1
done
rm -f /tmp/modules.before /tmp/modules.new
`
)

// headCleanup leaves nothing of it.
const headCleanup = `set +e
nft delete table ip heads
nft delete table netdev heads
for d in hv0 hd0 hf0 hq0 gt0 it0 st0; do ip link del $d; done 2>/dev/null
` + unloadModules + `rm -f /tmp/heads.pcapng
test ! -e /sys/module/llc`

// heads are the frames. Kernels differ in where tun sets skb->dev, and in where ipip leaves the link header: at what is
// inside, or (5.10) where it was received, which is the whole frame.
func heads() []head {
	inner := func(from, to string, tos uint8) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{
			&layers.IPv4{Version: 4, TTL: 64, TOS: tos, Protocol: 253, SrcIP: net.ParseIP(from), DstIP: net.ParseIP(to)},
			gopacket.Payload("0123456789abcdef"),
		}
	}
	const congested = 3 // ECN of the outer header, which an inner one without ECN must not get: the tunnel drops it
	outer := func(protocol layers.IPProtocol, tos uint8, in ...gopacket.SerializableLayer) string {
		return fromHead(append([]gopacket.SerializableLayer{
			&layers.IPv4{Version: 4, TTL: 64, TOS: tos, Protocol: protocol, SrcIP: net.ParseIP(headOther), DstIP: net.ParseIP(headHost)},
		}, in...)...)
	}
	gre := func(in ...gopacket.SerializableLayer) []gopacket.SerializableLayer {
		return append([]gopacket.SerializableLayer{&layers.GRE{Protocol: layers.EthernetTypeIPv4}}, in...)
	}
	v6 := func(from string) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{
			&layers.IPv6{Version: 6, HopLimit: 64, NextHeader: 253, SrcIP: net.ParseIP(from), DstIP: net.ParseIP("2001:db8::1")},
			gopacket.Payload("0123456789abcdef"),
		}
	}
	fragment := fromHead(&layers.IPv4{Version: 4, TTL: 64, Protocol: 17, FragOffset: 100, SrcIP: net.ParseIP(headOther), DstIP: net.ParseIP(headHost)},
		gopacket.Payload("0123456789abcdef"))
	forwarded := func(to string) string { return fromHead(inner(headOther, to, 0)...) }
	const ping = "timeout 1 ping -c 1 -W 1 "
	return []head{
		{"GRE, received with a wrong ECN", "hd0", "no link header, IPv4 10.1.0.1 > 10.1.0.2", "network", "in", outer(47, congested, gre(inner("10.1.0.1", "10.1.0.2", 0)...)...)},
		{"IPIP, received with a wrong ECN", "hd0", "IPv4 10.2.0.1 > 10.2.0.2", "*", "in", outer(4, congested, inner("10.2.0.1", "10.2.0.2", 0)...)},
		{"SIT, received with a wrong ECN", "st0", "no link header, IPv6 2001:db8::7 > 2001:db8::1", "network", "in", outer(41, congested, v6("2001:db8::7")...)},
		{"SIT, 6to4 of another's address", "st0", "no link header, IPv6 2002:ac1e:1ff::9 > 2001:db8::1", "network", "in", outer(41, 0, v6("2002:ac1e:01ff::9")...)},
		{"GRE, sent", "gt0", "no link header, IPv4 172.30.1.1 > 172.30.1.2 GRE: IPv4 172.30.1.1 > 198.51.100.9 ICMP echo request", "network", "out", ping + "198.51.100.9"},
		{"IPIP, sent", "hd0", "no link header, IPv4 172.30.1.1 > 172.30.1.2 IPIP: IPv4 172.30.1.1 > 198.51.100.129 ICMP echo request", "network", "out", ping + "198.51.100.129"},
		{"IPIP, forwarded and sent", "hd0", "no link header, IPv4 172.30.1.1 > 172.30.1.2 IPIP: IPv4 172.30.1.2 > 198.51.100.130", "network", "out", forwarded("198.51.100.130")},
		{"forwarded, before its link header", "hf0", "no link header, IPv4 172.30.1.2 > 203.0.113.9", "network", "out", forwarded("203.0.113.9")},
		{"sent, without a neighbour", "hd0", "no link header, IPv4 172.30.1.1 > 172.30.1.77 ICMP echo request", "network", "out", ping + "172.30.1.77"},
		{"sent, refused at the output hook", "", "no link header, IPv4 172.30.1.1 > 172.30.1.66 ICMP echo request", "network", "out", ping + "172.30.1.66"},
		{"received, a fragment", "hd0", "> " + headMAC + ", IPv4 172.30.1.2 > 172.30.1.1 UDP, fragment", "ethernet", "in", fragment},
		{"received, with a VLAN tag", "hd0", "> " + headMAC + ", vlan 9 (in skb->vlan_tci), ethertype 0x88b5", "ethernet", "in", "guest frames -i hd1 -dst " + headMAC + " -vlan 9 -type 0x88b5 -count 1"},
		{"sent, with a VLAN tag, too long for the peer", "hd0", "> 02:00:00:00:0d:01, vlan 5 (in skb->vlan_tci), ethertype 0x88b5", "ethernet", "out", "guest frames -i hv0 -dst 02:00:00:00:0d:01 -type 0x88b5 -size 1400 -count 1"},
		{"sent by a packet socket, into a full queue", "hq0", "02:00:00:00:00:99 > 02:00:00:00:0d:01, ethertype 0x88b6", "ethernet", "out", "guest frames -i hq0 -dst 02:00:00:00:0d:01 -type 0x88b6 -count 1"},
		{"on the loopback", "lo", "00:00:00:00:00:00 > 00:00:00:00:00:00, IPv4 127.0.0.1 > 127.0.0.7 ICMP echo request", "ethernet", "in", ping + "127.0.0.7"},
		{"written into a tun that is down", "", "no link header, IPv4 0.0.0.0 > 0.0.0.0", "network", "in", "guest tun ht0 >/dev/null & tun=$!; sleep 0.5; kill $tun"},
		{"written into a tun, of no IP version", "", "no header known, 00 00 00 28", "", "in", ""},
	}
}

// fromHead sends an IPv4 packet to hd0.
func fromHead(list ...gopacket.SerializableLayer) string { return fromPacket("hd1", headMAC, list...) }

// fromPacket sends an IPv4 packet from a device to a MAC address.
func fromPacket(device, mac string, list ...gopacket.SerializableLayer) string {
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		return "echo '" + err.Error() + "' >&2; exit 1"
	}
	data := buf.Bytes()
	return fmt.Sprintf("guest frames -i %s -dst %s -type 0x0800 -llc %s -size %d -count 1", device, mac, hex.EncodeToString(data), 14+len(data))
}

// checkHeads drops such frames: each line begins with the header that is there, the way is the one it went, and another
// reader makes the same of the file.
func checkHeads(c *subjectContext) (err error) {
	if _, err := c.guest.run(rememberModules); err != nil {
		return err
	}
	defer func() {
		if _, end := c.guest.run(headCleanup); end != nil && err == nil {
			err = end
		}
	}()
	if err := c.guest.load(headModules...); err != nil {
		return err
	}
	if _, err := c.guest.run(headSetup); err != nil {
		return err
	}
	list := heads()
	var script []string
	for _, h := range list {
		script = append(script, h.send)
	}
	lines, a, err := drops(c, "--frames 50 --pcap /tmp/heads.pcapng", strings.Join(append(script, "sleep 1"), "\n"))
	if err != nil {
		return err
	}
	for _, h := range list {
		if err := h.found(lines); err != nil {
			return a.fail("%s: %v", h.what, err)
		}
	}
	return checkHeadsFile(c, a, list)
}

// found looks for the frame.
func (h head) found(lines []dropLine) error {
	var near []string
	for _, l := range lines {
		if l.Kind != "frame" {
			continue
		}
		got := fmt.Sprintf("%s, %q, %q at %s: %s", l.Device, l.Begins, l.Direction, l.Location, l.Frame)
		near = append(near, got)
		if !strings.Contains(l.Frame, h.text) {
			continue
		}
		if h.device != "" && l.Device != h.device || h.begins != "*" && l.Begins != h.begins || h.direction != "*" && l.Direction != h.direction {
			return fmt.Errorf("%s; want %s, %q, %q", got, h.device, h.begins, h.direction)
		}
		return nil
	}
	return fmt.Errorf("no frame has %q among:\n%s", h.text, strings.Join(near, "\n"))
}

// checkHeadsFile reads the file by another reader: each packet is what its link type says, down to the IP header's
// checksum, and has its direction.
func checkHeadsFile(c *subjectContext, a answer, list []head) error {
	ways := map[pcapgo.NgEpbFlag]int{}
	err := truePackets(c, a, "/tmp/heads.pcapng", func(_ gopacket.CaptureInfo, more pcapgo.NgPacketOptions) {
		if more.Flags != nil {
			ways[more.Flags.Direction]++
		}
	})
	if err != nil {
		return err
	}
	in, out := ways[pcapgo.NgEpbFlagDirectionInbound], ways[pcapgo.NgEpbFlagDirectionOutbound]
	wantIn, wantOut := 0, 0
	for _, h := range list {
		switch h.direction {
		case "in":
			wantIn++
		case "out":
			wantOut++
		}
	}
	if in < wantIn || out < wantOut {
		return a.fail("its file has %d packets that came in and %d that went out, want %d and %d", in, out, wantIn, wantOut)
	}
	return nil
}

// truePackets reads a file of the guest's, and shows each packet, which is what its link type says.
func truePackets(c *subjectContext, a answer, from string, show func(gopacket.CaptureInfo, pcapgo.NgPacketOptions)) error {
	file := filepath.Join(c.host.dir, "packets.part")
	defer os.Remove(file)
	if err := c.guest.fetchFile(from, file); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	options := pcapgo.DefaultNgReaderOptions
	options.WantMixedLinkType = true
	r, err := pcapgo.NewNgReader(f, options)
	if err != nil {
		return a.fail("its file: %v", err)
	}
	for n := 0; ; n++ {
		data, info, more, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return a.fail("packet %d of its file: %v", n, err)
		}
		link, _ := info.AncillaryData[0].(layers.LinkType)
		show(info, more)
		if err := trueFrame(link, data, info.Length > info.CaptureLength); err != nil {
			return a.fail("packet %d of its file, of %v, %v: %v: % x", n, link, more.Comments, err, data)
		}
	}
}

// linkUser is the link type of what nobody knows the beginning of (LINKTYPE_USER0).
const linkUser = 147

// trueFrame decodes a packet: an IP header has its checksum and its length.
func trueFrame(link layers.LinkType, data []byte, cut bool) error {
	switch link {
	case linkUser:
		return nil
	case layers.LinkTypeEthernet, layers.LinkTypeRaw, layers.LinkTypeLinuxSLL2:
	default:
		return fmt.Errorf("a link type that is not expected")
	}
	p := gopacket.NewPacket(data, link, gopacket.Default)
	if link == layers.LinkTypeRaw && p.NetworkLayer() == nil {
		return fmt.Errorf("no IP")
	}
	for _, l := range p.Layers() {
		ip, ok := l.(*layers.IPv4)
		if !ok {
			continue
		}
		if ip.SrcIP.IsUnspecified() { // what guest tun writes
			continue
		}
		sum := uint32(0)
		for i := 0; i+1 < len(ip.Contents); i += 2 {
			sum += uint32(ip.Contents[i])<<8 | uint32(ip.Contents[i+1])
		}
		for sum>>16 != 0 {
			sum = sum&0xffff + sum>>16
		}
		if sum != 0xffff {
			return fmt.Errorf("an IPv4 header with a wrong checksum: %v > %v", ip.SrcIP, ip.DstIP)
		}
		if int(ip.Length) > len(ip.Contents)+len(ip.Payload) && !cut {
			return fmt.Errorf("an IPv4 packet of %d bytes in %d", ip.Length, len(ip.Contents)+len(ip.Payload))
		}
	}
	return nil
}
