package kmem

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"kinspect/kmem/dumptest"
)

const (
	testDirect4 = 0xffff888000000000 // where the kernel's direct map begins, 4 levels
	testDirect5 = 0xff11000000000000 // and 5
	testRAM     = 4 << 20
)

func direct(levels int) uint64 {
	if levels == 5 {
		return testDirect5
	}
	return testDirect4
}

// A page of each size, with tables of both depths, with and without a C-bit.
func TestPageTables(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, sme := range []uint64{0, 1 << 47, 1 << 51} {
			t.Run(fmt.Sprintf("%d levels, sme %#x", levels, sme), func(t *testing.T) {
				m := newTestMachine(levels, testRAM)
				m.sme = sme
				base := direct(levels)
				dumptest.Pattern(m.ram[:0x100000], 0)
				m.mapPage(base, 0x3000, pageShift)
				m.mapPage(base+0x1000, 0x5000, pageShift)
				m.mapPage(base+2<<20, 0, hugeShift)
				m.mapPage(base+1<<30, 0, 30)
				m.mapPage(math.MaxUint64-0xfff, 0x7000, pageShift)
				img := m.core().open(t)
				for _, tt := range []struct{ virt, phys uint64 }{
					{base, 0x3000},
					{base + 0xff8, 0x3ff8},
					{base + 0x1000, 0x5000},
					{base + 2<<20, 0},
					{base + 2<<20 + 0x12340, 0x12340},
					{base + 1<<30, 0},
					{base + 1<<30 + 0xffff8, 0xffff8},
					{math.MaxUint64 - 7, 0x7ff8},
				} {
					for range 2 { // from the tables, and from the cache
						got, err := ReadUint64(img, Addr(tt.virt))
						if err != nil || got != tt.phys {
							t.Errorf("%#x holds %#x, %v; want %#x", tt.virt, got, err, tt.phys)
						}
						if p, err := img.Translate(Addr(tt.virt)); err != nil || p != PhysAddr(tt.phys) {
							t.Errorf("%#x is at %v, %v; want %#x", tt.virt, p, err, tt.phys)
						}
					}
				}
			})
		}
	}
}

func TestPageTableFaults(t *testing.T) {
	const base = testDirect4
	for _, tt := range []struct {
		name   string
		levels int
		spoil  func(m *testMachine)
		addr   uint64
		reason Reason
		want   string
	}{
		{"empty PGD", 4, nil, base + 1<<39, Unmapped, "page table entry at level PGD is not present"},
		{"empty PUD", 4, nil, base + 1<<30, Unmapped, "at level PUD is not present"},
		{"empty PMD", 4, nil, base + 2<<20, Unmapped, "at level PMD is not present"},
		{"empty PTE", 4, nil, base + 0x1000, Unmapped, "at level PTE is not present"},
		{"empty P4D", 5, nil, testDirect5 + 1<<39, Unmapped, "at level P4D is not present"},
		{"empty PGD of 5", 5, nil, 1 << 48, Unmapped, "at level PGD is not present"},
		{"null", 4, nil, 0, Unmapped, "at level PGD is not present"},
		{"not canonical", 4, nil, 1 << 47, Unmapped, "not a canonical address (of 48 bits)"},
		{"not canonical, high", 4, nil, testDirect5, Unmapped, "not a canonical address (of 48 bits)"},
		{"not canonical in 5", 5, nil, 1 << 56, Unmapped, "not a canonical address (of 57 bits)"},
		{
			"inverted PTE", 4, func(m *testMachine) { m.put(m.slot(base, pageShift), ^uint64(0x3000)&ptePhysMask|1<<8) },
			base, Unmapped, "swapped out, or a page that the kernel made inaccessible",
		},
		{
			"huge bit in PGD", 4, func(m *testMachine) { m.put(m.slot(base, 39), m.get(m.slot(base, 39))|ptePSE) },
			base, Unmapped, "damaged page tables",
		},
		{
			"table outside", 4, func(m *testMachine) { m.put(m.slot(base, hugeShift), 1<<40|ptePresent) },
			base, Unmapped, "the page table of level PTE, at physical address 0x10000000000, could not be read: no segment",
		},
		{
			"table is a loop", 4, func(m *testMachine) { m.put(m.slot(base, 39), m.root|ptePresent) },
			base + 0x1000, Unmapped, "not present",
		},
		{
			"page outside", 4, func(m *testMachine) { m.put(m.slot(base, pageShift), 1<<40|ptePresent) },
			base + 8, Unmapped, "physical address 0x10000000008",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newTestMachine(tt.levels, testRAM)
			m.mapPage(direct(tt.levels), 0x3000, pageShift)
			if tt.spoil != nil {
				tt.spoil(m)
			}
			_, err := ReadUint64(m.core().open(t), Addr(tt.addr))
			f := AsFault(err)
			if f == nil {
				t.Fatalf("no fault: %v", err)
			}
			if f.Addr != tt.addr || f.Len != 8 || f.Physical || f.Reason != tt.reason || !strings.Contains(f.Detail, tt.want) {
				t.Errorf("%+v; want %q", f, tt.want)
			}
		})
	}
}

