package knet

import (
	"kinspect/expr/value"
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
