package probe

import (
	"strings"

	"kinspect/expr/probe/frame"
)

// Of include/uapi/linux/if_packet.h: what skb->pkt_type says.
const (
	packetHost     = 0
	packetOutgoing = 4
)

// ways are functions that frames come through in one direction alone, with which one drops them. Where others drop
// frames (nf_hook_slow, the qdiscs' own) the skb has to tell.
var ways = map[string]frame.Direction{
	"__netif_receive_skb_core": frame.Inbound,
	"enqueue_to_backlog":       frame.Inbound,
	"gro_cells_receive":        frame.Inbound,
	"ip_rcv_core":              frame.Inbound,
	"ip_rcv_finish_core":       frame.Inbound,
	"ip_forward":               frame.Inbound, // the device is the one that it came by still
	"ip_local_deliver_finish":  frame.Inbound,
	"ip_protocol_deliver_rcu":  frame.Inbound,
	"ip_tunnel_rcv":            frame.Inbound,
	"__ip6_tnl_rcv":            frame.Inbound,
	"gre_rcv":                  frame.Inbound,
	"ipip_rcv":                 frame.Inbound,
	"ipip6_rcv":                frame.Inbound,
	"tunnel4_rcv":              frame.Inbound,
	"tun_get_user":             frame.Inbound, // written by a program, received by the host
	"vxlan_rcv":                frame.Inbound,
	"ip6_rcv_core":             frame.Inbound,
	"ip6_forward":              frame.Inbound,
	"ip6_protocol_deliver_rcu": frame.Inbound,
	"arp_rcv":                  frame.Inbound,
	"arp_process":              frame.Inbound,
	"icmp_rcv":                 frame.Inbound,
	"icmpv6_rcv":               frame.Inbound,
	"tcp_v4_rcv":               frame.Inbound,
	"tcp_v6_rcv":               frame.Inbound,
	"__udp4_lib_rcv":           frame.Inbound,
	"__udp6_lib_rcv":           frame.Inbound,

	"__dev_queue_xmit":       frame.Outbound,
	"sch_direct_xmit":        frame.Outbound,
	"validate_xmit_skb":      frame.Outbound,
	"dev_hard_start_xmit":    frame.Outbound,
	"__ip_local_out":         frame.Outbound,
	"__ip_queue_xmit":        frame.Outbound,
	"ip_output":              frame.Outbound,
	"ip_mc_output":           frame.Outbound,
	"ip_finish_output":       frame.Outbound,
	"ip_finish_output2":      frame.Outbound,
	"ip_do_fragment":         frame.Outbound,
	"ip_fragment":            frame.Outbound,
	"ip6_output":             frame.Outbound,
	"ip6_finish_output":      frame.Outbound,
	"ip6_finish_output2":     frame.Outbound,
	"ip6_fragment":           frame.Outbound,
	"__neigh_event_send":     frame.Outbound,
	"neigh_invalidate":       frame.Outbound,
	"neigh_resolve_output":   frame.Outbound,
	"neigh_connected_output": frame.Outbound,
	"arp_error_report":       frame.Outbound,
	"ndisc_error_report":     frame.Outbound,
	"veth_xmit":              frame.Outbound,
	"tun_net_xmit":           frame.Outbound,
	"ip_tunnel_xmit":         frame.Outbound,
	"ipip_tunnel_xmit":       frame.Outbound,
	"ipgre_xmit":             frame.Outbound,
	"sit_tunnel_xmit":        frame.Outbound,
}

// Direction is which way the frame went at its device, by the function that dropped it or by what the skb says;
// NoDirection where neither does. skb->pkt_type is PACKET_OUTGOING for the copies that packet sockets get alone.
//
//   - skb->skb_iif is the device that the stack has taken the frame from: the same one for what is received, another
//     one for what is forwarded;
//   - without it, a frame is one of the host's own where a socket has it or a route was found for it, and it is not
//     behind its link header, as it is in a driver and a tunnel that hand it over. A tun's socket has what a program
//     wrote, too.
func (s *Sample) Direction(function string) frame.Direction {
	name, _, _ := strings.Cut(function, ".") // .constprop.0, .isra.0
	way, known := ways[name]
	start, _ := s.header()
	ether := s.DevType == devEther || s.DevType == devLoopback
	pulled := s.MAC >= 0 && s.MAC < s.Head
	switch {
	case s.Type == packetOutgoing:
		return frame.Outbound
	case known:
		return way
	case start == frame.Unknown:
		return frame.NoDirection
	case s.In != 0 && (s.Key.Ifindex == 0 || s.In == s.Key.Ifindex):
		return frame.Inbound
	case s.In != 0 && (s.forwarded() || ether && s.MAC == s.Head):
		return frame.Outbound
	case s.In == 0 && !pulled && (s.Routed || s.Owned && (ether || s.MAC < 0)):
		return frame.Outbound
	case s.In == 0 && s.Key.Ifindex != 0 && ether && pulled && s.Head-s.MAC == etherHeader:
		return frame.Inbound
	}
	return frame.NoDirection
}
