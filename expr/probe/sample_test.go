package probe

import (
	"testing"

	"kinspect/expr/knet"
	"kinspect/expr/probe/frame"
)

// Bytes that frames begin with; what stands behind these is of no matter.
var (
	testEther = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}
	testVLAN  = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0x00, 0, 9, 0x08, 0x00}
	testLLDP  = []byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 2, 0x88, 0xcc}
	testSTP   = []byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 38, 0x42, 0x42, 3}
	// 192.0.2.2 > 192.0.2.1, protocol 47, 60 bytes.
	testIPv4 = []byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 47, 0xf6, 0x8f, 192, 0, 2, 2, 192, 0, 2, 1}
	testIPv6 = []byte{0x60, 0, 0, 0, 0, 20, 59, 64}
)

// Frames that the kernel dropped at different places: what their bytes begin with.
func TestSampleFrame(t *testing.T) {
	const ip4, ip6, lldp = 0x0800, 0x86dd, 0x88cc
	for _, c := range []struct {
		name   string
		kind   knet.Ethertype // skb->protocol
		begin  []byte
		s      Sample
		start  frame.Start
		from   int // of the bytes
		length int
		is     knet.Ethertype // what it is found to be, 0 for skb->protocol
	}{
		{"received, pulled to the network header", lldp, testLLDP, Sample{DevType: 1, From: 64, MAC: 64, Network: 78, Head: 78, Len: 46}, frame.Ethernet, 0, 60, 0},
		{"received, the network header not yet set", lldp, testLLDP, Sample{DevType: 1, From: 64, MAC: 64, Head: 78, Len: 46}, frame.Ethernet, 0, 60, 0},
		{"received, the network header of an outer packet", lldp, testLLDP, Sample{DevType: 1, From: 64, MAC: 64, Network: 20, Head: 78, Len: 46}, frame.Ethernet, 0, 60, 0},
		{"received, 802.2 in a backlog", knet.Eth8022, testSTP, Sample{DevType: 1, From: 64, MAC: 64, Head: 78, Len: 46}, frame.Ethernet, 0, 60, 0},
		{"received, with a tag in its bytes", ip4, testVLAN, Sample{DevType: 1, From: 64, MAC: 64, Network: 82, Head: 82, Len: 42}, frame.Ethernet, 0, 60, 0},
		{"received, in TCP", ip4, testEther, Sample{DevType: 772, From: 64, MAC: 64, Network: 78, Head: 98, Len: 1000}, frame.Ethernet, 0, 1034, 0},
		{"received, in a device below, the type not yet known", 0, testEther, Sample{DevType: 1, From: 64, MAC: 64, Head: 78, Len: 46}, frame.Unknown, 0, 60, 0},
		{"sent, in a qdisc", ip4, testEther, Sample{DevType: 1, From: 64, MAC: 64, Network: 78, Head: 64, Len: 1514}, frame.Ethernet, 0, 1514, 0},
		{"sent, the link header not yet there", ip4, testIPv4, Sample{DevType: 1, From: 78, MAC: -1, Network: 78, Head: 78, Len: 1500}, frame.Network, 0, 1500, 0},
		{"sent, the link header just put there", ip4, testEther, Sample{DevType: 1, From: 64, MAC: -1, Network: 78, Head: 64, Len: 1514}, frame.Ethernet, 0, 1514, 0},
		{"sent, before there is any header", ip4, testIPv4, Sample{DevType: 1, From: 200, MAC: -1, Head: 200, Len: 60}, frame.Unknown, 0, 60, 0},
		{"sent, an IP header that nobody has written yet", 0, make([]byte, 28), Sample{DevType: 1, From: 78, MAC: -1, Network: 78, Head: 78, Len: 60}, frame.Unknown, 0, 60, 0},
		{"forwarded, with the link header that it came with", ip4, testEther, Sample{
			DevType: 1, From: 64, MAC: 64, Network: 78, Head: 78, Len: 46, In: 2, Key: DropKey{Ifindex: 3}, Routed: true,
		}, frame.Network, 14, 46, 0},
		{"bridged, before it leaves", ip4, testEther, Sample{DevType: 1, From: 64, MAC: 64, Network: 78, Head: 78, Len: 46, In: 2, Key: DropKey{Ifindex: 3}, Type: 3}, frame.Ethernet, 0, 60, 0},
		{"forwarded, behind a tunnel's headers", ip4, testIPv4, Sample{DevType: 1, From: 58, MAC: 64, Network: 58, Head: 58, Len: 66, Routed: true}, frame.Network, 0, 66, 0},
		{"forwarded, behind a tunnel's headers and a link header", ip4, testEther, Sample{DevType: 1, From: 44, MAC: 64, Network: 58, Head: 44, Len: 80}, frame.Ethernet, 0, 80, 0},
		{"forwarded, with an MPLS label before it", 0x8847, testEther, Sample{DevType: 1, From: 64, MAC: 64, Network: 74, Head: 74, Len: 50}, frame.Network, 10, 50, 0},
		{"of a tun", ip4, testIPv4, Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Len: 60}, frame.Network, 0, 60, 0},
		{"of a tun, damaged", ip4, make([]byte, 20), Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Len: 60}, frame.Network, 0, 60, 0},
		{"of a tunnel, behind the outer header", ip4, testIPv4, Sample{DevType: 778, From: 64, MAC: 64, Network: 88, Head: 88, Len: 36}, frame.Network, 24, 36, 0},
		{"received by GRE, still of the device below", ip4, testIPv4, Sample{DevType: 1, From: 64, MAC: 64, Network: 88, Head: 88, Len: 36}, frame.Network, 24, 36, 0},
		{"received by GRE, IPv6 by the protocol, at the outer header", ip6, testIPv4, Sample{DevType: 1, From: 64, MAC: 64, Network: 64, Head: 88, Len: 36}, frame.Network, 0, 60, ip4},
		{"received by gretap, its Ethernet header not yet taken", 0x6558, testIPv4, Sample{DevType: 1, From: 64, MAC: 64, Network: 102, Head: 88, Len: 36}, frame.Ethernet, 24, 36, 0},
		{"received by IPIP, the network header before the link header", ip4, make([]byte, 20), Sample{DevType: 1, From: 84, MAC: 84, Network: 64, Head: 84, Len: 60}, frame.Unknown, 0, 60, 0},
		{"received by SIT, IPv4 by the protocol", ip4, testIPv6, Sample{DevType: 776, From: 64, MAC: 64, Network: 64, Head: 64, Len: 60}, frame.Network, 0, 60, ip6},
		{"the same, of another length", ip4, testIPv6, Sample{DevType: 776, From: 64, MAC: 64, Network: 64, Head: 64, Len: 61}, frame.Unknown, 0, 61, 0},
		{"IPv6 by the protocol, and a wrong checksum of IPv4", ip6, []byte{0x45, 0, 0, 20}, Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Len: 60}, frame.Unknown, 0, 60, 0},
		{"a network header behind what was kept", ip4, testIPv4, Sample{DevType: 778, From: 64, MAC: 64, Network: 200, Head: 200, Len: 60}, frame.Unknown, 0, 196, 0},
	} {
		data := make([]byte, 60)
		for i := copy(data, c.begin); i < len(data); i++ {
			data[i] = byte(i)
		}
		c.s.Data, c.s.Key.Ethertype = data, c.kind
		f := c.s.Frame()
		is := c.is
		if is == 0 {
			is = c.kind
		}
		from := len(data) - len(f.Data)
		if f.Start != c.start || from != c.from || f.Length != c.length || f.VLAN != nil || f.Ethertype != is {
			t.Errorf("%s: begins with %d at %d, %d bytes, of %v; want %d at %d, %d bytes, of %v", c.name, f.Start, from, f.Length, f.Ethertype, c.start, c.from, c.length, is)
		}
	}
	data := make([]byte, 60)
	s := Sample{DevType: 1, Data: data, From: 64, MAC: 64, Head: 78, Len: 46, Tagged: true, VLAN: 10, VLANType: 0x8100, Key: DropKey{Ethertype: 0x88cc}}
	if f := s.Frame(); f.VLAN == nil || *f.VLAN != (frame.VLAN{Type: 0x8100, TCI: 10}) || f.Ethertype != 0x88cc {
		t.Errorf("%+v", f)
	}
	empty := Sample{DevType: 778, MAC: -1, Network: 64, From: 64, Head: 64, Len: 9}
	if f := empty.Frame(); len(f.Data) != 0 || f.Length != 9 {
		t.Errorf("%+v", f)
	}
}

