package frame

import (
	"bytes"
	"fmt"
	"net"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"kinspect/expr/knet"
)

// nothing is for gopacket's decoders, which tell it of truncated frames: a part knows that.
var nothing = gopacket.NilDecodeFeedback

// ethernet shows a frame from its Ethernet header on, with the tag that was taken off it.
func (l *line) ethernet(p part, tag *VLAN) {
	var h layers.Ethernet
	if l.short(p, "Ethernet", 14) || h.DecodeFromBytes(p.b, nothing) != nil {
		l.raw(p)
		return
	}
	l.add("%s > %s", macName(h.SrcMAC), macName(h.DstMAC))
	if tag != nil {
		l.tag(tag.Type, tag.TCI, " (in skb->vlan_tci)")
	}
	l.typed(be16(p.b[12:]), p.from(14))
}

// typed shows what stands behind a type field, which is a length for 802.3 (IEEE 802.3, 3.2.6).
func (l *line) typed(kind uint16, p part) {
	switch {
	case kind >= 0x600:
		l.protocol(knet.Ethertype(kind), p)
	case kind > 1500:
		l.add("0x%04x is neither an ethertype nor a length", kind)
		l.raw(p)
	default:
		body, missing := p.upTo(int(kind))
		if missing > 0 {
			l.add("802.3 (damaged: of %d bytes the last %d are missing)", kind, missing)
		}
		if len(body.b) >= 2 && be16(body.b) == 0xffff { // no LLC: a checksum that is never one
			l.add("IPX in bare 802.3")
			return
		}
		l.llc(body)
	}
}

// protocol shows what stands behind the link header, by its ethertype or the kernel's own number (ETH_P_802_2).
func (l *line) protocol(kind knet.Ethertype, p part) {
	if !l.deeper() {
		return
	}
	switch kind {
	case knet.EthIPv4:
		l.ipv4(p)
	case knet.EthIPv6:
		l.ipv6(p)
	case knet.EthARP, ethRARP:
		l.arp(kind, p)
	case knet.EthVLAN, knet.EthQinQ, ethOldQinQ:
		l.vlan(kind, p)
	case knet.Eth8022:
		l.llc(p)
	case knet.EthLLDP:
		l.lldp(p)
	case knet.EthSlow:
		l.slow(p)
	case knet.EthEAPOL:
		l.eapol(p)
	case ethMPLS, ethMPLSMulticast:
		l.mpls(p)
	case ethPPPoEDiscovery, ethPPPoE:
		l.pppoe(kind, p)
	case ethPTP:
		l.ptp(p)
	case ethPause:
		l.pause(p)
	case ethMACsec:
		l.macsec(p)
	case ethTEB:
		l.ethernet(p, nil)
	default:
		l.open("ethertype %s", ethertypeName(kind))
		l.raw(p)
	}
}

// vlan shows a tag in the frame and what is behind it.
func (l *line) vlan(kind knet.Ethertype, p part) {
	var h layers.Dot1Q
	if l.short(p, "VLAN tag", 4) || h.DecodeFromBytes(p.b, nothing) != nil {
		return
	}
	l.tag(kind, be16(p.b), "")
	l.typed(uint16(h.Type), p.from(4))
}

// tag shows a VLAN tag.
func (l *line) tag(kind knet.Ethertype, tci uint16, where string) {
	s := fmt.Sprintf("vlan %d", tci&0xfff)
	switch {
	case kind == knet.EthQinQ:
		s = "service " + s
	case kind != knet.EthVLAN:
		s += fmt.Sprintf(" (tagged 0x%04x)", uint16(kind))
	}
	if tci>>13 != 0 {
		s += fmt.Sprintf(" priority %d", tci>>13)
	}
	if tci&0x1000 != 0 {
		s += " drop eligible"
	}
	l.add("%s%s", s, where)
}

// Ethertypes that [knet.KnownEthertypes] knows by name, and some that only frames need.
const (
	ethRARP           knet.Ethertype = 0x8035
	ethTEB            knet.Ethertype = 0x6558 // Ethernet in a tunnel
	ethPause          knet.Ethertype = 0x8808
	ethMPLS           knet.Ethertype = 0x8847
	ethMPLSMulticast  knet.Ethertype = 0x8848
	ethPPPoEDiscovery knet.Ethertype = 0x8863
	ethPPPoE          knet.Ethertype = 0x8864
	ethERSPAN         knet.Ethertype = 0x88be
	ethMACsec         knet.Ethertype = 0x88e5
	ethPTP            knet.Ethertype = 0x88f7
	ethERSPAN3        knet.Ethertype = 0x22eb
	ethOldQinQ        knet.Ethertype = 0x9100
)

// moreEthertypes are names that knet has no need of.
var moreEthertypes = map[knet.Ethertype]string{
	0x0001:   "802.3 without 802.2", // ETH_P_802_3, a number of the kernel's own
	0x8137:   "IPX",
	0x809b:   "AppleTalk",
	0x80f3:   "AppleTalk ARP",
	0x876b:   "TCP/IP compression",
	0x8899:   "Realtek loop detection",
	0x88b5:   "for local experiments",
	0x88b6:   "for local experiments",
	0x88b7:   "by vendor",
	0x88b8:   "GOOSE",
	0x88cd:   "SERCOS",
	0x88d9:   "LLTD",
	0x88e1:   "HomePlug",
	0x88e3:   "MRP",
	0x88f6:   "MMRP",
	0x8915:   "RoCE",
	0x893a:   "IEEE 1905",
	0x894f:   "NSH",
	ethPause: "pause",
}

func ethertypeName(kind knet.Ethertype) string {
	if name, ok := moreEthertypes[kind]; ok && kind.Name() == "" {
		return fmt.Sprintf("0x%04x (%s)", uint16(kind), name)
	}
	return kind.String()
}

// groups are destinations that many stations listen to, and addresses that several share, the longest prefix first.
var groups = []struct {
	prefix []byte
	name   string
}{
	{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "broadcast"},
	// The bridge's group addresses of IEEE 802.1Q, table 8-1: bridges do not forward these.
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x00}, "STP bridges"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x01}, "pause"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x02}, "slow protocols"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x03}, "nearest bridge but relays, 802.1X"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x08}, "provider bridges"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x0d}, "provider MVRP"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}, "nearest bridge, LLDP and PTP"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x14}, "IS-IS level 1"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x15}, "IS-IS level 2"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x20}, "MMRP"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0, 0x21}, "MVRP"},
	{[]byte{0x01, 0x1b, 0x19, 0, 0, 0}, "PTP"},
	{[]byte{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}, "CDP, VTP, DTP, UDLD"},
	{[]byte{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}, "PVST+"},
	{[]byte{0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xd0}, "tunnelled layer 2 protocols"},
	{[]byte{0x09, 0x00, 0x2b, 0, 0, 0x05}, "IS-IS"},
	{[]byte{0x00, 0x00, 0x5e, 0x00, 0x01}, "VRRP"},
	{[]byte{0x00, 0x00, 0x5e, 0x00, 0x02}, "VRRP for IPv6"},
	{[]byte{0x01, 0x80, 0xc2, 0, 0}, "bridges"},
	{[]byte{0x01, 0x00, 0x5e}, "IPv4 multicast"},
	{[]byte{0x33, 0x33}, "IPv6 multicast"},
}

func macName(mac net.HardwareAddr) string {
	for _, g := range groups {
		if bytes.HasPrefix(mac, g.prefix) {
			return mac.String() + " (" + g.name + ")"
		}
	}
	return mac.String()
}
