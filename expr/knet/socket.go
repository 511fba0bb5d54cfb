package knet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxSockets bounds the sockets of one kind.
const maxSockets = 1 << 24

// SocketKinds are the kinds of sockets that have a table in the kernel, in the order in which they are
// listed.
var SocketKinds = []string{"tcp", "udp", "udplite", "raw", "icmp", "unix", "packet", "netlink", "xdp"}

// Endpoint is one end of an internet socket.
type Endpoint struct {
	Addr netip.Addr
	Port uint16
}

// Socket is a struct sock, or, of TCP, what stands for one in its tables: a struct request_sock for a
// connection that is not yet made, a struct inet_timewait_sock for one that is over.
type Socket struct {
	Value    value.Value // struct sock, request_sock or inet_timewait_sock
	NS       NetNS
	Kind     string // one of [SocketKinds], or "other"
	Family   uint16
	Type     uint16 // SOCK_STREAM and so on
	Protocol uint16
	State    string // the kernel's name without TCP_: ESTABLISHED, LISTEN, …
	Local    Endpoint
	Remote   Endpoint
	RxQueue  uint64 // as `ss` shows it: of a listening socket the connections that wait to be accepted
	TxQueue  uint64 // … and how many may
	Drops    uint64 // sk_drops
	UID      uint64
	Inode    uint64
	Device   string // that it is bound to, by name, or ""
	V6Only   bool   // of IPv6, that takes nothing of IPv4 (IPV6_V6ONLY)

	Unix    *UnixSocket
	Netlink *NetlinkSocket
	Packet  *PacketSocket
}

// Addr is where the socket's struct is.
func (k Socket) Addr() kmem.Addr {
	a, _ := k.Value.Addr()
	return a
}

// Full reports whether the socket is a struct sock.
func (k Socket) Full() bool {
	st, ok := k.Value.StructType()
	return ok && st.Name == "sock"
}

// families are the names of the address families that sockets here have
// (include/linux/socket.h); user interface that never moved.
var families = map[uint16]string{
	1: "unix", 2: "inet", 5: "appletalk", 9: "x25", 10: "inet6", 15: "key", 16: "netlink", 17: "packet",
	18: "ash", 21: "rds", 24: "pppox", 26: "llc", 29: "can", 30: "tipc", 31: "bluetooth", 33: "rxrpc",
	38: "alg", 40: "vsock", 41: "kcm", 42: "qipcrtr", 43: "smc", 44: "xdp", 45: "mctp",
}

const (
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afPacket  = 17
	afXDP     = 44
)

// FamilyName is "inet6" and the like, or the number.
func (k Socket) FamilyName() string { return numberName(families, k.Family) }

var socketTypes = map[uint16]string{1: "stream", 2: "dgram", 3: "raw", 4: "rdm", 5: "seqpacket", 6: "dccp", 10: "packet"}

// TypeName is "stream" and the like, or the number.
func (k Socket) TypeName() string { return numberName(socketTypes, k.Type) }

func numberName(names map[uint16]string, n uint16) string {
	if name, ok := names[n]; ok {
		return name
	}
	return fmt.Sprint(n)
}

// socketStates are the states of include/net/tcp_states.h without TCP_, which sockets of other families
// use too. A connection that is being asked for (TCP_NEW_SYN_RECV) is shown as the kernel's own tools
// show it.
var socketStates = []string{
	"0", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV", "BOUND_INACTIVE",
}

const (
	tcpTimeWait   = 6
	tcpListen     = 10
	tcpNewSynRecv = 12
)

func stateName(n uint64) string {
	if n < uint64(len(socketStates)) {
		return socketStates[n]
	}
	return fmt.Sprint(n)
}

// EachSocket calls visit with each socket of a kind in the namespaces. A kind that the kernel does not
// have is none. What cannot be read of them, a socket or a chain of a table, is left out: the walk goes
// on, and returns the fault at its end.
func (s *Stack) EachSocket(kind string, nss []NetNS, visit func(Socket) error) error {
	w := socketWalk{s: s, kind: kind, all: map[kmem.Addr]NetNS{}, names: map[[2]uint64]string{}}
	w.visit = func(k Socket) error {
		w.ended = visit(k)
		return w.ended
	}
	for _, ns := range nss {
		a, _ := ns.Value.Addr()
		w.all[a] = ns
	}
	var err error
	switch kind {
	case "tcp":
		err = w.tcp(nss)
	case "udp":
		err = w.udp(nss)
	case "udplite":
		err = w.udpTable("udplite_table")
	case "raw":
		err = w.raw()
	case "icmp":
		err = w.ping()
	case "unix":
		err = w.unix(nss)
	case "packet":
		err = w.list(nss, "packet.sklist")
	case "netlink":
		err = w.netlink()
	case "xdp":
		err = w.list(nss, "xdp.list")
	default:
		return fmt.Errorf("%s is no kind of sockets: they are %v", value.Quote(kind), SocketKinds)
	}
	if w.ended != nil {
		return w.ended
	}
	if err == nil {
		err = w.faults.Err()
	}
	if err != nil {
		return fmt.Errorf("the %s sockets: %w", kind, err)
	}
	return nil
}

