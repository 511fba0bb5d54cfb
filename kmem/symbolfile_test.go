package kmem

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeVmlinux is an ELF file with some symbols, a banner and a build ID.
func fakeVmlinux(syms []Symbol, banner string) []byte {
	le := binary.LittleEndian
	type section struct {
		name  string
		typ   elf.SectionType
		flags elf.SectionFlag
		addr  Addr
		data  []byte
		link  uint32
		size  uint64 // of an entry
	}
	strtab, symtab := []byte{0}, make([]byte, 24)
	for _, s := range syms {
		index := uint16(1) // .text
		switch s.Type {
		case 'd', 'D':
			index = 2
		case 'b', 'B':
			index = 3
		case 'r', 'R':
			index = 4
		case 'a', 'A':
			index = uint16(elf.SHN_ABS)
		}
		bind := elf.STB_LOCAL
		if s.Type < 'a' {
			bind = elf.STB_GLOBAL
		}
		symtab = le.AppendUint32(symtab, uint32(len(strtab)))
		symtab = append(symtab, elf.ST_INFO(bind, elf.STT_NOTYPE), 0)
		symtab = le.AppendUint64(le.AppendUint64(le.AppendUint16(symtab, index), uint64(s.Addr)), 0)
		strtab = append(append(strtab, s.Name...), 0)
	}
	note := append([]byte("\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"), bytes.Repeat([]byte{0xab}, 20)...)
	sections := []section{
		{},
		{".text", elf.SHT_PROGBITS, elf.SHF_ALLOC | elf.SHF_EXECINSTR, fakeText, make([]byte, 16), 0, 0},
		{".data", elf.SHT_PROGBITS, elf.SHF_ALLOC | elf.SHF_WRITE, fakeBanner - 0x1000, make([]byte, 16), 0, 0},
		{".bss", elf.SHT_NOBITS, elf.SHF_ALLOC | elf.SHF_WRITE, fakeBanner + 0x1000, nil, 0, 0},
		{".rodata", elf.SHT_PROGBITS, elf.SHF_ALLOC, fakeBanner, append([]byte(banner), 0, 1), 0, 0},
		{".notes", elf.SHT_NOTE, elf.SHF_ALLOC, fakeBanner + 0x800, note, 0, 0},
		{".symtab", elf.SHT_SYMTAB, 0, 0, symtab, 7, 24},
		{".strtab", elf.SHT_STRTAB, 0, 0, strtab, 0, 0},
		{".shstrtab", elf.SHT_STRTAB, 0, 0, nil, 0, 0},
	}
	names, at := []byte{0}, make([]int, len(sections))
	for i, s := range sections[1:] {
		at[i+1] = len(names)
		names = append(append(names, s.name...), 0)
	}
	sections[8].data = names
	body := make([]byte, 64)
	var headers []byte
	for i, s := range sections {
		headers = le.AppendUint32(le.AppendUint32(headers, uint32(at[i])), uint32(s.typ))
		for _, v := range []uint64{uint64(s.flags), uint64(s.addr), uint64(len(body)), uint64(len(s.data))} {
			headers = le.AppendUint64(headers, v)
		}
		headers = le.AppendUint32(le.AppendUint32(headers, s.link), 0)
		headers = le.AppendUint64(le.AppendUint64(headers, 1), s.size)
		body = append(body, s.data...)
	}
	copy(body, "\x7fELF\x02\x01\x01")
	le.PutUint16(body[16:], uint16(elf.ET_EXEC))
	le.PutUint16(body[18:], uint16(elf.EM_X86_64))
	le.PutUint32(body[20:], 1)
	le.PutUint64(body[40:], uint64(len(body)))
	for i, v := range []uint16{64, 0, 0, 64, uint16(len(sections)), 8} {
		le.PutUint16(body[52+2*i:], v)
	}
	return append(body, headers...)
}

