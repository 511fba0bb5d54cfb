package knet

import (
	"encoding/binary"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// A TunRing holds the packets of one queue of a tun device that its program has not read yet
// (drivers/net/tun.c: tun_file.tx_ring).
type TunRing struct {
	Size uint64 // in packets
	Full bool
}

// maxTunQueues is the kernel's MAX_TAP_QUEUES.
const maxTunQueues = 256

// TunRings lists the rings of a tun device; none where no program has it open.
func (s *Stack) TunRings(d Device) ([]TunRing, error) {
	tun, err := s.Priv(d, "tun_struct", "tun")
	if err != nil {
		return nil, err
	}
	n, err := tun.UintPath("numqueues")
	if err != nil {
		return nil, err
	}
	if n > maxTunQueues {
		return nil, fmt.Errorf("%s claims %d queues", value.Printable(d.Name), n)
	}
	files, err := tun.Path("tfiles")
	if err != nil {
		return nil, err
	}
	rings := make([]TunRing, 0, n)
	for i := range int64(n) {
		file, err := files.Index(i)
		if err != nil {
			return nil, err
		}
		var size, producer uint64
		var queue kmem.Addr
		if size, err = file.UintPath("tx_ring.size"); err == nil {
			if producer, err = file.UintPath("tx_ring.producer"); err == nil {
				queue, err = file.PointerPath("tx_ring.queue")
			}
		}
		if err != nil {
			return nil, err
		}
		ring := TunRing{Size: size}
		if size > 0 {
			// The place of the next packet is taken (include/linux/ptr_ring.h: __ptr_ring_full).
			var next [8]byte
			if err := s.K.ReadMem(queue+kmem.Addr(8*(producer%size)), next[:]); err != nil {
				return nil, err
			}
			ring.Full = binary.LittleEndian.Uint64(next[:]) != 0
		}
		rings = append(rings, ring)
	}
	return rings, nil
}
