package kmem

import "iter"

// physMemory is the physical memory that a dump holds, whatever its format.
type physMemory interface {
	// readPhys fills buf, or returns a *Fault with Physical set, at the first
	// byte that cannot be read.
	readPhys(addr uint64, buf []byte) error
	// ranges are the addresses that the file claims to hold, upwards, and how
	// many bytes there are from each on.
	ranges() iter.Seq2[PhysAddr, uint64]
}

// segmentMemory is the physical memory of an ELF core: its segments.
type segmentMemory struct {
	img  *Image
	segs segmentMap
}

func (m *segmentMemory) readPhys(addr uint64, buf []byte) error {
	for len(buf) > 0 {
		s := m.segs.find(addr)
		if s == nil {
			detail := "no segment of the dump covers it"
			if len(m.segs.segs) == 0 {
				detail = "the file holds no physical memory"
			}
			return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Unmapped, Detail: detail}
		}
		n := segmentPart(s, addr, buf)
		if err := m.img.readSegment(s, addr, buf, n, true); err != nil {
			return err
		}
		buf, addr = buf[n:], addr+uint64(n)
		if addr == 0 && len(buf) > 0 {
			return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Unmapped, Detail: "the range passes the end of the address space"}
		}
	}
	return nil
}

func (m *segmentMemory) ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
		for i := range m.segs.segs {
			s := &m.segs.segs[i]
			if s.kind == present && !yield(PhysAddr(s.start), s.last-s.start+1) {
				return
			}
		}
	}
}

// PhysRanges are the physical addresses that the dump holds, upwards, and how many
// bytes there are from each on. Pages of a damaged or incomplete dump may fail all
// the same.
func (img *Image) PhysRanges() iter.Seq2[PhysAddr, uint64] { return img.phys.ranges() }
