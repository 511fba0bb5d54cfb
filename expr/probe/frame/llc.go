package frame

import (
	"fmt"
	"net"
	"strings"

	"github.com/gopacket/gopacket/layers"

	"kinspect/expr/knet"
)

// llc shows an 802.2 header and what is behind it.
func (l *line) llc(p part) {
	var h layers.LLC
	if l.short(p, "802.2", 3) {
		return
	}
	if h.DecodeFromBytes(p.b, nothing) != nil { // a numbered frame has a second byte of control
		l.short(p, "802.2", 4)
		return
	}
	body := p.from(len(h.Contents))
	switch {
	case h.DSAP == 0x42 && h.SSAP == 0x42 && h.Control == 0x03:
		l.open("802.2")
		l.stp(body)
	case h.DSAP == 0xaa && h.SSAP == 0xaa && h.Control == 0x03:
		l.snap(body)
	default:
		kind := "numbered"
		if len(h.Contents) == 3 {
			var ok bool
			if kind, ok = unnumbered[h.Control&^0x10]; !ok {
				kind = fmt.Sprintf("control 0x%02x", h.Control)
			}
		}
		to, from := p.b[0], p.b[1] // with the bits for group and response, as other tools show them
		if to == 0xfe && from == 0xfe && len(body.b) > 0 {
			switch body.b[0] {
			case 0x83:
				kind += ", IS-IS"
			case 0x82:
				kind += ", ES-IS"
			case 0x81:
				kind += ", CLNP"
			}
		}
		l.open("802.2 SAP 0x%02x%s > 0x%02x%s %s", from, sapName(from), to, sapName(to), kind)
		l.raw(body)
	}
}

// unnumbered are the control fields of frames without a number, less the poll bit.
var unnumbered = map[uint16]string{
	0x03: "UI", 0xaf: "XID", 0xe3: "TEST", 0x6f: "SABME", 0x43: "DISC", 0x63: "UA", 0x0f: "DM", 0x87: "FRMR",
}

func sapName(sap byte) string {
	name, ok := map[byte]string{
		0x00: "null", 0x02: "LLC management", 0x06: "IP", 0x42: "STP", 0x98: "ARP", 0xaa: "SNAP", 0xbc: "VINES",
		0xe0: "IPX", 0xf0: "NetBIOS", 0xfe: "ISO", 0xfc: "RPL", 0x04: "SNA",
	}[sap&^1]
	switch {
	case sap == 0xff:
		return " (global)"
	case !ok:
		return ""
	}
	return " (" + name + ")"
}

// snap shows a SNAP header (IEEE 802, 9.5) and what is behind it.
func (l *line) snap(p part) {
	var h layers.SNAP
	if l.short(p, "SNAP", 5) || h.DecodeFromBytes(p.b, nothing) != nil {
		return
	}
	if !l.deeper() {
		return
	}
	body := p.from(5)
	vendor := uint32(p.b[0])<<16 | uint32(p.b[1])<<8 | uint32(p.b[2])
	kind := uint16(h.Type)
	switch {
	case vendor == 0 || vendor == 0x0000f8: // RFC 1042, and what bridges made of Ethernet frames (802.1H)
		l.open("SNAP")
		l.protocol(knet.Ethertype(kind), body)
	case vendor == cisco && kind == 0x2000:
		l.open("SNAP")
		l.cdp(body)
	case vendor == cisco && kind == 0x010b:
		l.open("SNAP PVST+")
		l.stp(body)
		l.pvst(body)
	default:
		name := ""
		if n, ok := ciscoSNAP[kind]; ok && vendor == cisco {
			name = " (" + n + ")"
		}
		l.open("SNAP vendor %02x:%02x:%02x protocol 0x%04x%s", p.b[0], p.b[1], p.b[2], kind, name)
		l.raw(body)
	}
}

const cisco = 0x00000c

var ciscoSNAP = map[uint16]string{
	0x0102: "DRiP", 0x0104: "PAgP", 0x0111: "UDLD", 0x2003: "VTP", 0x2004: "DTP", 0x200a: "VLAN bridge STP",
}

