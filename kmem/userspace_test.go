package kmem

import (
	"bytes"
	"fmt"
	"testing"

	"kinspect/kmem/dumptest"
)

// TestUserMemory reads through the tables of a process, which are a process's own and lie in the
// direct map.
func TestUserMemory(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, sme := range []uint64{0, 1 << 47} {
			t.Run(fmt.Sprintf("%d levels, sme %#x", levels, sme), func(t *testing.T) {
				m := newTestMachine(levels, testRAM)
				m.sme = sme
				base := direct(levels)
				dumptest.Pattern(m.ram[:0x100000], 0)
				m.mapPage(base, 0, hugeShift)
				m.mapPage(base+2<<20, 2<<20, hugeShift)
				kernel := m.root
				m.root = m.next
				m.next += PageSize
				const at = 0x7ffe12345000
				m.mapPage(at, 0x3000, pageShift)
				m.mapPage(at+0x1000, 0x8000, pageShift)
				m.mapPage(at+0x2000, 64<<20, pageShift) // which the machine does not have
				m.mapPage(0x40000000, 0, hugeShift)
				pgd := m.root
				m.root = kernel
				img := m.core().open(t)
				u, err := NewUserMemory(img, img.VMCoreInfo(), Addr(base), Addr(base+pgd))
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 0x20)
				if err := u.ReadMem(at+0xff0, got); err != nil || !bytes.Equal(got[:16], m.ram[0x3ff0:0x4000]) || !bytes.Equal(got[16:], m.ram[0x8000:0x8010]) {
					t.Errorf("%x, %v", got, err)
				}
				if err := u.ReadMem(0x40000000+0x54321, got); err != nil || !bytes.Equal(got, m.ram[0x54321:0x54341]) {
					t.Errorf("a large page: %x, %v", got, err)
				}
				if err := u.ReadMem(0, nil); err != nil {
					t.Error(err)
				}
				for _, addr := range []Addr{0, at - 1, at + 0x1ff8, at + 0x2000, Addr(base), 1 << 60, ^Addr(0) - 3, Addr(base + pgd)} {
					err := u.ReadMem(addr, got)
					f := AsFault(err)
					if f == nil || f.Addr < uint64(addr) || f.Addr-uint64(addr) >= uint64(len(got)) {
						t.Errorf("%s: %v", addr, err)
					}
				}
				if _, err := NewUserMemory(img, nil, Addr(base), Addr(base-PageSize)); err == nil {
					t.Error("tables below the direct map")
				}
				// Without VMCOREINFO the place of the direct map tells the levels.
				if u, err := NewUserMemory(img, nil, Addr(base), Addr(base+pgd)); sme == 0 && (err != nil || u.ReadMem(at, got) != nil) {
					t.Errorf("without VMCOREINFO: %v", err)
				}
			})
		}
	}
}