// A socketWalk goes through the tables of one kind.
type socketWalk struct {
	s     *Stack
	kind  string
	all   map[kmem.Addr]NetNS  // the namespaces that are wanted
	names map[[2]uint64]string // of devices, by namespace and index
	visit func(Socket) error

	ended  error // what the visitor ended the walk with
	faults value.Faults
}

// keep notes a fault, behind which the walk goes on.
func (w *socketWalk) keep(err error) error {
	if w.ended != nil {
		return err
	}
	return w.faults.Keep(err)
}

// nodes walks a hash table, chain by chain.
func (w *socketWalk) nodes(t table, visit func(kmem.Addr) error) error {
	left := maxSockets
	return w.keep(w.s.firsts(t, 0, func(first kmem.Addr) error {
		return w.keep(w.s.chain(first, 0, left+1, func(a kmem.Addr) error {
			if left--; left < 0 {
				return fmt.Errorf("the hash table has more than %d entries: gave up", maxSockets)
			}
			return visit(a)
		}))
	}))
}

// at makes a visitor of list nodes into one of sockets: the node is the given member.
func (w *socketWalk) at(member string) (func(kmem.Addr) error, error) {
	st, err := w.s.K.Struct("sock")
	if err != nil {
		return nil, err
	}
	f, err := st.FindMember(member)
	if err != nil {
		return nil, err
	}
	return func(node kmem.Addr) error { return w.sock(w.s.K.Ref(st, node-kmem.Addr(f.BitOffset/8))) }, nil
}

// sock visits a struct sock if its namespace is wanted.
func (w *socketWalk) sock(v value.Value) error {
	k, ok, err := w.s.readSocket(v, w.kind, w.all)
	if err != nil || !ok {
		return w.keep(err)
	}
	if err := w.device(&k); err != nil {
		return w.keep(err)
	}
	return w.visit(k)
}

// readSocket reads what all kinds have in common, then what the kind has. ok is false where the
// namespace is not among the given ones.
func (s *Stack) readSocket(v value.Value, kind string, all map[kmem.Addr]NetNS) (k Socket, ok bool, err error) {
	common, err := v.Path("__sk_common")
	if err != nil {
		return k, false, err
	}
	k = Socket{Value: v, Kind: kind}
	if ok, err = k.readCommon(common, all); err != nil || !ok {
		return k, false, err
	}
	fields := []struct {
		path string
		to   *uint64
	}{
		{"sk_backlog.rmem_alloc.counter", &k.RxQueue}, {"sk_wmem_alloc.refs.counter", &k.TxQueue}, {"sk_uid.val", &k.UID},
	}
	for _, f := range fields {
		if *f.to, err = v.UintPath(f.path); err != nil {
			return k, false, err
		}
	}
	k.RxQueue = uint64(uint32(k.RxQueue))
	// A socket holds one byte of its own send queue as long as it lives (net/core/sock.c).
	k.TxQueue = uint64(uint32(max(k.TxQueue, 1) - 1))
	typ, err := v.UintPath("sk_type")
	if err != nil {
		return k, false, err
	}
	proto, err := v.UintPath("sk_protocol")
	if err != nil {
		return k, false, err
	}
	k.Type, k.Protocol = uint16(typ), uint16(proto)
	if k.Drops, err = s.socketDrops(v); err != nil {
		return k, false, err
	}
	if k.Inode, err = s.socketInode(v); err != nil {
		return k, false, err
	}
	switch kind {
	case "tcp", "udp", "udplite", "raw", "icmp":
		err = s.readInet(&k)
	case "unix":
		err = s.readUnix(&k)
	case "netlink":
		err = s.readNetlink(&k)
	case "packet":
		err = s.readPacket(&k)
	}
	return k, err == nil, err
}