// stp shows a spanning tree's message (IEEE 802.1Q, 14; 802.1D of 1998 and 2004 for the older ones).
func (l *line) stp(p part) {
	if l.short(p, "STP", 4) {
		return
	}
	version, kind := p.b[2], p.b[3]
	name, ok := map[byte]string{0: "STP", 2: "RSTP", 3: "MSTP", 4: "SPB"}[version]
	if !ok {
		name = fmt.Sprintf("STP version %d", version)
	}
	switch {
	case be16(p.b) != 0:
		l.open("STP of unknown protocol 0x%04x", be16(p.b))
		l.raw(p)
		return
	case kind == 0x80:
		l.add("%s topology change notification", name)
		return
	case kind != 0x00 && kind != 0x02:
		l.open("%s of unknown type 0x%02x", name, kind)
		l.raw(p)
		return
	}
	var h layers.STP
	if l.short(p, name, 35) || h.DecodeFromBytes(p.b, nothing) != nil {
		return
	}
	root, bridge := bridgeID(h.RouteID), bridgeID(h.BridgeID)
	var s strings.Builder
	// In MSTP the place of the bridge has its region's root, and the bridge follows what names the region.
	regional := ""
	if version >= 3 && len(p.b) >= 102 {
		regional = bridge
		bridge = bridgeID(layers.STPSwitchID{Priority: be16(p.b[93:]) & 0xf000, SysID: be16(p.b[93:]) & 0xfff, HwAddr: net.HardwareAddr(p.b[95:101])})
	}
	fmt.Fprintf(&s, "%s bridge %s port %d.%d (0x%04x), ", name, bridge, h.PortID>>12<<4, h.PortID&0xfff, h.PortID)
	if root == bridge {
		s.WriteString("is the root")
	} else {
		fmt.Fprintf(&s, "root %s cost %d", root, h.Cost)
	}
	if regional != "" {
		region := p.b[39:71]
		for len(region) > 0 && region[len(region)-1] == 0 {
			region = region[:len(region)-1]
		}
		fmt.Fprintf(&s, ", region %s root %s", text(region), regional)
	}
	fmt.Fprintf(&s, ", hello %s", seconds(h.HelloTime))
	for _, f := range stpFlags(p.b[4], kind == 0x02) {
		s.WriteString(", " + f)
	}
	if h.MessageAge >= h.MaxAge && h.MaxAge != 0 {
		fmt.Fprintf(&s, ", too old (%s of %s)", seconds(h.MessageAge), seconds(h.MaxAge))
	}
	l.add("%s", s.String())
}

// bridgeID is a bridge's priority, as bridges show it with the system id in it, and its address.
func bridgeID(id layers.STPSwitchID) string {
	s := fmt.Sprintf("%d.%s", id.Priority|id.SysID, id.HwAddr)
	if id.SysID != 0 {
		s += fmt.Sprintf(" (priority %d, system id %d)", id.Priority, id.SysID)
	}
	return s
}

// stpFlags are the flags of a message; all but the first and the last came with RSTP.
func stpFlags(flags byte, rapid bool) []string {
	var out []string
	if flags&0x01 != 0 {
		out = append(out, "topology change")
	}
	if rapid {
		if role := flags >> 2 & 3; role != 0 {
			out = append(out, [...]string{"", "alternate or backup port", "root port", "designated port"}[role])
		}
		for _, f := range []struct {
			bit  byte
			name string
		}{{0x02, "proposal"}, {0x10, "learning"}, {0x20, "forwarding"}, {0x40, "agreement"}} {
			if flags&f.bit != 0 {
				out = append(out, f.name)
			}
		}
	}
	if flags&0x80 != 0 {
		out = append(out, "topology change acknowledged")
	}
	return out
}

// seconds is a time of STP's, in 256ths of a second.
func seconds(t uint16) string {
	if t%256 == 0 {
		return fmt.Sprintf("%ds", t/256)
	}
	return fmt.Sprintf("%.2fs", float64(t)/256)
}

// pvst shows the VLAN that a PVST+ message is of, which stands behind the message.
func (l *line) pvst(p part) {
	if len(p.b) >= 42 && be32(p.b[36:]) == 2 { // type 0, 2 bytes
		l.add("originating vlan %d", be16(p.b[40:]))
	}
}
