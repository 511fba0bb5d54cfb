package kmem

import (
	"strings"
	"testing"

	"kinspect/kmem/dump"
)

// What /proc/kcore fills in for memory that it does not show is told from real zeros.
func TestLiveZeros(t *testing.T) {
	const vmalloc, pages = 0xffffc90000000000, 8
	for _, levels := range []int{4, 5} {
		m := newTestMachine(levels, testPhysBase+0x400000)
		m.mapPage(startKMap, testPhysBase, hugeShift) // the tables themselves are read by physical address
		content := make([]byte, pages*PageSize)
		content[6*PageSize+100] = 5 // left over from another read: nothing is mapped there
		for _, tt := range []struct {
			page uint64
			phys uint64
			data byte
		}{
			{0, testPhysBase + 0x300000, 1}, {1, testPhysBase + 0x301000, 0}, {3, testPhysBase + 0x302000, 7}, {4, 1 << 40, 0}, {5, 1 << 40, 9},
		} {
			m.mapPage(vmalloc+tt.page*PageSize, tt.phys, pageShift)
			content[tt.page*PageSize+100] = tt.data
		}
		c := testCore{notes: []testNote{{"VMCOREINFO", m.info()}}, loads: []testLoad{
			{vaddr: vmalloc, paddr: dump.UnknownPhys, data: content},
			{vaddr: testKernel, paddr: 0, data: m.ram},
		}}
		img, err := openLive(fakeHost(t, c.bytes(), nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			from   uint64
			n      int
			fault  uint64
			reason Reason
			want   string
		}{
			{"a byte of it", 100, 1, 0, 0, ""},
			{"zeros of a page that has other bytes, too", 0, 8, 0, 0, ""},
			{"a page of zeros", PageSize, PageSize, 0, 0, ""},
			{"not mapped", 2*PageSize + 8, 16, 2*PageSize + 8, Unmapped, "not present"},
			{"into what is not mapped", PageSize + 8, PageSize, 2 * PageSize, Unmapped, "answers such reads with zeros"},
			{"no RAM", 4*PageSize + 8, 16, 4*PageSize + 8, Refused, "physical address 0x10000000008, which is no RAM"},
			{"not mapped, and no zeros", 6*PageSize + 96, 16, 6*PageSize + 96, Unmapped, "or with anything"},
			{"no RAM, but shown", 5 * PageSize, PageSize, 0, 0, ""},
		} {
			buf := make([]byte, tt.n)
			err := img.ReadMem(Addr(vmalloc+tt.from), buf)
			if tt.want == "" {
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				continue
			}
			f := AsFault(err)
			if f == nil || f.Addr != vmalloc+tt.fault || f.Len != uint64(tt.n)-(tt.fault-tt.from) || f.Reason != tt.reason || !strings.Contains(f.Error(), tt.want) {
				t.Errorf("%s: %+v", tt.name, err)
			}
		}
		_ = img.Close()
	}
	// Without tables all zeros are believed.
	c := testCore{loads: []testLoad{{vaddr: vmalloc, paddr: dump.UnknownPhys, data: make([]byte, 64)}}}
	img, err := openLive(fakeHost(t, c.bytes(), nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := img.ReadMem(vmalloc, make([]byte, 64)); err != nil {
		t.Error(err)
	}
}
