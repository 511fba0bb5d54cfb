package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

var socketFunctions = []Function{
	{
		Name: "sockets", Signature: "sockets([KIND or [KIND, …][, NETNS]])", Topic: topicNet,
		Doc: "the sockets of a network namespace: tcp, udp, udplite, raw, icmp, unix, packet, netlink, xdp, other, or all of them ('all'), " +
			"with state, ends, queues, drops and owner; .sk is the struct sock, or what TCP has in its place for SYN-RECV and TIME-WAIT, of which .sk->__sk_common works as well",
		Examples: []string{
			"sockets('tcp') | filter(.state == 'LISTEN') | map(.local_port)",
			"sockets(['udp', 'packet']) | filter(.drops > 0) | map([.kind, .drops, .owner])",
			"sockets('netlink') | map(.sk.sk_rcvbuf)",
			"sockets('tcp') | map(.sk->__sk_common.skc_num)",
		},
		MaxArgs: 2, Args: []ArgKind{WordArg, NetNSArg}, Words: socketWords,
		Call: callSockets,
	},
	{
		Name: "socket_owners", Signature: "socket_owners(SOCK)", Topic: topicNet,
		Doc:      "the open files that are a struct sock, or a struct socket: {pid, comm, fd} of each (task_struct.files)",
		Examples: []string{"sockets('netlink') | take(1) | map(socket_owners(.sk))"},
		MinArgs:  1, MaxArgs: 1,
		Call: callSocketOwners, Slow: true,
	},
}

// otherSockets is the kind of those that no table has: only an open file leads to them.
const otherSockets = "other"

// socketKinds are the kinds that an argument names.
func socketKinds(c *Call, i int) ([]string, error) {
	known := append(slices.Clone(knet.SocketKinds), otherSockets)
	var names []string
	switch x := c.Arg(i).(type) {
	case nil:
		return known, nil
	case []any:
		for _, e := range x {
			n, ok, err := text(e)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, fmt.Errorf("a kind of sockets has to be a string, not %s", describe(e))
			}
			names = append(names, n)
		}
	default:
		n, err := c.String(i, "the kind of sockets")
		if err != nil {
			return nil, err
		}
		if n == "all" {
			return known, nil
		}
		names = []string{n}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%s is no kind of sockets: they are %s", value.Quote(n), strings.Join(known, ", "))
		}
	}
	return names, nil
}

func callSockets(c *Call) (any, error) {
	s := c.Session
	kinds, err := socketKinds(c, 0)
	if err != nil {
		return nil, err
	}
	nss, err := s.netnss(c.Arg(1))
	if err != nil {
		return nil, err
	}
	return s.sequence("sockets", func(visit func(any) error) error {
		o := &owners{s: s}
		return s.eachSocket(kinds, nss, o, func(k knet.Socket) error { return visit(socketRecord(s, k, o)) })
	}), nil
}

// eachSocket walks the sockets of several kinds. What cannot be read of one kind does not keep
// the others from being visited: the fault comes at the end.
func (s *Session) eachSocket(kinds []string, nss []knet.NetNS, o *owners, visit func(knet.Socket) error) error {
	if s.stack == nil {
		return errNoStack
	}
	var own error
	each := func(k knet.Socket) error {
		if own = s.stopped(); own == nil {
			own = visit(k)
		}
		return own
	}
	var faults value.Faults
	for _, kind := range kinds {
		var err error
		if kind == otherSockets {
			err = s.otherSockets(nss, o, each)
		} else {
			err = s.stack.EachSocket(kind, nss, each)
		}
		if own != nil {
			return unstop(own)
		}
		if err := faults.Keep(err); err != nil {
			return err
		}
	}
	return faults.Err()
}

// otherSockets are those that open files lead to, of families without a table, by address.
func (s *Session) otherSockets(nss []knet.NetNS, o *owners, visit func(knet.Socket) error) error {
	all, err := o.index()
	if err != nil {
		return err
	}
	at := make([]kmem.Addr, 0, len(all))
	for a := range all {
		at = append(at, a)
	}
	slices.Sort(at)
	var faults value.Faults
	for _, a := range at {
		k, ok, err := s.stack.OtherSocket(a, nss)
		if err := faults.Keep(err); err != nil {
			return err
		}
		if !ok || err != nil {
			continue
		}
		if err := visit(k); err != nil {
			return err
		}
	}
	return faults.Err()
}

// owners is the index of open files that are sockets, made when it is first asked for, once a walk.
type owners struct {
	s    *Session
	all  map[kmem.Addr][]knet.Owner
	err  error
	done bool
}

func (o *owners) index() (map[kmem.Addr][]knet.Owner, error) {
	if !o.done {
		o.all, o.err = o.s.stack.Owners()
		o.done = true
	}
	return o.all, o.err
}

func (o *owners) of(sk kmem.Addr) (any, error) {
	all, err := o.index()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, w := range all[sk] {
		out = append(out, map[string]any{"pid": int(w.PID), "comm": w.Comm, "fd": w.FD})
	}
	return out, nil
}

