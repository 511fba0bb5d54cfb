package kmem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// fakeMemory is a piece of kernel memory for tests; what lies outside is unmapped.
type fakeMemory struct {
	base Addr
	data []byte
}

func (m fakeMemory) ReadMem(addr Addr, buf []byte) error {
	off := uint64(addr) - uint64(m.base)
	if addr < m.base || off > uint64(len(m.data)) || uint64(len(m.data))-off < uint64(len(buf)) {
		return &Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: Unmapped}
	}
	copy(buf, m.data[off:])
	return nil
}

// kallsymsShape is how a test's tables are laid out and encoded, by release.
type kallsymsShape struct {
	release string
	kind    addressKind
	align   int
	order   []string
	sorted  nameOrder // of seqs_of_names, where order has it
}

var (
	order26 = []string{"whole", "num", "names", "markers8", "tokens", "index"}
	order46 = []string{"offsets", "base", "num", "names", "markers8", "tokens", "index"}
	order61 = []string{"offsets", "base", "num", "names", "markers", "tokens", "index"}
	order62 = []string{"offsets", "base", "num", "names", "markers", "seqs", "tokens", "index"}
	order64 = []string{"num", "names", "markers", "tokens", "index", "offsets", "base", "seqs"}
	order70 = []string{"num", "names", "markers", "tokens", "index", "offsets", "seqs"}

	kallsymsShapes = []kallsymsShape{
		{"4.19", absolutePerCPU, 8, order46, ""},
		{"6.1", absolutePerCPU, 8, order61, ""},
		{"6.1 stable", absolutePerCPU, 8, order62, ""},
		{"6.2 LTO", absolutePerCPU, 8, order62, "."},
		{"6.6 LTO", absolutePerCPU, 8, order64, ".llvm."},
		{"6.12", absolutePerCPU, 8, order64, ""},
		{"6.18", baseRelative, 8, order64, ""},
		{"7.0", placeRelative, 4, order70, ""},
		{"7.0 without index", placeRelative, 4, order70[:6], ""},
		{"unknown order", baseRelative, 8, []string{"num", "markers", "names", "tokens", "index", "base", "offsets"}, ""},
	}
)

// shapesToFind are those of kernels that did not name their tables, too.
var shapesToFind = append([]kallsymsShape{{"3.10", wholeAddress, 8, order26, ""}}, kallsymsShapes...)

// fakeKallsyms are tables in memory, and what must be found in them.
type fakeKallsyms struct {
	fakeMemory
	places kallsymsPlaces
	at     map[string]Addr // of each table
	syms   []Symbol        // by number
}

const (
	fakeText   = Addr(0xffffffff81000000)
	fakeBanner = Addr(0xffffffff82000080) // in fakeKallsyms
)

// fakeSymbols are n symbols and some more: with aliases, names of one letter, names
// that need two bytes of length, equal names, names that LTO decorated, and the
// ends of sections. They are in table order.
func fakeSymbols(n int, perCPU bool) []Symbol {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	syms := []Symbol{{"_stext", fakeText, 'T', ""}, {"_text", fakeText, 'T', ""}}
	if perCPU {
		syms = append(syms, Symbol{"fixed_percpu_data", 0, 'A', ""}, Symbol{"__per_cpu_start", 0, 'A', ""},
			Symbol{"softnet_data", 0x2fac0, 'A', ""}, Symbol{"__per_cpu_end", 0x34000, 'A', ""})
	}
	at := fakeText + 0x100
	words := []string{"net", "if", "_", "__", "rx", "skb", "dev", "receive", "bond", "init", "q", "T", "x7"}
	for i := range n {
		name := ""
		for range 1 + rnd.IntN(5) {
			name += words[rnd.IntN(len(words))]
		}
		switch i % 16 {
		case 1:
			name = "__key.0"
		case 2:
			name += fmt.Sprintf(".llvm.%d", rnd.Uint64())
		case 3:
			name += ".cold"
		case 4:
			name = "_RNv" + strings.Repeat("Zq$w", 90) + name
		case 5:
			name = string(rune('a' + i%26))
		case 6:
			name = "netif_receive_" + name
		}
		syms = append(syms, Symbol{name, at, "tTdDbBrR"[rnd.IntN(8)], ""})
		if i%3 != 0 {
			at += Addr(1 + rnd.IntN(2000))
		}
	}
	at = (at + 0x1fffff) &^ 0x1fffff
	syms = append(syms, Symbol{"_etext", at - 0x10000, 'T', ""}, Symbol{"__start_rodata", at, 'R', ""},
		Symbol{"__end_rodata", at + 0x1000, 'R', ""}, Symbol{"after_rodata", at + 0x1000, 'D', ""},
		Symbol{"_end", at + 0x3000, 'B', ""}, Symbol{"__brk_limit", at + 0x3000, 'B', ""})
	slices.SortStableFunc(syms, func(a, b Symbol) int {
		switch {
		case a.Addr < b.Addr:
			return -1
		case a.Addr > b.Addr:
			return 1
		}
		return 0
	})
	return syms
}

// fakeTokens is a token table: each printable byte for itself, and some words.
var fakeTokens = func() (tokens [256]string) {
	for c := '!'; c <= '~'; c++ {
		tokens[c] = string(c)
	}
	for i, w := range []string{"Tnet", "t_", "net", "__", "receive_", "skb", "tbond", "if_", "T_", ".llvm.", "Zq$w", "_s"} {
		tokens[200+i] = w
	}
	return tokens
}()

