package kmem

import (
	"maps"
	"slices"
)

// tableWalk translates the addresses of a snapshot in the making, and keeps the page tables
// that it goes through: each is read once.
type tableWalk struct {
	img    *Image
	tables *pageTables // nil: there are none
	pages  map[uint64]*tablePage
}

// tablePage is a page table. What is known of it are the entries that were used.
type tablePage struct {
	physPage
	whole bool // data has all of it
}

func newTableWalk(img *Image) *tableWalk {
	w := &tableWalk{img: img, pages: make(map[uint64]*tablePage)}
	if img == nil {
		return w
	}
	if img.tables != nil {
		w.tables = &pageTables{phys: w.read, root: img.tables.root, physMask: img.tables.physMask, levels: img.tables.levels}
	} else if t, err := newPageTables(img.info, img.content.PhysBase, w.read); err == nil {
		w.tables = t // of a live kernel, or of a snapshot
	}
	return w
}

// read reads an entry of a table.
func (w *tableWalk) read(addr uint64, buf []byte) error {
	page, from := addr/PageSize, int(addr%PageSize)
	p := w.pages[page]
	if p == nil {
		p = new(tablePage)
		p.whole = w.img.readPhys(page*PageSize, p.data[:]) == nil
	}
	if !p.whole { // a redacted snapshot has entries alone
		if err := w.img.readPhys(addr, buf); err != nil {
			return err
		}
		copy(p.data[from:], buf)
	}
	w.pages[page] = p
	p.known.add(from, from+copy(buf, p.data[from:]))
	return nil
}

// translate returns the physical address of a virtual page: by the page tables, which other
// readers go by, else by what the file's headers say.
func (w *tableWalk) translate(page Addr) (uint64, bool) {
	if w.tables != nil {
		if phys, _, err := w.tables.translate(uint64(page)); err == nil {
			return phys, phys < strayPlace
		}
	}
	if w.img == nil {
		return 0, false
	}
	phys, err := w.img.Translate(page)
	return uint64(phys), err == nil && phys < strayPlace && phys%PageSize == 0
}

// each calls f for what is kept of the tables: each whole, or only the entries that were used.
func (w *tableWalk) each(usedOnly bool, f func(page uint64, from int, b []byte)) {
	for _, page := range slices.Sorted(maps.Keys(w.pages)) {
		p := w.pages[page]
		if p.whole && !usedOnly {
			f(page, 0, p.data[:])
			continue
		}
		for _, q := range p.known.parts() {
			f(page, q.from, p.data[q.from:q.to])
		}
	}
}