func callSocketOwners(c *Call) (any, error) {
	v, err := c.Value(0, "the socket")
	if err != nil {
		return nil, err
	}
	if c.Session.stack == nil {
		return nil, errNoStack
	}
	st, ok := v.StructType()
	if ok && st.Name == "socket" {
		if v, err = v.Member("sk"); err != nil {
			return nil, err
		}
		st, ok = v.StructType()
	}
	if !ok || !startsWithSock(st) {
		return nil, fmt.Errorf("socket_owners takes a struct sock or a struct socket, not %s", v.Type())
	}
	if _, pointer := btf.Underlying(v.Type()).(*btf.Pointer); !pointer {
		if v, err = v.AddressOf(); err != nil {
			return nil, err
		}
	}
	a, err := v.Pointer()
	if err != nil {
		return nil, err
	}
	return (&owners{s: c.Session}).of(a)
}

// startsWithSock reports whether a struct is a struct sock, or a tcp_sock or the like, which starts with
// one.
func startsWithSock(st *btf.Struct) bool {
	for range 8 {
		if st.Name == "sock" {
			return true
		}
		members := st.Members()
		if len(members) == 0 || st.Union {
			return false
		}
		first, ok := btf.Underlying(members[0].Type).(*btf.Struct)
		if !ok {
			return false
		}
		st = first
	}
	return false
}

// socketNames are the members of a socket's record.
var socketNames = []string{
	"kind", "family", "type", "protocol", "state", "local", "local_port", "remote", "remote_port", "device",
	"rx_queue", "tx_queue", "drops", "uid", "inode", "netns", "sk", "owner",
}

var unixNames = []string{"path", "peer_inode"}

var netlinkNames = []string{"portid", "dst_portid", "groups"}

var packetNames = []string{"ethertype", "running", "fanout", "rx_ring", "tx_ring", "tp_packets", "tp_drops"}

// socketRecord is a socket as a value of the language. Who owns it is looked up when it is asked for.
func socketRecord(s *Session, k knet.Socket, o *owners) *Record {
	names := socketNames
	switch {
	case k.Unix != nil:
		names = slices.Concat(names, unixNames)
	case k.Netlink != nil:
		names = slices.Concat(names, netlinkNames)
	case k.Packet != nil:
		names = slices.Concat(names, packetNames)
	}
	return &Record{names: names, get: func(name string) (any, error) { return socketField(k, o, name) }}
}

func socketField(k knet.Socket, o *owners, name string) (any, error) {
	switch name {
	case "kind":
		return k.Kind, nil
	case "family":
		return k.FamilyName(), nil
	case "type":
		return k.TypeName(), nil
	case "protocol":
		return k.ProtocolName(), nil
	case "state":
		return k.State, nil
	case "local", "path":
		if k.Unix != nil {
			return unixName(k.Unix.Path), nil
		}
		return endAddress(k.Local), nil
	case "local_port":
		return endPort(k.Local), nil
	case "remote":
		return endAddress(k.Remote), nil
	case "remote_port":
		return endPort(k.Remote), nil
	case "device":
		if k.Device == "" {
			return nil, nil
		}
		return k.Device, nil
	case "rx_queue":
		return k.RxQueue, nil
	case "tx_queue":
		return k.TxQueue, nil
	case "drops":
		return k.Drops, nil
	case "uid":
		return int(k.UID), nil
	case "inode":
		return k.Inode, nil
	case "netns":
		return nsNumber(k.NS), nil
	case "sk":
		return k.Value.AddressOf()
	case "owner":
		return o.of(k.Addr())
	}
	return familyField(k, name)
}

// familyField is a member that the sockets of one family have.
func familyField(k knet.Socket, name string) (any, error) {
	switch name {
	case "peer_inode":
		return k.Unix.PeerInode, nil
	case "portid":
		return k.Netlink.PortID, nil
	case "dst_portid":
		return k.Netlink.Dst, nil
	case "groups":
		out := make([]any, len(k.Netlink.Groups))
		for i, g := range k.Netlink.Groups {
			out[i] = g
		}
		return out, nil
	case "ethertype":
		return k.Packet.Type.String(), nil
	case "running":
		return k.Packet.Running, nil
	case "tp_packets":
		return k.Packet.Packets, nil
	case "tp_drops":
		return k.Packet.Drops, nil
	case "fanout":
		if f := k.Packet.Fanout; f != nil {
			return map[string]any{"id": int(f.ID), "mode": f.Mode, "members": int(f.Members)}, nil
		}
		return nil, nil
	case "rx_ring":
		return ringMap(k.Packet.RxRing), nil
	case "tx_ring":
		return ringMap(k.Packet.TxRing), nil
	}
	return nil, errors.New("no such member")
}

func ringMap(r *knet.Ring) any {
	if r == nil {
		return nil
	}
	return map[string]any{"version": r.Version, "blocks": int(r.Blocks), "frames": int(r.Frames), "frame_size": int(r.Size)}
}

func endAddress(e knet.Endpoint) any {
	if !e.Addr.IsValid() {
		return nil
	}
	return e.Addr.String()
}

func endPort(e knet.Endpoint) any {
	if !e.Addr.IsValid() {
		return nil
	}
	return int(e.Port)
}

// unixName is the name of a socket as /proc/net/unix and `ss` show it: each NUL of an abstract one is @.
func unixName(raw string) any {
	if raw == "" {
		return nil
	}
	if raw[0] == 0 {
		return strings.ReplaceAll(raw, "\x00", "@")
	}
	return raw
}
