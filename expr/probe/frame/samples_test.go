package frame

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

// x is the bytes of a dump: hexadecimal, with what stands behind a # as a comment.
func x(dump string) []byte {
	var digits strings.Builder
	for l := range strings.Lines(dump) {
		l, _, _ = strings.Cut(l, "#")
		for _, field := range strings.Fields(l) {
			digits.WriteString(strings.ReplaceAll(field, ":", ""))
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		panic(err)
	}
	return b
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// pad fills a frame up to the 60 bytes that Ethernet wants.
func pad(b []byte) []byte { return append(b, make([]byte, max(60-len(b), 0))...) }

// eth is an Ethernet header between two hosts.
func eth(kind uint16) []byte {
	return binary.BigEndian.AppendUint16(x("02:00:00:00:00:02 02:00:00:00:00:01"), kind)
}

// ieee is a frame of 802.3: an address, the length, and the body.
func ieee(to string, body []byte) []byte {
	return pad(join(binary.BigEndian.AppendUint16(join(x(to), x("02:00:00:00:00:99")), uint16(len(body))), body))
}

// sum is the Internet checksum.
func sum(b []byte) uint16 {
	s := uint32(0)
	for i := range b {
		if i%2 == 0 {
			s += uint32(b[i]) << 8
		} else {
			s += uint32(b[i])
		}
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// ip4 is a packet of IPv4, with the id, the flags and the offset as given.
func ip4(protocol byte, fragment uint16, from, to string, body []byte) []byte {
	h := x("45 00 0000 beef 0000 40 00 0000")
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(body)))
	binary.BigEndian.PutUint16(h[6:], fragment)
	h[9] = protocol
	h = join(h, netip.MustParseAddr(from).AsSlice(), netip.MustParseAddr(to).AsSlice())
	binary.BigEndian.PutUint16(h[10:], sum(h))
	return join(h, body)
}

// ip6 is a packet of IPv6.
func ip6(next byte, from, to string, body []byte) []byte {
	h := x("60 00 00 00 0000 00 40")
	binary.BigEndian.PutUint16(h[4:], uint16(len(body)))
	h[6] = next
	return join(h, netip.MustParseAddr(from).AsSlice(), netip.MustParseAddr(to).AsSlice(), body)
}

// udp is a datagram without a checksum.
func udp(from, to uint16, body []byte) []byte {
	h := binary.BigEndian.AppendUint16(nil, from)
	h = binary.BigEndian.AppendUint16(h, to)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(body)))
	return join(h, x("0000"), body)
}

const (
	stpGroup  = "01:80:c2:00:00:00"
	slowGroup = "01:80:c2:00:00:02"
	lldpGroup = "01:80:c2:00:00:0e"
	ciscoMAC  = "01:00:0c:cc:cc:cc"
)

var (
	syn = x(`d431 0050   # 54321 > 80
		00000001 00000000
		a0 02 faf0 0000 0000 # 40 bytes of header, SYN
		0204 05b4 0402 080a 00000001 00000000 0103 0307`)
	ack = x("0050 d431 00000064 000000c8 50 10 0000 0000 0000 68656c6c6f") // window 0, "hello"

	configBPDU = x(`42 42 03          # LLC
		0000 00 00 81             # configuration, topology change and its acknowledgement
		1001 02:00:00:00:0a:01    # root, priority 4096 of VLAN 1
		00000004                  # cost
		8001 02:00:00:00:0a:02    # bridge
		8003                      # port
		0100 1400 0200 0f00       # age, max age, hello, delay`)
	rapidBPDU = x(`42 42 03
		0000 02 02 7e             # RSTP, designated, proposal, learning, forwarding, agreement
		8000 02:00:00:00:0a:02
		00000000
		8000 02:00:00:00:0a:02
		8102
		0000 1400 0200 0f00 00`)
	lldpdu = x(`02 07 04 02:00:00:00:0a:02                # chassis: a MAC address
		04 05 05 67 65 2d 31                      # port: interface name ge-1
		06 02 0078                                # 120 s
		08 06 75706c696e6b                        # port description: uplink
		0a 0b 73 77 31 2e 65 78 61 6d 70 6c 65    # system name: sw1.example
		0e 04 0014 0004                           # capabilities
		00 00`)
	lacpdu = x(`01 01 # LACP version 1
		01 14 ffff 02:00:00:00:0a:02 0009 00ff 0001 3d 000000  # actor: collecting, distributing, in sync
		02 14 8000 02:00:00:00:0b:03 0021 00ff 0002 c3 000000  # partner: fast, defaulted and expired
		03 10 0000 000000000000000000000000
		00 00`)
)

