package check_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// kernelParts are the parts of a kernel's memory that describe the rest.
type kernelParts struct {
	kallsyms, btf, modsyms []kmem.Range
	blobs                  []blob
	symbols                []symbolPlace
}

// blob is one BTF with its place.
type blob struct {
	at   kmem.Addr
	data []byte
}

// symbolPlace is where a symbol's entries are.
type symbolPlace struct{ ranges []kmem.Range }

// askedSymbols are the symbols that explain bond0 asks for by name.
var askedSymbols = []string{
	"net_namespace_list", "init_net", "modules", "btf_modules", "__start_BTF", "__stop_BTF", "ptype_base", "ptype_all",
	"net_hotdata", "softnet_data", "__per_cpu_offset", "__cpu_possible_mask", "__per_cpu_start", "__per_cpu_end", "tainted_mask",
	"prog_idr", "vm_event_states", "memalloc_socks_key", "netdev_max_backlog", "_stext", "linux_banner",
	"ip_rcv", "ipv6_rcv", "arp_rcv",
}

// kernelPartsOf finds what describes a kernel, by a reader of its own.
func kernelPartsOf(t testing.TB, k *value.Kernel) kernelParts {
	var p kernelParts
	syms, err := k.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	table, ok := syms.(*kmem.Kallsyms)
	if ok {
		p.kallsyms = table.Ranges()
	} else if k.Image.Snapshot() == nil { // which may bring them as text
		t.Fatalf("symbols from %s", syms.Source())
	}
	start, size, err := k.BTFRange()
	if err != nil {
		t.Fatal(err)
	}
	read := func(r kmem.Range) []byte {
		b := make([]byte, r.Len)
		if err := k.ReadMem(r.Addr, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	p.btf = []kmem.Range{{Addr: start, Len: size}}
	p.blobs = []blob{{start, read(p.btf[0])}}
	mods, err := k.ModuleBTFs()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mods {
		r := kmem.Range{Addr: m.Addr, Len: m.Size}
		p.btf = append(p.btf, r)
		if m.Module == "bonding" || m.Module == "veth" {
			p.blobs = append(p.blobs, blob{m.Addr, read(r)})
		}
	}
	loaded, err := k.Modules()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range loaded {
		ks, err := m.Value.Path("kallsyms")
		if err != nil {
			t.Fatal(err)
		}
		num, err1 := ks.UintPath("num_symtab")
		symtab, err2 := ks.UintPath("symtab")
		strtab, err3 := ks.UintPath("strtab")
		typetab, err4 := ks.UintPath("typetab")
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || num == 0 {
			continue // the snapshot has it not: nothing asked for it
		}
		b := make([]byte, num*24)
		if k.ReadMem(kmem.Addr(symtab), b) != nil {
			continue
		}
		names := uint64(0)
		for i := range int(num) {
			names = max(names, uint64(binary.LittleEndian.Uint32(b[24*i:])))
		}
		p.modsyms = append(p.modsyms, kmem.Range{Addr: kmem.Addr(symtab), Len: num * 24},
			kmem.Range{Addr: kmem.Addr(strtab), Len: names + 8}, kmem.Range{Addr: kmem.Addr(typetab), Len: num})
	}
	if table != nil {
		p.symbols = symbolPlaces(k, table)
	}
	return p
}

// symbolPlaces finds the entries of the asked symbols: an offset, a name's codes, and
// all of the tables that every name goes through.
func symbolPlaces(k *value.Kernel, table *kmem.Kallsyms) []symbolPlace {
	info := k.Image.VMCoreInfo()
	var out []symbolPlace
	for _, r := range table.Ranges() {
		if r.Len <= 4096 { // counts, bases, tokens and their index
			out = append(out, symbolPlace{[]kmem.Range{r}})
		}
	}
	offsets, ok1 := info.Symbol("kallsyms_offsets")
	names, ok2 := info.Symbol("kallsyms_names")
	if !ok1 || !ok2 {
		return out
	}
	i := 0
	at := names
	for s := range table.All {
		var head [2]byte
		if k.ReadMem(at, head[:]) != nil {
			break
		}
		n := kmem.Addr(head[0]) + 1
		if head[0] >= 0x80 {
			n = kmem.Addr(head[0]&0x7f) | kmem.Addr(head[1])<<7 + 2
		}
		if slices.Contains(askedSymbols, s.Name) || strings.HasSuffix(s.Name, "_rcv") {
			out = append(out, symbolPlace{[]kmem.Range{{Addr: offsets + kmem.Addr(4*i), Len: 4}, {Addr: at, Len: uint64(n)}}})
		}
		at += n
		i++
	}
	return out
}
