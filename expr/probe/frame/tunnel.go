package frame

import (
	"fmt"

	"github.com/gopacket/gopacket/layers"

	"kinspect/expr/knet"
)

// Ports of UDP that tunnels and clocks use.
const (
	portPTPEvent    = 319
	portPTPGeneral  = 320
	portVXLAN       = 4789
	portVXLANLinux  = 8472 // the default of Linux, older than the number's registration
	portGeneve      = 6081
	portMPLS        = 6635
	maxMPLSLabels   = 8
	pppIPv4, pppIP6 = 0x0021, 0x0057
)

// udpTunnel shows what a packet of UDP carries if its port says that it is a tunnel.
func (l *line) udpTunnel(to uint16, p part) {
	if len(p.b) == 0 && p.beyond == 0 {
		return
	}
	switch to {
	case portVXLAN, portVXLANLinux:
		var h layers.VXLAN
		if l.short(p, "VXLAN", 8) || h.DecodeFromBytes(p.b, nothing) != nil {
			return
		}
		if !h.ValidIDFlag {
			l.add("VXLAN without a network (damaged, or not VXLAN)")
			return
		}
		l.add("VXLAN %d", h.VNI)
		l.inner(ethTEB, p.from(8))
	case portGeneve:
		// Of the header only the length and the protocol matter here (RFC 8926).
		if l.short(p, "Geneve", 8) {
			return
		}
		l.add("Geneve %d", be32(p.b[4:])>>8)
		size := 8 + 4*int(p.b[0]&0x3f)
		if p.b[0]>>6 != 0 || l.short(p, "options", size) {
			return
		}
		l.inner(knet.Ethertype(be16(p.b[2:])), p.from(size))
	case portMPLS:
		l.inner(ethMPLS, p)
	case portPTPEvent, portPTPGeneral:
		l.ptp(p)
	}
}

// gre shows a GRE header (RFC 2784, 2890, 2637) and what it carries.
func (l *line) gre(t *talk, p part) {
	var h layers.GRE
	l.say(t, -1, -1, "GRE%s", l.lack(p, 4))
	if len(p.b) < 4 {
		return
	}
	if err := h.DecodeFromBytes(p.b, nothing); err != nil {
		if p.beyond > 0 || l.quoted {
			l.add("cut in its header")
		} else {
			l.add("damaged: %s", err)
		}
		return
	}
	if h.KeyPresent && h.Version == 0 {
		l.add("key %d", h.Key)
	}
	if h.SeqPresent {
		l.add("seq %d", h.Seq)
	}
	body := p.from(len(h.Contents))
	switch kind := knet.Ethertype(h.Protocol); {
	case h.Version == 1 && kind == 0x880b:
		l.add("PPTP call %d", h.Key&0xffff)
		if len(body.b) > 0 {
			if len(body.b) >= 2 && be16(body.b) == 0xff03 { // HDLC's address and control
				body = body.from(2)
			}
			l.joint = ": "
			l.ppp(body)
		}
	case kind == ethERSPAN && !h.SeqPresent: // the first kind, without a header of its own
		l.add("ERSPAN")
		l.inner(ethTEB, body)
	case kind == ethERSPAN:
		if !l.short(body, "ERSPAN", 8) {
			l.add("ERSPAN session %d", be16(body.b[2:])&0x3ff)
			l.inner(ethTEB, body.from(8))
		}
	case kind == ethERSPAN3:
		if !l.short(body, "ERSPAN", 12) {
			l.add("ERSPAN session %d", be16(body.b[2:])&0x3ff)
			size := 12
			if body.b[11]&1 != 0 {
				size = 20
			}
			if !l.short(body, "ERSPAN", size) {
				l.inner(ethTEB, body.from(size))
			}
		}
	default:
		l.inner(kind, body)
	}
}

