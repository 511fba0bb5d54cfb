package search

import (
	"encoding/hex"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// where names the places of physical memory. Nothing is said that the page tables do not
// confirm.
type where struct {
	k       *value.Kernel
	img     *kmem.Image
	virtual bool        // addresses of matches are virtual
	direct  []kmem.Addr // where the direct map may begin
	text    kmem.Addr   // the kernel's image, 0 where it is not known
	phys    kmem.PhysAddr
	size    uint64
	modules map[kmem.PhysAddr]kmem.Addr // pages of modules that have a symbol; nil: not yet looked for
}

// imageSize bounds the kernel's image, where nothing tells its end: KERNEL_IMAGE_SIZE
// with KASLR (arch/x86/include/asm/page_64_types.h).
const imageSize = 1 << 30

func newWhere(k *value.Kernel, img *kmem.Image, virtual bool) *where {
	w := &where{k: k, img: img, virtual: virtual}
	if virtual {
		return w
	}
	if s, ok := k.LookupSymbol("page_offset_base"); ok {
		// KASLR moves the direct map, and page_offset_base tells where to.
		if base, err := kmem.ReadAddr(img, s.Addr); err == nil {
			w.direct = append(w.direct, base)
		}
	}
	// arch/x86/include/asm/page_64_types.h: with four levels of page tables (4.20 and before
	// it), and with five.
	w.direct = append(w.direct, 0xffff888000000000, 0xffff880000000000, 0xff11000000000000)
	start, ok := w.symbol("_text")
	if !ok {
		if start, ok = w.symbol("_stext"); !ok {
			return w
		}
	}
	phys, err := img.Translate(start)
	if err != nil {
		return w
	}
	w.text, w.phys, w.size = start, phys, imageSize
	if end, ok := w.symbol("_end"); ok && end > start && uint64(end-start) < imageSize {
		w.size = uint64(end - start)
	}
	return w
}

func (w *where) symbol(name string) (kmem.Addr, bool) {
	if s, ok := w.k.LookupSymbol(name); ok {
		return s.Addr, true
	}
	return w.img.VMCoreInfo().Symbol(name)
}

// hit tells what is known of a match's place.
func (w *where) hit(addr uint64) Hit {
	h := Hit{Offset: addr % kmem.PageSize}
	if w.virtual {
		h.Address, h.virtual = text(addr), true
		w.name(&h, kmem.Addr(addr))
		// Where the snapshot has the page among the physical ones.
		if phys, err := w.img.Translate(kmem.Addr(addr)); err == nil {
			h.Phys = text(uint64(phys))
		}
		return h
	}
	h.Phys = text(addr)
	phys := kmem.PhysAddr(addr)
	for _, base := range w.direct {
		if a, ok := base.End(addr); ok && w.maps(a, phys) {
			h.Direct = text(uint64(a))
			break
		}
	}
	if w.text != 0 && phys >= w.phys && uint64(phys-w.phys) < w.size {
		if a := w.text.Add(int64(phys - w.phys)); w.maps(a, phys) {
			h.Image = text(uint64(a))
			w.name(&h, a)
		}
	}
	if h.Image == nil {
		if page, ok := w.inModules()[phys&^(kmem.PageSize-1)]; ok {
			a := page + kmem.Addr(h.Offset)
			h.Module = text(uint64(a))
			w.name(&h, a)
		}
	}
	for _, a := range []*string{h.Image, h.Module, h.Direct} {
		if h.Address == nil {
			h.Address = a
		}
	}
	return h
}

// inModules finds the pages that modules' symbols lie in, once.
func (w *where) inModules() map[kmem.PhysAddr]kmem.Addr {
	if w.modules != nil {
		return w.modules
	}
	w.modules = make(map[kmem.PhysAddr]kmem.Addr)
	// Large objects reach into pages without a symbol of their own.
	const reach = 8
	last := kmem.Addr(0)
	_ = w.k.EachSymbol(func(s kmem.Symbol) bool { // what there is of it is good to have
		if page := s.Addr.Page(); s.Module != "" && s.Addr.IsKernel() && page != last {
			last = page
			for n := range kmem.Addr(reach) {
				page := page + n*kmem.PageSize
				if m := w.k.ModuleAt(page); m == nil || m.Name != s.Module {
					continue
				}
				if phys, err := w.img.Translate(page); err == nil {
					w.modules[phys] = page
				}
			}
		}
		return true
	})
	return w.modules
}

// maps reports whether a virtual address is one of the physical.
func (w *where) maps(a kmem.Addr, phys kmem.PhysAddr) bool {
	got, err := w.img.Translate(a)
	return err == nil && got == phys
}

// name tells the symbol at an address, or at least the module.
func (w *where) name(h *Hit, a kmem.Addr) {
	if s, _, ok := w.k.SymbolAt(a); ok {
		name := w.k.Symbolize(a)
		h.Symbol, h.In = &name, value.Printable(s.Module)
	} else if m := w.k.ModuleAt(a); m != nil {
		h.In = value.Printable(m.Name)
	}
}

func text(addr uint64) *string {
	s := kmem.Addr(addr).String()
	return &s
}

// maxContext bounds the bytes that are shown of a match.
const maxContext = 256

// context is the memory around a match, from 16 bytes before it on, as far as it can be read.
func (w *where) context(addr uint64, size int) *Context {
	start := addr&^15 - min(addr&^15, 16)
	end := (addr+uint64(min(size, maxContext))+15)&^15 + 16
	var c Context
	for at := start; at < end; at += 16 {
		line := make([]byte, 16)
		var err error
		if w.virtual {
			err = w.img.ReadMem(kmem.Addr(at), line)
		} else {
			err = w.img.ReadPhys(kmem.PhysAddr(at), line)
		}
		switch {
		case err == nil && c.Bytes == "":
			c.Address, c.start = *text(at), at
			fallthrough
		case err == nil:
			c.Bytes += hex.EncodeToString(line)
		case c.Bytes != "":
			return &c
		}
	}
	if c.Bytes == "" {
		return nil
	}
	return &c
}
