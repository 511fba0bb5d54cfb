package check_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/kmem/wholedump"
)

const pageSize = wholedump.PageSize

// memoryLog is kernel memory that remembers what was read of it.
type memoryLog struct {
	r     kmem.Reader
	reads []kmem.Range
}

// ReadMem implements [kmem.Reader].
func (l *memoryLog) ReadMem(addr kmem.Addr, buf []byte) error {
	l.reads = append(l.reads, kmem.Range{Addr: addr, Len: uint64(len(buf))})
	return l.r.ReadMem(addr, buf)
}

// fileLog is a file that remembers what was read of it.
type fileLog struct {
	r     io.ReaderAt
	file  int
	mu    sync.Mutex // pages are unpacked on all cores
	reads map[target]bool
}

// ReadAt implements [io.ReaderAt].
func (l *fileLog) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.r.ReadAt(p, off)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 {
		l.reads[target{l.file, int(off), n}] = true
	}
	return n, err
}

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

// study runs the question on the dump as it is, and works out from what it reads
// which bytes are left alone and which are worth spoiling.
//
// Left alone are the bytes that hold the answer: kernel memory that the question
// reads as values (not the BTF, not the symbol tables), and the page-table
// entries that lead there, for no reader can see that such a byte was changed. Where
// the page of such a byte is compressed without a checksum (LZO, snappy, zstd as
// makedumpfile uses it), its compressed bytes are such bytes, too. Where there is a
// checksum (zlib, zstd as kinspect uses it) they are not: the reader must notice.
func (s *source) study(t testing.TB, m *wholedump.Machine) {
	s.parts = map[uint64][]place{}
	s.kinds, s.aims = map[string][]place{}, map[string][]target{}
	s.keep = make([][]span, len(s.files))
	for i, f := range s.files {
		for _, p := range f.Parts {
			switch p.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				s.parts[p.Frame] = append(s.parts[p.Frame], place{i, p})
			}
		}
	}

	var log *memoryLog
	var parts kernelParts
	files := map[target]bool{}
	wrap := func(i int, data []byte) io.ReaderAt {
		return &fileLog{r: bytes.NewReader(data), file: i, reads: files}
	}
	var values []kmem.Range
	report, err := explainFiles(s.data(), wrap, func(k *value.Kernel) {
		values = slices.Clone(log.reads)
		parts = kernelPartsOf(t, k)
	}, func(r kmem.Reader) kmem.Reader {
		log = &memoryLog{r: r}
		return log
	})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if report.Partial() {
		t.Fatalf("%s: undamaged, and the answer lacks %q", s.name, report.Missing)
	}
	s.want = report

	// What is left alone.
	about := slices.Concat(parts.kallsyms, parts.btf, parts.modsyms)
	kept := map[target]bool{}
	for _, r := range values {
		if slices.ContainsFunc(about, func(q kmem.Range) bool { return r.Addr < q.Addr+kmem.Addr(q.Len) && q.Addr < r.Addr+kmem.Addr(r.Len) }) {
			continue
		}
		s.keepRange(uint64(r.Addr), int(r.Len), kept)
	}
	// A snapshot's note holds numbers of the answer, too: what netlink said.
	for i, f := range s.files {
		for _, p := range f.Parts {
			if p.Kind != wholedump.Note {
				continue
			}
			for _, m := range netlinkNumber.FindAllSubmatchIndex(f.Data[p.Off:p.End()], -1) {
				kept[target{i, p.Off + m[2], m[3] - m[2]}] = true
			}
		}
	}
	for k := range kept {
		s.keep[k.file] = append(s.keep[k.file], span{k.off, k.off + k.n})
	}
	for i := range s.keep {
		slices.SortFunc(s.keep[i], func(a, b span) int { return a.from - b.from })
	}

	// What there is.
	what := map[uint64]string{} // by frame
	mark := func(ranges []kmem.Range, name string) {
		for _, r := range ranges {
			for a := uint64(r.Addr) &^ (pageSize - 1); a < uint64(r.Addr)+r.Len; a += pageSize {
				if frame, _, ok := s.where(a); ok {
					what[frame] = name
				}
			}
		}
	}
	mark(parts.modsyms, "module symbols")
	mark(parts.btf, "BTF")
	mark(parts.kallsyms, "kallsyms")
	for i, f := range s.files {
		for _, p := range f.Parts {
			kind := string(p.Kind)
			switch p.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				if kind = what[p.Frame]; m != nil && m.IsTable(p.Frame) {
					kind = "page tables"
				} else if kind == "" {
					kind = "other memory"
				}
				if p.Kind != wholedump.Page {
					kind = "compressed " + kind
				}
			}
			s.kinds[kind] = append(s.kinds[kind], place{i, p})
		}
	}

	// What the answer hangs on.
	aim := func(name string, to ...target) {
		if len(to) > 0 {
			s.aims[name] = append(s.aims[name], to...)
		}
	}
	for r := range files {
		part, ok := s.files[r.file].PartAt(r.off)
		if !ok {
			continue
		}
		// A line that was read for one thing may hold two.
		for at := r.off; at < r.off+r.n; at = part.End() {
			if part, ok = s.files[r.file].PartAt(at); !ok {
				break
			}
			n := min(part.End(), r.off+r.n) - at
			switch part.Kind {
			case wholedump.Page, wholedump.Packed, wholedump.Checked:
				aim("pages that were read", target{r.file, at, n})
			case wholedump.Descriptor:
			default:
				aim(string(part.Kind), target{r.file, at, n})
			}
		}
	}
	used := map[uint64]bool{}
	for _, r := range slices.Concat(values, parts.kallsyms, parts.btf) {
		for a := uint64(r.Addr) &^ (pageSize - 1); a < uint64(r.Addr)+r.Len; a += pageSize {
			used[a] = true
		}
	}
	frames := map[uint64]bool{}
	for a := range used {
		if frame, _, ok := s.where(a); ok {
			frames[frame] = true
		}
		for _, at := range s.tables(a) {
			aim("page tables", s.physical(at, 8)...)
			frames[at/pageSize] = true
		}
	}
	for i, f := range s.files {
		for _, p := range f.Parts {
			if p.Kind == wholedump.Descriptor && frames[p.Frame] {
				aim("descriptor", target{i, p.Off, p.Len})
			}
		}
	}
	for _, b := range parts.blobs {
		for _, r := range btfAims(b) {
			aim("BTF", s.virtual(uint64(r.Addr), int(r.Len))...)
		}
	}
	for _, sym := range parts.symbols {
		for _, r := range sym.ranges {
			aim("kallsyms", s.virtual(uint64(r.Addr), int(r.Len))...)
		}
	}
	for _, r := range parts.modsyms {
		aim("module symbols", s.virtual(uint64(r.Addr), int(r.Len))...)
	}
	for name := range s.aims {
		slices.SortFunc(s.aims[name], func(a, b target) int {
			if a.file != b.file {
				return a.file - b.file
			}
			return a.off - b.off
		})
	}
	s.names = slices.Sorted(maps.Keys(s.kinds))
	s.aimed = slices.Sorted(maps.Keys(s.aims))
}

