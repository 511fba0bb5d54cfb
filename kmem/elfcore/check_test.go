package elfcore

import (
	"debug/elf"
	"errors"
	"math"
	"strings"
	"testing"

	"kinspect/kmem/dump"
)

func TestCheckLoads(t *testing.T) {
	const unknown = math.MaxUint64
	load := func(off, vaddr, paddr, size uint64) elf.ProgHeader {
		return elf.ProgHeader{Type: elf.PT_LOAD, Off: off, Vaddr: vaddr, Paddr: paddr, Filesz: size, Memsz: size}
	}
	const image = 0xffffffff81000000
	for name, tt := range map[string]struct {
		loads []elf.ProgHeader
		want  string // in the error, "" for none
	}{
		"one behind the other": {[]elf.ProgHeader{load(0x1000, 0xff1100, unknown, 0x1000), load(0x2000, 0xff2200, unknown, 0x1000)}, ""},
		// 6.12's /proc/vmcore.
		"kexec": {[]elf.ProgHeader{load(0x2000, image, 0x10200000, 0x3000), load(0x5000, 0xff3e000010000000, 0x10000000, 0x300000)}, ""},
		// QEMU with virtual addresses: two mappings of the same memory.
		"QEMU": {[]elf.ProgHeader{load(0xa1bc, 0xff3a98ff40000000, 0, 0x100000), load(0xff1bc, 0xff7ff0c8c003d000, 0xf5000, 0x1000)}, ""},
		// QEMU without them.
		"physical":             {[]elf.ProgHeader{load(0x1348, 0, 0, 0x1000), load(0x2348, 0, 0xfffc0000, 0x1000)}, ""},
		"unknown, and 0":       {[]elf.ProgHeader{load(0x1000, 0xff1000, 0, 0x1000), load(0x2000, 0xff2000, 0, 0x1000)}, ""},
		"left out":             {[]elf.ProgHeader{{Vaddr: 0xff1000, Paddr: 0x1000, Memsz: 0x1000}, load(0x1000, 0xff2000, 0x2000, 0x1000)}, ""},
		"behind the file":      {[]elf.ProgHeader{load(1<<40, 0xff1000, 0x1000, 0x1000), load(1<<40, 0xff2000, 0x3000, 0x1000)}, ""},
		"same bytes":           {[]elf.ProgHeader{load(0x1000, 0xff1000, unknown, 0x1000), load(0x1800, 0xff2000, unknown, 0x1000)}, "the same bytes of the file, from 0x1800 on"},
		"same bytes within":    {[]elf.ProgHeader{load(0x1000, 0, 0x10000, 0x8000), load(0x2000, 0, 0x90000, 0x100), load(0x5000, 0, 0x80000, 0x1000)}, "the same bytes of the file"},
		"same bytes as before": {[]elf.ProgHeader{load(0x1000, 0xff1000, 0x1000, 0x2000), load(0x1000, 0xff4000, 0x5000, 0x1000)}, "the same bytes of the file"},
		"same virtual":         {[]elf.ProgHeader{load(0x1000, 0xff1000, unknown, 0x1000), load(0x2000, 0xff1800, unknown, 0x1000)}, "the same virtual addresses, from 0xff1800"},
		"same physical":        {[]elf.ProgHeader{load(0x1000, 0, 0x1000, 0x1000), load(0x2000, 0, 0x1f00, 0x1000)}, "the same physical addresses, from 0x1f00"},
		"larger than memory":   {[]elf.ProgHeader{{Off: 0x1000, Vaddr: 0xff1000, Filesz: 0x1001, Memsz: 0x1000}}, "4097 bytes of a segment are in the file"},
		"in the headers":       {[]elf.ProgHeader{load(0x10, 0xff1000, unknown, 0x1000)}, "where the headers are"},
		"in the notes":         {[]elf.ProgHeader{load(0x900, 0xff1000, unknown, 0x1000)}, "where the headers are"},
	} {
		p := parser{f: dump.NewFile(strings.NewReader(""), 1<<24, "test", false), loads: tt.loads}
		err := p.checkLoads(headerSize, uint64(len(tt.loads))+1, []elf.ProgHeader{{Off: 0x800, Filesz: 0x200}})
		var format *dump.FormatError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (!errors.As(err, &format) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v does not say %q", name, err, tt.want)
		}
	}
}
