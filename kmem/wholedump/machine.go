package wholedump

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// x86-64's page tables: 512 entries of 8 bytes a table, an address in bits 12 to 51.
const (
	entryPresent = 1
	entryWrite   = 2
	entryUsed    = 0x20 // accessed
	entryAddress = 1<<52 - PageSize
	imageStart   = 0xffffffff80000000 // __START_KERNEL_map
	imageEnd     = imageStart + 1<<30
)

// Machine is physical memory with the kernel's page tables in it.
type Machine struct {
	Levels   int
	PhysBase uint64 // of the kernel's image: physical = virtual - __START_KERNEL_map + PhysBase
	Root     uint64 // physical address of the top table
	frames   map[uint64]*frame
	next     uint64 // the next frame that may be free
}

type frame struct {
	data  *[PageSize]byte
	table bool
}

// Layout says where a kernel has what.
type Layout struct {
	Levels   int    // 4 or 5
	PhysBase uint64 // may be negative, as the kernel's
	Top      uint64 // virtual address of the top table, in the image
	// Direct is where the direct mapping of all physical memory begins, and Memory
	// how much there is, in bytes.
	Direct, Memory uint64
}

// New lays out pages of virtual memory. Those of the image and of the direct
// mapping have frames that follow from their addresses, all others get free ones.
func New(pages map[uint64][]byte, l Layout) *Machine {
	m := &Machine{Levels: l.Levels, PhysBase: l.PhysBase, frames: map[uint64]*frame{}}
	m.Root = l.Top - imageStart + l.PhysBase
	m.frames[m.Root/PageSize] = &frame{data: new([PageSize]byte), table: true}
	addrs := slices.Sorted(maps.Keys(pages))
	phys := map[uint64]uint64{}
	for _, a := range addrs {
		switch {
		case a >= imageStart && a < imageEnd && a-imageStart+l.PhysBase < l.Memory:
			phys[a] = a - imageStart + l.PhysBase
		case a >= l.Direct && a-l.Direct < l.Memory:
			phys[a] = a - l.Direct
		default:
			continue
		}
		if f := m.frames[phys[a]/PageSize]; f != nil && f.table {
			panic(fmt.Sprintf("wholedump: the top table's page is among the pages, at %#x", a))
		}
		m.frames[phys[a]/PageSize] = &frame{data: (*[PageSize]byte)(pages[a])}
	}
	m.next = 0x100
	for _, a := range addrs {
		if _, ok := phys[a]; !ok {
			n := m.free()
			m.frames[n] = &frame{data: (*[PageSize]byte)(pages[a])}
			phys[a] = n * PageSize
		}
	}
	for _, a := range addrs {
		m.enter(a, phys[a])
	}
	return m
}

// free returns the number of a frame that holds nothing.
func (m *Machine) free() uint64 {
	for m.frames[m.next] != nil {
		m.next++
	}
	return m.next
}

// enter maps a page, and makes the tables that it takes.
func (m *Machine) enter(virt, phys uint64) {
	table := m.Root
	for level := m.Levels - 1; level >= 0; level-- {
		entry := m.frames[table/PageSize].data[virt>>(12+9*level)%512*8:][:8]
		if level == 0 {
			binary.LittleEndian.PutUint64(entry, phys|entryPresent|entryWrite|entryUsed)
			return
		}
		if binary.LittleEndian.Uint64(entry) == 0 {
			n := m.free()
			m.frames[n] = &frame{data: new([PageSize]byte), table: true}
			binary.LittleEndian.PutUint64(entry, n*PageSize|entryPresent|entryWrite|entryUsed)
		}
		table = binary.LittleEndian.Uint64(entry) & entryAddress
	}
}

// Walk returns the physical addresses of the entries that translate an address, top
// down, and the physical address that it has; ok is false where it has none.
func (m *Machine) Walk(virt uint64) (entries []uint64, phys uint64, ok bool) {
	table := m.Root
	for level := m.Levels - 1; level >= 0; level-- {
		at := virt >> (12 + 9*level) % 512 * 8
		f := m.frames[table/PageSize]
		if f == nil {
			return nil, 0, false
		}
		entry := binary.LittleEndian.Uint64(f.data[at:])
		if entry&entryPresent == 0 {
			return nil, 0, false
		}
		entries = append(entries, table+at)
		table = entry & entryAddress
	}
	return entries, table + virt%PageSize, true
}

// Frames are the numbers of the frames that hold something, upwards.
func (m *Machine) Frames() []uint64 { return slices.Sorted(maps.Keys(m.frames)) }

// IsTable reports whether a frame holds a page table.
func (m *Machine) IsTable(n uint64) bool { return m.frames[n] != nil && m.frames[n].table }