// mpls shows the labels (RFC 3032) and what is behind them. Nothing says what that is but its first four bits.
func (l *line) mpls(p part) {
	labels, ttl := "", byte(0)
	for n := 0; ; n++ {
		if l.short(p, "MPLS", 4) {
			return
		}
		if n == maxMPLSLabels {
			l.add("MPLS %s/…", labels)
			return
		}
		if n > 0 {
			labels += "/"
		}
		entry := be32(p.b)
		labels += fmt.Sprint(entry >> 12)
		if n == 0 {
			ttl = byte(entry)
		}
		p = p.from(4)
		if entry&0x100 != 0 {
			break
		}
	}
	l.add("MPLS %s ttl %d", labels, ttl)
	switch {
	case len(p.b) == 0:
	case p.b[0]>>4 == 4:
		l.inner(knet.EthIPv4, p)
	case p.b[0]>>4 == 6:
		l.inner(knet.EthIPv6, p)
	case len(p.b) >= 18 && p.b[0]>>4 == 0: // a pseudowire's control word (RFC 4385), mostly before Ethernet
		l.add("pseudowire")
		l.inner(ethTEB, p.from(4))
	default:
		l.joint = ": "
		l.raw(p)
	}
}

// pppoe shows PPPoE's discovery and sessions (RFC 2516).
func (l *line) pppoe(kind knet.Ethertype, p part) {
	if l.short(p, "PPPoE", 6) {
		return
	}
	code, session := layers.PPPoECode(p.b[1]), be16(p.b[2:])
	if p.b[0] != 0x11 {
		l.add("PPPoE (damaged: version and type are 0x%02x)", p.b[0])
		return
	}
	body, missing := p.from(6).upTo(int(be16(p.b[4:])))
	if kind == ethPPPoE {
		l.add("PPPoE session %d", session)
		if code != layers.PPPoECodeSession {
			l.add("damaged: code 0x%02x", uint8(code))
			return
		}
	} else {
		name, ok := map[layers.PPPoECode]string{
			layers.PPPoECodePADI: "PADI", layers.PPPoECodePADO: "PADO", layers.PPPoECodePADR: "PADR",
			layers.PPPoECodePADS: "PADS", layers.PPPoECodePADT: "PADT",
		}[code]
		if !ok {
			name = fmt.Sprintf("code 0x%02x", uint8(code))
		}
		l.add("PPPoE %s session %d", name, session)
	}
	if missing > 0 {
		l.add("damaged: the last %d bytes are missing", missing)
	}
	if kind == ethPPPoE {
		l.joint = ": "
		l.ppp(body)
		return
	}
	for b := body.b; len(b) >= 4; {
		tag, n := be16(b), int(be16(b[2:]))
		if n > len(b)-4 || l.text.Len() > MaxLine {
			return
		}
		switch v := b[4 : 4+n]; {
		case tag == 0x0101 && n > 0:
			l.add("service %s", text(v))
		case tag == 0x0102:
			l.add("concentrator %s", text(v))
		}
		b = b[4+n:]
	}
}

// ppp shows what a PPP frame carries, by its protocol number, which one byte is enough for if it is odd.
func (l *line) ppp(p part) {
	if l.short(p, "PPP", 1) {
		return
	}
	kind, size := uint16(p.b[0]), 1
	if kind&1 == 0 {
		if l.short(p, "PPP", 2) {
			return
		}
		kind, size = be16(p.b), 2
	}
	body := p.from(size)
	name, ok := map[uint16]string{
		0xc021: "LCP", 0xc023: "PAP", 0xc025: "LQR", 0xc223: "CHAP", 0xc227: "EAP", 0x8021: "IPCP", 0x8057: "IPV6CP",
		0x80fd: "CCP", 0x8281: "MPLSCP", 0x00fd: "compressed", 0x003d: "multilink",
	}[kind]
	switch {
	case kind == pppIPv4:
		l.protocol(knet.EthIPv4, body)
	case kind == pppIP6:
		l.protocol(knet.EthIPv6, body)
	case kind == 0x0281:
		l.protocol(ethMPLS, body)
	case !ok:
		l.open("PPP protocol 0x%04x", kind)
		l.raw(body)
	default:
		l.add("PPP %s", name)
		// The protocols that configure one share their codes (RFC 1661, 5).
		if kind >= 0x8000 && kind&0xff != 0x23 && len(body.b) >= 2 {
			codes := [...]string{
				"", "configure request", "configure ack", "configure nak", "configure reject", "terminate request",
				"terminate ack", "code reject", "protocol reject", "echo request", "echo reply", "discard request",
			}
			if c := int(body.b[0]); c > 0 && c < len(codes) && kind != 0xc227 && kind != 0xc025 {
				l.add("%s id %d", codes[c], body.b[1])
			}
		}
	}
}
