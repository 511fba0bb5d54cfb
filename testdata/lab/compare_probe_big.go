package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// bigChecks are of skbs whose bytes lie in pages and in other skbs, and of those that sockets hold.
var bigChecks = []check{{name: "drops-big", at: []string{probes}, run: checkBig}}

var bigModules = []string{"veth", "sch_ingress", "cls_matchall", "act_gact"}

// Addresses: gs0 is 172.30.2.1, and all that it sends is dropped. What gs1 sends arrives there.
const (
	bigMAC   = "02:00:00:00:0e:00"
	bigOther = "02:00:00:00:0e:77" // whose frames are dropped as another host's
	bigSetup = `set -e
ip link add gs0 type veth peer name gs1
ip link set gs0 address ` + bigMAC + `
for d in gs0 gs1; do
	echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6
	ip link set $d mtu 9000
done
ip addr add 172.30.2.1/24 dev gs0
for d in gs0 gs1; do ip link set $d up; done
for i in 2 3; do ip neigh add 172.30.2.$i lladdr 02:00:00:00:0e:01 dev gs0; done
tc qdisc add dev gs0 clsact
tc filter add dev gs0 egress prio 1 matchall action drop
`
	bigCleanup = `set +e
ip link del gs0
` + unloadModules + `rm -f /tmp/big.pcapng
true`
)

// A bigFrame is one that is not all in its skb's head.
type bigFrame struct {
	what      string
	device    string
	direction string
	text      string // in the frame's line
	length    int    // of a frame with that text; 0 is that the lines' own lengths have to sum up
	paged     bool   // more is kept than what the head has
	not       string // kernels on which there is none
	send      string
}

func bigFrames() []bigFrame {
	packet := "guest big -i gs1 -dst " + bigOther + " -kind "
	const stations = "02:00:00:00:00:99 > " + bigOther + ", IPv4 172.30.2.2:7401 > 172.30.2.1:7402 "
	return []bigFrame{
		{"TCP, for a card to cut up", "gs0", "in", stations + "TCP [ACK] seq 1000 ack 0 win 0 len 20000", 20054, true, "", packet + "tcp"},
		// Packet sockets know it since 6.2.
		{"UDP, for a card to cut up", "gs0", "in", stations + "UDP len 20000", 20042, true, "5.10 6.1", packet + "udp"},
		{"all behind the Ethernet header in a page", "gs0", "in", stations + "UDP len 6000", 6042, true, "", packet + "paged -size 6000"},
		{
			"UDP_SEGMENT, sent", "gs0", "out", bigMAC + " > 02:00:00:00:0e:01, IPv4 172.30.2.1:7401 > 172.30.2.3:7402 UDP len 20000", 20042, true, "",
			"guest big -kind segment -to 172.30.2.3",
		},
		{"TCP, pages of a file", "lo", "in", ":7402 TCP [ACK] seq ", 0, true, "", "guest big -kind sendfile -size 60000"},
		{"TCP, pages of a program's", "lo", "in", ":7402 TCP [ACK] seq ", 0, true, "", "guest big -kind zerocopy -size 60000"},
		{"a UNIX socket's, with nothing in the head", "", "", "no header known, 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f …", 6000, true, "", "guest big -kind unix -size 6000"},
		{"put together from fragments", "gs0", "in", "IPv4 172.30.2.2:7401 > 172.30.2.1:7405 UDP len 2992", 3034, false, "", bigFragments()},
	}
}

// bigFragments sends the two halves of a datagram to a port that nobody listens at.
func bigFragments() string {
	const first, all = 1504, 3000
	udp := make([]byte, all)
	copy(udp, []byte{0x1c, 0xe9, 0x1c, 0xed, all >> 8, all & 0xff, 0, 0}) // no checksum
	half := func(from int, flags layers.IPv4Flag, data []byte) string {
		ip := &layers.IPv4{
			Version: 4, TTL: 64, Id: 7, Protocol: layers.IPProtocolUDP, Flags: flags, FragOffset: uint16(from / 8),
			SrcIP: []byte{172, 30, 2, 2}, DstIP: []byte{172, 30, 2, 1},
		}
		return fromPacket("gs1", bigMAC, ip, gopacket.Payload(data))
	}
	return half(0, layers.IPv4MoreFragments, udp[:first]) + "\n" + half(first, 0, udp[first:])
}

