package probe

import (
	"encoding/binary"

	"kinspect/expr/knet"
	"kinspect/expr/probe/frame"
)

// Of include/uapi/linux/if_arp.h: devices whose frames have an Ethernet header.
const (
	devEther     = 1
	devLoopback  = 772
	etherHeader  = 14
	vlanTag      = 4
	headerNotSet = 0 // skb->network_header before anybody set it; no header is there, as skb->head has room before it
)

// ethTEB is skb->protocol while a tunnel holds a frame whose Ethernet header is still at skb->data.
const ethTEB knet.Ethertype = 0x6558

// Frame is the sample as [frame.Line] and [frame.Pcapng] take it. What its bytes begin with is frame.Unknown where
// neither the headers that the kernel had set nor the bytes say it.
func (s *Sample) Frame() frame.Frame {
	f := frame.Frame{Data: s.Data, Ethertype: s.Key.Ethertype, Paged: s.NoPages}
	if s.Tagged {
		f.VLAN = &frame.VLAN{Type: s.VLANType, TCI: s.VLAN}
	}
	start, at := s.header()
	if at-s.From > len(s.Data) {
		start, at = frame.Unknown, s.From
	}
	f.Start, f.Data = start, s.Data[at-s.From:]
	f.Length = max(s.Len+s.Head-at, len(f.Data))
	if f.Start == frame.Network && len(f.Data) > 0 {
		var ok bool
		if f.Ethertype, ok = networkType(f.Data, f.Length, f.Ethertype); !ok {
			f.Start = frame.Unknown
		}
	}
	return f
}

// header is the first header whose place is known, and how far it is from skb->head. skb->mac_header is where the link
// header was when the frame last came to a device or left for one, and that is not always one of the device that the
// skb has now:
//
//   - on the way out the link header comes last. mac_header is not set until then, or is that of the frame as it was
//     received and routed, whose bytes are there and are not what is sent;
//   - what a tunnel puts before a packet goes over that, so that mac_header is behind skb->data ([Sample.From] is not
//     that then);
//   - a tunnel that takes its headers off leaves mac_header at them, or at what is inside, and skb->dev at the device
//     below until it is done (__ipgre_rcv, ipip6_rcv).
//
// So of an Ethernet device it is taken for an Ethernet header where the network header is behind just one, or where the
// ethertype in it is the one in the skb.
func (s *Sample) header() (frame.Start, int) {
	ether := s.DevType == devEther || s.DevType == devLoopback
	linked := s.MAC >= 0 && s.MAC == s.From
	behind := s.Network - s.From // how far the network header is from the first byte
	switch {
	case s.Key.Ethertype == ethTEB && s.Network-s.Head == etherHeader && s.Head >= s.From:
		return frame.Ethernet, s.Head // ip_tunnel_rcv has pulled the outer headers
	case ether && linked && !s.forwarded() && (behind == etherHeader || s.typed(behind)):
		return frame.Ethernet, s.From
	case ether && !linked && s.From == s.Head && behind == etherHeader: // put there, and not yet said so
		return frame.Ethernet, s.From
	case s.Network != headerNotSet && behind >= 0:
		return frame.Network, s.Network
	}
	return frame.Unknown, s.From
}

// forwarded reports whether the frame is on its way out by another device than it came by, and has no link header for
// that yet: what stands before the network header is the Ethernet header that it came with, and not a tunnel's.
func (s *Sample) forwarded() bool {
	return s.In != 0 && s.Key.Ifindex != 0 && s.In != s.Key.Ifindex && s.Type == packetHost && s.Routed &&
		s.Head == s.Network && s.MAC == s.From && s.Network-s.MAC == etherHeader && s.typed(etherHeader)
}

// typed reports whether the type field of an Ethernet header would be what the skb says of the frame.
func (s *Sample) typed(behind int) bool {
	if len(s.Data) < etherHeader {
		return false
	}
	kind := knet.Ethertype(binary.BigEndian.Uint16(s.Data[etherHeader-2:]))
	switch kind {
	case knet.EthVLAN, knet.EthQinQ:
		if behind >= etherHeader && (behind-etherHeader)%vlanTag == 0 && behind <= etherHeader+2*vlanTag {
			return true
		}
	case 0:
		return false
	}
	if kind < 0x600 { // a length; the kernel has two numbers for these, by whether 802.2 follows
		return s.Key.Ethertype == eth8023 || s.Key.Ethertype == knet.Eth8022 || s.Key.Ethertype == kind
	}
	return s.Key.Ethertype == kind
}

const eth8023 knet.Ethertype = 1 // ETH_P_802_3

// networkType is of which kind a header at the skb's network header is; ok is false where that cannot be known.
// skb->protocol tells it, but for where a tunnel has set one of the two and not yet the other: then an IP header is
// known by its checksum, or its length.
func networkType(b []byte, length int, kind knet.Ethertype) (knet.Ethertype, bool) {
	version := b[0] >> 4
	switch {
	case kind == knet.EthIPv4 && version != 6, kind == knet.EthIPv6 && version != 4: // or it is damaged
		return kind, true
	case isIPv4(b, length):
		return knet.EthIPv4, true
	case kind == knet.EthIPv4 && isIPv6(b, length):
		return knet.EthIPv6, true
	case kind == knet.EthIPv4, kind == knet.EthIPv6, kind == ethTEB:
		return kind, false
	}
	return kind, kind != 0
}

// isIPv4 reports whether bytes begin with an IPv4 header whose checksum is right, and which has the frame's length.
func isIPv4(b []byte, length int) bool {
	size := int(b[0]&15) * 4
	if b[0]>>4 != 4 || size < 20 || len(b) < size {
		return false
	}
	sum := uint32(0)
	for i := 0; i < size; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	return sum == 0xffff && total >= size && total <= length
}

// isIPv6 reports whether bytes begin with an IPv6 header that has the frame's length.
func isIPv6(b []byte, length int) bool {
	const size = 40
	return b[0]>>4 == 6 && len(b) >= size && int(binary.BigEndian.Uint16(b[4:]))+size == length
}
