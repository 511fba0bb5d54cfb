package frame

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"kinspect/expr/knet"
)

// arp shows ARP and RARP (RFC 826, 903, 5227).
func (l *line) arp(kind knet.Ethertype, p part) {
	what := "ARP"
	if kind == ethRARP {
		what = "RARP"
	}
	if l.short(p, what, 8) {
		return
	}
	hard, prot := int(p.b[4]), int(p.b[5])
	if l.short(p, what, 8+2*hard+2*prot) {
		return
	}
	var h layers.ARP
	if h.DecodeFromBytes(p.b, nothing) != nil {
		return
	}
	if h.Protocol != layers.EthernetTypeIPv4 || prot != 4 || hard != 6 {
		l.add("%s operation %d for addresses of type 0x%04x and hardware of type %d (%d and %d bytes)", what, h.Operation, uint16(h.Protocol), h.AddrType, prot, hard)
		return
	}
	from, to := netip.AddrFrom4([4]byte(h.SourceProtAddress)), netip.AddrFrom4([4]byte(h.DstProtAddress))
	sender, target := net.HardwareAddr(h.SourceHwAddress), net.HardwareAddr(h.DstHwAddress)
	switch {
	case h.Operation == layers.ARPRequest && from == to:
		l.add("ARP announces %s is at %s", from, sender)
	case h.Operation == layers.ARPRequest && from.IsUnspecified():
		l.add("ARP who has %s, asked by %s without an address", to, sender)
	case h.Operation == layers.ARPRequest:
		l.add("ARP who has %s, tell %s at %s", to, from, sender)
		if !bytes.Equal(target, make([]byte, len(target))) && target.String() != "ff:ff:ff:ff:ff:ff" {
			l.add("asks %s", target)
		}
	case h.Operation == layers.ARPReply:
		l.add("ARP %s is at %s, to %s", from, sender, to)
	case h.Operation == 3:
		l.add("%s who is %s, asked by %s", what, target, sender)
	case h.Operation == 4:
		l.add("%s %s is %s", what, target, to)
	default:
		l.add("%s operation %d from %s at %s to %s", what, h.Operation, from, sender, to)
	}
}
