package knet

import (
	"errors"
	"net/netip"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// tcp walks the established and the listening hash (include/net/inet_hashtables.h). Which ones a
// namespace uses its death row says: tcp_hashinfo, or since 6.1 one of its own.
func (w *socketWalk) tcp(nss []NetNS) error {
	seen := map[kmem.Addr]bool{}
	for _, ns := range nss {
		info, err := ns.Value.Path("ipv4.tcp_death_row.hashinfo")
		if err != nil {
			return err
		}
		a, err := info.Pointer()
		if err != nil {
			return err
		}
		if seen[a] || a == 0 {
			continue
		}
		seen[a] = true
		if err := w.keep(w.listening(info)); err != nil {
			return err
		}
		if err := w.keep(w.established(info)); err != nil {
			return err
		}
	}
	return nil
}

// listening walks lhash2: through skc_nulls_node, and before 5.19 through inet_connection_sock's
// icsk_listen_portaddr_node.
func (w *socketWalk) listening(info value.Value) error {
	t, err := w.s.arrayOf(info, "lhash2", "inet_listen_hashbucket", "nulls_head.first")
	if err != nil {
		return err
	}
	mask, err := info.UintPath("lhash2_mask")
	if err != nil {
		return err
	}
	t.n = mask + 1
	visit, err := w.at("__sk_common.skc_nulls_node")
	if err != nil {
		return err
	}
	const old = "icsk_listen_portaddr_node"
	if w.s.K.HasMember("inet_connection_sock", old) {
		off, err := w.s.offset("inet_connection_sock", old)
		if err != nil {
			return err
		}
		st, err := w.s.K.Struct("sock")
		if err != nil {
			return err
		}
		visit = func(node kmem.Addr) error { return w.sock(w.s.K.Ref(st, node-off)) }
	}
	return w.nodes(t, visit)
}

// established walks ehash, whose nodes are sockets, and what stands for them: their state tells which
// (include/net/inet_sock.h: sk_fullsock).
func (w *socketWalk) established(info value.Value) error {
	t, err := w.s.arrayOf(info, "ehash", "inet_ehash_bucket", "chain.first")
	if err != nil {
		return err
	}
	mask, err := info.UintPath("ehash_mask")
	if err != nil {
		return err
	}
	t.n = mask + 1
	node, err := w.s.offset("sock_common", "skc_nulls_node")
	if err != nil {
		return err
	}
	common, err := w.s.K.Struct("sock_common")
	if err != nil {
		return err
	}
	full, err := w.s.K.Struct("sock")
	if err != nil {
		return err
	}
	return w.nodes(t, func(a kmem.Addr) error {
		c := w.s.K.Ref(common, a-node)
		state, err := c.UintPath("skc_state")
		if err != nil {
			return w.keep(err)
		}
		switch state {
		case tcpTimeWait:
			return w.keep(w.standIn(c, "inet_timewait_sock"))
		case tcpNewSynRecv:
			return w.keep(w.standIn(c, "request_sock"))
		}
		return w.sock(w.s.K.Ref(full, a-node))
	})
}

// standIn visits what stands for a TCP socket.
func (w *socketWalk) standIn(c value.Value, name string) error {
	st, err := w.s.K.Struct(name)
	if err != nil {
		return err
	}
	a, _ := c.Addr()
	k := Socket{Value: w.s.K.Ref(st, a), Kind: w.kind, Type: 1, Protocol: 6}
	ok, err := k.readCommon(c, w.all)
	if err != nil || !ok {
		return err
	}
	if name == "inet_timewait_sock" {
		// FIN_WAIT2 is kept in this form, too.
		sub, err := k.Value.UintPath("tw_substate")
		if err != nil {
			return err
		}
		k.State = stateName(sub)
	}
	if err := k.readEnds(c); err != nil {
		return err
	}
	if name == "request_sock" {
		// The one that it asks: its port is that of the listening socket.
		listener, err := c.PointerPath("skc_listener")
		if err != nil {
			return err
		}
		if listener != 0 {
			if k.UID, err = c.UintPath("skc_listener.sk_uid.val"); err != nil {
				return err
			}
		}
	}
	if err := w.device(&k); err != nil {
		return err
	}
	return w.visit(k)
}

// arrayOf is the table behind a pointer to an array of structs, with a pointer at the given member.
func (s *Stack) arrayOf(v value.Value, member, element, head string) (table, error) {
	st, err := s.K.Struct(element)
	if err != nil {
		return table{}, err
	}
	f, err := st.FindMember(head)
	if err != nil {
		return table{}, err
	}
	size, err := btf.Sizeof(st)
	if err != nil {
		return table{}, err
	}
	a, err := v.PointerPath(member)
	return table{base: a, stride: size, head: uint64(f.BitOffset / 8)}, err
}

// udp walks the hash by port: of all namespaces, and since 6.1 of those that have one of their own
// (net.ipv4.udp_table).
func (w *socketWalk) udp(nss []NetNS) error {
	if len(nss) == 0 || !w.s.K.HasMember("netns_ipv4", "udp_table") {
		return w.udpTable("udp_table")
	}
	seen := map[kmem.Addr]bool{}
	for _, ns := range nss {
		v, err := ns.Value.Path("ipv4.udp_table")
		if err != nil {
			return err
		}
		a, err := v.Pointer()
		if err != nil {
			return err
		}
		if seen[a] || a == 0 {
			continue
		}
		seen[a] = true
		if err := w.keep(w.udpHash(v)); err != nil {
			return err
		}
	}
	return nil
}

// udpTable walks a global struct udp_table; UDP-Lite has gone from newer kernels.
func (w *socketWalk) udpTable(name string) error {
	if _, ok := w.s.K.LookupSymbol(name); !ok && name == "udplite_table" {
		return nil
	}
	v, err := w.s.K.Global(name)
	if err != nil {
		return err
	}
	return w.udpHash(v)
}

func (w *socketWalk) udpHash(v value.Value) error {
	t, err := w.s.arrayOf(v, "hash", "udp_hslot", "head.first")
	if err != nil || t.base == 0 {
		return err
	}
	mask, err := v.UintPath("mask")
	if err != nil {
		return err
	}
	t.n = mask + 1
	visit, err := w.at("__sk_common.skc_node")
	if err != nil {
		return err
	}
	return w.nodes(t, visit)
}

// raw walks the raw sockets of IPv4 and IPv6 (net/ipv4/raw.c, net/ipv6/raw.c).
func (w *socketWalk) raw() error {
	visit, err := w.at("__sk_common.skc_node")
	if err != nil {
		return err
	}
	for _, name := range []string{"raw_v4_hashinfo", "raw_v6_hashinfo"} {
		if _, ok := w.s.K.LookupSymbol(name); !ok && name == "raw_v6_hashinfo" {
			continue // no IPv6
		}
		v, err := w.s.K.Global(name)
		if err != nil {
			return err
		}
		if err := w.keep(w.headArray(v, "ht", visit)); err != nil {
			return err
		}
	}
	return nil
}

// ping walks the sockets that send ICMP echo requests (net/ipv4/ping.c), since 6.1 through skc_node and
// before through skc_nulls_node, which are the same place.
func (w *socketWalk) ping() error {
	visit, err := w.at("__sk_common.skc_node")
	if err != nil {
		return err
	}
	v, err := w.s.K.Global("ping_table")
	if err != nil {
		return err
	}
	return w.headArray(v, "hash", visit)
}

// headArray walks an array of list heads that is a member.
func (w *socketWalk) headArray(v value.Value, member string, visit func(kmem.Addr) error) error {
	heads, err := v.Path(member)
	if err != nil {
		return err
	}
	a, _ := heads.Addr()
	n, ok := heads.Len()
	if !ok {
		return errors.New("the array " + member + " has no length")
	}
	return w.nodes(table{a, uint64(n), 8, 0}, visit)
}

// readInet reads the ends of an internet socket, and its queues as `ss` shows them.
func (s *Stack) readInet(k *Socket) error {
	c, err := k.Value.Path("__sk_common")
	if err != nil {
		return err
	}
	if err := k.readEnds(c); err != nil {
		return err
	}
	switch k.Kind {
	case "tcp":
		return s.tcpQueues(k)
	case "udp", "udplite":
		return s.udpQueue(k)
	case "raw":
		// The protocol is what a raw socket has for a port.
		k.Local.Port = k.Protocol
	}
	return nil
}

func (k *Socket) readEnds(c value.Value) error {
	var err error
	local, remote := "skc_rcv_saddr", "skc_daddr"
	read := ipv4
	if k.Family == afInet6 {
		local, remote, read = "skc_v6_rcv_saddr", "skc_v6_daddr", ipv6
	}
	if k.Local.Addr, err = read(c, local); err != nil {
		return err
	}
	if k.Remote.Addr, err = read(c, remote); err != nil {
		return err
	}
	if k.Family == afInet6 {
		only, err := c.UintPath("skc_ipv6only")
		if err != nil {
			return err
		}
		k.V6Only = only != 0
	}
	num, err := c.UintPath("skc_num")
	if err != nil {
		return err
	}
	port, err := c.UintPath("skc_dport")
	k.Local.Port, k.Remote.Port = uint16(num), uint16(value.Swap(port, 16))
	return err
}

// tcpQueues reads what waits to be accepted, or to be read and to be acknowledged (net/ipv4/tcp_diag.c:
// tcp_diag_get_info).
func (s *Stack) tcpQueues(k *Socket) error {
	var err error
	if k.State == socketStates[tcpListen] {
		if k.RxQueue, err = k.Value.UintPath("sk_ack_backlog"); err != nil {
			return err
		}
		k.TxQueue, err = k.Value.UintPath("sk_max_ack_backlog")
		return err
	}
	st, err := s.K.Struct("tcp_sock")
	if err != nil {
		return err
	}
	tp := s.K.Ref(st, k.Addr())
	var n [4]uint64
	for i, m := range []string{"rcv_nxt", "copied_seq", "write_seq", "snd_una"} {
		if n[i], err = tp.UintPath(m); err != nil {
			return err
		}
	}
	k.RxQueue = uint64(max(int32(uint32(n[0])-uint32(n[1])), 0))
	k.TxQueue = uint64(uint32(n[2]) - uint32(n[3]))
	return nil
}

// udpQueue leaves out what was read, but not yet given back (net/ipv4/udp.c: udp_rqueue_get).
func (s *Stack) udpQueue(k *Socket) error {
	st, err := s.K.Struct("udp_sock")
	if err != nil {
		return err
	}
	n, err := s.K.Ref(st, k.Addr()).UintPath("forward_deficit")
	k.RxQueue = uint64(max(int32(uint32(k.RxQueue)-uint32(n)), 0))
	return err
}

// Listens reports whether the socket waits for others: a listening one, or one of UDP and the like that
// has no other end.
func (k Socket) Listens() bool {
	return k.State == "LISTEN" || k.State == "CLOSE" && (k.Remote.Addr == netip.Addr{} || k.Remote.Addr.IsUnspecified())
}
