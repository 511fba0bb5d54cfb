package kmem

import "fmt"

// UserMemory is the memory of a process: its pages are where the process's own page tables
// say. They, and the tables, are read in the direct map of all physical memory, so
// that whatever the kernel's memory is read from serves. What is swapped out, or was never
// touched, is not present; dumps are often written without the pages of processes.
type UserMemory struct {
	r      Reader
	direct Addr // where the direct map begins
	tables pageTables
}

// directMap5 is below where the direct map may begin with page tables of 4 levels, and above where
// it may with 5 (Documentation/arch/x86/x86_64/mm.rst).
const directMap5 = 0xffff800000000000

// NewUserMemory returns the memory that the page tables at pgd map, an address in the
// direct map, which begins at direct. info may be nil.
func NewUserMemory(r Reader, info *VMCoreInfo, direct, pgd Addr) (*UserMemory, error) {
	if pgd < direct {
		return nil, fmt.Errorf("the page tables at %s are not in the direct map of physical memory, which begins at %s", pgd, direct)
	}
	u := &UserMemory{r: r, direct: direct}
	u.tables = pageTables{phys: u.phys, levels: 4, physMask: ptePhysMask}
	five := direct < directMap5
	if info != nil {
		if n, ok := info.Number("pgtable_l5_enabled"); ok {
			five = n != 0
		}
		sme, _ := info.Number("sme_mask")
		u.tables.physMask &^= uint64(sme)
	}
	if five {
		u.tables.levels = 5
	}
	u.tables.root = uint64(pgd-direct) & u.tables.physMask
	return u, nil
}

// phys reads physical memory.
func (u *UserMemory) phys(addr uint64, buf []byte) error {
	a, ok := u.direct.End(addr)
	if !ok {
		return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Unmapped, Detail: "no physical address is that large"}
	}
	return u.r.ReadMem(a, buf)
}

// ReadMem implements [Reader]; the addresses are the process's.
func (u *UserMemory) ReadMem(addr Addr, buf []byte) error {
	if _, ok := addr.End(uint64(len(buf))); !ok || addr.IsKernel() {
		return &Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: Unmapped, Detail: "no address of a process"}
	}
	for at := addr; len(buf) > 0; {
		phys, run, err := u.tables.translate(uint64(at))
		n := min(uint64(len(buf)), run)
		if err == nil {
			err = u.phys(phys, buf[:n])
		}
		if err != nil {
			f := AsFault(err)
			if f == nil {
				return err
			}
			detail := f.Detail
			if detail == "" && f.Reason == Filtered {
				detail = "the page of a process"
			}
			return &Fault{Addr: uint64(at), Len: uint64(len(buf)), Reason: f.Reason, Detail: detail}
		}
		buf, at = buf[n:], at.Add(int64(n))
	}
	return nil
}
