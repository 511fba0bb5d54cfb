package kmem

import (
	"errors"
	"fmt"
	"testing"
)

// What maps an address, and how far: by hand, for pages of each size, what is missing at each level,
// and what cannot be executed by the entry of a page or of a table above it.
func TestMappedAs(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, sme := range []uint64{0, 1 << 47} {
			m := newTestMachine(levels, testRAM)
			m.sme = sme
			base := direct(levels)
			m.mapPage(base, 0x3000, pageShift)
			m.mapPage(base+0x1000, 0x5000, pageShift)
			m.put(m.slot(base+0x1000, pageShift), 0x5000|ptePresent|entryNX|sme)
			m.mapPage(base+2<<20, 0, hugeShift)
			m.mapPage(base+4<<20, 0, hugeShift)
			m.put(m.slot(base+4<<20, hugeShift), 0|ptePresent|ptePSE|entryNX|sme)
			m.mapPage(base+1<<30, 0, 30)
			m.mapPage(base+2<<30, 0x7000, pageShift)
			over := m.slot(base+2<<30, 30)
			m.put(over, le64(m.ram[over:])|entryNX)
			m.mapPage(base+3<<30, 0x8000, pageShift)
			m.put(m.slot(base+3<<30, hugeShift), testRAM<<4|ptePresent|sme) // a table that is not in the dump
			r := tableMemory{m.core().open(t).tables}
			top := uint64(1) << 39
			if levels == 5 {
				top = 1 << 48
			}
			for _, tt := range []struct {
				addr uint64
				want mapping
				n    uint64
			}{
				{base, mappedText, PageSize},
				{base + 0xff8, mappedText, 8},
				{base + 0x1000, mappedData, PageSize},
				{base + 0x2000, mappedNot, PageSize},
				{base + 2<<20, mappedText, 2 << 20},
				{base + 2<<20 + 0x1010, mappedText, 2<<20 - 0x1010},
				{base + 4<<20, mappedData, 2 << 20},
				{base + 6<<20, mappedNot, 2 << 20},
				{base + 1<<30, mappedText, 1 << 30},
				{base + 2<<30, mappedData, PageSize},
				{base + 2<<30 + 0x1000, mappedNot, PageSize},
				{base + 3<<30, mappedNot, PageSize},
				{base + 4<<30, mappedNot, 1 << 30},
				{base + top, mappedNot, top},
			} {
				if got, n := r.mappedAs(Addr(tt.addr)); got != tt.want || n != tt.n {
					t.Errorf("%d levels, sme %#x: %#x is mapped as %d for %#x bytes, want %d for %#x", levels, sme, tt.addr, got, n, tt.want, tt.n)
				}
			}
			if got, n := r.mappedAs(1 << 62); got != mappedNot || n == 0 {
				t.Errorf("an address that is none is mapped as %d for %#x bytes", got, n)
			}
		}
	}
}

// Pages that follow one another in physical memory are read at once, and what of them cannot be read is
// told by its own address.
func TestTableMemory(t *testing.T) {
	m := newTestMachine(4, testRAM)
	const end = testRAM - 3*PageSize
	for i := range 6 { // the last three lie behind the memory
		m.mapPage(testDirect4+uint64(i)*PageSize, end+uint64(i)*PageSize, pageShift)
	}
	m.mapPage(testDirect4+6*PageSize, 0x2000, pageShift)
	m.mapPage(testDirect4+7*PageSize, 0x1000, pageShift)
	for i := range m.ram[end:] {
		m.ram[end+i] = byte(i / 7)
	}
	copy(m.ram[0x1000:], "one")
	copy(m.ram[0x2000+PageSize-3:], "two")
	r := tableMemory{m.core().open(t).tables}
	buf := make([]byte, 3*PageSize)
	if err := r.ReadMem(testDirect4, buf); err != nil || string(buf) != string(m.ram[end:]) {
		t.Errorf("three pages: %v", err)
	}
	if err := r.ReadMem(testDirect4+7*PageSize-3, buf[:6]); err != nil || string(buf[:6]) != "twoone" {
		t.Errorf("pages out of order: %q, %v", buf[:6], err)
	}
	err := r.ReadMem(testDirect4+100, make([]byte, 4*PageSize))
	if f := AsFault(err); f == nil || f.Addr != testDirect4+3*PageSize || f.Physical || f.Len != PageSize+100 {
		t.Errorf("a page behind the memory: %+v", err)
	}
	err = r.ReadMem(testDirect4+7*PageSize, make([]byte, 2*PageSize))
	if f := AsFault(err); f == nil || f.Addr != testDirect4+8*PageSize || f.Reason != Unmapped {
		t.Errorf("a page that is not mapped: %+v", err)
	}
}

// mappedImage is a kernel's image of which each page is mapped as somebody says.
type mappedImage struct {
	fakeMemory
	as   func(Addr) mapping
	read map[Addr]bool
}

func (m *mappedImage) mappedAs(addr Addr) (mapping, uint64) {
	return m.as(addr), PageSize - uint64(addr)%PageSize
}

func (m *mappedImage) ReadMem(addr Addr, buf []byte) error {
	for at := addr.Page(); at < addr.Add(int64(len(buf))); at = at.Add(PageSize) {
		if m.as(at) == mappedNot {
			return &Fault{Addr: uint64(at), Len: 1, Reason: Unmapped}
		}
		m.read[at] = true
	}
	return m.fakeMemory.ReadMem(addr, buf)
}

// Tables are found wherever they are mapped: in data, in text, or across both; and text is not read where they
// are in data.
func TestFindKallsymsMapped(t *testing.T) {
	for _, shape := range shapesToFind {
		if shape.release == "unknown order" {
			continue
		}
		f := shape.build(shapeSymbols(1000, shape))
		index := f.places.tokenIndex
		text := fakeBanner.Page() - 1<<20 // nothing of the tables is there
		for name, as := range map[string]func(Addr) mapping{
			"data": func(Addr) mapping { return mappedData },
			"text": func(Addr) mapping { return mappedText },
			"data behind text": func(a Addr) mapping {
				if a < text {
					return mappedText
				}
				return mappedData
			},
			"data in text": func(a Addr) mapping {
				if a.Page() == index.Page() {
					return mappedData
				}
				return mappedText
			},
			"text in data": func(a Addr) mapping {
				if a.Page() == index.Page() {
					return mappedText
				}
				return mappedData
			},
			"each other page": func(a Addr) mapping { return mappedData + mapping(a/PageSize%2) },
		} {
			t.Run(fmt.Sprintf("%s/%s", shape.release, name), func(t *testing.T) {
				m := &mappedImage{fakeMemory: f.fakeMemory, as: as, read: make(map[Addr]bool)}
				k, err := FindKallsyms(m, nil)
				if err != nil {
					t.Fatal(err)
				}
				if k.places.tokenIndex != index || k.places.offsets != f.places.offsets {
					t.Errorf("found %+v, they are at %+v", k.places, f.places)
				}
				for at := range m.read {
					if name == "data behind text" && at >= startKMap && at < text {
						t.Errorf("text at %v was read", at)
						break
					}
				}
			})
		}
		m := &mappedImage{fakeMemory: f.fakeMemory, as: func(Addr) mapping { return mappedNot }, read: make(map[Addr]bool)}
		if _, err := FindKallsyms(m, nil); !errors.Is(err, ErrNoKallsyms) {
			t.Errorf("nothing is mapped: %v", err)
		}
	}
}
