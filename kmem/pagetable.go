package kmem

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"kinspect/kmem/dump"
)

// x86-64 page tables (Intel SDM vol. 3, 4.5): tables of 512 entries of 8 bytes,
// little-endian, in 4 levels (48-bit addresses) or 5 (57-bit), called PGD, P4D
// (5 levels only), PUD, PMD and PTE as in the kernel. An entry holds the physical
// address of the next table, or of a page: 4 KiB at the last level, 2 MiB or
// 1 GiB where an upper entry has the PSE bit. Under AMD memory encryption
// a bit of the address (sme_mask) is a flag instead.
const (
	ptePresent = 1 << 0
	ptePSE     = 1 << 7
	// ptePhysMask are an entry's address bits, 12 to 51.
	ptePhysMask = 1<<52 - 1 - (1<<12 - 1)

	pageShift  = dump.PageShift
	tableBits  = 9
	hugeShift  = pageShift + tableBits // 2 MiB
	startKMap  = 0xffffffff80000000    // __START_KERNEL_map: kernel text = this + phys - phys_base
	tlbEntries = 256
)

// ptLevel is one level of the tables, top to bottom.
type ptLevel struct {
	name  string
	shift uint // bits of the address below this level's index
	huge  bool // an entry may map a page
}

var ptLevels = [...]ptLevel{
	{"PGD", 48, false}, // with 4 levels the PGD has P4D's place
	{"P4D", 39, false},
	{"PUD", 30, true},
	{"PMD", hugeShift, true},
	{"PTE", pageShift, true},
}

// pageTables translates virtual addresses of a dump, whose tables do not change. It is
// safe for concurrent use.
type pageTables struct {
	phys     func(addr uint64, buf []byte) error // reads physical memory
	root     uint64                              // physical address of the top table
	physMask uint64                              // ptePhysMask without sme_mask
	levels   int                                 // 4 or 5

	// The kernel's image is mapped in one piece: virtual - startKMap + physBase. That is
	// known below imageEnd, 0 where it is not known at all.
	physBase, imageEnd uint64

	// A translation cache with one slot an address, as a file's.
	small [tlbEntries]atomic.Pointer[translation] // 4 KiB pages, by page
	large [tlbEntries]atomic.Pointer[translation] // larger pages, by 2 MiB
}

// translation maps the naturally aligned range of size bytes at virt to phys.
type translation struct{ virt, phys, size uint64 }

// newPageTables finds the kernel's page tables by VMCOREINFO. physBase is the dump's
// own idea of phys_base, or nil, for where VMCOREINFO has none. The error says what is
// missing there.
func newPageTables(info *VMCoreInfo, physBase *uint64, phys func(uint64, []byte) error) (*pageTables, error) {
	if info == nil {
		return nil, fmt.Errorf("VMCOREINFO is missing, so the page tables cannot be found")
	}
	top, ok := info.Symbol("init_top_pgt")
	if !ok {
		if top, ok = info.Symbol("swapper_pg_dir"); !ok {
			return nil, fmt.Errorf("VMCOREINFO has no SYMBOL(init_top_pgt) or SYMBOL(swapper_pg_dir), so the page tables cannot be found")
		}
	}
	base, ok := info.Number("phys_base")
	if !ok && physBase != nil {
		base, ok = int64(*physBase), true
	}
	if !ok {
		return nil, fmt.Errorf("VMCOREINFO has no NUMBER(phys_base), so the page tables cannot be found")
	}
	// sme_mask came with 4.20, pgtable_l5_enabled with 4.17; both mean 0 where
	// they are missing.
	sme, _ := info.Number("sme_mask")
	five, _ := info.Number("pgtable_l5_enabled")
	t := &pageTables{
		phys:     phys,
		root:     uint64(top) - startKMap + uint64(base),
		physMask: ptePhysMask &^ uint64(sme),
		levels:   4,
	}
	if five != 0 {
		t.levels = 5
	}
	t.root &= t.physMask
	// Modules follow the image. Without KASLR in the kernel it has 512 MiB.
	size, ok := info.Number("KERNEL_IMAGE_SIZE")
	if !ok || size <= 0 || size > kernelMapEnd-startKMap {
		size = minImageSize
	}
	t.physBase, t.imageEnd = uint64(base), startKMap+uint64(size)
	return t, nil
}

// minImageSize is the least that a kernel keeps for its image
// (arch/x86/include/asm/page_64_types.h: KERNEL_IMAGE_SIZE).
const minImageSize = 512 << 20

// holdImage is for tables that VMCOREINFO did not lead to: where the image is, its first page
// tells, and all others must agree.
func (t *pageTables) holdImage() {
	text := t.textBase()
	if !text.ok {
		return
	}
	t.physBase, t.imageEnd = text.base, startKMap+minImageSize
	if uint64(text.first) >= t.imageEnd {
		t.imageEnd = kernelMapEnd
	}
}

