package dump

import (
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"
)

const (
	// mapAfter is how many lines have to be read before the file is mapped: a question that is
	// answered with fewer is not to pay for it, with memory neither. It is 2 MiB.
	mapAfter = 2048
	// A fault enters that many bytes around it into the process's memory, as Linux does
	// (mm/memory.c, fault_around_bytes).
	faultAround = 64 << 10
	// maxMapped is how much of the file may count as the process's memory. It is the
	// page cache's, and given back at once.
	maxMapped = 256 << 20
)

// mapping is a file that is mapped as a whole, for walks that read all over it: a pread for each
// structure costs more than all else there is to do. It is safe for concurrent use.
type mapping struct {
	data  []byte
	limit int32           // of units
	units atomic.Int32    // how many units were touched
	seen  []atomic.Uint64 // a bit for each unit of faultAround bytes
	unmap func()
}

// newMapping returns nil where the reader is no file on disk, or cannot be mapped.
func newMapping(r any, size int64) *mapping {
	disk, ok := r.(*os.File)
	if !ok || size <= 0 || size > math.MaxInt {
		return nil
	}
	info, err := disk.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < size {
		return nil
	}
	data, unmap := mapFile(disk, 0, int(size))
	if data == nil {
		return nil
	}
	units := (size + faultAround - 1) / faultAround
	return &mapping{data: data, unmap: unmap, limit: maxMapped / faultAround, seen: make([]atomic.Uint64, (units+63)/64)}
}

// read fills buf from off on. It is false where the file was cut meanwhile, or its disk fails: to read
// it tells why.
func (m *mapping) read(off uint64, buf []byte) bool {
	if off > uint64(len(m.data)) || uint64(len(m.data))-off < uint64(len(buf)) {
		return false
	}
	if unit := off / faultAround; m.seen[unit/64].Load()&(1<<(unit%64)) == 0 {
		m.touch(unit)
	}
	return copyMapped(buf, m.data[off:])
}

// touch notes a unit, and gives all back where there are too many.
func (m *mapping) touch(unit uint64) {
	m.seen[unit/64].Or(1 << (unit % 64))
	if m.units.Add(1) < m.limit {
		return
	}
	m.units.Store(0)
	forget(m.data)
	for i := range m.seen {
		m.seen[i].Store(0)
	}
}

// copyMapped copies what is mapped, which may fault.
func copyMapped(to, from []byte) (ok bool) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if ok {
			return
		}
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			ok = false
		}
	}()
	copy(to, from)
	return true
}
