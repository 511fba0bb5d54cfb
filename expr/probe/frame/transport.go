package frame

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/gopacket/gopacket/layers"

	"kinspect/expr/knet"
)

// transport shows what an IP packet carries.
func (l *line) transport(t *talk, protocol byte, p part) {
	if !l.deeper() {
		return
	}
	bare := func(format string, args ...any) { l.say(t, -1, -1, format, args...) }
	switch layers.IPProtocol(protocol) {
	case layers.IPProtocolTCP:
		l.tcp(t, p)
	case layers.IPProtocolUDP, layers.IPProtocolUDPLite:
		l.udp(t, protocolName(protocol), p)
	case layers.IPProtocolSCTP:
		var h layers.SCTP
		if len(p.b) < 12 || h.DecodeFromBytes(p.b, nothing) != nil {
			l.ports(t, "SCTP", p, 12)
			return
		}
		l.say(t, int(h.SrcPort), int(h.DstPort), "SCTP tag 0x%08x", h.VerificationTag)
	case layers.IPProtocolICMPv4:
		l.icmp(t, p)
	case layers.IPProtocolICMPv6:
		l.icmp6(t, p)
	case layers.IPProtocolIPv4:
		bare("IPIP")
		l.inner(knet.EthIPv4, p)
	case layers.IPProtocolIPv6:
		bare("IPv6 in IP")
		l.inner(knet.EthIPv6, p)
	case layers.IPProtocolMPLSInIP:
		bare("MPLS in IP")
		l.inner(ethMPLS, p)
	case layers.IPProtocolEtherIP:
		bare("EtherIP%s", l.lack(p, 2))
		if len(p.b) >= 2 {
			l.inner(ethTEB, p.from(2))
		}
	case 143:
		bare("Ethernet in IP")
		l.inner(ethTEB, p)
	case layers.IPProtocolGRE:
		l.gre(t, p)
	case layers.IPProtocolIGMP:
		bare("IGMP%s", l.lack(p, 8))
		if len(p.b) >= 8 {
			l.igmp(p)
		}
	case layers.IPProtocolESP:
		bare("ESP%s", l.lack(p, 8))
		if len(p.b) >= 8 {
			l.add("spi 0x%08x seq %d", be32(p.b), be32(p.b[4:]))
		}
	case layers.IPProtocolAH: // of IPv4
		bare("AH%s", l.lack(p, 12))
		if len(p.b) >= 12 {
			l.add("spi 0x%08x seq %d", be32(p.b[4:]), be32(p.b[8:]))
		}
	case layers.IPProtocolVRRP:
		bare("VRRP%s", l.lack(p, 4))
		if len(p.b) >= 4 {
			l.add("version %d router %d priority %d", p.b[0]>>4, p.b[1], p.b[2])
		}
	default:
		bare("%s", protocolName(protocol))
	}
}

// inner shows what a tunnel carries.
func (l *line) inner(kind knet.Ethertype, p part) {
	l.joint = ": "
	l.protocol(kind, p)
}

// ports shows as much of a cut header as there is: the ports come first in all of them.
func (l *line) ports(t *talk, what string, p part, size int) {
	from, to := -1, -1
	if len(p.b) >= 4 {
		from, to = int(be16(p.b)), int(be16(p.b[2:]))
	}
	l.say(t, from, to, "%s%s", what, l.lack(p, size))
}

func (l *line) tcp(t *talk, p part) {
	var h layers.TCP
	if len(p.b) < 20 {
		l.ports(t, "TCP", p, 20)
		return
	}
	// Options are not shown, so they are not decoded: without them the decoder says that there are too few bytes, which
	// is no news, and has decoded the header.
	_ = h.DecodeFromBytes(p.b[:20], nothing)
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{h.SYN, "SYN"},
		{h.FIN, "FIN"},
		{h.RST, "RST"},
		{h.PSH, "PSH"},
		{h.ACK, "ACK"},
		{h.URG, "URG"},
		{h.ECE, "ECE"},
		{h.CWR, "CWR"},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	s := fmt.Sprintf("TCP [%s] seq %d", strings.Join(flags, " "), h.Seq)
	if h.ACK {
		s += fmt.Sprintf(" ack %d", h.Ack)
	}
	if h.Window == 0 && !h.RST {
		s += " win 0"
	}
	size := int(h.DataOffset) * 4
	switch {
	case size < 20 || size > p.wire() && !l.quoted:
		s += fmt.Sprintf(" (damaged: a header of %d bytes in %d)", size, p.wire())
	case !l.quoted:
		s += fmt.Sprintf(" len %d", p.wire()-size)
	}
	l.say(t, int(h.SrcPort), int(h.DstPort), "%s", s)
}

// services are the ones of UDP that a frame without a listener is likely of.
var services = map[uint16]string{
	53: "DNS", 67: "DHCP", 68: "DHCP", 69: "TFTP", 123: "NTP", 137: "NetBIOS", 138: "NetBIOS", 161: "SNMP", 162: "SNMP",
	500: "IKE", 514: "syslog", 546: "DHCPv6", 547: "DHCPv6", 1900: "SSDP", 3784: "BFD", 3785: "BFD", 4500: "IKE",
	5353: "mDNS", 5355: "LLMNR", 6343: "sFlow", 51820: "WireGuard",
}

