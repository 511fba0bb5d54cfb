package kmem

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
)

// A top page table of a kernel is a page in physical memory whose upper half maps the
// kernel, the same in all of them: each process has one, and so has the kernel itself
// (init_top_pgt). It is told from other pages by where its last entry leads:
//
//	entry 511 of the table        (with 5 levels: → entry 511 of a P4D)
//	→ entry 510 of a PUD          0xffffffff80000000, one GiB for the kernel's image
//	→ a PMD with an entry that maps text
//
// Much else of a real kernel passes this: the P4D of 5-level tables looks like the top of
// 4-level ones; the tables that page-table isolation (PTI) shows to programs map a little of
// the kernel; the trampoline of starting CPUs maps its text alone. So of the tables that
// map one image the one with the most entries is taken, and it must have the direct map: a
// place from which on all of the physical memory follows in order. Last, the image must hold
// a banner where its own symbols say (see kernelIn).

const (
	// An entry of the kernel's half that leads to another table is present and writable, and
	// what is below it can be executed. (Other bits: user, accessed, dirty, software's.)
	entryWritable = 1 << 1
	entryNX       = 1 << 63
	upperHalf     = 256

	// maxTableFinds bounds the images that are kept, by where their text is.
	maxTableFinds = 256
	// maxRootsKept bounds the tables that are kept of one image, the best ones.
	maxRootsKept = 4
	// directSamples is the number of pages that are looked up in the direct map.
	directSamples = 256
)

// tableRoot is a page that may be a top table.
type tableRoot struct {
	root    uint64
	levels  int
	sme     uint64 // a bit of addresses that is a flag
	entries int    // in the upper half
}

// tableFinds collects them by the PMD that maps the text. look may be called by several
// goroutines.
type tableFinds struct {
	img  *Image
	top  uint64 // the dump has no memory behind it
	mu   sync.Mutex
	pmds map[uint64][]tableRoot
}

func (f *tableFinds) init(img *Image) {
	f.img, f.pmds = img, make(map[uint64][]tableRoot)
	for addr, size := range img.phys.Ranges() {
		f.top = max(f.top, uint64(addr)+(size-1))
	}
}

// leads returns the table that an entry leads to. encrypted is the bit that memory
// encryption adds to addresses, which must be the same in all of them.
func (f *tableFinds) leads(entry uint64) (table, sme uint64, ok bool) {
	if entry&(ptePresent|entryWritable|ptePSE|entryNX) != ptePresent|entryWritable || entry>>52&0x7ff != 0 {
		return 0, 0, false
	}
	table = entry & ptePhysMask
	if table > f.top {
		// The bit is one of the highest (arch/x86/include/asm/mem_encrypt.h).
		sme = 1 << (bits.Len64(table) - 1)
		table &^= sme
	}
	return table, sme, table != 0 && table <= f.top && (sme == 0 || sme >= 1<<32)
}

// look looks at one page.
func (f *tableFinds) look(addr uint64, page *[PageSize]byte) {
	next, sme, ok := f.leads(entryAt(page, 511))
	if !ok || next == addr {
		return
	}
	n := 0
	for i := upperHalf; i < 512; i++ {
		e := entryAt(page, i)
		if e&ptePresent == 0 {
			continue
		}
		// Only tables: none maps 512 GiB at once, or has bits above the address.
		if e&ptePSE != 0 || e>>52&0x7ff != 0 || (e&ptePhysMask)&^sme > f.top {
			return
		}
		n++
	}
	if pmd, ok := f.textPMD(next, sme); ok {
		f.add(pmd, tableRoot{addr, 4, sme, n})
	}
	if next, ok = f.entry(next, 511, sme); ok {
		if pmd, ok := f.textPMD(next, sme); ok {
			f.add(pmd, tableRoot{addr, 5, sme, n})
		}
	}
}

// entry follows an entry of a table.
func (f *tableFinds) entry(table uint64, i int, sme uint64) (uint64, bool) {
	var raw [8]byte
	if f.img.readPhys(table+uint64(i)*8, raw[:]) != nil {
		return 0, false
	}
	next, bit, ok := f.leads(le64(raw[:]))
	return next, ok && bit == sme
}

