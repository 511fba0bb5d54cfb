package kmem

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"kinspect/kmem/wholedump"
)

// status is the content of a note NT_PRSTATUS with registers by their numbers in struct
// user_regs_struct.
func status(regs map[int]uint64) []byte {
	b := make([]byte, 336)
	for i, v := range regs {
		binary.LittleEndian.PutUint64(b[112+8*i:], v)
	}
	return b
}

func TestCPURegisters(t *testing.T) {
	const ip, sp, gs0, gs1 = 0xffffffff81000010, 0xffffc90000003e88, 0xffff88803ec00000, 0xffff88803ed00000
	core := func(regs map[int]uint64) wholedump.ElfNote {
		return wholedump.ElfNote{Name: "CORE", Type: 1, Desc: status(regs)}
	}
	qemu := func(kernelGS uint64) wholedump.ElfNote {
		return wholedump.ElfNote{Name: "QEMU", Desc: binary.LittleEndian.AppendUint64(make([]byte, 432), kernelGS)}
	}
	inKernel := map[int]uint64{16: ip, 17: 0x10, 19: sp, 4: 7, 22: gs0}
	inUser := map[int]uint64{16: 0x401000, 17: 0x33, 19: 0x7ffc1000, 22: 0x7f0000001000}
	for _, tt := range []struct {
		name  string
		notes []wholedump.ElfNote
		want  []CPURegisters
	}{
		{"none", nil, nil},
		{"QEMU's", []wholedump.ElfNote{core(inKernel), core(inUser), qemu(0), qemu(gs1)}, []CPURegisters{
			{IP: ip, SP: sp, BP: 7, GS: gs0}, {IP: 0x401000, SP: 0x7ffc1000, User: true, GS: gs1},
		}},
		{"a kernel's own", []wholedump.ElfNote{core(map[int]uint64{16: ip, 17: 0x10, 19: sp}), {Name: "VMCOREINFO", Desc: []byte("A=b\n")}}, []CPURegisters{{IP: ip, SP: sp}}},
		{"QEMU's first version", []wholedump.ElfNote{core(inUser), {Name: "QEMU", Desc: make([]byte, 432)}}, []CPURegisters{{IP: 0x401000, SP: 0x7ffc1000, User: true}}},
		// Which note of QEMU is whose is not known.
		{"fewer of QEMU's", []wholedump.ElfNote{core(inKernel), core(inUser), qemu(gs1)}, []CPURegisters{
			{IP: ip, SP: sp, BP: 7, GS: gs0}, {IP: 0x401000, SP: 0x7ffc1000, User: true},
		}},
		{"one too short", []wholedump.ElfNote{core(inKernel), {Name: "CORE", Type: 1, Desc: make([]byte, 100)}}, nil},
		{"another type", []wholedump.ElfNote{{Name: "CORE", Type: 3, Desc: make([]byte, 336)}}, nil},
	} {
		m := wholedump.New(nil, wholedump.Layout{Levels: 4, PhysBase: 0x1000000, Top: 0xffffffff81200000})
		for format, f := range map[string]*wholedump.File{"elf": m.ELF(tt.notes...), "kdump": m.Kdump(wholedump.Kdump{Method: wholedump.Zlib, Notes: tt.notes})} {
			img, err := OpenReaderAt(bytes.NewReader(f.Data), int64(len(f.Data)), format)
			if err != nil {
				t.Fatal(err)
			}
			if got := img.CPURegisters(); !slices.Equal(got, tt.want) {
				t.Errorf("%s, %s: %+v, want %+v", tt.name, format, got, tt.want)
			}
		}
	}
}
