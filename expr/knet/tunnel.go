package knet

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// TunnelInput is where a tunnel device's packets come in: by a socket of UDP or by a protocol of IP, on whatever device
// they arrive. The device below it, where it has one, is only what it sends by.
type TunnelInput struct {
	Name    string    // "UDP port 4789", "IP protocol 47 (GRE)"
	Handler kmem.Addr // the function that takes them, 0 where that cannot be seen
	Closed  bool      // memory shows that nothing takes them now
}

// udpTunnel is a kind of device whose packets come by UDP.
type udpTunnel struct {
	module, priv string   // the driver, and its private struct
	socks        []string // paths in it to a struct sock, or to what holds one
	port         string   // path to the port that it is set to, "" where its sockets alone have one
	swapped      bool     // the port is in network order
	handler      string   // the function that its sockets are made with
}

// udpTunnels are these kinds, from drivers/net and net/l2tp of 5.10 to 7.3. A socket lies behind a struct socket up to
// 6.18, and for some kinds in a struct of the driver's: [sockBehind] looks for both.
var udpTunnels = map[string]udpTunnel{
	"vxlan":     {"vxlan", "vxlan_dev", []string{"vn4_sock", "vn6_sock"}, "cfg.dst_port", true, "vxlan_rcv"},
	"geneve":    {"geneve", "geneve_dev", []string{"sock4", "sock6"}, "cfg.info.key.tp_dst", true, "geneve_udp_encap_recv"},
	"bareudp":   {"bareudp", "bareudp_dev", []string{"sock", "sk"}, "port", true, "bareudp_udp_encap_recv"},
	"wireguard": {"wireguard", "wg_device", []string{"sock4", "sock6"}, "incoming_port", false, "wg_receive"},
	"gtp":       {"gtp", "gtp_dev", []string{"sk1u", "sk0"}, "", false, "gtp_encap_recv"},
	"amt":       {"amt", "amt_dev", []string{"sock", "sk"}, "", false, "amt_rcv"},
	"pfcp":      {"pfcp", "pfcp_dev", []string{"sock", "sk"}, "", false, "pfcp_encap_recv"},
	"l2tpeth":   {"l2tp_eth", "l2tp_eth", []string{"session.tunnel.sock"}, "", false, "l2tp_udp_encap_recv"},
	"ovpn":      {"ovpn", "ovpn_priv", nil, "", false, "ovpn_udp_encap_recv"}, // its peers have the sockets
}

// ipTunnels are the kinds whose packets come by a protocol of IP, with the protocols.
var ipTunnels = map[string][]ipInput{
	"gre": {{4, 47}}, "gretap": {{4, 47}}, "erspan": {{4, 47}},
	"ip6gre": {{6, 47}}, "ip6gretap": {{6, 47}}, "ip6erspan": {{6, 47}},
	"ipip": {{4, 4}, {4, 137}}, "sit": {{4, 41}, {4, 4}, {4, 137}}, "ip6tnl": {{6, 41}, {6, 4}, {6, 137}},
	"vti": {{4, 50}, {4, 51}, {4, 108}, {4, 4}}, "vti6": {{6, 50}, {6, 51}, {6, 108}, {6, 41}},
	"xfrm": {{4, 50}, {4, 51}, {4, 108}, {6, 50}, {6, 51}, {6, 108}},
}

// ipInput is a protocol of IPv4 or IPv6.
type ipInput struct{ version, protocol int }

// ipProtocols are their names (include/uapi/linux/in.h).
var ipProtocols = map[int]string{4: "IPIP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH", 108: "IPComp", 115: "L2TP", 137: "MPLS"}

func (p ipInput) String() string {
	ip := "IP"
	if p.version == 6 {
		ip = "IPv6"
	}
	return fmt.Sprintf("%s protocol %d (%s)", ip, p.protocol, ipProtocols[p.protocol])
}

// TunnelInputs lists where the packets of a tunnel come in, with as much as can be read; ok is false where devices of
// the kind get their frames in another way.
func (s *Stack) TunnelInputs(d Device, kind string) (in []TunnelInput, ok bool) {
	if t, ok := udpTunnels[kind]; ok {
		return s.udpInputs(d, t), true
	}
	protocols, ok := ipTunnels[kind]
	if !ok {
		return nil, false
	}
	for _, p := range protocols {
		f, err := s.ipHandler(p)
		if err == nil && f == 0 && len(protocols) > 1 {
			continue // such as MPLS, which the tunnels take only where the module is loaded
		}
		in = append(in, TunnelInput{Name: p.String(), Handler: f, Closed: err == nil && f == 0})
	}
	if len(in) == 0 {
		in = []TunnelInput{{Name: protocols[0].String(), Closed: true}}
	}
	return in, true
}

