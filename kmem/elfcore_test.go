package kmem

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"kinspect/kmem/dump"
)

func TestOpenRefuses(t *testing.T) {
	le := binary.LittleEndian
	const kaddr = 0xffff888000000000
	load := []testLoad{{vaddr: kaddr, data: make([]byte, 64)}}
	core := func(c testCore) []byte {
		if c.loads == nil {
			c.loads = load
		}
		return c.bytes()
	}
	note := func(at int, v uint32) func([]byte, int) {
		return func(b []byte, phoff int) { le.PutUint32(b[int(le.Uint64(b[phoff+8:]))+at:], v) }
	}
	notes := []testNote{{"VMCOREINFO", []byte("OSRELEASE=1\n")}}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"text", []byte("hello, this is text\x1b[31m\n"), `not a dump that kinspect knows (an ELF core, kdump-compressed, flattened, or one of these in gzip, xz or zstd): it starts with "hello, t"`},
		{"short text", []byte("h\x1b"), `it starts with "h\x1b"`},
		{"kdump", []byte("KDUMP   \x06\x00"), "truncated: the file ends (after 10 bytes) before its kdump header"},
		{"flattened", []byte("makedumpfile\x00\x00"), "it starts with \"makedump"},
		{"gzip", []byte("\x1f\x8b\x08\x00"), "damaged gzip file"},
		{"xz", []byte("\xfd7zXZ\x00\x00"), "damaged xz file"},
		{"ELF magic alone", []byte(elf.ELFMAG), "truncated: 4 bytes, and an ELF header has 64"},
		{"arm64", core(testCore{machine: elf.EM_AARCH64}), "another architecture, arm64"},
		{"i386", core(testCore{patch: func(b []byte, _ int) { b[4] = 1; b[18] = 3 }}), "a 32-bit ELF file (i386)"},
		{"s390x", core(testCore{patch: func(b []byte, _ int) { b[5] = 2; b[18], b[19] = 0, 22 }}), "a big-endian ELF file (s390x)"},
		{"byte order", core(testCore{patch: func(b []byte, _ int) { b[5] = 9 }}), "byte order 9"},
		{"unknown machine", core(testCore{machine: 0x1234}), "another architecture"},
		{"vmlinux", core(testCore{typ: elf.ET_EXEC}), "its type is program or vmlinux"},
		{"module", core(testCore{typ: elf.ET_REL}), "its type is object file or module"},
		{"phentsize", core(testCore{patch: func(b []byte, _ int) { b[54] = 32 }}), "program headers of 32 bytes"},
		{"no program headers", core(testCore{patch: func(b []byte, _ int) { b[56], b[57] = 0, 0 }}), "without program headers"},
		{"program headers cut off", core(testCore{})[:100], "truncated: the file ends (after 100 bytes) before its 2 program headers"},
		{"program headers far away", core(testCore{patch: func(b []byte, _ int) { le.PutUint64(b[32:], math.MaxUint64) }}), "before its 2 program headers"},
		{"PN_XNUM without section", core(testCore{patch: func(b []byte, _ int) { le.PutUint16(b[56:], 0xffff); le.PutUint64(b[40:], 1<<40) }}), "before its section header 0"},
		{"PN_XNUM lies", core(testCore{xnum: true, patch: func(b []byte, _ int) { le.PutUint32(b[64+44:], (1 << 18)) }}), "before its 262144 program headers"},
		{"PN_XNUM lies more", core(testCore{xnum: true, patch: func(b []byte, _ int) { le.PutUint32(b[64+44:], math.MaxUint32) }}), "more than any dump has"},
		{"note lies about its content", core(testCore{notes: notes, patch: note(4, math.MaxUint32)}), "claims 11 bytes of name and 4294967295 of content"},
		{"note lies about its name", core(testCore{notes: notes, patch: note(0, math.MaxUint32)}), "claims 4294967295 bytes of name"},
		{"notes past the end", core(testCore{notes: notes, patch: func(b []byte, p int) { le.PutUint64(b[p+32:], 1<<30); note(4, 1<<20)(b, p) }}), "truncated: a note of 1048576 bytes"},
		{"notes wrap", core(testCore{notes: notes, patch: func(b []byte, p int) { le.PutUint64(b[p+32:], math.MaxUint64) }}), "damaged: notes of"},
		{"notes start past the end", core(testCore{notes: notes, patch: func(b []byte, p int) { le.PutUint64(b[p+8:], 1<<40) }}), "before its notes"},
		{"endless notes", core(testCore{notes: []testNote{{"X", make([]byte, 12*((1<<16)+2))}}, patch: note(4, 0)}), "more than 65536 notes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img, err := openBytes(tt.file)
			if err == nil {
				t.Fatalf("opened: %+v", img.content)
			}
			var format *FormatError
			if !errors.As(err, &format) {
				t.Errorf("error %T is no FormatError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	c := testCore{
		notes: []testNote{{"CORE", []byte("abc")}, {"QEMU", nil}, {"VMCOREINFO", []byte("OSRELEASE=6.1\nSYMBOL(_stext)=ffffffff81000000\n")}},
		xnum:  true,
		loads: []testLoad{{vaddr: 0xffff888000000000, data: []byte("memory")}},
		// The last note's padding is missing.
		patch: func(b []byte, phoff int) {
			size := binary.LittleEndian.Uint64(b[phoff+32:])
			binary.LittleEndian.PutUint64(b[phoff+32:], size-1)
		},
	}
	c.notes[2].desc = append(c.notes[2].desc, 'x')
	img := c.open(t)
	if got := len(img.content.Notes); got != 3 {
		t.Errorf("%d notes: %+v", got, img.content.Notes)
	}
	if got := img.VMCoreInfo().Release(); got != "6.1" {
		t.Errorf("release %q", got)
	}
	buf := make([]byte, 6)
	if err := img.ReadMem(0xffff888000000000, buf); err != nil || string(buf) != "memory" {
		t.Errorf("%q, %v", buf, err)
	}
}

// A dump whose VMCOREINFO is unusable opens, and says so when it matters.
func TestNoVMCoreInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		notes []testNote
		want  string
	}{
		"missing": {nil, "VMCOREINFO is missing"},
		"garbage": {[]testNote{{"VMCOREINFO", []byte("\x00\x01garbage")}}, "not a VMCOREINFO note"},
		"long":    {[]testNote{{"VMCOREINFO", make([]byte, maxVMCoreInfo+1)}}, "more than the"},
		"rootless": {
			[]testNote{{"VMCOREINFO", []byte("OSRELEASE=6.1\n")}}, "no SYMBOL(init_top_pgt)",
		},
		"baseless": {
			[]testNote{{"VMCOREINFO", []byte("SYMBOL(swapper_pg_dir)=ffffffff81000000\n")}}, "no NUMBER(phys_base)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCore{notes: tt.notes, loads: []testLoad{{data: []byte("physical")}, {vaddr: 0xffff888000000000, paddr: 0x1000, data: []byte("virtual!")}}}
			img := c.open(t)
			buf := make([]byte, 8)
			if err := img.ReadMem(0xffff888000000000, buf); err != nil || string(buf) != "virtual!" {
				t.Errorf("%q, %v", buf, err)
			}
			if err := img.ReadPhys(0, buf); err != nil || string(buf) != "physical" {
				t.Errorf("%q, %v", buf, err)
			}
			err := img.ReadMem(0xffffffff81000000, buf)
			if f := AsFault(err); f == nil || f.Reason != Unmapped || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			if _, err := img.Symbols(); err == nil || !strings.Contains(err.Error(), "VMCOREINFO") {
				t.Errorf("symbols: %v", err)
			}
		})
	}
}

