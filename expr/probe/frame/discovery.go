package frame

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// lldp shows who announces itself (IEEE 802.1AB). It takes what TLVs there are, in whatever order: a damaged or cut
// frame still tells of the switch and the port.
func (l *line) lldp(p part) {
	l.open("LLDP")
	var (
		chassis, port, ttl, name, description string
		end, damaged                          bool
		b                                     = p.b
	)
	for len(b) >= 2 && !end && !damaged {
		head := be16(b)
		kind, n := layers.LLDPTLVType(head>>9), int(head&0x1ff)
		b = b[2:]
		more := ""
		if len(b) < n {
			damaged, more = true, "…"
			n = len(b)
		}
		v := b[:n]
		b = b[n:]
		switch kind {
		case layers.LLDPTLVEnd:
			end = true
		case layers.LLDPTLVChassisID:
			if len(v) > 1 {
				chassis = identity(v, layers.LLDPChassisIDSubTypeMACAddr, layers.LLDPChassisIDSubTypeNetworkAddr) + more
			}
		case layers.LLDPTLVPortID:
			if len(v) > 1 {
				port = identity(v, layers.LLDPPortIDSubtypeMACAddr, layers.LLDPPortIDSubtypeNetworkAddr) + more
			}
		case layers.LLDPTLVTTL:
			if len(v) >= 2 {
				ttl = fmt.Sprintf("for %ds", be16(v))
				if be16(v) == 0 {
					ttl = "leaves" // the shutdown frame
				}
			}
		case layers.LLDPTLVSysName:
			name = text(v) + more
		case layers.LLDPTLVPortDescription:
			description = text(v) + more
		}
	}
	if name != "" {
		l.add("system %s", name)
	}
	if port != "" {
		l.add("port %s", port)
	}
	if description != "" {
		l.add("described as %s", description)
	}
	if chassis != "" {
		l.add("chassis %s", chassis)
	}
	if ttl != "" {
		l.add("%s", ttl)
	}
	switch {
	case !end && p.beyond > 0:
		l.add("more was cut")
	case damaged:
		l.add("damaged: the last TLV is longer than the frame")
	case chassis == "" || port == "" || ttl == "":
		l.add("damaged: without chassis, port or time to live")
	}
}

// identity is a chassis or port id: its subtype, and what that says.
func identity[S ~uint8](v []byte, mac, address S) string {
	id := v[1:]
	switch {
	case S(v[0]) == mac && len(id) == 6:
		return net.HardwareAddr(id).String()
	case S(v[0]) == address && len(id) == 5 && id[0] == 1, S(v[0]) == address && len(id) == 17 && id[0] == 2:
		if a, ok := netip.AddrFromSlice(id[1:]); ok {
			return a.String()
		}
	}
	return text(id)
}

// cdp shows who announces itself with CDP, for as far as the TLVs go.
func (l *line) cdp(p part) {
	if l.short(p, "CDP", 4) {
		return
	}
	l.open("CDP")
	b := p.b[4:]
	found := false
	for len(b) >= 4 {
		kind, n := layers.CDPTLVType(be16(b)), int(be16(b[2:]))
		if n < 4 || n > len(b) {
			break
		}
		switch kind {
		case layers.CDPTLVDevID:
			l.add("device %s", text(b[4:n]))
			found = true
		case layers.CDPTLVPortID:
			l.add("port %s", text(b[4:n]))
			found = true
		case layers.CDPTLVPlatform:
			l.add("platform %s", text(b[4:n]))
			found = true
		}
		b = b[n:]
		if l.text.Len() > MaxLine {
			return
		}
	}
	switch {
	case len(b) > 0 && p.beyond > 0:
		l.add("more was cut")
	case len(b) > 0:
		l.add("damaged: the last TLV does not end with the frame")
	case !found:
		l.add("names neither device nor port")
	}
}
