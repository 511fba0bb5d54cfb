package value

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"kinspect/kmem"
)

// Limits of walks over lists of the kernel, far above what real kernels hold.
const (
	maxModules       = 4096
	maxModuleSymbols = 1 << 20
)

// Module is one loaded module.
type Module struct {
	Name   string
	Value  Value // *(struct module *)
	ranges []addrRange

	k        *Kernel
	symsOnce sync.Once
	byAddr   []kmem.Symbol // sorted by address
	sizes    []uint64      // of these, in bytes; 0: not known
	byName   map[string]int
	symsErr  error
}

type addrRange struct {
	start kmem.Addr
	size  uint64
}

func (r addrRange) holds(a kmem.Addr) bool { return a >= r.start && uint64(a-r.start) < r.size }

// ModuleBTF is where a module's BTF lies in memory.
type ModuleBTF struct {
	Module string
	Addr   kmem.Addr
	Size   uint64
}

// Modules lists the loaded modules, newest first as the kernel does.
func (k *Kernel) Modules() ([]*Module, error) {
	k.modsOnce.Do(func() { k.mods, k.modsErr = k.readModules() })
	return k.mods, k.modsErr
}

// ModulesAnew looks at the modules of a running kernel again: some may have been loaded or unloaded since. It reports
// whether they are others; what was known of those that went is forgotten. Nobody else may use the kernel meanwhile.
func (k *Kernel) ModulesAnew() (changed bool, err error) {
	if !k.mayChange() {
		return false, nil
	}
	known, _ := k.Modules()
	mods, err := k.readModules()
	if err != nil {
		mods, err = k.readModules() // it may have changed under the walk
	}
	if err != nil {
		return false, err
	}
	same := map[kmem.Addr]*Module{}
	for _, m := range known {
		if a, ok := m.Value.Addr(); ok {
			same[a] = m
		}
	}
	changed = len(mods) != len(known)
	kept := map[string]bool{}
	for i, m := range mods {
		a, _ := m.Value.Addr()
		old := same[a]
		if old == nil || old.Name != m.Name || !slices.Equal(old.ranges, m.ranges) {
			changed = true
			continue
		}
		mods[i], kept[m.Name] = old, true // with its symbols
	}
	k.mods, k.modsErr = mods, nil
	if !changed {
		return false, nil
	}
	k.modTypesMu.Lock()
	for name := range k.modTypes {
		if !kept[name] {
			delete(k.modTypes, name)
		}
	}
	k.modTypesMu.Unlock()
	k.globalsMu.Lock()
	k.globals = map[string]Value{}
	k.globalsMu.Unlock()
	return true, nil
}

// mayChange reports whether what is read is a kernel that runs.
func (k *Kernel) mayChange() bool { return k.Image != nil && (k.Image.Live() || k.moves) }

func (k *Kernel) readModules() ([]*Module, error) {
	head, err := k.vmlinuxGlobal("modules")
	if err != nil {
		return nil, err
	}
	st, err := k.Struct("module")
	if err != nil {
		return nil, err
	}
	var mods []*Module
	err = EachEntry(head, st, "list", maxModules, func(v Value) error {
		m := &Module{Value: v, k: k}
		name, err := v.Path("name")
		if err != nil {
			return err
		}
		if m.Name, err = name.CString(); err != nil {
			return err
		}
		if m.ranges, err = moduleRanges(k, v); err != nil {
			return err
		}
		mods = append(mods, m)
		return nil
	})
	if err != nil {
		return mods, fmt.Errorf("walking the list of modules: %w", err)
	}
	return mods, nil
}

// moduleRanges is the memory that holds a module's code and data. It moved from
// struct module.core_layout to an array of regions, mem[], in 6.4
// (include/linux/module.h, ac3b43283923).
func moduleRanges(k *Kernel, v Value) ([]addrRange, error) {
	one := func(v Value) (addrRange, error) {
		base, err := v.UintPath("base")
		if err != nil {
			return addrRange{}, err
		}
		size, err := v.UintPath("size")
		return addrRange{kmem.Addr(base), size}, err
	}
	if k.HasMember("module", "mem") {
		mem, err := v.Path("mem")
		if err != nil {
			return nil, err
		}
		n, _ := mem.Len()
		var ranges []addrRange
		for i := range n {
			region, err := mem.Index(int64(i))
			if err != nil {
				return nil, err
			}
			r, err := one(region)
			if err != nil {
				return nil, err
			}
			if r.size > 0 {
				ranges = append(ranges, r)
			}
		}
		return ranges, nil
	}
	layout, err := v.Path("core_layout")
	if err != nil {
		return nil, err
	}
	r, err := one(layout)
	return []addrRange{r}, err
}

