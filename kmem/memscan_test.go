package kmem

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// Where things are in the memory of a scanMachine.
const (
	scanText   = 0x200000  // the text's 2 MiB, with the top page table
	scanRodata = 0x1200000 // what is mapped at 0xffffffff82000000
	scanRAM    = 0x1600000
	scanInfo   = 0x10000 // vmcoreinfo_data
	scanNote   = 0x20000 // vmcoreinfo_note
	scanData   = 0x30000 // tells its own address
	scanUTS    = 0x110   // in read-only data
	scanPtr    = 0x300
)

// scanMachine is a kernel in memory: text, tables of symbols, a direct map, VMCOREINFO.
type scanMachine struct {
	*testMachine
	direct  uint64
	release string
	info    []byte
}

type scanOptions struct {
	levels  int
	sme     uint64
	release string // "" is the banner's
	noInfo  bool
	note    bool // the note as well, with a line more
	at      uint64
	gib     bool // the direct map has pages of 1 GiB
}

// newScanMachine makes one. at moves all of its physical addresses.
func newScanMachine(o scanOptions) *scanMachine {
	m := &scanMachine{testMachine: newTestMachine(o.levels, int(scanRAM+o.at)), release: "6.12.0-test"}
	m.sme = o.sme
	m.root, m.next = o.at+scanText+0x100000, o.at+scanText+0x101000
	m.direct = direct(o.levels) + 3<<30
	if o.gib {
		m.mapPage(m.direct, 0, 30)
	}
	for at := uint64(0); at < uint64(len(m.ram)) && !o.gib; at += 1 << hugeShift {
		m.mapPage(m.direct+at, at, hugeShift)
	}
	m.mapPage(uint64(fakeText), o.at+scanText, hugeShift)
	m.put(m.slot(0xffffffff82000000, hugeShift), (o.at+scanRodata)|ptePresent|ptePSE|entryNX|m.sme)
	top := uint64(fakeText) + 0x100000

	syms := append(fakeSymbols(400, false), Symbol{"linux_banner", fakeBanner, 'R', ""},
		Symbol{"init_uts_ns", 0xffffffff82000000 + scanUTS, 'D', ""}, Symbol{"init_top_pgt", Addr(top), 'D', ""},
		Symbol{"prb", fakeBanner + 0x200, 'd', ""}, Symbol{"vmcoreinfo_data", 0xffffffff82000000 + scanPtr, 'B', ""})
	slices.SortStableFunc(syms, func(a, b Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	f := kallsymsShapes[6].build(syms)
	rodata := m.ram[o.at+scanRodata:]
	copy(rodata, f.data)
	if o.release != "" {
		m.release = o.release
		clear(rodata[0x80:0xc0])
		copy(rodata[0x80:], "Linux version "+o.release+" (somebody)")
	}
	copy(rodata[scanUTS:], "Linux")
	copy(rodata[scanUTS+2*utsLength:], m.release)
	binary.LittleEndian.PutUint64(rodata[scanPtr:], m.direct+o.at+scanInfo)
	base := int64(o.at) + scanText - int64(fakeText-startKMap)
	m.info = fmt.Appendf(nil, "OSRELEASE=%s\nBUILD-ID=%040x\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=%x\nOFFSET(uts_namespace.name)=0\nSYMBOL(_stext)=%x\n"+
		"SYMBOL(swapper_pg_dir)=%x\nNUMBER(phys_base)=%d\nSYMBOL(init_top_pgt)=%x\nNUMBER(pgtable_l5_enabled)=%d\nKERNELOFFSET=0\nNUMBER(sme_mask)=%d\n",
		m.release, o.at+1, uint64(0xffffffff82000000+scanUTS), uint64(fakeText), top, base, top, o.levels-4, o.sme)
	if !o.noInfo {
		copy(m.ram[o.at+scanInfo:], m.info)
		if o.note {
			copy(m.ram[o.at+scanNote:], "\x0b\x00\x00\x00")
			copy(m.ram[o.at+scanNote+24:], string(m.info)+"CRASHTIME=1\n")
		}
	}
	dumptest.Pattern(m.ram[scanData:scanData+PageSize], scanData)
	return m
}

// images are dumps of the machine's memory without notes, in two formats.
func (m *scanMachine) images(t *testing.T, notes ...testNote) map[string]*Image {
	t.Helper()
	// What is empty is not in the dump, so that it is small.
	const block = 1 << hugeShift
	var loads []testLoad
	used := make(map[int]bool)
	for at := 0; at < len(m.ram); at += block {
		if data := m.ram[at : at+block]; at == 0 || !bytes.Equal(data, make([]byte, block)) {
			loads = append(loads, testLoad{paddr: uint64(at), data: data})
			used[at/block] = true
		}
	}
	c := testCore{notes: notes, loads: loads}
	k := testKdump{
		flags: kdump.FlagSnappy, ram: m.ram, notes: notes, sharedZero: true,
		memory: func(page int) bool { return used[page*PageSize/block] },
	}
	return map[string]*Image{"elf": c.open(t), "kdump": k.open(t)}
}

// A kernel is found by what is in memory, and all that is known of it with it.
func TestSearchKernel(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, o := range []scanOptions{
			{}, {note: true}, {noInfo: true}, {sme: 1 << 47}, {sme: 1 << 51, noInfo: true}, {noInfo: true, at: 0x800000}, {gib: true}, {noInfo: true, gib: true},
		} {
			o.levels = levels
			m := newScanMachine(o)
			for format, img := range m.images(t) {
				t.Run(fmt.Sprintf("%+v/%s", o, format), func(t *testing.T) {
					if v, err := ReadUint64(img, Addr(m.direct+scanData+8)); err != nil || v != scanData+8 {
						t.Fatalf("%#x, %v", v, err)
					}
					if img.tables.levels != levels {
						t.Errorf("%d levels", img.tables.levels)
					}
					how := "for their shape; there is no VMCOREINFO in memory either"
					if !o.noInfo {
						how = "it was found by searching the dump's memory"
					}
					if r := img.Remarks(); len(r) != 1 || !strings.Contains(r[0], how) {
						t.Errorf("remarks %q", r)
					}
					want := ""
					if !o.noInfo {
						want = m.release
					}
					if got := img.VMCoreInfo().Release(); got != want {
						t.Errorf("release %q", got)
					}
					if _, ok := img.VMCoreInfo().Value("CRASHTIME"); ok != o.note {
						t.Error("the shorter VMCOREINFO was taken")
					}
					syms, err := img.Symbols()
					if err != nil {
						t.Fatal(err)
					}
					if s, ok := syms.Lookup("linux_banner"); !ok || s.Addr != fakeBanner {
						t.Errorf("linux_banner: %+v", s)
					}
				})
			}
		}
	}
}

// Tables that are not the kernel's own, and texts that are not of this kernel.
func TestSearchKernelDecoys(t *testing.T) {
	const spare = 0x100000 // memory for decoys
	depths := []int{4, 5}
	if testing.Short() {
		depths = depths[:1]
	}
	for _, levels := range depths {
		for name, spoil := range map[string]func(m *scanMachine){
			"processes": func(m *scanMachine) {
				for i := range uint64(8) { // some have more, some have less
					copy(m.ram[spare+i*PageSize:], m.ram[m.root:m.root+PageSize])
					m.put(spare+i*PageSize+8*i, 0x5000|0x67)
				}
			},
			"a trampoline": func(m *scanMachine) { m.put(spare+511*8, m.get(m.root+511*8)) },
			"PTI's": func(m *scanMachine) {
				// Only a page of the text is mapped, by tables of their own.
				u := &testMachine{levels: levels, ram: m.ram, root: spare, next: spare + PageSize, sme: m.sme}
				u.mapPage(uint64(fakeText)+0x5000, scanText+0x5000, pageShift)
			},
			"a stale text": func(m *scanMachine) {
				copy(m.ram[spare:], bytes.ReplaceAll(m.info, []byte("6.12.0-test"), []byte("6.11.0-test")))
			},
			"a text with another base": func(m *scanMachine) {
				copy(m.ram[spare:], bytes.ReplaceAll(m.info, []byte("phys_base)=-"), []byte("phys_base)=-1")))
			},
			"a cut text": func(m *scanMachine) { copy(m.ram[spare+9:], m.info[:len(m.info)-20]) },
			"a text that is written over": func(m *scanMachine) {
				copy(m.ram[spare+PageSize-300:], m.info[:300])
				copy(m.ram[spare+PageSize:], "\x00\x01\x02")
			},
			"a format": func(m *scanMachine) { copy(m.ram[spare:], "OSRELEASE=%s\nBUILD-ID=%s\nPAGESIZE=%ld\n") },
			"escapes": func(m *scanMachine) {
				copy(m.ram[spare:], bytes.Replace(m.info, []byte("PAGESIZE"), []byte("A=\x1b[2J\nPAGESIZE"), 1))
			},
		} {
			for _, noInfo := range []bool{false, true} {
				m := newScanMachine(scanOptions{levels: levels, noInfo: noInfo})
				spoil(m)
				for format, img := range m.images(t) {
					if v, err := ReadUint64(img, Addr(m.direct+scanData+8)); err != nil || v != scanData+8 {
						t.Errorf("%d levels, %s, %s, %v: %#x, %v", levels, name, format, noInfo, v, err)
					}
					if _, err := img.Symbols(); err != nil {
						t.Errorf("%d levels, %s, %s, %v: %v", levels, name, format, noInfo, err)
					}
					if got := img.VMCoreInfo().Release(); got != m.release && !noInfo {
						t.Errorf("%d levels, %s, %s: release %q", levels, name, format, got)
					}
				}
			}
		}
	}
}

// Of two kernels none is taken.
func TestSearchKernelTwo(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, noInfo := range []bool{false, true} {
			m := newScanMachine(scanOptions{levels: levels, noInfo: noInfo, at: 0x1600000, release: "6.1.0-old"})
			first := newScanMachine(scanOptions{levels: levels, noInfo: noInfo})
			// The direct map of each is of all memory.
			for at := uint64(scanRAM); at < uint64(len(m.ram)); at += 1 << hugeShift {
				first.mapPage(first.direct+at, at, hugeShift)
			}
			copy(m.ram, first.ram)
			idt := m.direct
			cr4 := uint64(levels-4) * cr4LA57
			for _, notes := range [][]testNote{nil, {qemuCPU(m.root, cr4, idt), qemuCPU(first.root, cr4, idt)}} {
				for format, img := range m.images(t, notes...) {
					_, err := ReadUint64(img, Addr(m.direct+scanData))
					f := AsFault(err)
					if f == nil || !strings.Contains(f.Detail, "the memory holds 2 kernels") || !strings.Contains(f.Detail, "at physical address 0x200000") ||
						notes == nil && (!strings.Contains(f.Detail, "Linux version 6.1.0-old") || !strings.Contains(f.Detail, "Linux version 6.12.0-test")) {
						t.Errorf("%d levels, %s, %v: %v", levels, format, noInfo, err)
					}
					if img.VMCoreInfo() != nil {
						t.Error("one of them has told its VMCOREINFO")
					}
				}
			}
		}
	}
}

