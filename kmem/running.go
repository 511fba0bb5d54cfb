package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"kinspect/kmem/dump"
)

// RunningMemory is the running kernel's memory where it is no file. Its faults are those that
// the kernel met: it fills nothing in.
type RunningMemory interface {
	Reader
	// Lookup asks the kernel for the address of a symbol.
	Lookup(name string) (Addr, error)
	// Source names it for people.
	Source() string
	Close() error
}

// OpenRunning makes the running kernel's memory an image. All that /proc/kcore's headers
// tell, the kernel's own variables do: where its note about itself is, where the direct map of
// physical memory begins. The image closes m.
func OpenRunning(m RunningMemory) (*Image, error) { return openRunning(m, defaultHost) }

func openRunning(m RunningMemory, host hostPaths) (*Image, error) {
	r := &runningMemory{m: m}
	host.openNames()
	img := &Image{
		content: &dump.Content{File: dump.NewFile(bytes.NewReader(nil), 0, m.Source(), false)},
		virt:    &dump.Space{}, phys: r, closer: m, source: m.Source(), live: true, host: host, running: r,
	}
	if err := img.findRunning(); err != nil {
		_ = img.Close()
		return nil, err
	}
	return img, nil
}

// runningMemory reads only what is memory. The vmalloc range and the fixmap also map the registers of devices,
// where a read may have an effect, so that there the page tables are asked, and what they
// tell is read in the direct map of physical memory, which has RAM alone. (/proc/kcore leaves these mappings out, too:
// mm/vmalloc.c, vread_iter.)
type runningMemory struct {
	m      RunningMemory
	ready  atomic.Bool // direct is known
	direct span        // the direct map of physical memory
	pages  span        // the array of struct page, behind vmalloc's range; empty where it is not known
	tables *pageTables // nil where they cannot be found
	why    error       // there are no tables, or no direct map
}

// modulesEnd is where the modules' range ends (Documentation/arch/x86/x86_64/mm.rst); what follows is the fixmap.
const modulesEnd = 0xffffffffff000000

// The array of struct page takes a 64th of physical memory: of 2^46 bytes with page tables of 4 levels, of 2^52 with 5.
const maxPages4, maxPages5 = 1 << 40, 1 << 46

// findRunning finds the kernel: its note, its symbols, its page tables.
func (img *Image) findRunning() error {
	r := img.running
	img.readRunningInfo()
	lookup := r.m.Lookup
	if t := img.runningSyms; t != nil {
		lookup = func(name string) (Addr, error) {
			if s, ok := t.Lookup(name); ok {
				return s.Addr, nil
			}
			return 0, ErrNoSymbol
		}
	}
	variable := func(name string) (uint64, error) {
		at, err := lookup(name)
		if err != nil {
			return 0, err
		}
		return ReadUint64(r.m, at)
	}
	base, err := variable("page_offset_base")
	if err != nil {
		r.why = fmt.Errorf("where physical memory is mapped is not known: page_offset_base: %w", err)
		return nil
	}
	end, err := variable("vmalloc_base")
	if err != nil || end <= base || base < 1<<63 {
		r.why = fmt.Errorf("where the mapping of physical memory ends is not known: vmalloc_base is %#x, page_offset_base %#x", end, base)
		return nil
	}
	r.direct = span{base, end - 1}
	size := uint64(maxPages4)
	if base < directMap5 {
		size = maxPages5
	}
	if at, err := variable("vmemmap_base"); err == nil && at > end && at < startKMap-size {
		r.pages = span{at, at + size - 1}
	}
	r.ready.Store(true)
	r.tables, r.why = newPageTables(img.info, nil, r.readPhys)
	img.tablesErr = r.why
	return nil
}

// readRunningInfo finds VMCOREINFO: the kernel says where its symbol is, or /proc/kallsyms
// does, or its own tables in memory.
func (img *Image) readRunningInfo() {
	m := img.running.m
	at, lookupErr := m.Lookup("vmcoreinfo_data")
	if lookupErr == nil {
		img.info, img.infoErr = readVMCoreInfo(m, at)
		if _, ok := img.info.Symbol("kallsyms_names"); ok {
			if t, err := OpenKallsyms(m, img.info); err == nil {
				img.runningSyms = t
			}
		}
		return
	}
	if img.runningByShape() {
		return
	}
	var table SymbolTable
	table, err := img.host.symbols()
	if err != nil {
		found, ferr := FindKallsyms(imageProbe{m}, nil)
		if ferr != nil {
			img.infoErr = fmt.Errorf("%w; and %w; and %w", lookupErr, err, ferr)
			return
		}
		table = found
	}
	img.runningSyms = table
	s, ok := table.Lookup("vmcoreinfo_data")
	if !ok {
		img.infoErr = errors.New("this kernel has no vmcoreinfo_data (CONFIG_VMCORE_INFO)")
		return
	}
	img.info, img.infoErr = readVMCoreInfo(m, s.Addr)
}

// runningByShape has the kernel write its symbols out as far as vmcoreinfo_data, and finds the tables in memory by what
// VMCOREINFO says. It reports whether both are found; that is much less to do than to keep all of the text.
func (img *Image) runningByShape() bool {
	file, err := img.host.openKallsyms()
	if err != nil {
		return false
	}
	defer file.Close()
	at, err := findProcSymbol(file, "vmcoreinfo_data")
	if err != nil || at == 0 {
		return false
	}
	info, err := readVMCoreInfo(img.running.m, at)
	if err != nil {
		return false
	}
	table, err := findReadOnlyKallsyms(img.running.m, info)
	if err != nil {
		return false
	}
	img.info, img.runningSyms = info, table
	return true
}

