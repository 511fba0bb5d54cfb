package frame

import (
	"fmt"
	"net"
	"strings"

	"github.com/gopacket/gopacket/layers"
)

// slow shows the protocols that share an ethertype: LACP and its kin (IEEE 802.3, annex 57A; 802.1AX).
func (l *line) slow(p part) {
	if l.short(p, "slow protocol", 1) {
		return
	}
	switch p.b[0] {
	case 1:
		l.lacp(p)
	case 2:
		l.add("LACP marker")
		if len(p.b) >= 3 && p.b[2] == 2 {
			l.add("response")
		}
	case 3:
		l.add("802.3 OAM")
	case 10:
		l.add("vendor's slow protocol (synchronous Ethernet and others)")
	default:
		l.open("slow protocol %d", p.b[0])
		l.raw(p)
	}
}

// lacp shows both ends of a link as an LACP message has them.
func (l *line) lacp(p part) {
	if l.short(p, "LACP", 2) {
		return
	}
	l.open("LACP")
	b, seen := p.b[2:], 0
	for seen < 2 && len(b) >= 20 {
		who := [...]string{"actor", "partner"}[seen]
		if int(b[0]) != seen+1 || b[1] != 20 {
			l.add("damaged: the %s's part has type %d and length %d", who, b[0], b[1])
			return
		}
		l.add("%s %d.%s key %d port %d.%d %s", who, be16(b[2:]), net.HardwareAddr(b[4:10]),
			be16(b[10:]), be16(b[12:]), be16(b[14:]), lacpState(b[16]))
		b = b[20:]
		seen++
	}
	if seen < 2 {
		l.short(part{b, p.beyond}, [...]string{"actor", "partner"}[seen], 20)
	}
}

// lacpState names the bits of a port's state.
func lacpState(s byte) string {
	var out []string
	for i, name := range [...][2]string{
		{"passive", "active"},
		{"slow", "fast"},
		{"individual", "aggregatable"},
		{"out of sync", "in sync"},
		{"", "collecting"},
		{"", "distributing"},
		{"", "defaulted"},
		{"", "expired"},
	} {
		if n := name[s>>i&1]; n != "" {
			out = append(out, n)
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// eapol shows an 802.1X frame.
func (l *line) eapol(p part) {
	var h layers.EAPOL
	if l.short(p, "EAPOL", 4) || h.DecodeFromBytes(p.b, nothing) != nil {
		return
	}
	name, ok := map[layers.EAPOLType]string{0: "EAP", 1: "start", 2: "logoff", 3: "key", 4: "alert", 5: "MKA", 6: "announcement"}[h.Type]
	if !ok {
		name = fmt.Sprintf("type %d", h.Type)
	}
	l.add("EAPOL version %d %s", h.Version, name)
	if h.Type == layers.EAPOLTypeEAP && len(h.Payload) >= 2 && h.Payload[0]-1 < 4 {
		l.add("%s id %d", [...]string{"request", "response", "success", "failure"}[h.Payload[0]-1], h.Payload[1])
	}
}

// ptp shows a message of precision time (IEEE 1588, 13.3).
func (l *line) ptp(p part) {
	if l.short(p, "PTP", 34) {
		return
	}
	b := p.b
	name, ok := map[byte]string{
		0: "sync", 1: "delay request", 2: "peer delay request", 3: "peer delay response", 8: "follow up",
		9: "delay response", 10: "peer delay follow up", 11: "announce", 12: "signaling", 13: "management",
	}[b[0]&0xf]
	if !ok {
		name = fmt.Sprintf("message %d", b[0]&0xf)
	}
	if v := b[1] & 0xf; v != 2 {
		l.add("PTP version %d", v) // whose header is another
		return
	}
	l.add("PTP %s domain %d clock %016x port %d seq %d", name, b[4], uint64(be32(b[20:]))<<32|uint64(be32(b[24:])), be16(b[28:]), be16(b[30:]))
}

// pause shows MAC control frames (IEEE 802.3, 31).
func (l *line) pause(p part) {
	if l.short(p, "MAC control", 4) {
		return
	}
	switch be16(p.b) {
	case 0x0001:
		l.add("pause for %d quanta", be16(p.b[2:]))
	case 0x0101:
		l.add("priority pause of classes 0x%02x", p.b[3])
	default:
		l.open("MAC control 0x%04x", be16(p.b))
		l.raw(p.from(2))
	}
}

// macsec shows the tag in front of what MACsec protects (IEEE 802.1AE, 9.3).
func (l *line) macsec(p part) {
	if l.short(p, "MACsec", 6) {
		return
	}
	what := "authenticated"
	if p.b[0]&0x08 != 0 {
		what = "encrypted"
	}
	l.add("MACsec %s association %d packet %d", what, p.b[0]&3, be32(p.b[2:]))
	if p.b[0]&0x20 != 0 && len(p.b) >= 14 {
		l.add("channel %s port %d", net.HardwareAddr(p.b[6:12]), be16(p.b[12:]))
	}
}
