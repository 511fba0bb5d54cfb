package kmem

import "sync/atomic"

// lazyMemory is a range of kernel memory that is read page by page when it is
// first needed, and kept. It never reads outside its range, so that a file which
// holds exactly the range serves it. Its own size is 8 bytes a page, whatever
// size the input claims, until pages are really there.
type lazyMemory struct {
	r     Reader
	base  Addr
	size  uint64
	pages []atomic.Pointer[[PageSize]byte]
}

// newLazyMemory makes one of size bytes at base. The caller bounds size; a range
// that leaves the address space is empty.
func newLazyMemory(r Reader, base Addr, size uint64) *lazyMemory {
	if _, ok := base.End(size); !ok {
		size = 0
	}
	first := uint64(base.Page())
	n := (uint64(base) - first + size + PageSize - 1) / PageSize
	return &lazyMemory{r: r, base: base, size: size, pages: make([]atomic.Pointer[[PageSize]byte], n)}
}

// from returns the bytes from off on to the end of their page, or of the range:
// at least one. The slice is shared: it must not be written to.
func (m *lazyMemory) from(off uint64) ([]byte, error) {
	if off >= m.size {
		return nil, &Fault{Addr: uint64(m.base) + off, Len: 1, Reason: Unmapped, Detail: "beyond the end of a kallsyms table"}
	}
	at := uint64(m.base)&(PageSize-1) + off // from the start of the first page
	i := at / PageSize
	page := m.pages[i].Load()
	if page == nil {
		var err error
		if page, err = m.load(i); err != nil {
			return nil, err
		}
	}
	end := min((i+1)*PageSize, uint64(m.base)&(PageSize-1)+m.size)
	return page[at%PageSize : end-i*PageSize], nil
}

// load reads the part of page i that lies in the range. Two readers may do so
// at once; the pages they get are equal, and one of them stays.
func (m *lazyMemory) load(i uint64) (*[PageSize]byte, error) {
	lead := uint64(m.base) & (PageSize - 1)
	from := max(i*PageSize, lead)
	to := min((i+1)*PageSize, lead+m.size)
	page := new([PageSize]byte)
	if err := m.r.ReadMem(m.base.Page().Add(int64(from)), page[from-i*PageSize:to-i*PageSize]); err != nil {
		return nil, err
	}
	m.pages[i].Store(page)
	return page, nil
}

// copy fills buf with the bytes at off.
func (m *lazyMemory) copy(off uint64, buf []byte) error {
	for len(buf) > 0 {
		part, err := m.from(off)
		if err != nil {
			return err
		}
		n := copy(buf, part)
		buf, off = buf[n:], off+uint64(n)
	}
	return nil
}

// preloadPages is how many pages one read of preload takes.
const preloadPages = 16

// preload reads all pages that are not there yet, many at a time, for a walk that
// needs all of them. What it cannot read is left to be read page by page.
func (m *lazyMemory) preload() {
	last := int((uint64(m.base)&(PageSize-1) + m.size) / PageSize) // whole pages only
	for i := 1; i+preloadPages <= last; i += preloadPages {
		if m.pages[i].Load() != nil && m.pages[i+preloadPages-1].Load() != nil {
			continue
		}
		block := new([preloadPages * PageSize]byte)
		if m.r.ReadMem(m.base.Page().Add(int64(i)*PageSize), block[:]) != nil {
			continue
		}
		for j := range preloadPages {
			m.pages[i+j].CompareAndSwap(nil, (*[PageSize]byte)(block[j*PageSize:]))
		}
	}
}