// imageProbe is a [mapReader] for a kernel whose image may be anywhere in its mapping of 1 GiB, most of which is
// not there. The sections of an image begin at 2 MiB (arch/x86/kernel/vmlinux.lds.S), so that one look at each
// beginning tells.
type imageProbe struct{ Reader }

func (p imageProbe) mappedAs(addr Addr) (mapping, uint64) {
	left := uint64(1<<hugeShift - addr%(1<<hugeShift))
	if p.ReadMem(addr, make([]byte, 1)) != nil {
		return mappedNot, left
	}
	return mappedData, left
}

// readVMCoreInfo reads the text that the pointer at the address leads to (kernel/vmcore_info.c). It has a page of its own, and
// zeros behind it.
func readVMCoreInfo(r Reader, at Addr) (*VMCoreInfo, error) {
	text, err := ReadAddr(r, at)
	if err != nil {
		return nil, fmt.Errorf("vmcoreinfo_data: %w", err)
	}
	raw := make([]byte, PageSize)
	if err := r.ReadMem(text, raw); err != nil {
		return nil, fmt.Errorf("vmcoreinfo_data: %w", err)
	}
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		raw = raw[:i]
	}
	return ParseVMCoreInfo(raw)
}

// ReadMem implements [Reader].
func (r *runningMemory) ReadMem(addr Addr, buf []byte) error {
	for at := uint64(addr); len(buf) > 0; {
		n, alias, err := r.place(at, len(buf))
		if err != nil {
			return resized(err, len(buf))
		}
		if err := r.m.ReadMem(Addr(alias), buf[:n]); err != nil {
			f := AsFault(err)
			if f == nil {
				return err
			}
			return r.explain(f, at, alias, uint64(len(buf)))
		}
		buf, at = buf[n:], at+uint64(n)
	}
	return nil
}

// place is where the memory at addr can be read, and how many of n bytes from there on.
func (r *runningMemory) place(addr uint64, n int) (int, uint64, error) {
	// The image and modules: they are no devices. So is nothing below the kernel's half, which the kernel refuses.
	safe := []span{{0, 1<<63 - 1}, {startKMap, modulesEnd - 1}}
	if r.ready.Load() {
		safe = []span{{0, 1<<63 - 1}, r.direct, r.pages, {startKMap, modulesEnd - 1}}
	}
	k, in := cutSpan(safe, addr, n)
	if in {
		return k, addr, nil
	}
	if r.tables == nil {
		why := "its page tables are not known"
		if r.why != nil {
			why = r.why.Error()
		}
		return 0, 0, &Fault{Addr: addr, Len: uint64(n), Reason: Refused, Detail: "the registers of a device may be there, where a read has effects, and " + why}
	}
	// A live kernel's tables change: no translation is kept.
	tr, err := r.tables.walk(addr)
	if err != nil {
		return 0, 0, err
	}
	off := addr - tr.virt
	phys := tr.phys + off
	if phys > r.direct.last-r.direct.first {
		return 0, 0, &Fault{Addr: addr, Len: uint64(n), Reason: Refused, Detail: fmt.Sprintf("it is mapped to physical address %#x, which is no RAM", phys)}
	}
	return int(min(uint64(k), tr.size-off)), r.direct.first + phys, nil
}

// explain says of the read of n bytes at addr, which are at alias, too, why it failed: f is what the kernel met.
func (r *runningMemory) explain(f *Fault, addr, alias, n uint64) error {
	g := *f
	done := f.Addr - alias
	g.Addr, g.Len = addr+done, n-done
	if f.Reason != Unmapped || r.tables == nil || g.Addr < 1<<63 {
		return &g
	}
	tr, err := r.tables.walk(g.Addr)
	if why := AsFault(err); why != nil {
		g.Detail = why.Detail
	}
	if err == nil {
		g.Reason = Refused
		g.Detail = fmt.Sprintf("it is mapped to physical address %#x, which is no RAM or which the kernel may not read itself", tr.phys+(g.Addr-tr.virt))
	}
	return &g
}

// ReadPhys implements [dump.Memory] with the direct map. What is no RAM is not in it.
func (r *runningMemory) ReadPhys(phys PhysAddr, buf []byte) error {
	return r.readPhys(uint64(phys), buf)
}

func (r *runningMemory) readPhys(phys uint64, buf []byte) error {
	f := &Fault{Addr: phys, Physical: true, Len: uint64(len(buf)), Reason: Refused}
	if !r.ready.Load() {
		f.Detail = "BPF reads virtual addresses alone, and " + r.why.Error()
		return f
	}
	size := r.direct.last - r.direct.first + 1
	if phys >= size || size-phys < uint64(len(buf)) {
		f.Reason, f.Detail = Unmapped, "the kernel maps no memory that high"
		return f
	}
	err := r.m.ReadMem(Addr(r.direct.first+phys), buf)
	if g := AsFault(err); g != nil {
		f.Addr, f.Len, f.Reason = g.Addr-r.direct.first, g.Len, g.Reason
		f.Detail = "it is no RAM, or the kernel took it out of its direct map"
		return f
	}
	return err
}

// Ranges implements [dump.Memory]: nothing tells them.
func (r *runningMemory) Ranges() iter.Seq2[PhysAddr, uint64] {
	return func(func(PhysAddr, uint64) bool) {}
}

// translate is the physical address of a virtual one.
func (r *runningMemory) translate(addr uint64) (uint64, error) {
	if r.ready.Load() && addr >= r.direct.first && addr <= r.direct.last {
		return addr - r.direct.first, nil
	}
	if r.tables == nil {
		return 0, &Fault{Addr: addr, Len: 1, Reason: Unmapped, Detail: "the page tables are not known: " + r.why.Error()}
	}
	tr, err := r.tables.walk(addr)
	if err != nil {
		return 0, err
	}
	return tr.phys + (addr - tr.virt), nil
}