// netlinkNumber is one of host.LinkStats in a note.
var netlinkNumber = regexp.MustCompile(`"[RT]x[A-Za-z]+":([0-9]+)`)

// keepRange adds where a range of virtual memory lies, and the page-table entries that
// lead there.
func (s *source) keepRange(virt uint64, n int, kept map[target]bool) {
	for n > 0 {
		part := min(n, pageSize-int(virt%pageSize))
		for _, t := range s.locate(virt, part, false) {
			kept[t] = true
		}
		for _, at := range s.tables(virt) {
			for _, t := range s.inFrame(at/pageSize, int(at%pageSize), 8, false) {
				kept[t] = true
			}
		}
		virt, n = virt+uint64(part), n-part
	}
}

// virtual finds a range of virtual memory, for an aim.
func (s *source) virtual(virt uint64, n int) []target {
	var out []target
	for n > 0 {
		part := min(n, pageSize-int(virt%pageSize))
		out = append(out, s.locate(virt, part, true)...)
		virt, n = virt+uint64(part), n-part
	}
	return out
}

// physical finds a range of physical memory, for an aim.
func (s *source) physical(at uint64, n int) []target {
	return s.inFrame(at/pageSize, int(at%pageSize), n, true)
}

func (s *source) locate(virt uint64, n int, checked bool) []target {
	frame, at, ok := s.where(virt)
	if !ok {
		return nil
	}
	return s.inFrame(frame, at, n, checked)
}

// inFrame finds n bytes of a frame: those of a compressed one are all of its
// compressed bytes, and those with a checksum count only if checked is set.
func (s *source) inFrame(frame uint64, at, n int, checked bool) []target {
	var out []target
	parts := s.parts[frame]
	if len(parts) == 0 { // a page of zeros: the one that all share
		parts = s.parts[0]
	}
	for _, p := range parts {
		switch p.Kind {
		case wholedump.Page:
			from, to := max(at, p.At), min(at+n, p.At+p.Len)
			if from < to {
				out = append(out, target{p.file, p.Off + from - p.At, to - from})
			}
		case wholedump.Checked:
			if !checked {
				continue
			}
			fallthrough
		case wholedump.Packed:
			out = append(out, target{p.file, p.Off, p.Len})
		}
	}
	return out
}

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
	if !ok {
		t.Fatalf("symbols from %s", syms.Source())
	}
	p.kallsyms = table.Ranges()
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
	p.symbols = symbolPlaces(k, table)
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