// checkBig drops such frames: each line has the length of all of the frame and the headers, wherever these lie, and the file
// both lengths. Then sockets drop what they hold, whose skb->dev is no device any more, and none may be told.
func checkBig(c *subjectContext) (err error) {
	if _, err := c.guest.run(rememberModules); err != nil {
		return err
	}
	defer func() {
		if _, end := c.guest.run(bigCleanup); end != nil && err == nil {
			err = end
		}
	}()
	if err := c.guest.load(bigModules...); err != nil {
		return err
	}
	if _, err := c.guest.run(bigSetup); err != nil {
		return err
	}
	list := slices.DeleteFunc(bigFrames(), func(b bigFrame) bool { return contains(strings.Fields(b.not), c.kernel.series) })
	var script []string
	for _, b := range list {
		script = append(script, b.send)
	}
	script = append(script, "guest held gs1 "+bigMAC, "sleep 1")
	lines, a, err := drops(c, "--frames 50 --pcap /tmp/big.pcapng", strings.Join(script, "\n"))
	if err != nil {
		return err
	}
	captured := map[int]int{} // the lengths of packets, and what is there of them
	err = truePackets(c, a, "/tmp/big.pcapng", func(info gopacket.CaptureInfo, _ pcapgo.NgPacketOptions) {
		captured[info.Length] = max(captured[info.Length], info.CaptureLength)
	})
	if err != nil {
		return err
	}
	for _, b := range list {
		if err := b.found(lines, captured); err != nil {
			return a.fail("%s: %v", b.what, err)
		}
	}
	return checkHeld(c, a, lines)
}

// found looks for the frame in the lines and in the file.
func (b bigFrame) found(lines []dropLine, captured map[int]int) error {
	const headers = 66 // the longest ones that there are
	var near []string
	for _, l := range lines {
		if l.Kind != "frame" {
			continue
		}
		near = append(near, fmt.Sprintf("%q, %q, length %d: %s", l.Device, l.Direction, l.Length, l.Frame))
		payload := 0
		if _, err := fmt.Sscanf(after(l.Frame, " len "), "%d", &payload); err != nil && b.length == 0 {
			continue
		}
		fits := l.Length == b.length || b.length == 0 && payload > 20000 && l.Length == payload+headers
		if !strings.Contains(l.Frame, b.text) || l.Device != b.device || l.Direction != b.direction || !fits {
			continue
		}
		if kept := captured[l.Length]; kept == 0 || b.paged && kept < 128 {
			return fmt.Errorf("the file has %d bytes of a packet of %d", kept, l.Length)
		}
		return nil
	}
	return fmt.Errorf("no frame of %d bytes on %q has %q among:\n%s", b.length, b.device, b.text, strings.Join(near, "\n"))
}

func after(s, what string) string {
	_, end, _ := strings.Cut(s, what)
	return end
}

// checkHeld: what sockets held is counted in one row for each place, without a device, and it is told why.
func checkHeld(c *subjectContext, a answer, lines []dropLine) error {
	type held struct {
		function string
		count    uint64
	}
	want := []held{{"udp_destruct_common", 3}, {"skb_rbtree_purge", 3}}
	other := uint64(3) // UDP's; the first one of a tree has no link there
	if c.kernel.series != bareModules {
		want = append(want, held{"tcp_data_queue", 4})
		other += 4
	}
	for _, w := range want {
		rows := 0
		for _, l := range lines {
			if name, _, _ := strings.Cut(l.Function, "."); l.Kind == "drop" && name == w.function {
				rows++
				if l.Count != w.count || l.Device != "" || l.NetNS != "" {
					return a.fail("%s: %d of %q in %q, want %d without a device", w.function, l.Count, l.Device, l.NetNS, w.count)
				}
			}
		}
		if rows != 1 {
			return a.fail("%s: %d rows", w.function, rows)
		}
	}
	end := lines[len(lines)-1]
	if end.NoDevice != other || !strings.Contains(strings.Join(end.Notes, "\n"), fmt.Sprintf("skb->dev held something else, as it does while a socket, a qdisc or IP's reassembly keeps an skb: %d drops", other)) {
		return a.fail("%d drops without a device, %q; want %d", end.NoDevice, end.Notes, other)
	}
	return nil
}