// linked are the symbols of a kernel as it was linked.
func linked() []Symbol {
	return []Symbol{
		{"__per_cpu_start", 0, 'A', ""},
		{"softnet_data", 0x2fac0, 'A', ""},
		{"_stext", fakeText, 'T', ""},
		{"ip_rcv", fakeText + 0x1000, 't', ""},
		{"linux_banner", fakeBanner, 'R', ""},
		{"init_uts_ns", fakeBanner + 0x90, 'D', ""},
		{"same", fakeBanner + 0x98, 'b', ""},
		{"init_top_pgt", fakeBanner + 0xa0, 'D', ""},
		{"same", fakeBanner + 0x108, 'b', ""},
		{"prb", fakeBanner + 0x110, 'd', ""},
		{"vsyscall", 0xffffffffff600000, 'a', ""},
	}
}

const (
	fakeShift = 0x2c000000
	fakeWords = "Linux version 6.12.0-test (builder) #1 SMP Friday"
)

func mapText(syms []Symbol) []byte {
	p := newProcSymbols("")
	for _, s := range syms {
		p.add(procSymbol{addr: s.Addr, typ: s.Type}, []byte(s.Name))
	}
	return p.text()
}

func openSymbols(t testing.TB, data []byte) (*SymbolFile, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "symbols")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return OpenSymbolFile(name)
}

