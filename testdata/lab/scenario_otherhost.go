package main

import (
	"encoding/binary"
	"encoding/hex"
)

// ipv4Packet is an IPv4 header and eight bytes of UDP, in hex: from 198.51.100.5 to 203.0.113.77.
func ipv4Packet(goodSum bool) string {
	packet := []byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 198, 51, 100, 5, 203, 0, 113, 77, 0, 7, 0, 7, 0, 8, 0, 0}
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	sum = sum&0xffff + sum>>16
	if !goodSum {
		sum++
	}
	binary.BigEndian.PutUint16(packet[10:], ^uint16(sum))
	return hex.EncodeToString(packet)
}

// otherHost is a port that is promiscuous by design. ip_rcv throws away packets of other hosts and those with a
// wrong checksum in one place; the counters tell them apart.
func otherHost(g *guest, t *truth) error {
	s := t.begin("other-host", "promiscuous, and wrong checksums: one place in ip_rcv, several causes",
		"other0, promiscuous: 40 IPv4 and 9 IPv6 frames for another host, and 21 IPv4 headers with a wrong checksum")
	if err := edgePair(g, "other0"); err != nil {
		return err
	}
	if _, err := g.run("ip -n edge link set other0 promisc on"); err != nil {
		return err
	}
	const elsewhere = "02:00:00:00:0e:77"
	if err := s.sendAll(
		g,
		injection{Via: "other0p", NetNS: edge, Into: "other0", Dst: elsewhere, Type: "0x0800", Payload: ipv4Packet(true), Count: 40},
		injection{Via: "other0p", NetNS: edge, Into: "other0", Dst: elsewhere, Type: "0x86dd", Count: 9},
		injection{Via: "other0p", NetNS: edge, Into: "other0", Dst: broadcast, Type: "0x0800", Payload: ipv4Packet(false), Count: 21},
	); err != nil {
		return err
	}
	s.Expect = []expect{{
		Device: "other0", NetNS: edge, ShownDropped: n(0), OwnDropped: n(0), Otherhost: n(40 + 9),
		Causes: []cause{{Counter: "rx_otherhost_dropped", Path: "other-host", Frames: 40 + 9}},
		Says:   []string{"other0 is promiscuous", "21 with a bad header, all of them wrong checksums (IpInHdrErrors equals IpExtInCsumErrors)"},
	}}
	return nil
}