// encode writes a name's length and codes.
func encode(s Symbol) []byte {
	text := string(s.Type) + s.Name
	codes := make([]byte, 0, len(text))
	for text != "" {
		best := text[0]
		for c := 200; fakeTokens[c] != ""; c++ {
			if t := fakeTokens[c]; strings.HasPrefix(text, t) && len(t) > len(fakeTokens[best]) {
				best = byte(c)
			}
		}
		codes, text = append(codes, best), text[len(fakeTokens[best]):]
	}
	if n := len(codes); n >= 0x80 {
		return append([]byte{byte(n) | 0x80, byte(n >> 7)}, codes...)
	}
	return append([]byte{byte(len(codes))}, codes...)
}

// build writes the tables of syms in a shape.
func (shape kallsymsShape) build(syms []Symbol) *fakeKallsyms {
	f := &fakeKallsyms{fakeMemory: fakeMemory{base: 0xffffffff82000000}, at: map[string]Addr{}, syms: syms}
	le := binary.LittleEndian
	f.data = make([]byte, 0x33c) // other read-only data
	copy(f.data[fakeBanner-f.base:], "Linux version 6.12.0-test (somebody)")
	for _, table := range shape.order {
		for len(f.data)%shape.align != 0 {
			f.data = append(f.data, 0)
		}
		f.at[table] = f.base.Add(int64(len(f.data)))
		switch table {
		case "num":
			f.data = le.AppendUint32(f.data, uint32(len(syms)))
		case "base":
			f.data = le.AppendUint64(f.data, uint64(fakeText))
		case "names", "markers", "markers8":
			off := 0
			for i, s := range syms {
				name := encode(s)
				if table == "names" {
					f.data = append(f.data, name...)
				} else if i%bucketSize == 0 {
					f.data = le.AppendUint32(f.data, uint32(off))
					if table == "markers8" {
						f.data = le.AppendUint32(f.data, 0)
					}
				}
				off += len(name)
			}
		case "tokens":
			for _, t := range fakeTokens {
				f.data = append(append(f.data, t...), 0)
			}
		case "index":
			off := 0
			for _, t := range fakeTokens {
				f.data = le.AppendUint16(f.data, uint16(off))
				off += len(t) + 1
			}
		case "offsets":
			for i, s := range syms {
				f.data = le.AppendUint32(f.data, shape.offset(s.Addr, f.at[table].Add(int64(4*i))))
			}
		case "whole":
			for _, s := range syms {
				f.data = le.AppendUint64(f.data, uint64(s.Addr))
			}
		case "seqs":
			seqs := make([]int, len(syms))
			for i := range seqs {
				seqs[i] = i
			}
			slices.SortStableFunc(seqs, func(a, b int) int {
				return bytes.Compare(shape.sorted.cut([]byte(syms[a].Name)), shape.sorted.cut([]byte(syms[b].Name)))
			})
			for _, n := range seqs {
				f.data = append(f.data, byte(n>>16), byte(n>>8), byte(n))
			}
		}
	}
	f.data = append(f.data, make([]byte, PageSize-len(f.data)%PageSize)...) // other data again
	f.places = kallsymsPlaces{
		numSyms: f.at["num"], names: f.at["names"], tokenTable: f.at["tokens"], tokenIndex: f.at["index"],
		offsets: f.at["offsets"], stext: fakeText,
	}
	f.places.relativeBase, f.places.hasBase = f.at["base"], f.at["base"] != 0
	if at, ok := f.at["whole"]; ok {
		f.places.offsets, f.places.wholeAddrs = at, true
	}
	return f
}

// offset encodes an address.
func (shape kallsymsShape) offset(addr, slot Addr) uint32 {
	switch {
	case shape.kind == placeRelative:
		return uint32(addr - slot)
	case shape.kind == baseRelative:
		return uint32(addr - fakeText)
	case !addr.IsKernel():
		return uint32(addr)
	}
	return uint32(fakeText - addr - 1)
}

// info is the VMCOREINFO that a kernel with these tables has.
func (f *fakeKallsyms) info(t testing.TB) *VMCoreInfo {
	t.Helper()
	text := "OSRELEASE=6.12.0-test\n"
	for name, at := range map[string]Addr{
		"_stext": f.places.stext, "kallsyms_num_syms": f.places.numSyms, "kallsyms_names": f.places.names,
		"kallsyms_token_table": f.places.tokenTable, "kallsyms_token_index": f.places.tokenIndex,
		"kallsyms_offsets": f.places.offsets, "kallsyms_relative_base": f.places.relativeBase,
	} {
		if at != 0 {
			text += fmt.Sprintf("SYMBOL(%s)=%x\n", name, uint64(at))
		}
	}
	info, err := ParseVMCoreInfo([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// procText is what such a kernel's /proc/kallsyms says, with a module's symbols.
func (f *fakeKallsyms) procText() string {
	var b strings.Builder
	for _, s := range f.syms {
		fmt.Fprintf(&b, "%016x %c %s\n", uint64(s.Addr), s.Type, s.Name)
	}
	b.WriteString("ffffffffc0321000 t bond_init\t[bonding]\nffffffffc0320000 T netif_receive_it\t[bonding]\n")
	return b.String()
}
