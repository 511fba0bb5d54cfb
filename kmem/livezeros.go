package kmem

import "fmt"

// zerosExplained is for messages: what the reader of /proc/kcore would see instead.
const zerosExplained = "/proc/kcore answers such reads with zeros"

// doubtZeros looks at what /proc/kcore gave for addr. It fills in zeros for memory that it
// may not or cannot show (fs/proc/kcore.c, read_kcore_iter; vread_iter for vmalloc's
// addresses), so each page of which there are only zeros is looked up in the kernel's page tables,
// which lie in memory that it does show: an address that is not mapped is a fault, and one
// that is mapped to no RAM. A byte that is not zero shows that its page could be read.
//
// The zeros of a page that is RAM and mapped are believed, though it may be offline or
// poisoned; and so are all where the tables cannot be found or read.
func (img *Image) doubtZeros(addr uint64, b []byte, want int) error {
	if img.liveTables == nil {
		return nil
	}
	for done := 0; done < len(b); {
		n := min(len(b)-done, PageSize-int((addr+uint64(done))%PageSize))
		if allZero(b[done : done+n]) {
			at := addr + uint64(done)
			if f := img.unreadable(at); f != nil {
				f.Addr, f.Len = at, uint64(want-done)
				return f
			}
		}
		done += n
	}
	return nil
}

// unreadable tells why a live address cannot be read; nil where it can, or nobody knows.
func (img *Image) unreadable(addr uint64) *Fault {
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
	case err != nil:
		return nil
	}
	phys := tr.phys + (addr - tr.virt)
	if err := img.readPhys(phys, make([]byte, 1)); err != nil {
		return &Fault{Reason: Refused, Detail: fmt.Sprintf("it is mapped to physical address %#x, which is no RAM; %s", phys, zerosExplained)}
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
