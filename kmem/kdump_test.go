package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// checkPages compares each page of an image with what should be there; want tells
// the reason of a fault, or that there is none.
func checkPages(t *testing.T, img *Image, ram []byte, want func(page int) (Reason, bool)) {
	t.Helper()
	buf := make([]byte, PageSize)
	for page := range len(ram) / PageSize {
		reason, missing := want(page)
		err := img.ReadPhys(PhysAddr(page*PageSize), buf)
		checkRead(t, fmt.Sprintf("page %d", page), err, buf, ram[page*PageSize:(page+1)*PageSize], reason, missing)
		err = img.ReadPhys(PhysAddr(page*PageSize+1000), buf[:77])
		checkRead(t, fmt.Sprintf("part of page %d", page), err, buf[:77], ram[page*PageSize+1000:page*PageSize+1077], reason, missing)
	}
	// Large reads go another way, as far as the first page that is missing.
	for from := 0; from < len(ram); from += (7 + len(ram)/PageSize/40) * PageSize {
		all := make([]byte, len(ram)-from)
		err := img.ReadPhys(PhysAddr(from), all)
		first := from / PageSize
		for ; first < len(ram)/PageSize; first++ {
			if reason, missing := want(first); missing {
				if f := AsFault(err); f == nil || f.Reason != reason || f.Addr != uint64(first*PageSize) || f.Len != uint64(len(ram)-first*PageSize) || !f.Physical {
					t.Errorf("%d bytes from %#x: %#v, page %d should be %v", len(all), from, err, first, reason)
				}
				break
			}
		}
		if first == len(ram)/PageSize && (err != nil || !bytes.Equal(all, ram[from:])) {
			t.Errorf("%d bytes from %#x: %v", len(all), from, err)
		}
	}
}

func checkRead(t *testing.T, what string, err error, got, want []byte, reason Reason, missing bool) {
	t.Helper()
	f := AsFault(err)
	switch {
	case !missing && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("%s: %v", what, err)
	case missing && (f == nil || f.Reason != reason || !f.Physical || f.Len != uint64(len(got))):
		t.Errorf("%s: %v, want %v", what, err, reason)
	}
}

func present1(int) (Reason, bool) { return 0, false }

func TestKdumpCompression(t *testing.T) {
	for name, flags := range map[string]uint32{"raw": 0, "zlib": kdump.FlagZlib, "lzo": kdump.FlagLZO, "snappy": kdump.FlagSnappy, "zstd": kdump.FlagZstd} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shared zeros %v", name, shared), func(t *testing.T) {
				k := testKdump{flags: flags, ram: dumptest.Pages(101), sharedZero: shared}
				img := k.open(t)
				checkPages(t, img, k.ram, present1)
				if r := img.Remarks(); len(r) != 0 {
					t.Errorf("remarks %q", r)
				}
			})
		}
	}
}

// Pages that do not exist, that were left out, and those behind all pages.
func TestKdumpMissingPages(t *testing.T) {
	const pages = 9000 // more than a line of the bitmap
	hole := func(p int) bool { return p%100 < 7 }
	left := func(p int) bool { return p%5 == 0 || (p > 300 && p < 8800) }
	for _, single := range []bool{false, true} {
		k := testKdump{
			flags: kdump.FlagSnappy, ram: dumptest.Pages(pages), sharedZero: true, single: single,
			memory: func(p int) bool { return !hole(p) }, dumped: func(p int) bool { return !left(p) },
		}
		img := k.open(t)
		checkPages(t, img, k.ram, func(p int) (Reason, bool) {
			if hole(p) && !single {
				return Unmapped, true
			}
			return Filtered, hole(p) || left(p)
		})
		next := 0
		for addr, size := range img.PhysRanges() {
			for p := next; p < int(addr)/PageSize; p++ {
				if !hole(p) && !left(p) {
					t.Fatalf("page %d is in no range", p)
				}
			}
			next = (int(addr) + int(size)) / PageSize
			for p := int(addr) / PageSize; p < next; p++ {
				if hole(p) || left(p) {
					t.Fatalf("page %d is in a range", p)
				}
			}
		}
		for p := next; p < pages; p++ {
			if !hole(p) && !left(p) {
				t.Fatalf("page %d is in no range", p)
			}
		}
		for _, addr := range []uint64{pages * PageSize, 1 << 40, math.MaxUint64, math.MaxUint64 - 100} {
			err := img.ReadPhys(PhysAddr(addr), make([]byte, 500))
			if f := AsFault(err); f == nil || f.Reason != Unmapped || f.Addr != addr {
				t.Errorf("%#x: %v", addr, err)
			}
		}
	}
}