// fuzzTables turns bytes into 64 KiB of memory: entry by entry, two bytes of place
// and eight of value. Sparse, as the fuzzer is slow with long inputs.
func fuzzTables(b []byte) []byte {
	ram := make([]byte, 16*PageSize)
	for ; len(b) >= 10; b = b[10:] {
		copy(ram[int(binary.LittleEndian.Uint16(b))%(len(ram)/8)*8:], b[2:10])
	}
	return ram
}

// What the tables hold decides where a walk goes, never for how long.
func FuzzPageTable(f *testing.F) {
	var chain []byte // tables at pages 0, 1, …, the last mapping page 0x5000
	for i := range uint16(5) {
		chain = binary.LittleEndian.AppendUint16(chain, i*512)
		chain = binary.LittleEndian.AppendUint64(chain, uint64(i+1)<<pageShift|ptePresent)
	}
	huge := append([]byte(nil), chain...)
	huge[len(huge)-20+2] |= ptePSE // in the entry before the last
	for _, seed := range [][]byte{nil, chain, huge, chain[:20]} {
		f.Add(true, uint64(0x123), seed)
		f.Add(false, uint64(0x123), seed)
	}
	f.Add(false, uint64(testDirect5), chain)
	f.Fuzz(func(t *testing.T, five bool, addr uint64, entries []byte) {
		ram := fuzzTables(entries)
		info := &VMCoreInfo{values: map[string]string{
			"SYMBOL(init_top_pgt)": fmt.Sprintf("%x", uint64(startKMap)), "NUMBER(phys_base)": "0", "NUMBER(pgtable_l5_enabled)": "0",
		}}
		if five {
			info.values["NUMBER(pgtable_l5_enabled)"] = "1"
		}
		reads := 0
		tables, err := newPageTables(info, nil, func(at uint64, buf []byte) error {
			reads++
			if at > uint64(len(ram)) || uint64(len(ram))-at < uint64(len(buf)) {
				return &Fault{Addr: at, Physical: true, Len: uint64(len(buf)), Reason: Unmapped}
			}
			copy(buf, ram[at:])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		phys, run, err := tables.translate(addr)
		if reads > tables.levels {
			t.Errorf("%d reads", reads)
		}
		if err != nil {
			if AsFault(err) == nil {
				t.Errorf("%v is no fault", err)
			}
			return
		}
		if run == 0 || run > 1<<30 || phys > ptePhysMask|0xfff {
			t.Errorf("%#x, run of %d", phys, run)
		}
		again, run2, err := tables.translate(addr)
		if again != phys || run2 != run || err != nil {
			t.Errorf("cached: %#x, %d, %v; walked: %#x, %d", again, run2, err, phys, run)
		}
		// The cache answers for the whole page as the tables do.
		if p, _, err := tables.translate(addr + (run - 1)); err != nil || p != phys+(run-1) {
			t.Errorf("%#x: %#x, %v", addr+(run-1), p, err)
		}
	})
}

func BenchmarkTranslate(b *testing.B) {
	m := newTestMachine(5, testRAM)
	for i := range uint64(64) {
		m.mapPage(testDirect5+i*PageSize, i*PageSize, pageShift)
	}
	img := m.core().open(b)
	b.Run("cached", func(b *testing.B) {
		for i := range b.N {
			if _, err := img.Translate(Addr(testDirect5 + uint64(i%64)*PageSize)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("walk", func(b *testing.B) {
		for i := range b.N {
			if _, err := img.tables.walk(testDirect5 + uint64(i%64)*PageSize); err != nil {
				b.Fatal(err)
			}
		}
	})
}