// textPMD returns the table that maps 2 MiB pages of the image by a PUD, if it maps any.
func (f *tableFinds) textPMD(pud, sme uint64) (uint64, bool) {
	pmd, ok := f.entry(pud, 510, sme)
	if !ok {
		return 0, false
	}
	var table [PageSize]byte
	if f.img.readPhys(pmd, table[:]) != nil {
		return 0, false
	}
	for i := range 512 {
		e := entryAt(&table, i)
		if e&ptePresent == 0 {
			continue
		}
		// The first page is text: it can be executed.
		return pmd, e&entryNX == 0 && e&ptePhysMask&^sme <= f.top
	}
	return 0, false
}

func (f *tableFinds) add(pmd uint64, r tableRoot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	roots, ok := f.pmds[pmd]
	if !ok && len(f.pmds) >= maxTableFinds {
		return
	}
	roots = append(roots, r)
	// In an order that does not depend on who came first.
	slices.SortFunc(roots, func(a, b tableRoot) int {
		return cmp.Or(cmp.Compare(b.entries, a.entries), cmp.Compare(a.root, b.root), cmp.Compare(b.levels, a.levels))
	})
	// Of both numbers of levels, since only one of them is right.
	four, five := 0, 0
	f.pmds[pmd] = slices.DeleteFunc(roots, func(r tableRoot) bool {
		n := &four
		if r.levels == 5 {
			n = &five
		}
		*n++
		return *n > maxRootsKept
	})
}

// roots are the tables that were found and have a direct map, the best first.
func (f *tableFinds) roots() []*pageTables {
	samples := f.img.physSamples(directSamples)
	var out []*pageTables
	for _, pmd := range sortedKeys(f.pmds) {
		for _, r := range f.pmds[pmd] {
			t := &pageTables{phys: f.img.readPhys, root: r.root, physMask: ptePhysMask &^ r.sme, levels: r.levels}
			if t.directMap(samples) {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

func sortedKeys[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// directMap reports whether the tables map physical memory in order somewhere: their own page
// and of the samples as many as memory that the kernel uses. It begins at a multiple of 1 GiB,
// by which KASLR moves it (arch/x86/mm/kaslr.c).
func (t *pageTables) directMap(samples []uint64) bool {
	const gib = 1 << 30
	for i := upperHalf; i < 511; i++ {
		virt, phys, ok := t.firstLeaf(i)
		if !ok || (virt-phys)%gib != 0 {
			continue
		}
		base := virt - phys
		if got, _, err := t.translate(base + t.root); err != nil || got != t.root {
			continue
		}
		mapped, wrong := 0, 0
		for _, p := range samples {
			switch got, _, err := t.translate(base + p); {
			case err != nil:
			case got == p:
				mapped++
			default:
				wrong++
			}
		}
		if wrong == 0 && mapped*4 >= len(samples) {
			return true
		}
	}
	return false
}

// firstLeaf finds the lowest address that entry i of the top table maps.
func (t *pageTables) firstLeaf(i int) (virt, phys uint64, ok bool) {
	table, from, to := t.root, i, i+1
	for level := len(ptLevels) - t.levels; level < len(ptLevels); level++ {
		shift := ptLevels[level].shift
		if t.levels == 4 && level == 1 {
			shift = ptLevels[1].shift
		}
		var page [PageSize]byte
		if t.phys(table, page[:]) != nil {
			return 0, 0, false
		}
		entry := uint64(0)
		for ; from < to; from++ {
			if entry = entryAt(&page, from); entry&ptePresent != 0 {
				break
			}
		}
		if from == to {
			return 0, 0, false
		}
		virt |= uint64(from) << shift
		if shift == pageShift || entry&ptePSE != 0 && ptLevels[level].huge {
			used := uint(pageShift + tableBits*t.levels)
			virt = uint64(int64(virt<<(64-used)) >> (64 - used))
			return virt, entry & t.physMask &^ (1<<shift - 1), true
		}
		table, from, to = entry&t.physMask, 0, 512
	}
	return 0, 0, false
}

// textBase is where an image is: what to add to an address in it, less startKMap, for the
// physical one. first is its first page.
type textBase struct {
	base  uint64
	first Addr
	ok    bool
}

// textBase finds it by the first page of 2 MiB that is mapped.
func (t *pageTables) textBase() textBase {
	for at := uint64(startKMap); at < kernelMapEnd; at += 1 << hugeShift {
		if phys, _, err := t.translate(at); err == nil {
			return textBase{phys - (at - startKMap), Addr(at), true}
		}
	}
	return textBase{}
}
