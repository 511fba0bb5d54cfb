package knet

import (
	"encoding/binary"

	"kinspect/kmem"
)

// NetlinkSocket is what a socket of AF_NETLINK has beside the rest.
type NetlinkSocket struct {
	PortID uint64 // a process's number, often; 0 is the kernel's own
	Dst    uint64 // that it is connected to
	Groups []int  // the multicast groups that it listens to
	Kernel bool
}

// netlinkProtocols are the families of netlink (include/uapi/linux/netlink.h).
var netlinkProtocols = map[uint16]string{
	0: "route", 2: "usersock", 3: "firewall", 4: "sock_diag", 5: "nflog", 6: "xfrm", 7: "selinux", 8: "iscsi",
	9: "audit", 10: "fib_lookup", 11: "connector", 12: "netfilter", 13: "ip6_fw", 14: "dnrtmsg",
	15: "kobject_uevent", 16: "generic", 18: "scsitransport", 19: "ecryptfs", 20: "rdma", 21: "crypto", 22: "smc",
}

var inetProtocols = map[uint16]string{
	1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", 58: "icmpv6",
	89: "ospf", 103: "pim", 112: "vrrp", 132: "sctp", 136: "udplite", 255: "raw", 262: "mptcp",
}

// ProtocolName is the name of sk_protocol in the socket's family, or the number; of a packet socket the
// ethertype's.
func (k Socket) ProtocolName() string {
	switch {
	case k.Packet != nil:
		return k.Packet.Type.String()
	case k.Family == afNetlink:
		return numberName(netlinkProtocols, k.Protocol)
	case k.Family == afInet || k.Family == afInet6:
		return numberName(inetProtocols, k.Protocol)
	}
	return numberName(nil, k.Protocol)
}

// maxLinks is MAX_LINKS (include/uapi/linux/netlink.h), how many netlink families there may be.
const maxLinks = 32

// netlink walks nl_table, which has an rhashtable for each family (net/netlink/af_netlink.c). Sockets
// that are not bound are in none.
func (w *socketWalk) netlink() error {
	tables, err := w.s.K.Global("nl_table")
	if err != nil {
		return err
	}
	off, err := w.s.offset("netlink_sock", "node")
	if err != nil {
		return err
	}
	st, err := w.s.K.Struct("sock")
	if err != nil {
		return err
	}
	for i := range int64(maxLinks) {
		t, err := tables.Index(i)
		if err != nil {
			return err
		}
		used, err := t.UintPath("registered")
		if err != nil {
			return err
		}
		if used == 0 {
			continue
		}
		ht, err := t.Path("hash")
		if err != nil {
			return err
		}
		err = w.s.eachRhash(ht, maxSockets, func(a kmem.Addr) error { return w.sock(w.s.K.Ref(st, a-off)) })
		if err := w.keep(err); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) readNetlink(k *Socket) error {
	st, err := s.K.Struct("netlink_sock")
	if err != nil {
		return err
	}
	v := s.K.Ref(st, k.Addr())
	n := &NetlinkSocket{}
	k.Netlink = n
	if n.PortID, err = v.UintPath("portid"); err != nil {
		return err
	}
	if n.Dst, err = v.UintPath("dst_portid"); err != nil {
		return err
	}
	n.Kernel = n.PortID == 0
	if k.State == "0" {
		k.State = "CLOSE" // NETLINK_UNCONNECTED
	}
	bits, err := v.UintPath("ngroups")
	if err != nil {
		return err
	}
	groups, err := v.PointerPath("groups")
	if err != nil || groups == 0 {
		return err
	}
	raw := make([]byte, (min(bits, 1<<12)+63)/64*8)
	if err := s.K.ReadMem(groups, raw); err != nil {
		return err
	}
	for i := 0; i < len(raw); i += 8 {
		word := binary.LittleEndian.Uint64(raw[i:])
		for b := range 64 {
			if word>>b&1 == 1 {
				n.Groups = append(n.Groups, i*8+b+1)
			}
		}
	}
	return nil
}