// checkImage compares where the tables map the image with where it is: a damaged entry would
// give another page for it.
func (t *pageTables) checkImage(addr, phys uint64) error {
	if addr < startKMap || addr >= t.imageEnd {
		return nil
	}
	if want := (addr - startKMap + t.physBase) & (ptePhysMask | (PageSize - 1)); phys != want {
		return t.fault(addr, Failed, fmt.Sprintf("damaged page tables: they map the kernel's image at physical address %#x, and by phys_base it is at %#x", phys, want))
	}
	return nil
}

// translate returns addr's physical address, and how many bytes from there on
// are mapped contiguously. Its fault's Len is 1: callers know better.
func (t *pageTables) translate(addr uint64) (phys, run uint64, err error) {
	if tr := t.small[addr>>pageShift%tlbEntries].Load(); tr != nil && addr-tr.virt < tr.size {
		return tr.phys + (addr - tr.virt), tr.size - (addr - tr.virt), nil
	}
	slot := &t.large[addr>>hugeShift%tlbEntries]
	if tr := slot.Load(); tr != nil && addr-tr.virt < tr.size {
		return tr.phys + (addr - tr.virt), tr.size - (addr - tr.virt), nil
	}
	tr, err := t.walk(addr)
	if err != nil {
		return 0, 0, err
	}
	if tr.size == PageSize {
		slot = &t.small[addr>>pageShift%tlbEntries]
	}
	if err := t.checkImage(addr, tr.phys+(addr-tr.virt)); err != nil {
		return 0, 0, err
	}
	slot.Store(tr)
	return tr.phys + (addr - tr.virt), tr.size - (addr - tr.virt), nil
}

// known is the translation of addr by a page of 2 MiB or more that was looked up before, or nil.
func (t *pageTables) known(addr uint64) *translation {
	if tr := t.large[addr>>hugeShift%tlbEntries].Load(); tr != nil && addr-tr.virt < tr.size {
		return tr
	}
	return nil
}

// canonical reports whether the upper bits of addr all equal its sign bit.
func (t *pageTables) canonical(addr uint64) bool {
	unused := 64 - uint(pageShift+tableBits*t.levels)
	return uint64(int64(addr<<unused)>>unused) == addr
}

// walk goes down the tables: at most one table a level, whatever they hold.
func (t *pageTables) walk(addr uint64) (*translation, error) { return t.walkBy(addr, t.phys) }

// walkBy is walk with another reader of physical memory.
func (t *pageTables) walkBy(addr uint64, phys func(uint64, []byte) error) (*translation, error) {
	if !t.canonical(addr) {
		return nil, t.fault(addr, Unmapped, fmt.Sprintf("not a canonical address (of %d bits)", pageShift+tableBits*t.levels))
	}
	raw := make([]byte, 8)
	table := t.root
	for i := len(ptLevels) - t.levels; i < len(ptLevels); i++ {
		level := &ptLevels[i]
		name := level.name
		if t.levels == 4 && i == 1 {
			name = "PGD"
		}
		at := table + addr>>level.shift%(1<<tableBits)*8
		if err := phys(at, raw); err != nil {
			return nil, t.noTable(addr, name, at, err)
		}
		entry := binary.LittleEndian.Uint64(raw)
		if entry&ptePresent == 0 {
			return nil, t.fault(addr, Unmapped, absent(name, entry))
		}
		leaf := level.shift == pageShift
		if entry&ptePSE != 0 && !leaf {
			if !level.huge {
				return nil, t.fault(addr, Unmapped, fmt.Sprintf("damaged page tables: entry %#x at level %s has the huge-page bit", entry, name))
			}
			leaf = true
		}
		if leaf {
			mask := uint64(1)<<level.shift - 1
			return &translation{virt: addr &^ mask, phys: entry & t.physMask &^ mask, size: mask + 1}, nil
		}
		table = entry & t.physMask
	}
	return nil, t.fault(addr, Unmapped, "the page tables have no last level") // not reached: the PTE level is a leaf
}

// absent explains an entry without the present bit. No such entry is a mapping:
// the CPU ignores all its other bits. Where it is not 0 it holds a swap slot, or
// the frame of a page that the kernel made inaccessible (PROT_NONE, NUMA hinting,
// debug_pagealloc, set_memory_np), with the frame number inverted against L1TF
// (kernel arch/x86/include/asm/pgtable-invert.h, 4.18).
func absent(level string, entry uint64) string {
	if entry == 0 {
		return "page table entry at level " + level + " is not present"
	}
	return fmt.Sprintf("page table entry at level %s is not present (%#x: swapped out, or a page that the kernel made inaccessible)", level, entry)
}

// noTable turns the fault of reading a table into one of the address.
func (t *pageTables) noTable(addr uint64, level string, at uint64, err error) error {
	reason, detail := Failed, err.Error()
	if f := AsFault(err); f != nil {
		reason, detail = f.Reason, f.Detail
	}
	text := fmt.Sprintf("the page table of level %s, at physical address %#x, could not be read", level, at)
	if detail != "" {
		text += ": " + detail
	}
	return t.fault(addr, reason, text)
}

func (t *pageTables) fault(addr uint64, reason Reason, detail string) error {
	return &Fault{Addr: addr, Len: 1, Reason: reason, Detail: detail}
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