// askedTypes are the structs and enums that explain bond0 looks into, with the members
// that it asks for; those with none are looked at whole.
var askedTypes = map[string]string{
	"net":          "list ns dev_base_head ptype_all ptype_specific",
	"net_device":   "name ifindex dev_list nd_net core_stats adj_list rtnl_link_ops state rx_handler netdev_ops num_rx_queues stats pcpu_stat_type priv flags ptype_all ptype_specific tcx_ingress miniq_ingress nf_hooks_ingress type",
	"list_head":    "",
	"packet_type":  "type func dev list af_packet_net ignore_outgoing",
	"module":       "list name mem core_layout kallsyms",
	"btf_module":   "btf list module",
	"btf":          "data data_size name",
	"softnet_data": "processed dropped flow_limit drop_counters",
	"net_hotdata":  "max_backlog ptype_all", "net_device_core_stats": "", "net_device_ops": "ndo_get_stats64 ndo_get_stats",
	"rtnl_link_ops": "kind", "netdev_adjacent": "", "xa_node": "slots", "idr": "", "xarray": "xa_head", "bpf_prog": "type",
	"cpumask": "", "vm_event_state": "", "static_key_false": "", "static_key": "", "ns_common": "inum", "module_memory": "base size",
	"mod_kallsyms": "", "possible_net_t": "", "bonding": "params recv_probe bond_stats", "bond_params": "mode",
	"slave": "inactive slave_stats", "veth_priv": "peer rq dropped", "veth_rq": "stats napi", "veth_rq_stats": "vs", "veth_stats": "",
	"rtnl_link_stats64": "rx_dropped rx_nohandler", "vm_event_item": "PAGEOUTRUN", "netdev_stat_type": "", "bpf_prog_type": "BPF_PROG_TYPE_SCHED_CLS",
	"net_device_stats": "rx_dropped", "atomic_t": "", "unsigned long": "", "int": "", "unsigned int": "", "long unsigned int": "", "char": "", "u32": "", "u64": "", "__u64": "",
}

// btfAims walks a BTF, and finds the records of the asked types, the rows of their
// members, and the types that these lead to. It knows the format by itself.
func btfAims(b blob) []kmem.Range {
	le := binary.LittleEndian
	d := b.data
	hdr := int(le.Uint32(d[4:]))
	types := d[hdr+int(le.Uint32(d[8:])):][:le.Uint32(d[12:])]
	typesAt := hdr + int(le.Uint32(d[8:]))
	stringsAt, stringsLen := hdr+int(le.Uint32(d[16:])), int(le.Uint32(d[20:]))
	name := func(off uint32) string {
		if int(off) >= stringsLen {
			return ""
		}
		n := bytes.IndexByte(d[stringsAt+int(off):], 0)
		return string(d[stringsAt+int(off):][:n])
	}
	type record struct{ at, kind, rows, row int }
	var recs []record
	for at := 0; at < len(types); {
		info := le.Uint32(types[at+4:])
		r := record{at: at, kind: int(info >> 24 & 0x1f), rows: int(info & 0xffff)}
		head := 12
		switch r.kind {
		case 1, 14, 17:
			head, r.rows = 16, 0
		case 3:
			head, r.rows = 24, 0
		case 4, 5, 15, 19:
			r.row = 12
		case 6, 13:
			r.row = 8
		default:
			r.rows = 0
		}
		recs = append(recs, r)
		at += head + r.rows*r.row
	}
	out := []kmem.Range{{Addr: b.at, Len: uint64(hdr)}}
	add := func(at, n int) { out = append(out, kmem.Range{Addr: b.at + kmem.Addr(at), Len: uint64(n)}) }
	text := func(off uint32) { // a name, where it is in this blob
		if off != 0 && int(off) < stringsLen {
			add(stringsAt+int(off), len(name(off))+1)
		}
	}
	seen := map[uint32]bool{}
	var follow func(id uint32, depth int)
	follow = func(id uint32, depth int) {
		if id == 0 || int(id) > len(recs) || seen[id] || depth == 0 {
			return
		}
		seen[id] = true
		r := recs[id-1]
		add(typesAt+r.at, 12)
		switch r.kind {
		case 2, 8, 9, 10, 11, 18:
			follow(le.Uint32(types[r.at+8:]), depth-1)
		case 7:
			text(le.Uint32(types[r.at:]))
			follow(le.Uint32(types[r.at+8:]), depth-1)
		case 3:
			add(typesAt+r.at+12, 12)
			follow(le.Uint32(types[r.at+12:]), depth-1)
		case 1:
			add(typesAt+r.at+12, 4)
		}
	}
	for _, r := range recs {
		asked, ok := askedTypes[name(le.Uint32(types[r.at:]))]
		anonymousEnum := (r.kind == 6 || r.kind == 19) && !ok
		if !ok && !anonymousEnum {
			continue
		}
		switch r.kind {
		case 1, 4, 5, 6, 19:
		default:
			continue
		}
		members := strings.Fields(asked)
		for i := range r.rows {
			row := r.at + 12 + i*r.row
			n := name(le.Uint32(types[row:]))
			want := len(members) == 0 && !anonymousEnum || slices.Contains(members, n) || anonymousEnum && strings.HasPrefix(n, "PAGEOUTRUN")
			if !want {
				continue
			}
			add(typesAt+row, r.row)
			text(le.Uint32(types[row:]))
			if r.kind == 4 || r.kind == 5 {
				follow(le.Uint32(types[row+4:]), 6)
			}
		}
		if ok {
			add(typesAt+r.at, 12)
			text(le.Uint32(types[r.at:]))
			if r.kind == 4 && r.rows > 0 { // any member: the layout is one
				add(typesAt+r.at+12, r.rows*r.row)
			}
		}
	}
	return out
}