// What is nearly a kernel is none.
func TestSearchKernelNone(t *testing.T) {
	for name, spoil := range map[string]func(m *scanMachine){
		"no text":   func(m *scanMachine) { m.put(m.slot(uint64(fakeText), hugeShift), 0) },
		"no banner": func(m *scanMachine) { m.ram[scanRodata+0x80] = 'X' },
		"no symbols": func(m *scanMachine) {
			clear(m.ram[scanRodata+0x100 : scanRodata+0x200000])
			m.ram[scanRodata+0x80] = 'X'
		},
		"no direct map": func(m *scanMachine) { m.put(m.root+m.direct>>39%512*8, 0) },
		"another in order": func(m *scanMachine) {
			m.put(m.slot(m.direct+scanRodata&^(1<<hugeShift-1), hugeShift), 0x800000|ptePresent|ptePSE)
		},
		"a huge entry": func(m *scanMachine) { m.put(m.root+300*8, 0x800000|ptePresent|ptePSE) },
		"zeros":        func(m *scanMachine) { clear(m.ram) },
	} {
		m := newScanMachine(scanOptions{levels: 4, noInfo: true})
		spoil(m)
		for format, img := range m.images(t) {
			_, err := ReadUint64(img, Addr(m.direct+scanData))
			if f := AsFault(err); f == nil || !strings.Contains(f.Detail, "VMCOREINFO is missing") || !strings.Contains(f.Detail, "a search of the dump's memory found neither") {
				t.Errorf("%s, %s: %v", name, format, err)
			}
		}
	}
}

