package kmem

import "strings"

// peerSymbols are variables that crash reads before it opens a file at all: where the direct map,
// vmalloc memory and the struct pages begin. (It also wants the kernel's banner.) Sizes are in bytes.
var peerSymbols = []struct {
	name string
	size uint64
}{
	{"page_offset_base", 8},
	{"vmalloc_base", 8},
	{"vmemmap_base", 8},
	{"__pgtable_l5_enabled", 4},
}

// maxPeerCPUs bounds the CPUs whose per-CPU offsets are kept: NR_CPUS of the largest x86-64 kernels.
const maxPeerCPUs = 8192

// addForPeers records what other tools need to open a snapshot in the kdump-compressed format: crash
// what peerSymbols and the banner are, drgn what leads to per-CPU variables. What this kernel
// does not have, or what cannot be read, is left out: our own reader does without.
func (rec *Recorder) addForPeers(syms SymbolTable) {
	add := func(name string, size uint64) {
		if sym, ok := syms.Lookup(name); ok {
			_ = rec.AddRange(sym.Addr, size)
		}
	}
	for _, s := range peerSymbols {
		add(s.name, s.size)
	}
	kernelBanner(rec, syms)
	if sym, ok := syms.Lookup("nr_cpu_ids"); ok {
		if n, err := ReadUint32(rec, sym.Addr); err == nil && n <= maxPeerCPUs {
			add("__per_cpu_offset", 8*uint64(n))
			for _, mask := range []string{"__cpu_possible_mask", "__cpu_present_mask", "__cpu_online_mask"} {
				add(mask, 8*((uint64(n)+63)/64))
			}
		}
	}
}

// kernelBanner reads linux_banner: "" where that cannot be done.
func kernelBanner(r Reader, syms SymbolTable) string {
	sym, ok := syms.Lookup("linux_banner")
	if !ok {
		return ""
	}
	text, _, err := ReadCString(r, sym.Addr, maxBanner)
	if err != nil {
		return ""
	}
	return text
}

// kernelVersion is the kernel's build as uname -v has it, from its banner, which is "Linux version
// RELEASE (BUILDER) (COMPILER) #1 SMP …".
func kernelVersion(banner string) string {
	if i := strings.LastIndex(banner, ") #"); i >= 0 {
		return strings.TrimSpace(banner[i+2:])
	}
	return ""
}

// AddKallsyms records the kernel's own symbol tables. Where VMCOREINFO does not say where they are they
// are found by their shape, in whole pages: those of the kernel's constants, in which there is nothing to hide.
func (rec *Recorder) AddKallsyms(k *Kallsyms, info *VMCoreInfo) error {
	_, told := info.Symbol("kallsyms_names")
	for _, r := range k.Ranges() {
		addr, n := r.Addr, r.Len
		if end, ok := addr.End(n); !told && ok && n > 0 {
			addr = addr.Page()
			n = uint64((end-1).Page()-addr) + PageSize
		}
		if err := rec.AddRange(addr, n); err != nil {
			return err
		}
	}
	kernelBanner(rec, k) // by which they are believed
	return nil
}