func FuzzELFCore(f *testing.F) {
	m := newTestMachine(4, testPhysBase+0x110000)
	m.mapPage(startKMap, testPhysBase, hugeShift)
	small := m.core()
	small.loads[0].data = nil
	f.Add(small.bytes())
	f.Add((&testCore{notes: []testNote{{"VMCOREINFO", []byte("OSRELEASE=6.1\n")}}, loads: []testLoad{
		{vaddr: 0xffff888000000000, paddr: 0, data: make([]byte, 100), memsz: 200},
		{vaddr: 0xffff888000000010, paddr: 0x10, data: make([]byte, 100)},
	}}).bytes())
	f.Add((&testCore{xnum: true, notes: []testNote{{noteSnapshot, []byte(`{"version":1}`)}, {noteSymbols, []byte("x")}}, loads: []testLoad{{vaddr: 1 << 63, data: []byte("x")}}}).bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		img, err := openBytes(file)
		if err != nil {
			if strings.Count(err.Error(), "\n") > 1 {
				t.Errorf("error of many lines: %q", err)
			}
			return
		}
		defer img.Close()
		buf := make([]byte, 600)
		read := func(addr uint64) {
			if err := img.ReadMem(Addr(addr), buf); err != nil && AsFault(err) == nil {
				t.Errorf("%#x: %v is no fault", addr, err)
			}
			if err := img.ReadPhys(PhysAddr(addr), buf); err != nil && AsFault(err) == nil {
				t.Errorf("physical %#x: %v is no fault", addr, err)
			}
			_, _ = img.Translate(Addr(addr))
		}
		for _, addr := range []uint64{0, startKMap, math.MaxUint64, math.MaxUint64 - 599, 1 << 63} {
			read(addr)
		}
		for _, list := range []dump.Segments{img.virt.Segments, img.phys.(*dump.Space).Segments} {
			for i := range list[:min(len(list), 8)] {
				read(list[i].Start)
				read(list[i].Last)
			}
		}
		if len(file) < 4<<10 { // the search takes its time, and has a target of its own
			_, _ = img.Symbols()
		}
	})
}
