package kmem

import (
	"fmt"

	"kinspect/kmem/dump"
)

// zerosExplained is for messages: what the reader of /proc/kcore would see instead.
const zerosExplained = "/proc/kcore answers such reads with zeros, or with anything"

// doubt looks at what /proc/kcore gave for addr. It does not fail for memory that it may not or cannot show
// (fs/proc/kcore.c, read_kcore_iter): it fills in zeros; and for vmalloc's addresses, where nothing is
// mapped, kernels before 6.4 hand out what the last read left in their buffer (vread returns
// without a byte). So pages are looked up in the kernel's page tables, which lie in memory that it does show:
// all of vmalloc's (those with no physical address of their own), and else those of which
// there are only zeros. What is not mapped is a fault, and zeros of what is mapped to no RAM.
//
// The zeros of a page that is RAM and mapped are believed, though it may be offline or
// poisoned; and so is all where the tables cannot be found or read.
func (img *Image) doubt(seg *dump.Segment, addr uint64, b []byte, want int) error {
	if img.liveTables == nil {
		return nil
	}
	for done := 0; done < len(b); {
		n := min(len(b)-done, PageSize-int((addr+uint64(done))%PageSize))
		zeros := dump.AllZero(b[done : done+n])
		if zeros || seg.Phys == dump.UnknownPhys {
			at := addr + uint64(done)
			if f := img.unreadable(at, zeros); f != nil {
				f.Addr, f.Len = at, uint64(want-done)
				return f
			}
		}
		done += n
	}
	return nil
}

// unreadable tells why a live address cannot be read; nil where it can, or nobody knows.
func (img *Image) unreadable(addr uint64, zeros bool) *Fault {
	trusted := true
	tr, err := img.liveTables.walkBy(addr, func(at uint64, buf []byte) error {
		err := img.readPhys(at, buf)
		trusted = trusted && err == nil
		return err
	})
	switch f := AsFault(err); {
	case !trusted:
		return nil
	case f != nil:
		f.Detail += "; " + zerosExplained
		return f
	case err != nil || !zeros:
		return nil
	}
	phys := tr.phys + (addr - tr.virt)
	if err := img.readPhys(phys, make([]byte, 1)); err != nil {
		return &Fault{Reason: Refused, Detail: fmt.Sprintf("it is mapped to physical address %#x, which is no RAM; %s", phys, zerosExplained)}
	}
	return nil
}