// ipHandler is the function that takes a protocol's packets, 0 where none is registered
// (include/net/protocol.h: struct net_protocol, struct inet6_protocol).
func (s *Stack) ipHandler(p ipInput) (kmem.Addr, error) {
	table := "inet_protos"
	if p.version == 6 {
		table = "inet6_protos"
	}
	protos, err := s.K.Global(table)
	if err != nil {
		return 0, err
	}
	entry, err := protos.Index(int64(p.protocol))
	if err != nil {
		return 0, err
	}
	if a, err := entry.Pointer(); err != nil || a == 0 {
		return 0, err
	}
	return entry.PointerPath("handler")
}

// udpInputs are a tunnel's sockets. Where they cannot be seen, as without the driver's BTF, its packets come by UDP
// all the same.
func (s *Stack) udpInputs(d Device, t udpTunnel) []TunnelInput {
	unseen := TunnelInput{Name: "UDP"}
	if sym, ok := s.K.LookupSymbol(t.handler); ok {
		unseen.Handler = sym.Addr
	}
	priv, err := s.Priv(d, t.priv, t.module)
	if err != nil || len(t.socks) == 0 {
		return []TunnelInput{unseen}
	}
	if port, err := priv.UintPath(t.port); t.port != "" && err == nil && port != 0 {
		if t.swapped {
			port = value.Swap(port, 16)
		}
		unseen.Name = fmt.Sprintf("UDP port %d", port)
	}
	var in []TunnelInput
	seen := false // what can be seen is that no socket is open
	for _, path := range t.socks {
		sock, err := s.sockBehind(priv, path)
		if err != nil {
			continue
		}
		seen = true
		if !sock.Valid() {
			continue
		}
		one, err := s.socketInput(sock)
		if err != nil {
			return []TunnelInput{unseen}
		}
		if len(in) == 0 || in[len(in)-1] != one { // IPv4's and IPv6's are often alike
			in = append(in, one)
		}
	}
	if len(in) == 0 {
		unseen.Closed = seen
		if seen {
			unseen.Handler = 0
		}
		return []TunnelInput{unseen}
	}
	return in
}

// sockBehind is the struct sock at a path, or in what is there; not valid where there is none now.
func (s *Stack) sockBehind(priv value.Value, path string) (value.Value, error) {
	v, err := priv.Path(path)
	if err != nil {
		return value.Value{}, err
	}
	const hops = 3 // struct vxlan_sock, struct socket, struct sock
	for range hops {
		if a, err := v.Pointer(); err != nil || a == 0 {
			return value.Value{}, err
		}
		next := ""
		for _, name := range []string{"sk", "sock"} {
			if v.Has(name) {
				next = name
				break
			}
		}
		if next == "" {
			return v, nil
		}
		if v, err = v.Path(next); err != nil {
			return value.Value{}, err
		}
	}
	return v, nil
}

// ipProtoUDP is IPPROTO_UDP.
const ipProtoUDP = 17

// socketInput is what a socket takes: of UDP its port and its encap_rcv (include/linux/udp.h), which gets the packets
// before the socket does; of another protocol, as L2TP's own, what IP calls.
func (s *Stack) socketInput(sock value.Value) (TunnelInput, error) {
	at, err := sock.Pointer()
	if err != nil {
		return TunnelInput{}, err
	}
	protocol, err := sock.UintPath("sk_protocol")
	if err != nil {
		return TunnelInput{}, err
	}
	if protocol != ipProtoUDP {
		p := ipInput{4, int(protocol & 0xff)}
		f, err := s.ipHandler(p)
		return TunnelInput{Name: p.String(), Handler: f}, err
	}
	port, err := sock.UintPath("__sk_common.skc_num")
	if err != nil {
		return TunnelInput{}, err
	}
	st, err := s.K.Struct("udp_sock")
	if err != nil {
		return TunnelInput{}, err
	}
	f, err := s.K.Ref(st, at).PointerPath("encap_rcv")
	return TunnelInput{Name: fmt.Sprintf("UDP port %d", port), Handler: f}, err
}