func TestSymbolFile(t *testing.T) {
	text := mapText(linked())
	for name, data := range map[string][]byte{
		"text": text, "elf": fakeVmlinux(linked(), fakeWords),
		"text, packed": pack(t, text), "elf, packed": pack(t, fakeVmlinux(linked(), fakeWords)),
	} {
		f, err := openSymbols(t, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := slices.Collect(f.All)
		if !slices.Equal(got, linked()) {
			t.Errorf("%s: %+v", name, got)
		}
		if elf := strings.HasPrefix(name, "elf"); elf && (f.banner != fakeWords || f.buildID != strings.Repeat("ab", 20)) {
			t.Errorf("%s: banner %q, build ID %s", name, f.banner, f.buildID)
		}
	}
}

func TestSymbolFileRefused(t *testing.T) {
	good := fakeVmlinux(linked(), fakeWords)
	change := func(at int, to ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], to)
		return data
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "no symbols"},
		{"words", []byte("these are\nno symbols\n"), "neither a System.map"},
		{"hidden", []byte("0000000000000000 T _stext\n"), "without privilege"},
		{"placeholder", []byte("ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"), "placeholder"},
		{"cut ELF", good[:60], "damaged ELF"},
		{"ELF without its sections", good[:200], "damaged ELF"},
		{"arm64", change(18, 0xb7), "another architecture"},
		{"core", change(16, 4), "--core"},
		{"module", change(16, 1), "relocatable"},
		{"no symbol table", change(len(good)-3*64+4, 1), "stripped"},
		{"huge symbol table", change(len(good)-3*64+32, 0, 0, 0, 0, 1), "damaged ELF"},
		{"nothing but an ELF header", fakeVmlinux(nil, ""), "no symbols"},
	} {
		if _, err := openSymbols(t, c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

// movedInfo is the VMCOREINFO of that kernel after KASLR.
func movedInfo(t testing.TB, extra int, change ...string) *VMCoreInfo {
	t.Helper()
	text := "OSRELEASE=6.12.0-test\nBUILD-ID=" + strings.Repeat("ab", 20) + "\n"
	for _, s := range linked() {
		if s.Name != "ip_rcv" && s.Addr >= startKMap && s.Addr < kernelMapEnd && s.Name != "same" {
			text += fmt.Sprintf("SYMBOL(%s)=%x\n", s.Name, uint64(s.Addr+fakeShift))
		}
	}
	text += fmt.Sprintf("SYMBOL(same)=%x\nSYMBOL(mem_section)=ffff93050e820000\nSYMBOL(swapper_pg_dir)=%x\n",
		uint64(fakeBanner+0x108+fakeShift), uint64(fakeBanner+0xa0+fakeShift))
	for i := range extra {
		text += fmt.Sprintf("SYMBOL(more%d)=%x\n", i, uint64(fakeBanner+0x200+fakeShift)+uint64(i))
	}
	info, err := ParseVMCoreInfo([]byte(strings.NewReplacer(change...).Replace(text)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestSymbolFileFor(t *testing.T) {
	memory := func(words string) fakeMemory {
		m := fakeMemory{(fakeBanner + fakeShift).Page(), make([]byte, PageSize)}
		copy(m.data[fakeBanner%PageSize:], words)
		return m
	}
	withModule := append(mapText(linked()), "ffffffffc0321000 t bond_init\t[bonding]\n"...)
	more := linked()
	for i := range 10 {
		more = append(more, Symbol{fmt.Sprintf("more%d", i), fakeBanner + 0x200 + Addr(i), 'd', ""})
	}
	for _, c := range []struct {
		name string
		data []byte
		info *VMCoreInfo
		mem  Reader
		want string // in the error
		kind error
	}{
		{"System.map", mapText(linked()), movedInfo(t, 0), memory(fakeWords), "", nil},
		{"saved with modules", withModule, movedInfo(t, 0), memory(fakeWords), "", nil},
		{"vmlinux", fakeVmlinux(linked(), fakeWords), movedInfo(t, 0), memory(fakeWords), "", nil},
		{"vmlinux and a wrong build ID", fakeVmlinux(linked(), fakeWords), movedInfo(t, 0, "abab", "1234"), memory(fakeWords), "", nil},
		{"vmlinux, no banner in memory", fakeVmlinux(linked(), fakeWords), movedInfo(t, 0), fakeMemory{}, "", nil},
		{"many symbols, no banner in memory", mapText(more), movedInfo(t, 10), fakeMemory{}, "", nil},
		{"few symbols, no banner in memory", mapText(linked()), movedInfo(t, 0), fakeMemory{}, "cannot be told: linux_banner", nil},
		{"another build", fakeVmlinux(linked(), fakeWords+"!"), movedInfo(t, 0), memory(fakeWords), "its banner is", ErrOtherKernel},
		{"another release", mapText(linked()), movedInfo(t, 0), memory("Linux version 6.12.0-test2 (x)"), "no banner of 6.12.0-test", ErrOtherKernel},
		{"another address", mapText(linked()), movedInfo(t, 0, "ae000110", "ae000118"), memory(fakeWords), "init_uts_ns would be at", ErrOtherKernel},
		{"an odd distance", mapText(linked()), movedInfo(t, 0, "ad000000", "ad100000"), memory(fakeWords), "multiples of 2 MiB", ErrOtherKernel},
		{"hardly any VMCOREINFO", mapText(linked()), movedInfo(t, 0, "SYMBOL(prb)", "x", "SYMBOL(linux_banner)", "y", "SYMBOL(same)", "z"), memory(fakeWords), "only 2 of those", nil},
		{"no VMCOREINFO", mapText(linked()), nil, memory(fakeWords), "there is no \"Linux\"", ErrOtherKernel},
		{"no _stext", []byte("ffffffff81000000 T _text\n"), movedInfo(t, 0), memory(fakeWords), "no _stext", nil},
	} {
		f, err := openSymbols(t, c.data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		m, err := f.For(c.mem, c.info)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, want := range []Symbol{
			{"ip_rcv", fakeText + 0x1000 + fakeShift, 't', ""}, {"softnet_data", 0x2fac0, 'A', ""}, {"vsyscall", 0xffffffffff600000, 'a', ""},
		} {
			if got, ok := m.Lookup(want.Name); !ok || got != want {
				t.Errorf("%s: %+v, want %+v", c.name, got, want)
			}
		}
		if _, ok := m.Lookup("bond_init"); ok || m.HasModules() {
			t.Errorf("%s: another boot's modules are in it", c.name)
		}
		if !strings.Contains(m.Source(), "moved by 0x2c000000") {
			t.Error(m.Source())
		}
	}
}

// FuzzSymbolELF reads hostile ELF files.
func FuzzSymbolELF(f *testing.F) {
	good := fakeVmlinux(linked(), fakeWords)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &SymbolFile{procSymbols: newProcSymbols("fuzz")}
		if err := s.readELF(bytes.NewReader(data)); err != nil {
			return
		}
		for sym := range s.All {
			s.At(sym.Addr + 1)
		}
		_, _ = s.For(fakeMemory{}, movedInfo(t, 0))
	})
}
