package elfcore

import (
	"debug/elf"
	"math"
	"math/rand/v2"
	"testing"

	"kinspect/kmem/dump"
)

// Overlaps are resolved as the slow way does it: look at every segment.
func TestSegmentMapAgainstScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const fileSize, space = 600, 300
	for range 3000 {
		var loads []elf.ProgHeader
		for range 1 + rng.IntN(6) {
			h := elf.ProgHeader{Type: elf.PT_LOAD, Off: rng.Uint64N(2 * fileSize), Vaddr: 1 + rng.Uint64N(space), Paddr: rng.Uint64N(space), Filesz: rng.Uint64N(80), Memsz: rng.Uint64N(100)}
			if rng.IntN(8) == 0 {
				h.Off, h.Filesz, h.Memsz = math.MaxUint64-rng.Uint64N(9), math.MaxUint64-rng.Uint64N(9), rng.Uint64()
			}
			loads = append(loads, h)
		}
		var segs []dump.Segment
		for i := range loads {
			segs = addLoad(segs, &loads[i], loads[i].Vaddr, loads[i].Paddr, i, fileSize)
		}
		m := dump.NewSegments(append([]dump.Segment(nil), segs...))
		for i := 1; i < len(m); i++ {
			if m[i].Start <= m[i-1].Last {
				t.Fatalf("%+v overlaps %+v", m[i], m[i-1])
			}
		}
		for addr := uint64(0); addr < 2*space; addr++ {
			var want *dump.Segment
			for i := range segs {
				s := &segs[i]
				if s.Start <= addr && addr <= s.Last && (want == nil || s.Kind < want.Kind || s.Kind == want.Kind && s.Order < want.Order) {
					want = s
				}
			}
			got := m.Find(addr)
			switch {
			case want == nil && got == nil:
			case want == nil || got == nil:
				t.Fatalf("%+v at %#x: got %+v, want %+v", loads, addr, got, want)
			case got.Kind != want.Kind || got.Order != want.Order ||
				got.Off+(addr-got.Start) != want.Off+(addr-want.Start) || got.Phys+(addr-got.Start) != want.Phys+(addr-want.Start):
				t.Fatalf("%+v at %#x: got %+v, want %+v", loads, addr, *got, *want)
			}
		}
	}
}

func TestSegmentAtTheEnd(t *testing.T) {
	h := elf.ProgHeader{Off: 0, Filesz: 0x2000, Memsz: 0x2000}
	m := dump.NewSegments(addLoad(nil, &h, math.MaxUint64-0xfff, dump.UnknownPhys, 0, 0x2000))
	for addr, want := range map[uint64]bool{0: false, math.MaxUint64 - 0x1000: false, math.MaxUint64 - 0xfff: true, math.MaxUint64: true} {
		if got := m.Find(addr) != nil; got != want {
			t.Errorf("%#x: found %v, want %v", addr, got, want)
		}
	}
}

func TestAddressSpaces(t *testing.T) {
	const k = 0xffff888000000000
	tests := []struct {
		name       string
		loads      []elf.ProgHeader
		virt, phys int
	}{
		{"QEMU", []elf.ProgHeader{{Memsz: 10}, {Vaddr: 0xfffc0000, Paddr: 0xfffc0000, Memsz: 10}}, 0, 2},
		{"kexec", []elf.ProgHeader{{Vaddr: 0xffffffff81000000, Paddr: 0x1000000, Memsz: 10}, {Vaddr: k, Memsz: 10}, {Vaddr: k + 0x100000, Paddr: 0x100000, Memsz: 10}}, 3, 3},
		{"kcore", []elf.ProgHeader{{Vaddr: k, Paddr: 0, Memsz: 10}, {Vaddr: 0xffffc90000000000, Paddr: dump.UnknownPhys, Memsz: 10}}, 2, 1},
		{"physical unknown", []elf.ProgHeader{{Vaddr: k, Memsz: 10}, {Vaddr: k + 0x1000, Memsz: 10}}, 2, 0},
		{"empty segments", []elf.ProgHeader{{Vaddr: k}, {}}, 0, 0},
	}
	for _, tt := range tests {
		v, p := addressSpaces(tt.loads, 1<<40)
		if len(v) != tt.virt || len(p) != tt.phys {
			t.Errorf("%s: %d virtual and %d physical segments, want %d and %d", tt.name, len(v), len(p), tt.virt, tt.phys)
		}
	}
}