// Which way a frame went, by who dropped it or by what the skb says.
func TestSampleDirection(t *testing.T) {
	data := append(testEther[:14:14], make([]byte, 46)...)
	received := Sample{DevType: 1, From: 64, MAC: 64, Network: 78, Head: 78, In: 2, Key: DropKey{Ifindex: 2, Ethertype: 0x0800}}
	with := func(s Sample, change func(*Sample)) Sample { change(&s); return s }
	for _, c := range []struct {
		name, function string
		s              Sample
		want           frame.Direction
	}{
		{"in the core", "__netif_receive_skb_core.constprop.0", received, frame.Inbound},
		{"at a hook", "nf_hook_slow", received, frame.Inbound},
		{"at a socket, which has no device", "sock_queue_rcv_skb", with(received, func(s *Sample) { s.Key.Ifindex = 0 }), frame.Inbound},
		{"at the ingress hook", "tcf_x", with(received, func(s *Sample) { s.Head = 64 }), frame.Inbound},
		{"in a driver's queue", "some_driver", with(received, func(s *Sample) { s.In = 0 }), frame.Inbound},
		{"a packet socket's copy of what was sent", "packet_rcv", with(received, func(s *Sample) { s.Type = packetOutgoing }), frame.Outbound},
		{"forwarded, at a hook", "nf_hook_slow", with(received, func(s *Sample) { s.Key.Ifindex, s.Routed = 3, true }), frame.Outbound},
		{"forwarded, in a qdisc's drop", "x_enqueue", with(received, func(s *Sample) { s.Key.Ifindex, s.Head = 3, 64 }), frame.Outbound},
		{"bridged in, at a hook", "nf_hook_slow", with(received, func(s *Sample) { s.Key.Ifindex = 3 }), frame.NoDirection},
		{"of a tunnel that has its own device, and the outer route", "x_tunnel_rcv", with(received, func(s *Sample) {
			s.DevType, s.Key.Ifindex, s.Routed, s.Network, s.Head = 776, 3, true, 84, 84
		}), frame.NoDirection},
		{"of a socket, before it has a device", "nf_hook_slow", Sample{From: 78, MAC: -1, Network: 78, Head: 78, Owned: true, Key: DropKey{Ethertype: 0x0800}}, frame.Outbound},
		{"of the kernel itself", "nf_hook_slow", Sample{From: 78, MAC: -1, Network: 78, Head: 78, Routed: true, Key: DropKey{Ethertype: 0x0800}}, frame.Outbound},
		{"without a neighbour", "arp_error_report", Sample{DevType: 1, From: 78, MAC: -1, Network: 78, Head: 78, Key: DropKey{Ifindex: 2, Ethertype: 0x0800}}, frame.Outbound},
		{"of a tun, before the stack", "some_driver", Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Key: DropKey{Ifindex: 2, Ethertype: 0x0800}}, frame.NoDirection},
		{"written into a tun", "some_driver", Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Owned: true, Key: DropKey{Ifindex: 2, Ethertype: 0x0800}}, frame.NoDirection},
		{"sent into a tun", "some_driver", Sample{DevType: 65534, From: 64, MAC: 64, Network: 64, Head: 64, Owned: true, Routed: true, Key: DropKey{Ifindex: 2, Ethertype: 0x0800}}, frame.Outbound},
		{"no frame at all", "unix_release_sock", Sample{From: 64, MAC: -1, Head: 64, Owned: true}, frame.NoDirection},
	} {
		c.s.Data = data
		if got := c.s.Direction(c.function); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
