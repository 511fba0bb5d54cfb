package kmem

import "strings"

// peerSymbols are what crash and drgn read of any kernel before they answer anything, as far as
// the command has not read it already: without it they refuse to open the file. Sizes are in bytes.
var peerSymbols = []struct {
	name string
	size uint64
}{
	{"page_offset_base", 8}, // where the direct map, vmalloc memory and struct pages begin
	{"vmalloc_base", 8},
	{"vmemmap_base", 8},
	{"phys_base", 8},
	{"__pgtable_l5_enabled", 4},
	{"nr_cpu_ids", 4},
	{"__cpu_possible_mask", 1024},
	{"__cpu_present_mask", 1024},
	{"__cpu_online_mask", 1024},
	{"__cpu_active_mask", 1024},
	{"__per_cpu_offset", 8192 * 8},
	{"init_uts_ns", 424},
}

// AddForPeers records what other tools need to open a snapshot in the kdump-compressed format. What
// this kernel does not have, or what cannot be read, is left out: our own reader does without.
func (rec *Recorder) AddForPeers(syms SymbolTable) {
	for _, s := range peerSymbols {
		if sym, ok := syms.Lookup(s.name); ok {
			_ = rec.AddRange(sym.Addr, s.size)
		}
	}
	if sym, ok := syms.Lookup("linux_banner"); ok {
		_, _ = readString(rec, sym.Addr, maxBanner)
	}
}

// kernelVersion is the kernel's build as uname -v has it, from its banner: "Linux version
// RELEASE (BUILDER) (COMPILER) #1 SMP …".
func kernelVersion(banner string) string {
	if i := strings.LastIndex(banner, ") #"); i >= 0 {
		return strings.TrimSpace(banner[i+2:])
	}
	return ""
}