// ModuleBTFs tells where the kernel keeps the BTF of each module. A kernel that
// has no such list (before 5.11, or without CONFIG_DEBUG_INFO_BTF_MODULES) has
// none, and no error.
func (k *Kernel) ModuleBTFs() ([]ModuleBTF, error) {
	syms, err := k.Symbols()
	if err != nil {
		return nil, err
	}
	if _, ok := syms.Lookup("btf_modules"); !ok {
		return nil, nil
	}
	st, err := k.Struct("btf_module")
	if err != nil {
		return nil, nil
	}
	head, err := k.vmlinuxGlobal("btf_modules")
	if err != nil {
		return nil, err
	}
	var out []ModuleBTF
	err = EachEntry(head, st, "list", maxModules, func(v Value) error {
		b, err := v.Path("btf")
		if err != nil {
			return err
		}
		name, err := b.Path("name")
		if err != nil {
			return err
		}
		s, err := name.CString()
		if err != nil {
			return err
		}
		addr, err := b.UintPath("data")
		if err != nil {
			return err
		}
		size, err := b.UintPath("data_size")
		if err != nil {
			return err
		}
		if size > maxBTF {
			return fmt.Errorf("the BTF of module %s claims %d bytes", Printable(s), size)
		}
		out = append(out, ModuleBTF{s, kmem.Addr(addr), size})
		return nil
	})
	return out, err
}

// symbols reads the module's own table: struct mod_kallsyms holds ELF symbols,
// their names and, since 5.2, their nm letters in typetab (kernel/module/kallsyms.c).
func (m *Module) symbols() ([]kmem.Symbol, error) {
	m.symsOnce.Do(func() { m.byAddr, m.symsErr = m.readSymbols() })
	return m.byAddr, m.symsErr
}

func (m *Module) readSymbols() ([]kmem.Symbol, error) {
	ks, err := m.Value.Path("kallsyms")
	if err != nil {
		return nil, err
	}
	if p, err := ks.Uint(); err != nil || p == 0 {
		return nil, err
	}
	var num, symtab, strtab, typetab uint64
	for _, f := range []struct {
		name string
		to   *uint64
	}{{"num_symtab", &num}, {"symtab", &symtab}, {"strtab", &strtab}, {"typetab", &typetab}} {
		if *f.to, err = ks.UintPath(f.name); err != nil {
			return nil, err
		}
	}
	if num > maxModuleSymbols {
		return nil, fmt.Errorf("module %s claims %d symbols", Printable(m.Name), num)
	}
	// Elf64_Sym: st_name u32, st_info u8, st_other u8, st_shndx u16, st_value u64, st_size u64.
	const symSize = 24
	table := make([]byte, num*symSize)
	if err := m.k.ReadMem(kmem.Addr(symtab), table); err != nil {
		return nil, fmt.Errorf("reading the symbols of module %s: %w", Printable(m.Name), err)
	}
	letters := make([]byte, num)
	if typetab == 0 || m.k.ReadMem(kmem.Addr(typetab), letters) != nil {
		letters = nil
	}
	names := newStringWindow(m.k, kmem.Addr(strtab))
	var out []kmem.Symbol
	for i := range int(num) {
		e := table[i*symSize:]
		value := kmem.Addr(le64(e[8:]))
		shndx := le16(e[6:])
		if shndx == 0 || !m.holds(value) {
			continue
		}
		name, err := names.at(le32(e))
		if err != nil || name == "" {
			continue
		}
		letter := byte('?')
		if letters != nil {
			letter = letters[i]
		}
		out = append(out, kmem.Symbol{Name: name, Addr: value, Type: letter, Module: m.Name})
		m.sizes = append(m.sizes, le64(e[16:]))
	}
	sort.Stable(&symbolOrder{out, m.sizes})
	m.byName = make(map[string]int, len(out))
	for i, s := range out {
		if _, ok := m.byName[s.Name]; !ok {
			m.byName[s.Name] = i
		}
	}
	m.showExported(out)
	return out, nil
}