// samples are frames and what is shown of them. Of each pair of tshark, the first is a field of tshark's and the
// second what has to be in the line with tshark's value in place of the %.
var samples = []struct {
	name   string
	frame  Frame
	line   string
	tshark []string
}{
	{
		"STP of a switch", wire(ieee(stpGroup, configBPDU)),
		"02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), 802.2: STP bridge 32769.02:00:00:00:0a:02 (priority 32768, system id 1) port 128.3 (0x8003), root 4097.02:00:00:00:0a:01 (priority 4096, system id 1) cost 4, hello 2s, topology change, topology change acknowledged, 60 bytes",
		[]string{"stp.bridge.hw", "32769.% ", "stp.bridge.prio", "(priority %, system id 1) port", "stp.root.hw", "root 4097.%", "stp.root.prio", "02:00:00:00:0a:01 (priority %,", "stp.root.cost", "cost %,", "stp.port", "(%),", "stp.hello", "hello %s"},
	},
	{
		"RSTP of the root", wire(ieee(stpGroup, rapidBPDU)),
		"02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), 802.2: RSTP bridge 32768.02:00:00:00:0a:02 port 128.258 (0x8102), is the root, hello 2s, designated port, proposal, learning, forwarding, agreement, 60 bytes",
		[]string{"stp.port", "(%)", "stp.bridge.hw", "32768.% "},
	},
	{
		"a topology change notification", wire(ieee(stpGroup, x("42 42 03 0000 00 80"))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), 802.2: STP topology change notification, 60 bytes",
		nil,
	},
	{
		"MSTP", wire(ieee(stpGroup, join(x(`42 42 03 0000 03 02 7c
			8000 02:00:00:00:0a:01 00004e20 8000 02:00:00:00:0a:05 8001 0000 1400 0200 0f00 00
			0040 00 636f7265`), make([]byte, 28), x(`0001 ac36177f50283cd4b83821d8ab26de62
			000003e8 8000 02:00:00:00:0a:06 13`)))),
		`02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), 802.2: MSTP bridge 32768.02:00:00:00:0a:06 port 128.1 (0x8001), root 32768.02:00:00:00:0a:01 cost 20000, region "core" root 32768.02:00:00:00:0a:05, hello 2s, designated port, learning, forwarding, agreement, 119 bytes`,
		[]string{"mstp.cist_bridge.hw", "bridge 32768.%", "stp.root.hw", "root 32768.%", "mstp.config_name", `region "%"`},
	},
	{
		"PVST+", wire(ieee("01:00:0c:cc:cc:cd", join(x("aa aa 03 00000c 010b"), configBPDU[3:], x("00 0000 0002 0064")))),
		"02:00:00:00:00:99 > 01:00:0c:cc:cc:cd (PVST+), SNAP PVST+: STP bridge 32769.02:00:00:00:0a:02 (priority 32768, system id 1) port 128.3 (0x8003), root 4097.02:00:00:00:0a:01 (priority 4096, system id 1) cost 4, hello 2s, topology change, topology change acknowledged, originating vlan 100, 64 bytes",
		[]string{"stp.pvst.origvlan", "originating vlan %,"},
	},
	{
		"STP cut by the probe",
		Frame{Data: ieee(stpGroup, configBPDU)[:40], Length: 60, Start: Ethernet},
		"02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), 802.2: STP (cut: 23 of its header's 35 bytes are here), 60 bytes (40 kept)",
		nil,
	},
	{
		"CDP", wire(ieee(ciscoMAC, x(`aa aa 03 00000c 2000
			02 b4 0000                      # version 2, 180 s
			0001 0008 73773031              # device: sw01
			0003 000a 47 69 30 2f 31 37     # port: Gi0/17
			0006 000a 57532d433239          # platform`))),
		`02:00:00:00:00:99 > 01:00:0c:cc:cc:cc (CDP, VTP, DTP, UDLD), SNAP: CDP: device "sw01", port "Gi0/17", platform "WS-C29", 60 bytes`,
		[]string{"cdp.deviceid", `device "%"`, "cdp.portid", `port "%"`},
	},
	{
		"IS-IS", wire(ieee("01:80:c2:00:00:14", x("fe fe 03 83 1b 01 00 0f 01 00 00 01 0200000a0002 001e 001b 40 0200000a000201"))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:14 (IS-IS level 1), 802.2 SAP 0xfe (ISO) > 0xfe (ISO) UI, IS-IS: 83 1b 01 00 0f 01 00 00 01 02 00 00 0a 00 02 00 …, 60 bytes",
		nil,
	},
	{
		"a closed SAP", wire(ieee("02:00:00:00:00:02", x("12 34 03"))),
		"02:00:00:00:00:99 > 02:00:00:00:00:02, 802.2 SAP 0x34 > 0x12 UI, 60 bytes",
		nil,
	},
	{
		"LLDP", wire(pad(join(x(lldpGroup), x("02:00:00:00:00:99 88cc"), lldpdu))),
		`02:00:00:00:00:99 > 01:80:c2:00:00:0e (nearest bridge, LLDP and PTP), LLDP: system "sw1.example", port "ge-1", described as "uplink", chassis 02:00:00:00:0a:02, for 120s, 63 bytes`,
		[]string{"lldp.tlv.system.name", `system "%"`, "lldp.port.id", `port "%"`, "lldp.chassis.id.mac", "chassis %,", "lldp.time_to_live", "for %s"},
	},
	{
		"LLDP of the lab, all zeros", wire(pad(x("ff:ff:ff:ff:ff:ff 02:00:00:00:00:99 88cc"))),
		"02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff (broadcast), LLDP: damaged: without chassis, port or time to live, 60 bytes",
		nil,
	},
	{
		"LLDP cut by the probe",
		Frame{Data: join(x(lldpGroup), x("02:00:00:00:00:99 88cc"), lldpdu[:40]), Length: 63, Start: Ethernet},
		`02:00:00:00:00:99 > 01:80:c2:00:00:0e (nearest bridge, LLDP and PTP), LLDP: system "sw1.exampl"…, port "ge-1", described as "uplink", chassis 02:00:00:00:0a:02, for 120s, more was cut, 63 bytes (54 kept)`,
		nil,
	},
	{
		"LLDP that writes to the terminal", wire(pad(join(x(lldpGroup), x("02:00:00:00:00:99 88cc 0207 04 0200000000aa 0405 01 c2:a9:0a:07 0602 0078 0a09"), []byte("\x1b[2J\"\\\xff\xe2\x80"), x("0000")))),
		`02:00:00:00:00:99 > 01:80:c2:00:00:0e (nearest bridge, LLDP and PTP), LLDP: system "\x1b[2J\"\\\xff\xe2\x80", port "©\x0a\x07", chassis 02:00:00:00:00:aa, for 120s, 60 bytes`,
		nil,
	},
	{
		"LACP", wire(pad(join(x(slowGroup), x("02:00:00:00:00:99 8809"), lacpdu, make([]byte, 50)))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:02 (slow protocols), LACP: actor 65535.02:00:00:00:0a:02 key 9 port 255.1 [active, slow, aggregatable, in sync, collecting, distributing], partner 32768.02:00:00:00:0b:03 key 33 port 255.2 [active, fast, individual, out of sync, defaulted, expired], 124 bytes",
		[]string{"lacp.actor.sysid", "actor 65535.%", "lacp.partner.sysid", "partner 32768.%", "lacp.actor.key", "0a:02 key %", "lacp.partner.key", "0b:03 key %", "lacp.actor.port", "port 255.% [active, slow", "lacp.partner.port", "port 255.% [active, fast"},
	},
	{
		"a pause", wire(pad(x("01:80:c2:00:00:01 02:00:00:00:00:99 8808 0001 ffff"))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:01 (pause), pause for 65535 quanta, 60 bytes",
		[]string{"macc.pause_time", "for % quanta"},
	},
	{
		"PTP", wire(pad(x(`01:1b:19:00:00:00 02:00:00:00:00:99 88f7
			00 02 002c 07 00 0200 0000000000000000 00000000
			0200000000000a02 0001 002a 00 00 000000000000 00000000`))),
		"02:00:00:00:00:99 > 01:1b:19:00:00:00 (PTP), PTP sync domain 7 clock 0200000000000a02 port 1 seq 42, 60 bytes",
		[]string{"ptp.v2.domainnumber", "domain %", "ptp.v2.sequenceid", "seq %"},
	},
	{
		"802.1X", wire(pad(x("01:80:c2:00:00:03 02:00:00:00:00:99 888e 02 00 0005 01 07 0005 01"))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:03 (nearest bridge but relays, 802.1X), EAPOL version 2 EAP, request id 7, 60 bytes",
		[]string{"eap.id", "id %,"},
	},
	{
		"a question of ARP", wire(pad(x("ff:ff:ff:ff:ff:ff 02:00:00:00:00:01 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"))),
		"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff (broadcast), ARP who has 10.0.0.2, tell 10.0.0.1 at 02:00:00:00:00:01, 60 bytes",
		[]string{"arp.dst.proto_ipv4", "who has %,", "arp.src.proto_ipv4", "tell % at", "arp.src.hw_mac", "at %,"},
	},
	{
		"an answer of ARP", wire(pad(join(eth(0x0806), x("0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002")))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, ARP 10.0.0.1 is at 02:00:00:00:00:01, to 10.0.0.2, 60 bytes",
		nil,
	},
	{
		"an announcement of ARP", wire(pad(x("ff:ff:ff:ff:ff:ff 02:00:00:00:00:01 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000001"))),
		"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff (broadcast), ARP announces 10.0.0.1 is at 02:00:00:00:00:01, 60 bytes",
		nil,
	},
	{
		"TCP", wire(join(eth(0x0800), ip4(6, 0x4000, "10.0.0.1", "10.0.0.2", syn))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1:54321 > 10.0.0.2:80 TCP [SYN] seq 1 len 0, 74 bytes",
		[]string{"ip.src", "IPv4 %:", "ip.dst", "> %:80", "tcp.srcport", ":% >", "tcp.dstport", ":% TCP", "tcp.seq_raw", "seq %", "tcp.len", "len %,"},
	},
	{
		"TCP cut in its options",
		Frame{Data: join(eth(0x0800), ip4(6, 0x4000, "10.0.0.1", "10.0.0.2", syn))[:60], Length: 74, Start: Ethernet},
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1:54321 > 10.0.0.2:80 TCP [SYN] seq 1 len 0, 74 bytes (60 kept)",
		nil,
	},
	{
		"TCP of a frame with padding", wire(pad(join(eth(0x0800), ip4(6, 0x4000, "10.0.0.2", "10.0.0.1", ack)))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.2:80 > 10.0.0.1:54321 TCP [ACK] seq 100 ack 200 win 0 len 5, 60 bytes",
		[]string{"tcp.len", "len %,", "tcp.ack_raw", "ack %"},
	},
	{
		"two tags", wire(join(x("02:00:00:00:00:02 02:00:00:00:00:01 88a8 0064 8100 b00a 0800"), ip4(17, 0, "10.0.0.1", "10.0.0.2", udp(5000, 514, x("41"))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, service vlan 100, vlan 10 priority 5 drop eligible, IPv4 10.0.0.1:5000 > 10.0.0.2:514 UDP syslog len 1, 51 bytes",
		[]string{"vlan.id", "vlan %", "ieee8021ad.id", "service vlan %"},
	},
	{
		"a tag in the skb",
		Frame{Data: pad(join(eth(0x0806), x("0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002"))), Start: Ethernet, VLAN: &VLAN{0x8100, 0x600a}},
		"02:00:00:00:00:01 > 02:00:00:00:00:02, vlan 10 priority 3 (in skb->vlan_tci), ARP 10.0.0.1 is at 02:00:00:00:00:01, to 10.0.0.2, 60 bytes",
		[]string{"vlan.id", "vlan % ", "vlan.priority", "priority % "},
	},
	{
		"802.2 in a tag", wire(pad(join(x("01:80:c2:00:00:00 02:00:00:00:00:99 8100 0007 0026"), configBPDU))),
		"02:00:00:00:00:99 > 01:80:c2:00:00:00 (STP bridges), vlan 7, 802.2: STP bridge 32769.02:00:00:00:0a:02 (priority 32768, system id 1) port 128.3 (0x8003), root 4097.02:00:00:00:0a:01 (priority 4096, system id 1) cost 4, hello 2s, topology change, topology change acknowledged, 60 bytes",
		nil,
	},
	{
		"a wrong checksum and an end", wire(join(eth(0x0800), x("4500 001c 0001 0000 01 01 1234 0a000001 0a000002"), x("0800 0000 0007 0009"))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1 > 10.0.0.2 ICMP echo request id 7 seq 9, wrong header checksum 0x1234, ttl 1, 42 bytes",
		[]string{"icmp.ident", "id % ", "icmp.seq", "seq %,"},
	},
	{
		"a fragment", wire(join(eth(0x0800), ip4(17, 0x20b9, "10.0.0.1", "10.0.0.2", make([]byte, 32)))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1 > 10.0.0.2 UDP, fragment of 0xbeef from byte 1480, more follow, 66 bytes",
		[]string{"ip.id", "of % "},
	},
	{
		"the first fragment", wire(join(eth(0x0800), ip4(17, 0x2000, "10.0.0.1", "10.0.0.2", udp(5000, 53, nil)))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1:5000 > 10.0.0.2:53 UDP DNS len 0, fragment of 0xbeef from byte 0, more follow, 42 bytes",
		nil,
	},
	{
		"IPv4 that ends early", wire(join(eth(0x0800), ip4(17, 0, "10.0.0.1", "10.0.0.2", udp(5000, 9, make([]byte, 100)))[:60])),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1:5000 > 10.0.0.2:9 UDP len 100, damaged: of 128 bytes the last 68 are missing, 74 bytes",
		nil,
	},
	{
		"a damaged header of IPv4", wire(pad(join(eth(0x0800), x("43 00 0028 0001 0000 40 06 0000 0a000001 0a000002")))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1 > 10.0.0.2 TCP, damaged: Invalid (too small) IP header length (3 < 5), 60 bytes",
		nil,
	},
	{
		"an ICMP error", wire(join(eth(0x0800), ip4(1, 0, "10.0.0.254", "10.0.0.1", join(x("0304 e5a5 0000 05b4"), ip4(6, 0x4000, "10.0.0.1", "192.0.2.1", syn)[:28])))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.254 > 10.0.0.1 ICMP destination unreachable (fragmentation needed) mtu 1460, about IPv4 10.0.0.1:54321 > 192.0.2.1:80 TCP (cut: 8 of its header's 20 bytes are here), 70 bytes",
		[]string{"icmp.mtu", "mtu %,"},
	},
	{
		"a neighbour solicitation", wire(join(eth(0x86dd), ip6(58, "fe80::1", "ff02::1:ff00:2", x("87 00 0000 00000000 fe800000000000000000000000000002 0101 020000000001")))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv6 fe80::1 > ff02::1:ff00:2 ICMPv6 neighbor solicitation of fe80::2, 86 bytes",
		[]string{"ipv6.src", "IPv6 % >", "icmpv6.nd.ns.target_address", "of %,"},
	},
	{
		"a multicast listener report", wire(join(eth(0x86dd), ip6(0, "fe80::1", "ff02::16", join(x("3a 00 0502 0000 0100"), x("8f 00 0000 0000 0000"))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv6 fe80::1 > ff02::16 ICMPv6 multicast listener report v2, 70 bytes",
		nil,
	},
	{
		"UDP behind hop-by-hop options", wire(join(eth(0x86dd), ip6(0, "2001:db8::1", "2001:db8::2", join(x("11 00 0104 00000000"), udp(5000, 9, x("01")))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv6 [2001:db8::1]:5000 > [2001:db8::2]:9 UDP len 1, 71 bytes",
		[]string{"udp.srcport", "]:% >", "udp.dstport", "]:% UDP"},
	},
	{
		"a fragment of IPv6", wire(join(eth(0x86dd), ip6(44, "2001:db8::1", "2001:db8::2", join(x("11 00 05a8 0000cafe"), make([]byte, 16))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv6 2001:db8::1 > 2001:db8::2 UDP, fragment of 0xcafe from byte 1448, the last, 78 bytes",
		nil,
	},
	{
		"VXLAN", wire(join(eth(0x0800), ip4(17, 0, "192.0.2.1", "192.0.2.2", udp(50000, 4789, join(x("08 000000 00002a 00"), eth(0x0800), ip4(1, 0, "10.0.0.1", "10.0.0.2", x("0800 f7ff 0000 0000"))))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 192.0.2.1:50000 > 192.0.2.2:4789 UDP len 50, VXLAN 42: 02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.0.0.1 > 10.0.0.2 ICMP echo request id 0 seq 0, 92 bytes",
		[]string{"vxlan.vni", "VXLAN %:"},
	},
	{
		"Geneve", wire(join(eth(0x0800), ip4(17, 0, "192.0.2.1", "192.0.2.2", udp(50000, 6081, join(x("01 00 6558 000007 00 0103 00 00"), eth(0x88b5)))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 192.0.2.1:50000 > 192.0.2.2:6081 UDP len 26, Geneve 7: 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88b5 (for local experiments), 68 bytes",
		nil,
	},
	{
		"GRE with a key", wire(join(eth(0x0800), ip4(47, 0, "192.0.2.1", "192.0.2.2", join(x("2000 0800 00000005"), ip4(4, 0, "10.0.0.1", "10.0.0.2", ip4(112, 0, "10.1.0.1", "224.0.0.18", x("21 05 64 01 00 01 7a 85 0a 01 00 01 0000000000000000"))))))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 192.0.2.1 > 192.0.2.2 GRE, key 5: IPv4 10.0.0.1 > 10.0.0.2 IPIP: IPv4 10.1.0.1 > 224.0.0.18 VRRP, version 2 router 5 priority 100, 102 bytes",
		[]string{"vrrp.virt_rtr_id", "router % ", "vrrp.prio", "priority %,"},
	},
	{
		"MPLS", wire(join(eth(0x8847), x("00064 0 40 000c8 1 3f"), ip4(1, 0, "10.0.0.1", "10.0.0.2", x("0000 ffff 0000 0000")))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, MPLS 100/200 ttl 64: IPv4 10.0.0.1 > 10.0.0.2 ICMP echo reply id 0 seq 0, 50 bytes",
		[]string{"mpls.label", "MPLS %/"},
	},
	{
		"a session of PPPoE", wire(join(eth(0x8864), x("11 00 0007 001e 0021"), ip4(1, 0, "10.0.0.1", "10.0.0.2", x("0800 f7ff 0000 0000")))),
		"02:00:00:00:00:01 > 02:00:00:00:00:02, PPPoE session 7: IPv4 10.0.0.1 > 10.0.0.2 ICMP echo request id 0 seq 0, 50 bytes",
		nil,
	},
	{
		"an offer of PPPoE", wire(pad(join(eth(0x8863), x("11 07 0000 000c 0101 0000 0102 0004 62726173")))),
		`02:00:00:00:00:01 > 02:00:00:00:00:02, PPPoE PADO session 0, concentrator "bras", 60 bytes`,
		[]string{"pppoed.tags.ac_name", `"%"`},
	},
	{
		"an experiment of the lab", wire(pad(x("ff:ff:ff:ff:ff:ff 02:00:00:00:00:99 88b5"))),
		"02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff (broadcast), ethertype 0x88b5 (for local experiments): 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 …, 60 bytes",
		nil,
	},
	{
		"a number that is no ethertype", wire(pad(x("ff:ff:ff:ff:ff:ff 02:00:00:00:00:99 05ff 0102"))),
		"02:00:00:00:00:99 > ff:ff:ff:ff:ff:ff (broadcast), 0x05ff is neither an ethertype nor a length, 01 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 …, 60 bytes",
		nil,
	},
	{
		"IPv4 without a link header",
		Frame{Data: ip4(6, 0x4000, "10.0.0.1", "10.0.0.2", syn), Start: Network, Ethertype: 0x0800},
		"no link header, IPv4 10.0.0.1:54321 > 10.0.0.2:80 TCP [SYN] seq 1 len 0, 60 bytes",
		[]string{"ip.src", "IPv4 %:", "tcp.dstport", ":% TCP"},
	},
	{
		"STP without a link header, in a VLAN",
		Frame{Data: configBPDU, Start: Network, Ethertype: 0x0004, VLAN: &VLAN{0x8100, 5}},
		"no link header, vlan 5 (in skb->vlan_tci), 802.2: STP bridge 32769.02:00:00:00:0a:02 (priority 32768, system id 1) port 128.3 (0x8003), root 4097.02:00:00:00:0a:01 (priority 4096, system id 1) cost 4, hello 2s, topology change, topology change acknowledged, 38 bytes",
		[]string{"stp.bridge.hw", "32769.% "},
	},
	{
		"bytes without a header",
		Frame{Data: x("deadbeef"), Length: 100},
		"no header known, de ad be ef …, 100 bytes (4 kept)",
		nil,
	},
	{"nothing", Frame{Length: 60, Start: Ethernet}, "none of its bytes were kept, 60 bytes", nil},
	{"nothing, as there is nothing", Frame{}, "an skb without bytes, 0 bytes", nil},
	{"all of it in pages", Frame{Length: 60, Paged: true}, "none of its bytes are in the skb's head, and those in its pages were not read, 60 bytes", nil},
	{"the rest of it in pages", Frame{Data: []byte{0xde, 0xad, 0xbe, 0xef}, Length: 100, Paged: true}, "no header known, de ad be ef …, 100 bytes (4 kept, all that are in the skb's head)", nil},
	{
		"half an address",
		Frame{Data: x("ffffffff"), Start: Ethernet},
		"Ethernet (damaged: the frame ends after 4 of its header's 14 bytes), ff ff ff ff, 4 bytes",
		nil,
	},
}

// wire is a frame as it was received, whole.
func wire(b []byte) Frame { return Frame{Data: b, Start: Ethernet} }
