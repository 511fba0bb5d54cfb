package knet

import (
	"kinspect/expr/value"
	"kinspect/kmem"
)

// PacketSocket is what a packet socket listens to (net/packet/internal.h: struct packet_sock).
type PacketSocket struct {
	Type    Ethertype // 3 is every frame (ETH_P_ALL), 0 none
	All     bool
	Running bool // it is hooked in
	Ifindex uint64
	Fanout  *Fanout
	RxRing  *Ring
	TxRing  *Ring
	Packets uint64 // since the statistics were last read
	Drops   uint64 // frames that its queue or ring had no room for, since then
}

// Fanout is a group of packet sockets that share frames.
type Fanout struct {
	ID      uint64
	Mode    string
	Members uint64
}

// Ring is a ring of frames that a packet socket shares with its process.
type Ring struct {
	Version string
	Blocks  uint64
	Frames  uint64
	Size    uint64 // bytes of a frame
}

// fanoutModes are PACKET_FANOUT_* (include/uapi/linux/if_packet.h).
var fanoutModes = map[uint16]string{
	0: "hash", 1: "lb", 2: "cpu", 3: "rollover", 4: "rnd", 5: "qm", 6: "cbpf", 7: "ebpf",
}

func (s *Stack) readPacket(k *Socket) error {
	st, err := s.structOf("packet_sock", "af_packet")
	if err != nil {
		return err
	}
	v := s.K.Ref(st, k.Addr())
	p := &PacketSocket{}
	num, err := v.UintPath("num")
	if err != nil {
		return err
	}
	p.Type = Ethertype(value.Swap(num, 16))
	p.All = p.Type == EthAll
	if p.Ifindex, err = v.UintPath("ifindex"); err != nil {
		return err
	}
	p.Ifindex = uint64(uint32(p.Ifindex))
	if int32(p.Ifindex) < 0 {
		p.Ifindex = 0 // -1: the device that it was bound to has gone
	}
	if p.Running, err = s.packetRuns(v); err != nil {
		return err
	}
	if p.Packets, err = v.UintPath("stats.stats1.tp_packets"); err != nil {
		return err
	}
	if p.Drops, err = packetDrops(v); err != nil {
		return err
	}
	if p.Fanout, err = fanout(v); err != nil {
		return err
	}
	if p.RxRing, err = ring(v, "rx_ring"); err != nil {
		return err
	}
	if p.TxRing, err = ring(v, "tx_ring"); err != nil {
		return err
	}
	k.Packet = p
	return nil
}

// packetRuns: a member of its own, or since 6.4, and in stable kernels before, a bit of the flags.
func (s *Stack) packetRuns(v value.Value) (bool, error) {
	if v.Has("running") {
		n, err := v.UintPath("running")
		return n != 0, err
	}
	bit, err := s.K.Enumerator("PACKET_SOCK_RUNNING")
	if err != nil {
		return false, err
	}
	flags, err := v.UintPath("flags")
	return flags>>(bit&63)&1 == 1, err
}

// packetDrops: tp_drops is an atomic_t beside the statistics since 5.3.
func packetDrops(v value.Value) (uint64, error) {
	if v.Has("tp_drops") {
		n, err := v.UintPath("tp_drops.counter")
		return uint64(uint32(n)), err
	}
	return v.UintPath("stats.stats1.tp_drops")
}

func fanout(v value.Value) (*Fanout, error) {
	if a, err := v.PointerPath("fanout"); err != nil || a == 0 {
		return nil, err
	}
	id, err := v.UintPath("fanout.id")
	if err != nil {
		return nil, err
	}
	mode, err := v.UintPath("fanout.type")
	if err != nil {
		return nil, err
	}
	n, err := v.UintPath("fanout.num_members")
	return &Fanout{ID: id, Mode: numberName(fanoutModes, uint16(mode)), Members: n}, err
}

// maxFanout is PACKET_FANOUT_MAX (net/packet/internal.h): 65,536 since 5.10, and 256 before.
const maxFanout = 1 << 16

// HandlerSockets are the packet sockets behind a handler: its own, or those of its group.
func (s *Stack) HandlerSockets(h Handler) ([]kmem.Addr, error) {
	if h.Group == 0 {
		if h.Sock == 0 {
			return nil, nil
		}
		return []kmem.Addr{h.Sock}, nil
	}
	st, err := s.K.Struct("packet_fanout")
	if err != nil {
		return nil, err
	}
	group := s.K.Ref(st, h.Group)
	n, err := group.UintPath("num_members")
	if err != nil {
		return nil, err
	}
	if n > maxFanout {
		return nil, value.Faultf("the group of packet sockets claims %d members: it is damaged", n)
	}
	at, err := s.offset("packet_fanout", "arr") // an array of pointers, of one length or another
	if err != nil {
		return nil, err
	}
	out := make([]kmem.Addr, 0, min(n, 64))
	for i := range n {
		sk, err := kmem.ReadAddr(s.K, h.Group+at+kmem.Addr(8*i))
		if err != nil {
			return nil, err
		}
		if sk != 0 {
			out = append(out, sk)
		}
	}
	return out, nil
}

func ring(v value.Value, name string) (*Ring, error) {
	if a, err := v.PointerPath(name + ".pg_vec"); err != nil || a == 0 {
		return nil, err
	}
	version, err := v.UintPath("tp_version")
	if err != nil {
		return nil, err
	}
	r := &Ring{Version: numberName(map[uint16]string{0: "TPACKET_V1", 1: "TPACKET_V2", 2: "TPACKET_V3"}, uint16(version))}
	for path, to := range map[string]*uint64{"pg_vec_len": &r.Blocks, "frame_max": &r.Frames, "frame_size": &r.Size} {
		if *to, err = v.UintPath(name + "." + path); err != nil {
			return nil, err
		}
	}
	r.Frames = uint64(uint32(r.Frames + 1))
	return r, nil
}

// BypassesQueue reports whether a socket sends past the device's queueing discipline: an XDP socket, which may copy
// its frames so, or a packet socket with PACKET_QDISC_BYPASS. That one is a flag since 6.4 (net/packet/internal.h:
// PACKET_SOCK_QDISC_BYPASS), and was known by the function in packet_sock.xmit before, which some of them still have.
func (s *Stack) BypassesQueue(k Socket) (bool, error) {
	if k.Packet == nil {
		return k.Kind == "xdp", nil
	}
	st, err := s.structOf("packet_sock", "af_packet")
	if err != nil {
		return false, err
	}
	v := s.K.Ref(st, k.Addr())
	if bit, err := s.K.Enumerator("PACKET_SOCK_QDISC_BYPASS"); err == nil {
		flags, err := v.UintPath("flags")
		return flags>>bit&1 == 1, err
	}
	f, err := v.PointerPath("xmit")
	return s.K.FuncName(f) == "packet_direct_xmit", err
}