// symbolOrder sorts symbols by address, and their sizes with them.
type symbolOrder struct {
	syms  []kmem.Symbol
	sizes []uint64
}

func (o *symbolOrder) Len() int           { return len(o.syms) }
func (o *symbolOrder) Less(i, j int) bool { return o.syms[i].Addr < o.syms[j].Addr }
func (o *symbolOrder) Swap(i, j int) {
	o.syms[i], o.syms[j] = o.syms[j], o.syms[i]
	o.sizes[i], o.sizes[j] = o.sizes[j], o.sizes[i]
}

// symbolAt finds the symbol that holds an address of the module: the first of those that begin at or next
// below it, unless that is known to end before.
func (m *Module) symbolAt(a kmem.Addr) (sym kmem.Symbol, off uint64, ok bool) {
	syms, err := m.symbols()
	if err != nil {
		return kmem.Symbol{}, 0, false
	}
	last := sort.Search(len(syms), func(i int) bool { return syms[i].Addr > a }) - 1
	if last < 0 {
		return kmem.Symbol{}, 0, false
	}
	first := last
	for first > 0 && syms[first-1].Addr == syms[first].Addr {
		first--
	}
	off = uint64(a - syms[first].Addr)
	for i := first; i <= last; i++ {
		// Labels of assembly and of the linker have no size: what follows may be theirs.
		if size := m.sizes[i]; off == 0 || size == 0 || off < size {
			return syms[i], off, true
		}
	}
	return kmem.Symbol{}, 0, false
}

// showExported gives exported symbols capital letters, as /proc/kallsyms shows them
// (kernel/kallsyms.c, s_show; the table has small ones): those whose entry __ksymtab_NAME
// is among the module's syms. What is exported for GPL modules alone has a list of its own in
// 6.12 and older, which does not count.
func (m *Module) showExported(syms []kmem.Symbol) {
	first, err := m.Value.UintPath("syms")
	if err != nil {
		return
	}
	n, err := m.Value.UintPath("num_syms")
	if err != nil || n == 0 || n > maxModuleSymbols {
		return
	}
	st, err := m.k.Struct("kernel_symbol")
	if err != nil {
		return
	}
	end := first + n*uint64(st.Size)
	for i, s := range syms {
		j, ok := m.byName["__ksymtab_"+s.Name]
		if !ok || s.Type < 'a' || s.Type > 'z' {
			continue
		}
		if at := uint64(syms[j].Addr); first <= at && at < end {
			syms[i].Type -= 'a' - 'A'
		}
	}
}

// ModuleAt is the module in whose memory an address is, or nil.
func (k *Kernel) ModuleAt(a kmem.Addr) *Module {
	mods, _ := k.Modules()
	for _, m := range mods {
		if m.holds(a) {
			return m
		}
	}
	return nil
}

func (m *Module) holds(a kmem.Addr) bool {
	for _, r := range m.ranges {
		if r.holds(a) {
			return true
		}
	}
	return false
}

// stringWindow reads NUL-terminated strings out of one table, a page at a time.
type stringWindow struct {
	r     kmem.Reader
	base  kmem.Addr
	pages map[kmem.Addr][]byte
}

func newStringWindow(r kmem.Reader, base kmem.Addr) *stringWindow {
	return &stringWindow{r, base, map[kmem.Addr][]byte{}}
}

// maxSymbolName is the kernel's KSYM_NAME_LEN (512 since 6.1).
const maxSymbolName = 512

func (w *stringWindow) at(off uint32) (string, error) {
	a := w.base.Add(int64(off))
	var out []byte
	for len(out) < maxSymbolName {
		page, ok := w.pages[a.Page()]
		if !ok {
			page = make([]byte, kmem.PageSize)
			if err := w.r.ReadMem(a.Page(), page); err != nil {
				s, _, err := kmem.ReadCString(w.r, a, maxSymbolName)
				return string(out) + s, err
			}
			w.pages[a.Page()] = page
		}
		rest := page[a-a.Page():]
		for i, c := range rest {
			if c == 0 {
				return string(append(out, rest[:i]...)), nil
			}
		}
		out = append(out, rest...)
		a = a.Page().Add(kmem.PageSize)
	}
	return string(out), nil
}