func (l *line) udp(t *talk, what string, p part) {
	var h layers.UDP
	if len(p.b) < 8 {
		l.ports(t, what, p, 8)
		return
	}
	err := h.DecodeFromBytes(p.b, nothing)
	from, to := uint16(h.SrcPort), uint16(h.DstPort)
	s := what
	if n := services[to]; n != "" {
		s += " " + n
	} else if n := services[from]; n != "" {
		s += " " + n
	}
	switch {
	case what != "UDP": // UDP-Lite has a checksum's coverage there
	case err != nil:
		s += fmt.Sprintf(" (damaged: a length of %d)", h.Length)
	case h.Length == 0:
		s += fmt.Sprintf(" len %d", p.wire()-8)
	default:
		s += fmt.Sprintf(" len %d", h.Length-8)
		if int(h.Length) > p.wire() && !l.quoted && !t.partial {
			s += fmt.Sprintf(" (damaged: %d bytes are there)", p.wire()-8)
		}
	}
	l.say(t, int(from), int(to), "%s", s)
	if err == nil && what == "UDP" {
		l.udpTunnel(to, p.from(8))
	}
}

func (l *line) icmp(t *talk, p part) {
	var h layers.ICMPv4
	if len(p.b) < 8 || h.DecodeFromBytes(p.b, nothing) != nil {
		l.say(t, -1, -1, "ICMP%s", l.lack(p, 8))
		return
	}
	s := "ICMP " + words(h.TypeCode.String())
	quotes := false
	switch h.TypeCode.Type() {
	case layers.ICMPv4TypeEchoRequest, layers.ICMPv4TypeEchoReply:
		s += fmt.Sprintf(" id %d seq %d", h.Id, h.Seq)
	case layers.ICMPv4TypeDestinationUnreachable:
		if h.TypeCode.Code() == layers.ICMPv4CodeFragmentationNeeded {
			s += fmt.Sprintf(" mtu %d", h.Seq)
		}
		quotes = true
	case layers.ICMPv4TypeRedirect:
		s += " to " + netip.AddrFrom4([4]byte(p.b[4:])).String()
		quotes = true
	case layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem, layers.ICMPv4TypeSourceQuench:
		quotes = true
	}
	l.say(t, -1, -1, "%s", s)
	if quotes {
		l.quote(knet.EthIPv4, p.from(8))
	}
}

// icmp6Types are types that the library has no names for (IANA, ICMPv6 Parameters).
var icmp6Types = map[uint8]string{
	138: "router renumbering", 139: "node information query", 140: "node information response",
	141: "inverse neighbor discovery solicitation", 142: "inverse neighbor discovery advertisement",
	143: "multicast listener report v2", 148: "certification path solicitation", 149: "certification path advertisement",
	151: "multicast router advertisement", 152: "multicast router solicitation", 153: "multicast router termination",
	155: "RPL control",
}

func (l *line) icmp6(t *talk, p part) {
	var h layers.ICMPv6
	if len(p.b) < 4 || h.DecodeFromBytes(p.b, nothing) != nil {
		l.say(t, -1, -1, "ICMPv6%s", l.lack(p, 4))
		return
	}
	kind, quotes := h.TypeCode.Type(), false
	s := "ICMPv6 " + words(h.TypeCode.String())
	if name, ok := icmp6Types[kind]; ok {
		s = "ICMPv6 " + name
	}
	switch {
	case kind < 128 && len(p.b) >= 8: // an error
		if kind == layers.ICMPv6TypePacketTooBig {
			s += fmt.Sprintf(" mtu %d", be32(p.b[4:]))
		}
		quotes = true
	case (kind == layers.ICMPv6TypeEchoRequest || kind == layers.ICMPv6TypeEchoReply) && len(p.b) >= 8:
		s += fmt.Sprintf(" id %d seq %d", be16(p.b[4:]), be16(p.b[6:]))
	case (kind == layers.ICMPv6TypeNeighborSolicitation || kind == layers.ICMPv6TypeNeighborAdvertisement) && len(p.b) >= 24:
		s += " of " + netip.AddrFrom16([16]byte(p.b[8:])).String()
	}
	l.say(t, -1, -1, "%s", s)
	if quotes {
		l.quote(knet.EthIPv6, p.from(8))
	}
}

// quote shows the packet that an ICMP error is about, of which only the beginning is there.
func (l *line) quote(kind knet.Ethertype, p part) {
	if len(p.b) == 0 {
		return
	}
	l.joint = ", about "
	l.quoted = true
	l.protocol(kind, p)
	l.joint = ", "
}

func (l *line) igmp(p part) {
	group := netip.AddrFrom4([4]byte(p.b[4:])).String()
	switch p.b[0] {
	case 0x11:
		if group == "0.0.0.0" {
			group = "every group"
		}
		l.add("query for %s", group)
	case 0x12, 0x16:
		l.add("report of %s", group)
	case 0x17:
		l.add("leave %s", group)
	case 0x22:
		l.add("report of %d groups", be16(p.b[6:]))
		if len(p.b) >= 16 {
			l.add("first %s", netip.AddrFrom4([4]byte(p.b[12:])))
		}
	default:
		l.add("type 0x%02x", p.b[0])
	}
}

// words makes words of a name such as TimeExceeded(TTLExceeded).
func words(name string) string {
	in := []rune(name)
	var b strings.Builder
	for i, r := range in {
		switch {
		case i == 0:
		case r == '(' && in[i-1] != ' ':
			b.WriteByte(' ')
		case unicode.IsUpper(r) && unicode.IsLower(in[i-1]),
			unicode.IsUpper(r) && unicode.IsUpper(in[i-1]) && i+1 < len(in) && unicode.IsLower(in[i+1]):
			b.WriteByte(' ')
		}
		before := i > 0 && unicode.IsUpper(in[i-1])
		next := i+1 < len(in) && unicode.IsUpper(in[i+1])
		start := i+1 < len(in) && unicode.IsLower(in[i+1])
		if next || before && !start {
			b.WriteRune(r) // of a name in capitals
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}