func TestKdumpVersions(t *testing.T) {
	info := []byte("OSRELEASE=6.1\nNUMBER(phys_base)=0\n")
	for version := 1; version <= 7; version++ {
		k := testKdump{version: version, flags: kdump.FlagZlib, ram: dumptest.Pages(20), vmcoreinfo: info, notes: []testNote{{"CORE", []byte("x")}, {"VMCOREINFO", []byte("OSRELEASE=no\n")}}}
		img := k.open(t)
		checkPages(t, img, k.ram, present1)
		want := "6.1" // the sub header's goes before the note
		if version < 3 {
			want = ""
		}
		if got := img.VMCoreInfo().Release(); got != want {
			t.Errorf("version %d: release %q, want %q", version, got, want)
		}
		if n := len(img.content.Notes); (n == 3) != (version >= 4) {
			t.Errorf("version %d: %d notes", version, n)
		}
	}
	k := testKdump{ram: dumptest.Pages(3), notes: []testNote{{"VMCOREINFO", []byte("OSRELEASE=6.2\n")}}}
	if got := k.open(t).VMCoreInfo().Release(); got != "6.2" {
		t.Errorf("of the note: %q", got)
	}
}

// Virtual memory, through page tables that lie in the dump.
func TestKdumpPageTables(t *testing.T) {
	m := newTestMachine(5, testPhysBase+0x400000)
	m.mapPage(startKMap, testPhysBase, hugeShift)
	dumptest.Pattern(m.ram[testPhysBase+0x200000:], 0)
	m.mapPage(0xffff888000000000, testPhysBase+0x200000, hugeShift)
	noBase := bytes.ReplaceAll(m.info(), []byte("NUMBER(phys_base)"), []byte("NUMBER(other)"))
	for name, info := range map[string][]byte{"VMCOREINFO's phys_base": m.info(), "the header's": noBase} {
		k := testKdump{flags: kdump.FlagZstd, ram: m.ram, vmcoreinfo: info, physBase: testPhysBase, sharedZero: true}
		img := k.open(t)
		for _, at := range []uint64{0, 0x12340, 0x1ffff8} {
			if v, err := ReadUint64(img, Addr(0xffff888000000000+at)); err != nil || v != at {
				t.Errorf("%s: %#x holds %#x, %v", name, at, v, err)
			}
		}
		all := make([]byte, 2<<20)
		if err := img.ReadMem(0xffff888000000000, all); err != nil || !bytes.Equal(all, m.ram[testPhysBase+0x200000:]) {
			t.Errorf("%s: 2 MiB: %v", name, err)
		}
		err := img.ReadMem(0xffff999000000000, all[:8])
		if f := AsFault(err); f == nil || f.Reason != Unmapped {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKdumpSplit(t *testing.T) {
	ram := dumptest.Pages(400)
	part := func(start, end int) []byte {
		k := testKdump{flags: kdump.FlagLZO, ram: ram, start: start, end: end, sharedZero: true, dumped: func(p int) bool { return p%9 != 0 }}
		return k.bytes(t)
	}
	a, b, c, none := part(0, 150), part(150, 301), part(301, 400), part(400, 400)
	filtered := func(p int) (Reason, bool) { return Filtered, p%9 == 0 }
	for name, files := range map[string][][]byte{"in order": {a, b, c}, "in another": {c, a, b}, "with an empty part": {a, none, b, c}, "flattened": {dumptest.Flatten(b, 5000), a, c}} {
		img, err := openParts(files...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkPages(t, img, ram, filtered)
		if len(img.Remarks()) != 0 {
			t.Errorf("%s: remarks %q", name, img.Remarks())
		}
	}
	img, err := openParts(a, c)
	if err != nil {
		t.Fatal(err)
	}
	checkPages(t, img, ram, func(p int) (Reason, bool) {
		if p%9 != 0 && p >= 150 && p < 301 {
			return NotGiven, true
		}
		return filtered(p)
	})
	if r := img.Remarks(); len(r) != 1 || !strings.Contains(r[0], "134 of the dump's 355 pages are in parts") {
		t.Errorf("remarks %q", r)
	}
	other := testKdump{ram: dumptest.Pages(5000), start: 150, end: 5000}
	whole := testKdump{ram: ram}
	elf := testCore{loads: []testLoad{{data: []byte("x")}}}
	for want, files := range map[string][][]byte{
		"the same part":               {a, b, b},
		"not of the same dump":        {a, other.bytes(t)},
		"no part of a split dump":     {a, whole.bytes(t)},
		"of several files each must":  {a, elf.bytes()},
		"each must be a kdump-compre": {elf.bytes(), elf.bytes()},
	} {
		if _, err := openParts(files...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// A dump that is cut anywhere opens and tells, or says what is missing.
func TestKdumpCut(t *testing.T) {
	k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(60), vmcoreinfo: []byte("OSRELEASE=6.1\n")}
	file := k.bytes(t)
	step := 397
	if testing.Short() {
		step *= 8
	}
	for n := 0; n < len(file); n += step {
		img, err := openBytes(file[:n])
		if n < k.layout.descs {
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if r := img.Remarks(); len(r) != 1 || !strings.Contains(r[0], "cut off") {
			t.Fatalf("%d bytes: remarks %q", n, r)
		}
		checkPages(t, img, k.ram, func(p int) (Reason, bool) {
			desc := k.layout.descs + p*24
			return Truncated, desc+24 > n || descEnd(file[desc:]) > uint64(n)
		})
	}
	// Out of space: descriptors from some page on are zero.
	k.status = kdump.StatusIncomplete
	file = k.bytes(t)
	clear(file[k.layout.descs+40*24 : k.layout.data])
	img, err := openBytes(file)
	if err != nil {
		t.Fatal(err)
	}
	checkPages(t, img, k.ram, func(p int) (Reason, bool) { return Unwritten, p >= 40 })
	if r := img.Remarks(); !slices.Equal(r, []string{dump.RemarkIncomplete}) {
		t.Errorf("remarks %q", r)
	}
}

// The machine's name in utsname says more than nothing only where it is another's.
func TestKdumpMachine(t *testing.T) {
	for _, name := range []string{"x86_64", "", "Unknown"} { // Unknown: QEMU 10.0
		k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(60), vmcoreinfo: []byte("OSRELEASE=6.1\n")}
		file := k.bytes(t)
		clear(file[12+4*65 : 12+5*65])
		copy(file[12+4*65:], name)
		img, err := openBytes(file)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := img.VMCoreInfo().Release(); got != "6.1" {
			t.Errorf("%q: release %q", name, got)
		}
	}
}

func TestKdumpRefuses(t *testing.T) {
	le := binary.LittleEndian
	put := func(at int, v uint64) func([]byte, kdumpLayout) {
		return func(b []byte, _ kdumpLayout) { le.PutUint64(b[at:], v) }
	}
	put32 := func(at int, v uint32) func([]byte, kdumpLayout) {
		return func(b []byte, _ kdumpLayout) { le.PutUint32(b[at:], v) }
	}
	for _, tt := range []struct {
		name  string
		spoil func([]byte, kdumpLayout)
		want  string
	}{
		{"arm64", func(b []byte, _ kdumpLayout) { copy(b[(12+4*65):], "aarch64\x00") }, "another architecture, aarch64"},
		{"terminal", func(b []byte, _ kdumpLayout) { copy(b[(12+4*65):], "\x1b[31m\n\x00") }, `another architecture, \x1b[31m\n:`},
		{"big-endian", func(b []byte, _ kdumpLayout) { binary.BigEndian.PutUint32(b[8:], 6) }, "big-endian"},
		{"version", put32(8, 300), "version 300"},
		{"block size", put32(428, 65536), "blocks of 65536 bytes"},
		{"no sub header", put32(432, 0), "a sub header of 0 blocks"},
		{"sub header", put32(432, math.MaxInt32), "before the end of its bitmaps"},
		{"negative sub header", put32(432, 1<<31), "sub header of -2147483648 blocks"},
		{"bitmap blocks", put32(436, math.MaxUint32), "before the end of its bitmaps"},
		{"no bitmap blocks", put32(436, 0), "a bitmap of 0 blocks"},
		{"no pages", put(PageSize+96, 0), "0 pages"},
		{"many pages", put(PageSize+96, 1<<60), "1152921504606846976 pages"},
		{"more pages", put(PageSize+96, 1<<20), "a bitmap of 2 blocks, and 1048576 pages take 32"},
		{"fewer pages", put(PageSize+96, 50), "49 pages are in the dump by its bitmap"},
		{"split", put32(PageSize+12, 1), "62 pages are in the dump"},
		{"split wrong", func(b []byte, _ kdumpLayout) {
			le.PutUint32(b[PageSize+12:], 1)
			le.PutUint64(b[PageSize+80:], 50)
			le.PutUint64(b[PageSize+88:], 30)
		}, "pages 0x32 to 0x1e of 0x3f"},
		{"a page more", func(b []byte, l kdumpLayout) { b[l.bitmap] |= 1 }, "63 pages are in the dump by its bitmap"},
		{"a page less", func(b []byte, l kdumpLayout) { b[l.bitmap+3] &^= 4 }, "61 pages are in the dump by its bitmap"},
		{"a page that is not there", func(b []byte, l kdumpLayout) {
			b[l.bitmap] |= 1
			b[l.bitmap-PageSize] &^= 1
		}, "page 0x0 is said to be in the dump, and not to exist"},
		{"VMCOREINFO", put(PageSize+32, 1<<50), "VMCOREINFO is said to be"},
		{"VMCOREINFO wraps", put(PageSize+40, math.MaxUint64), "VMCOREINFO is said to be"},
		{"notes", put(PageSize+48, 1<<50), "before its notes"},
		{"notes wrap", put(PageSize+56, math.MaxUint64), "damaged: notes of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(63), dumped: func(p int) bool { return p != 0 }, vmcoreinfo: []byte("OSRELEASE=1\n"), notes: []testNote{{"CORE", []byte("x")}}}
			file := k.bytes(t)
			if tt.name == "split" {
				le.PutUint64(file[PageSize+88:], 0)
				tt.want = "pages" // nothing of the dump: opens, and says so
				tt.spoil(file, k.layout)
				img, err := openBytes(file)
				if err != nil || len(img.Remarks()) != 1 {
					t.Errorf("%v", err)
				}
				return
			}
			tt.spoil(file, k.layout)
			_, err := openBytes(file)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
		})
	}
}

// Damage behind the headers is found when the page is read.
func TestKdumpDamagedPages(t *testing.T) {
	le := binary.LittleEndian
	for _, tt := range []struct {
		name   string
		flags  uint32
		spoil  func(file []byte, desc int)
		reason Reason
		want   string
	}{
		{"size 0", kdump.FlagZlib, func(b []byte, d int) { le.PutUint32(b[d+8:], 0) }, Failed, "page descriptor: 0 bytes"},
		{"size", kdump.FlagZlib, func(b []byte, d int) { le.PutUint32(b[d+8:], math.MaxUint32) }, Failed, "page descriptor: 4294967295 bytes"},
		{"raw size", 0, func(b []byte, d int) { le.PutUint32(b[d+8:], 4095) }, Failed, "page descriptor: 4095 bytes"},
		{"offset in the headers", kdump.FlagZlib, func(b []byte, d int) { le.PutUint64(b[d:], 8) }, Failed, "page descriptor: offset 0x8"},
		{"offset behind the file", kdump.FlagZlib, func(b []byte, d int) { le.PutUint64(b[d:], math.MaxUint64) }, Truncated, "belongs at offset 0xffff"},
		{"flags", kdump.FlagZlib, func(b []byte, d int) { le.PutUint32(b[d+12:], kdump.FlagZlib|kdump.FlagZstd) }, Failed, "unknown way (flags 0x21)"},
		{"zlib data", kdump.FlagZlib, func(b []byte, d int) { b[le.Uint64(b[d:])+20] ^= 1 }, Failed, "damaged page"},
		{"zlib checksum", kdump.FlagZlib, func(b []byte, d int) { b[int(le.Uint64(b[d:]))+int(le.Uint32(b[d+8:]))-1] ^= 1 }, Failed, "damaged page"},
		{"zlib, short", kdump.FlagZlib, func(b []byte, d int) { le.PutUint32(b[d+8:], 5) }, Failed, "damaged page"},
		{"lzo, short", kdump.FlagLZO, func(b []byte, d int) { le.PutUint32(b[d+8:], 5) }, Failed, "damaged page"},
		{"snappy, short", kdump.FlagSnappy, func(b []byte, d int) { le.PutUint32(b[d+8:], 5) }, Failed, "damaged page"},
		{"zstd, short", kdump.FlagZstd, func(b []byte, d int) { le.PutUint32(b[d+8:], 5) }, Failed, "damaged page"},
		{"zlib as lzo", kdump.FlagZlib, func(b []byte, d int) { le.PutUint32(b[d+12:], kdump.FlagLZO) }, Failed, "damaged page"},
		{"lzo as snappy", kdump.FlagLZO, func(b []byte, d int) { le.PutUint32(b[d+12:], kdump.FlagSnappy) }, Failed, "damaged page"},
		{"snappy as zstd", kdump.FlagSnappy, func(b []byte, d int) { le.PutUint32(b[d+12:], kdump.FlagZstd) }, Failed, "damaged page"},
		{"zstd as zlib", kdump.FlagZstd, func(b []byte, d int) { le.PutUint32(b[d+12:], kdump.FlagZlib) }, Failed, "damaged page"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := testKdump{flags: tt.flags, ram: dumptest.Pages(40)}
			file := k.bytes(t)
			tt.spoil(file, k.layout.descs+24*24)
			img, err := openBytes(file)
			if err != nil {
				t.Fatal(err)
			}
			checkPages(t, img, k.ram, func(p int) (Reason, bool) { return tt.reason, p == 24 })
			if err := img.ReadPhys(24*PageSize, make([]byte, 8)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}
