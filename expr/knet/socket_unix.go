package knet

import (
	"bytes"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// UnixSocket is what a socket of AF_UNIX has beside the rest.
type UnixSocket struct {
	Path string // raw; of an abstract one the first byte is NUL
	Peer kmem.Addr
	// PeerInode is the inode number of the other end, 0 without one.
	PeerInode uint64
}

// unixBuckets is how many lists of sockets there are: UNIX_HASH_SIZE since 5.19 (include/net/af_unix.h),
// when each namespace got a table of its own, without a word about its size.
const unixBuckets = 512

// unix walks the lists of sockets with and without a name: one table for all namespaces up to 5.18.
func (w *socketWalk) unix(nss []NetNS) error {
	visit, err := w.at("__sk_common.skc_node")
	if err != nil {
		return err
	}
	if !w.s.K.HasMember("netns_unix", "table") {
		v, err := w.s.K.Global("unix_socket_table")
		if err != nil {
			return err
		}
		a, _ := v.Addr()
		n, _ := v.Len()
		return w.nodes(table{a, uint64(n), 8, 0}, visit)
	}
	for _, ns := range nss {
		a, err := ns.Value.PointerPath("unx.table.buckets")
		if err != nil {
			return err
		}
		if a == 0 {
			continue
		}
		if err := w.nodes(table{a, unixBuckets, 8, 0}, visit); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) readUnix(k *Socket) error {
	st, err := s.structOf("unix_sock", "unix")
	if err != nil {
		return err
	}
	u := s.K.Ref(st, k.Addr())
	k.Unix = &UnixSocket{}
	if k.Unix.Path, err = unixPath(u); err != nil {
		return err
	}
	if k.Unix.Peer, err = u.PointerPath("peer"); err != nil {
		return err
	}
	if k.Unix.Peer != 0 {
		peer, err := u.Path("peer")
		if err != nil {
			return err
		}
		if peer, err = peer.Deref(); err != nil {
			return err
		}
		if k.Unix.PeerInode, err = s.socketInode(peer); err != nil {
			return err
		}
	}
	return s.unixQueues(k, u)
}

// unixPath is the name that the socket is bound to, raw, or "".
func unixPath(u value.Value) (string, error) {
	addr, err := u.Path("addr")
	if err != nil {
		return "", err
	}
	if a, err := addr.Pointer(); err != nil || a == 0 {
		return "", err
	}
	n, err := addr.UintPath("len")
	if err != nil {
		return "", err
	}
	const family, most = 2, 110 // sizeof(sa_family_t), sizeof(struct sockaddr_un)
	if int32(n) <= family {
		return "", nil
	}
	if n > most {
		return "", value.Faultf("the name of a socket is longer than a struct sockaddr_un: it is damaged")
	}
	name, err := addr.Path("name")
	if err != nil {
		return "", err
	}
	a, _ := name.Addr()
	raw := make([]byte, n-family)
	if err := u.Kernel().ReadMem(a+family, raw); err != nil {
		return "", err
	}
	if raw[0] != 0 {
		raw, _, _ = bytes.Cut(raw, []byte{0})
	}
	return string(raw), nil
}

// unixQueues is net/unix/diag.c: sk_diag_show_rqlen: of a listening socket the connections that wait and
// how many may, of others the bytes to be read next, and those sent but not read.
func (s *Stack) unixQueues(k *Socket, u value.Value) error {
	var err error
	if k.State == socketStates[tcpListen] {
		if k.RxQueue, err = k.Value.UintPath("sk_receive_queue.qlen"); err != nil {
			return err
		}
		k.TxQueue, err = k.Value.UintPath("sk_max_ack_backlog")
		return err
	}
	if u.Has("inq_len") && k.Type == 1 { // since 6.18 (net/unix/af_unix.c: unix_inq_len)
		k.RxQueue, err = u.UintPath("inq_len")
		return err
	}
	head, err := k.Value.Path("sk_receive_queue")
	if err != nil {
		return err
	}
	skb, err := s.K.Struct("sk_buff")
	if err != nil {
		return err
	}
	consumed := func(kmem.Addr) (uint64, error) { return 0, nil }
	if parms, err := s.structOf("unix_skb_parms", "unix"); err == nil && k.Type == 1 {
		cb, err := s.offset("sk_buff", "cb")
		if err != nil {
			return err
		}
		consumed = func(a kmem.Addr) (uint64, error) { return s.K.Ref(parms, a+cb).UintPath("consumed") }
	}
	k.RxQueue = 0
	a, _ := head.Addr()
	first, err := kmem.ReadAddr(s.K, a)
	if err != nil || first == a {
		return err
	}
	return ended(s.chain(first, 0, maxSockets, func(at kmem.Addr) error {
		if at == a {
			return value.Stop()
		}
		n, err := s.K.Ref(skb, at).UintPath("len")
		if err != nil {
			return err
		}
		used, err := consumed(at)
		if err != nil {
			return err
		}
		k.RxQueue += uint64(uint32(n) - uint32(used))
		if k.Type != 1 && k.Type != 5 {
			return value.Stop() // of datagrams, the next one
		}
		return nil
	}))
}