// scanPages is memory of some pages.
type scanPages map[uint64]*[PageSize]byte

func (m scanPages) ReadPhys(at PhysAddr, buf []byte) error {
	addr := uint64(at)
	for len(buf) > 0 {
		p := m[addr&^(PageSize-1)]
		if p == nil {
			return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Filtered}
		}
		n := copy(buf, p[addr%PageSize:])
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

func (m scanPages) Ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
		for _, at := range sortedKeys(m) {
			if !yield(PhysAddr(at), PageSize) {
				return
			}
		}
	}
}

// FuzzSearchKernel changes memory here and there. Whatever is in it, the search ends, and what
// it finds can be read.
func FuzzSearchKernel(f *testing.F) {
	var machines []*scanMachine
	for _, levels := range []int{4, 5} {
		for _, noInfo := range []bool{false, true} {
			machines = append(machines, newScanMachine(scanOptions{levels: levels, noInfo: noInfo}))
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range uint8(len(machines)) {
		f.Add(i, []byte{})
		for range 8 {
			b := make([]byte, 30)
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
			f.Add(i, b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		m := machines[int(which)%len(machines)]
		pages := make(scanPages)
		for at := uint64(0); at < uint64(len(m.ram)); at += PageSize {
			if p := m.ram[at : at+PageSize]; at == scanText || !bytes.Equal(p, make([]byte, PageSize)) {
				pages[at] = (*[PageSize]byte)(bytes.Clone(p))
			}
		}
		keys := sortedKeys(pages)
		for ; len(changes) >= 10; changes = changes[10:] {
			page := pages[keys[int(changes[0])%len(keys)]]
			copy(page[int(changes[1])%(PageSize/8)*8:], changes[2:10])
		}
		img, err := newImage(&dump.Content{Memory: pages, File: dump.NewFile(bytes.NewReader(nil), 0, "fuzz", false)}, false)
		if err != nil {
			t.Fatal(err)
		}
		img.searchKernel(context.Background(), nil)
		if (img.tables == nil) != (img.tablesErr != nil) {
			t.Errorf("tables %v, %v", img.tables, img.tablesErr)
		}
		if img.tables != nil && len(img.Remarks()) == 0 {
			t.Error("nothing is said of the search")
		}
		if _, err := ReadUint64(img, fakeBanner); err != nil && AsFault(err) == nil {
			t.Error(err)
		}
	})
}

// A search of 64 MiB, most of it zeros.
func BenchmarkSearchKernel(b *testing.B) {
	m := newScanMachine(scanOptions{levels: 5, noInfo: true})
	ram := append(m.ram, make([]byte, 64<<20-len(m.ram))...)
	c := testCore{loads: []testLoad{{data: ram}}}
	file := c.bytes()
	b.SetBytes(int64(len(ram)))
	for b.Loop() {
		img, err := openBytes(file)
		if err != nil || img.tables == nil {
			b.Fatal(err, img.tablesErr)
		}
	}
}

// Memory that has no whole page is passed by, and not taken for all that there is up to the end of addresses.
func TestMemoryScanChunks(t *testing.T) {
	const last = ^uint64(0)
	for _, tt := range []struct {
		start, last uint64
		want        string
	}{
		{0, PageSize - 1, "[{0 4096}]"},
		{0, PageSize - 2, "[]"},
		{0x2a, 0x53, "[]"},
		{0x800, 0x17ff, "[]"},
		{0x800, 0x27ff, "[{4096 4096}]"},
		{PageSize - 1, PageSize, "[]"},
		{scanChunk - PageSize, scanChunk + 2*PageSize + 5, fmt.Sprintf("[{%d 4096} {%d 8192}]", scanChunk-PageSize, scanChunk)},
		{last - 99, last, "[]"},
		{last - 2*PageSize, last - 1, fmt.Sprintf("[{%d 4096}]", last-2*PageSize+1)},
		{last - 3*PageSize + 1, last, fmt.Sprintf("[{%d 8192}]", last-3*PageSize+1)},
	} {
		size := tt.last - tt.start + 1
		f := dump.NewFile(bytes.NewReader(make([]byte, size)), int64(size), "test", false)
		img := &Image{phys: &dump.Space{File: f, Segments: dump.Segments{{Start: tt.start, Last: tt.last}}, Physical: true}}
		s := memoryScan{img: img}
		var got []physChunk
		for c := range s.chunks() {
			if got = append(got, c); len(got) > 5 {
				break
			}
		}
		if fmt.Sprint(got) != tt.want && !(len(got) == 0 && tt.want == "[]") {
			t.Errorf("%#x to %#x: %v, want %s", tt.start, tt.last, got, tt.want)
		}
	}
}
