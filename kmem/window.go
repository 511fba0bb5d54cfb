package kmem

import (
	"sync/atomic"

	"kinspect/kmem/dump"
)

// windowSlots is how many pieces of 2 MiB the windows are of: as many as 2 GiB has.
const windowSlots = 1024

// A window is a range of virtual addresses that lie one after the other in the dump's file, which is mapped: a
// walk over structures reads from them without a look at segments and page tables.
type window struct {
	virt, size uint64
	off        uint64 // of virt in the file
	file       *dump.File
	tables     *pageTables // that map it, or nil where a segment does
}

// windows has one slot an address, as the translations have. A slot's window never changes: it is
// replaced.
type windows [windowSlots]atomic.Pointer[window]

func (w *windows) slot(addr uint64) *atomic.Pointer[window] {
	return &w[addr>>hugeShift%windowSlots]
}

// readWindow fills buf, which is within one window. It is false where that is none that is known, and where
// the file cannot be read: to read it in the other way tells.
func (img *Image) readWindow(addr uint64, buf []byte) bool {
	w := img.windows.slot(addr).Load()
	if w == nil || addr-w.virt >= w.size || w.size-(addr-w.virt) < uint64(len(buf)) || w.tables != nil && w.tables != img.tables {
		return false
	}
	return w.file.ReadMapped(w.off+(addr-w.virt), buf)
}

// openWindow remembers the window that addr, which was read, is in.
func (img *Image) openWindow(addr uint64) {
	if img.live || img.saved != nil {
		return
	}
	if s := img.virt.Segments.Find(addr); s != nil {
		if s.Kind == dump.InFile && img.virt.File.Mapped() {
			img.windows.slot(addr).Store(&window{virt: s.Start, size: s.Last - s.Start + 1, off: s.Off, file: img.virt.File})
		}
		return
	}
	space, ok := img.phys.(*dump.Space)
	if !ok || img.tables == nil || !space.File.Mapped() {
		return
	}
	tr := img.tables.known(addr)
	if tr == nil || img.virt.Segments.Touches(tr.virt, tr.virt+(tr.size-1)) {
		return
	}
	s := space.Segments.Find(tr.phys + (addr - tr.virt))
	if s == nil || s.Kind != dump.InFile {
		return
	}
	first, last := max(tr.phys, s.Start), min(tr.phys+(tr.size-1), s.Last)
	img.windows.slot(addr).Store(&window{
		virt: tr.virt + (first - tr.phys), size: last - first + 1, off: s.Off + (first - s.Start), file: space.File, tables: img.tables,
	})
}
