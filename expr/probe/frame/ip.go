package frame

import (
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A talk is who sends a packet to whom.
type talk struct {
	version  int
	from, to netip.Addr
	partial  bool     // it is a fragment, or ends early
	notes    []string // what else there is to say of the IP header
}

func (t *talk) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// say shows the addresses, with ports where there are some (-1 for none), the protocol, and then the notes.
func (l *line) say(t *talk, from, to int, format string, args ...any) {
	end := func(a netip.Addr, port int) string {
		if port < 0 {
			return a.String()
		}
		return netip.AddrPortFrom(a, uint16(port)).String()
	}
	what := fmt.Sprintf(format, args...)
	if what != "" {
		what = " " + what
	}
	l.add("IPv%d %s > %s%s", t.version, end(t.from, from), end(t.to, to), what)
	for _, n := range t.notes {
		l.add("%s", n)
	}
}

// ipv4 shows a packet of IPv4 (RFC 791). What is wrong with its header, for which the kernel may have dropped it, is
// shown behind the addresses.
func (l *line) ipv4(p part) {
	if l.short(p, "IPv4", 20) {
		return
	}
	b := p.b
	t := talk{version: 4, from: netip.AddrFrom4([4]byte(b[12:])), to: netip.AddrFrom4([4]byte(b[16:]))}
	size, total := int(b[0]&0xf)*4, int(be16(b[2:]))
	if b[0]>>4 != 4 {
		t.note("damaged: the header is of version %d", b[0]>>4)
		l.say(&t, -1, -1, "")
		return
	}
	var h layers.IPv4
	err := h.DecodeFromBytes(b, nothing)
	if size > len(b) && size <= p.wire() && (total == 0 || size <= total) && size >= 20 {
		// Only cut: the decoder wants the options, which nothing here does.
		fixed := append([]byte{0x45}, b[1:20]...)
		err = h.DecodeFromBytes(fixed, nothing)
	}
	if err != nil {
		t.note("damaged: %s", err)
		l.say(&t, -1, -1, "%s", protocolName(b[9]))
		return
	}
	if !l.quoted {
		if size <= len(b) && gopacket.FoldChecksum(gopacket.ComputeChecksum(b[:size], 0)) != 0 {
			t.note("wrong header checksum 0x%04x", h.Checksum)
		}
		if h.TTL <= 1 {
			t.note("ttl %d", h.TTL)
		}
	}
	if total != 0 { // 0 where the card is to cut the packet up
		var missing int
		if p, missing = p.upTo(total); missing > 0 && !l.quoted {
			t.missing(total, missing)
		}
	}
	more := h.Flags&layers.IPv4MoreFragments != 0
	if h.FragOffset != 0 || more {
		t.fragment(uint32(h.Id), int(h.FragOffset)*8, more)
	}
	switch {
	case size > len(p.b):
		t.note("options cut")
		l.say(&t, -1, -1, "%s", protocolName(b[9]))
	case h.FragOffset != 0:
		l.say(&t, -1, -1, "%s", protocolName(b[9]))
	default:
		l.transport(&t, b[9], p.from(size))
	}
}

// missing notes that the frame is shorter than the packet.
func (t *talk) missing(size, n int) {
	t.partial = true
	t.note("damaged: of %d bytes the last %d are missing", size, n)
}

// fragment notes which part of a packet this is.
func (t *talk) fragment(id uint32, offset int, more bool) {
	t.partial = true
	last := "the last"
	if more {
		last = "more follow"
	}
	t.note("fragment of 0x%04x from byte %d, %s", id, offset, last)
}

// ipv6 shows a packet of IPv6 (RFC 8200).
func (l *line) ipv6(p part) {
	if l.short(p, "IPv6", 40) {
		return
	}
	b := p.b
	t := talk{version: 6, from: netip.AddrFrom16([16]byte(b[8:])), to: netip.AddrFrom16([16]byte(b[24:]))}
	if b[0]>>4 != 6 {
		t.note("damaged: the header is of version %d", b[0]>>4)
		l.say(&t, -1, -1, "")
		return
	}
	var h layers.IPv6
	// Its errors are of a hop-by-hop header, which is looked at below, and of a length of 0, which is usual before a
	// card cuts the packet up. The fixed header is decoded either way.
	_ = h.DecodeFromBytes(b[:40], nothing)
	if h.HopLimit <= 1 && !l.quoted {
		t.note("hop limit %d", h.HopLimit)
	}
	p = p.from(40)
	if h.Length != 0 {
		var missing int
		if p, missing = p.upTo(int(h.Length)); missing > 0 && !l.quoted {
			t.missing(int(h.Length), missing)
		}
	}
	next := b[6]
	for range maxDepth {
		var size int
		switch layers.IPProtocol(next) {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination, protocolMobility:
			if len(p.b) >= 8 {
				size = 8 + 8*int(p.b[1])
			}
			switch {
			case layers.IPProtocol(next) != layers.IPProtocolIPv6Routing || size == 0:
			case p.b[2] == 4:
				t.note("segment routing, %d segments left", p.b[3])
			default:
				t.note("routing header of type %d", p.b[2])
			}
		case layers.IPProtocolAH:
			if len(p.b) >= 8 {
				size = 8 + 4*int(p.b[1])
			}
			t.note("authenticated (AH)")
		case layers.IPProtocolIPv6Fragment:
			if len(p.b) < 8 {
				break
			}
			size = 8
			at := be16(p.b[2:])
			if at&^7 != 0 || at&1 != 0 { // both 0: a whole packet (RFC 6946)
				t.fragment(be32(p.b[4:]), int(at&^7), at&1 != 0)
			}
			if at&^7 != 0 {
				l.say(&t, -1, -1, "%s", protocolName(p.b[0]))
				return
			}
		default:
			l.transport(&t, next, p)
			return
		}
		if size == 0 || size > len(p.b) {
			l.say(&t, -1, -1, "")
			l.short(p, "extension header "+protocolName(next), max(size, 8))
			return
		}
		next, p = p.b[0], p.from(size)
	}
	t.note("more extension headers than are followed")
	l.say(&t, -1, -1, "")
}

const protocolMobility layers.IPProtocol = 135

// protocolName is an IP protocol that is not shown further.
func protocolName(n byte) string {
	name, ok := map[byte]string{
		0: "hop-by-hop options", 1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 33: "DCCP", 41: "IPv6 in IP",
		43: "routing", 44: "fragment", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6", 59: "no next header",
		60: "destination options", 88: "EIGRP", 89: "OSPF", 97: "EtherIP", 103: "PIM", 108: "IPComp", 112: "VRRP",
		115: "L2TP", 132: "SCTP", 135: "mobility", 136: "UDP-Lite", 137: "MPLS in IP", 143: "Ethernet in IP", 253: "for experiments", 254: "for experiments",
	}[n]
	if !ok {
		return fmt.Sprintf("protocol %d", n)
	}
	return name
}