// readCommon reads a struct sock_common.
func (k *Socket) readCommon(c value.Value, all map[kmem.Addr]NetNS) (ok bool, err error) {
	ns, err := c.PointerPath("skc_net.net")
	if err != nil {
		return false, err
	}
	if k.NS, ok = all[ns]; !ok {
		return false, nil
	}
	family, err := c.UintPath("skc_family")
	if err != nil {
		return false, err
	}
	state, err := c.UintPath("skc_state")
	if err != nil {
		return false, err
	}
	k.Family, k.State = uint16(family), stateName(state)
	return true, nil
}

// socketDrops is what sk_drops_read adds up (include/net/sock.h): sk_drops, or since 6.18, of sockets
// that have them, two counters that different NUMA nodes count in.
func (s *Stack) socketDrops(v value.Value) (uint64, error) {
	if v.Has("sk_drop_counters") {
		p, err := v.Path("sk_drop_counters")
		if err != nil {
			return 0, err
		}
		a, err := p.Pointer()
		if err != nil {
			return 0, err
		}
		if a != 0 {
			n, err := p.UintPath("drops0.counter")
			if err != nil {
				return 0, err
			}
			m, err := p.UintPath("drops1.counter")
			return uint64(uint32(n + m)), err
		}
	}
	n, err := v.UintPath("sk_drops.counter")
	return uint64(uint32(n)), err
}

// socketInode is the inode number of the socket's file, as in /proc/PID/fd; 0 where nobody has accepted
// it, or its file is closed (include/net/sock.h: struct socket_alloc).
func (s *Stack) socketInode(v value.Value) (uint64, error) {
	p, err := v.PointerPath("sk_socket")
	if err != nil || p == 0 {
		return 0, err
	}
	st, err := s.K.Struct("socket_alloc")
	if err != nil {
		return 0, err
	}
	return s.K.Ref(st, p).UintPath("vfs_inode.i_ino")
}

// device names the device that the socket is bound to.
func (w *socketWalk) device(k *Socket) error {
	common := "__sk_common"
	if st, ok := k.Value.StructType(); ok && st.Name != "sock" {
		common = map[string]string{"request_sock": "__req_common", "inet_timewait_sock": "__tw_common"}[st.Name]
	}
	n, err := k.Value.UintPath(common + ".skc_bound_dev_if")
	if err != nil {
		return err
	}
	if k.Packet != nil {
		n = k.Packet.Ifindex
	}
	if n == 0 || k.Kind == "netlink" || k.Kind == "unix" {
		return nil
	}
	k.Device, err = w.deviceName(k.NS, n)
	return err
}

// deviceName is the name of the device with an index, or "if5" where it has gone.
func (w *socketWalk) deviceName(ns NetNS, index uint64) (string, error) {
	key := [2]uint64{ns.Inum, index}
	if name, ok := w.names[key]; ok {
		return name, nil
	}
	name := fmt.Sprintf("if%d", index)
	err := w.s.EachDevice(ns, func(d Device) error {
		if uint64(d.Ifindex) == index {
			name = d.Name
			return value.Stop()
		}
		return nil
	})
	w.names[key] = name
	return name, err
}

// list walks an hlist of sockets in struct net, linked as sk_for_each does.
func (w *socketWalk) list(nss []NetNS, path string) error {
	visit, err := w.at("__sk_common.skc_node")
	if err != nil {
		return err
	}
	for _, ns := range nss {
		if member, _, _ := strings.Cut(path, "."); !ns.Value.Has(member) {
			return nil // a kernel without these sockets
		}
		first, err := ns.Value.PointerPath(path + ".first")
		if err == nil {
			err = w.s.chain(first, 0, maxSockets, visit)
		}
		if err := w.keep(err); err != nil {
			return err
		}
	}
	return nil
}

// OtherSocket reads a socket that only an open file led to, of a family without a table here; ok is
// false for those that have one, and where the namespace is not wanted.
func (s *Stack) OtherSocket(sk kmem.Addr, nss []NetNS) (k Socket, ok bool, err error) {
	st, err := s.K.Struct("sock")
	if err != nil {
		return k, false, err
	}
	all := map[kmem.Addr]NetNS{}
	for _, ns := range nss {
		a, _ := ns.Value.Addr()
		all[a] = ns
	}
	k, ok, err = s.readSocket(s.K.Ref(st, sk), "other", all)
	if slices.Contains([]uint16{afUnix, afInet, afInet6, afNetlink, afPacket, afXDP}, k.Family) {
		ok = false
	}
	return k, ok, err
}
