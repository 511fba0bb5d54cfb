package kmem

import (
	"encoding/binary"
	"slices"
)

// QEMU adds a note to its dumps for each CPU, named QEMU, with the registers that
// ELF's own notes do not have (QEMU include/elf.h, target/i386/arch_dump.c,
// QEMUCPUState): a version and a size of 32 bits each, 16 general registers, rip and
// rflags, ten segment registers of 24 bytes each (selector, limit, flags, padding, base),
// five control registers, and later the kernel's GS base.
//
// CR3 is the physical address of the top page table that the CPU used, and CR4 tells of how
// many levels the tables are: enough to translate kernel addresses where VMCOREINFO is
// missing.
const (
	qemuNote    = "QEMU"
	qemuCPUSize = 432
	qemuCPURip  = 8 + 16*8
	qemuCPUCS   = qemuCPURip + 16
	qemuCPUIDT  = qemuCPUCS + 9*24
	qemuCPUCR   = qemuCPUCS + 10*24
	cr4LA57     = 1 << 12
	maxRoots    = 64 // that are tried
	// userTable is the bit that tells the two tables of a process apart that page-table
	// isolation makes: the kernel's, and the one behind it in which nearly nothing of the
	// kernel is mapped (arch/x86/include/asm/pgtable.h, PTI_PGTABLE_SWITCH_BIT).
	userTable = 1 << 12
)

// cpuKernels finds page tables by CR3 of the CPUs: of those that map what a CPU needs
// the kernel for, for each kernel the ones that map the most of it. There are two kernels where
// one that had crashed has started another.
func (img *Image) cpuKernels() []foundKernel {
	var tried []uint64
	var found []foundKernel
	var most []int
	for i := range img.content.Notes {
		n := &img.content.Notes[i]
		if n.Name != qemuNote || n.Size < qemuCPUSize || len(tried) > maxRoots {
			continue
		}
		var raw [qemuCPUSize]byte
		if img.content.File.ReadFull(n.Off, raw[:]) != nil {
			continue
		}
		word := func(at int) uint64 { return binary.LittleEndian.Uint64(raw[at:]) }
		levels := 4
		if word(qemuCPUCR+4*8)&cr4LA57 != 0 {
			levels = 5
		}
		cr3 := word(qemuCPUCR+3*8) & ptePhysMask
		for _, root := range []uint64{cr3, cr3 &^ userTable} {
			key := root | uint64(levels)
			if root == 0 || slices.Contains(tried, key) {
				continue
			}
			tried = append(tried, key)
			t := &pageTables{phys: img.readPhys, root: root, physMask: ptePhysMask, levels: levels}
			text := t.textBase()
			if !text.ok || !t.maps(word(qemuCPUIDT+16)) {
				continue
			}
			// Two tables of one process map the same text, but not both all of it.
			j := slices.IndexFunc(found, func(k foundKernel) bool { return k.tables.textBase().base == text.base })
			if j < 0 {
				j = len(found)
				found, most = append(found, foundKernel{}), append(most, 0)
			}
			if n := t.kernelEntries(); n > most[j] {
				found[j].tables, most[j] = t, n
			}
		}
	}
	return slices.DeleteFunc(found, func(k foundKernel) bool { return k.tables == nil })
}

// maps reports whether a kernel address is mapped.
func (t *pageTables) maps(addr uint64) bool {
	_, _, err := t.translate(addr)
	return err == nil && Addr(addr).IsKernel()
}

// kernelEntries counts what the top table has for the kernel's half of the addresses.
func (t *pageTables) kernelEntries() int {
	var table [PageSize]byte
	if t.phys(t.root, table[:]) != nil {
		return 0
	}
	n := 0
	for at := PageSize / 2; at < PageSize; at += 8 {
		if table[at]&ptePresent != 0 {
			n++
		}
	}
	return n
}
