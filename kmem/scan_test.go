package kmem

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
)

// scanAll puts together what a scan brings: the memory by address, and that pieces come in order.
func scanAll(t *testing.T, img *Image) (map[uint64][]byte, *ScanStats) {
	t.Helper()
	type got struct {
		addr uint64
		data []byte
	}
	pages := make(map[uint64][]byte)
	last := uint64(0)
	stats, err := Scan(context.Background(), img, nil, func(p ScanPiece) got {
		if p.Data == nil {
			return got{p.Addr, make([]byte, p.Size)}
		}
		if uint64(len(p.Data)) != p.Size {
			t.Errorf("a piece of %d bytes has %d", p.Size, len(p.Data))
		}
		return got{p.Addr, bytes.Clone(p.Data)}
	}, func(g got) bool {
		if g.addr < last {
			t.Errorf("%#x after %#x", g.addr, last)
		}
		last = g.addr + uint64(len(g.data))
		for len(g.data) > 0 {
			n := min(uint64(len(g.data)), PageSize-g.addr%PageSize)
			pages[g.addr] = g.data[:n]
			g.addr, g.data = g.addr+n, g.data[n:]
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := uint64(0)
	for _, p := range pages {
		sum += uint64(len(p))
	}
	if sum != stats.Read {
		t.Errorf("%d bytes, and the scan says %d", sum, stats.Read)
	}
	return pages, stats
}

// checkScan compares with ram: page by page, but for those that are missing.
func checkScan(t *testing.T, pages map[uint64][]byte, ram []byte, missing func(page int) bool) {
	t.Helper()
	for page := range len(ram) / PageSize {
		got, ok := pages[uint64(page*PageSize)]
		if ok == missing(page) || (ok && !bytes.Equal(got, ram[page*PageSize:(page+1)*PageSize])) {
			t.Fatalf("page %d: there %v, as it should be %v", page, ok, bytes.Equal(got, ram[page*PageSize:(page+1)*PageSize]))
		}
	}
}

// TestScanKdump scans dumps of all ways of compression, with more than one unit, with gaps,
// with and without the shared page of zeros, also flattened.
func TestScanKdump(t *testing.T) {
	for _, flags := range []uint32{0, dumptest.FlagZlib, dumptest.FlagLZO, dumptest.FlagSnappy, dumptest.FlagZstd} {
		for _, shared := range []bool{false, true} {
			for name, dumped := range map[string]func(int) bool{
				"all":  func(int) bool { return true },
				"gaps": func(p int) bool { return p%7 != 3 && p/100%2 == 0 },
			} {
				t.Run(fmt.Sprintf("%#x/%s/%v", flags, name, shared), func(t *testing.T) {
					k := testKdump{flags: flags, ram: dumptest.Pages(300), sharedZero: shared, dumped: dumped}
					file := k.bytes(t)
					for _, b := range [][]byte{file, dumptest.Flatten(file, 5000)} {
						img, err := openBytes(b)
						if err != nil {
							t.Fatal(err)
						}
						pages, stats := scanAll(t, img)
						checkScan(t, pages, k.ram, func(p int) bool { return !dumped(p) })
						left := uint64(len(k.ram)) - stats.Read
						if !stats.AllRead() || stats.Absent != (dump.Absent{LeftOut: left}) || stats.Virtual {
							t.Errorf("%+v, want %d bytes left out", *stats, left)
						}
					}
				})
			}
		}
	}
}

// Pages that cannot be read are counted by their reason, and no other is lost with them.
func TestScanDamaged(t *testing.T) {
	le := binary.LittleEndian
	for _, flags := range []uint32{0, dumptest.FlagZlib, dumptest.FlagLZO, dumptest.FlagZstd} {
		k := testKdump{flags: flags, ram: dumptest.Pages(200)}
		file := k.bytes(t)
		desc := func(page int) []byte { return file[k.layout.descs+page*24:] }
		le.PutUint32(desc(10)[8:], 0)                                    // a size
		le.PutUint64(desc(20), 1<<60)                                    // an offset
		le.PutUint64(desc(30), 0)                                        // never written
		le.PutUint32(desc(40)[12:], dumptest.FlagZlib|dumptest.FlagZstd) // in an unknown way
		bad := map[int]bool{10: true, 20: true, 30: true, 40: true}
		if flags == dumptest.FlagZlib { // which has a checksum
			file[le.Uint64(desc(52))+20] ^= 1
			bad[52] = true
		}
		img, err := openBytes(file)
		if err != nil {
			t.Fatal(err)
		}
		pages, stats := scanAll(t, img)
		checkScan(t, pages, k.ram, func(p int) bool { return bad[p] })
		if stats.AllRead() || stats.Failed[Truncated] != PageSize || stats.Failed[Unwritten] != PageSize || stats.Failed[Failed] != uint64(len(bad)-2)*PageSize {
			t.Errorf("flags %#x: %+v", flags, *stats)
		}
	}
}

// TestScanCut scans files that end anywhere: what is behind the end is counted.
func TestScanCut(t *testing.T) {
	for _, shared := range []bool{false, true} {
		k := testKdump{flags: dumptest.FlagZlib, ram: dumptest.Pages(80), sharedZero: shared}
		file := k.bytes(t)
		for n := k.layout.descs; n < len(file); n += 3001 {
			img, err := openBytes(file[:n:n])
			if err != nil {
				t.Fatal(err)
			}
			pages, stats := scanAll(t, img)
			checkScan(t, pages, k.ram, func(p int) bool {
				return img.ReadPhys(PhysAddr(p*PageSize), make([]byte, 1)) != nil
			})
			if stats.Read+stats.Failed[Truncated] != uint64(len(k.ram)) || stats.AllRead() {
				t.Errorf("%d bytes of the file: %+v", n, *stats)
			}
		}
	}
}

// A split dump is scanned as one, and the part that was not given is counted.
func TestScanSplit(t *testing.T) {
	ram := dumptest.Pages(120)
	var files [][]byte
	for _, r := range [][2]int{{0, 33}, {33, 90}, {90, 120}} {
		k := testKdump{flags: dumptest.FlagSnappy, ram: ram, start: r[0], end: r[1], sharedZero: true, dumped: func(p int) bool { return p%11 != 0 }}
		files = append(files, k.bytes(t))
	}
	img, err := openParts(files...)
	if err != nil {
		t.Fatal(err)
	}
	pages, stats := scanAll(t, img)
	checkScan(t, pages, ram, func(p int) bool { return p%11 == 0 })
	if !stats.AllRead() || stats.Absent.LeftOut != 11*PageSize {
		t.Errorf("%+v", *stats)
	}
	if img, err = openParts(files[0], files[2]); err != nil {
		t.Fatal(err)
	}
	pages, stats = scanAll(t, img)
	checkScan(t, pages, ram, func(p int) bool { return p%11 == 0 || (p >= 33 && p < 90) })
	if stats.Failed[NotGiven] != 51*PageSize {
		t.Errorf("%+v", *stats)
	}
}

// TestScanELF scans segments that are no whole pages, one that is cut off, one that was filtered
// out in part, and by virtual address where the file knows no other.
func TestScanELF(t *testing.T) {
	ram := dumptest.Pages(200)
	c := testCore{loads: []testLoad{
		{paddr: 0x1000, data: ram[:0x9ec00]},
		{paddr: 0x100000, data: ram[0x1000:0x3000], memsz: 0x5000},
	}}
	pages, stats := scanAll(t, c.open(t))
	if len(pages) != 0x9f+2 || !bytes.Equal(pages[0x1000], ram[:PageSize]) || !bytes.Equal(pages[0x101000], ram[0x2000:0x3000]) {
		t.Errorf("%d pages", len(pages))
	}
	if !stats.AllRead() || stats.Absent.LeftOut != 0x3000 {
		t.Errorf("%+v", *stats)
	}
	file := c.bytes()
	img, err := openBytes(file[:len(file)-0x1800])
	if err != nil {
		t.Fatal(err)
	}
	if _, stats = scanAll(t, img); stats.AllRead() || stats.Absent.CutOff != 0x1800 {
		t.Errorf("cut off: %+v", *stats)
	}
	virtual := testCore{loads: []testLoad{{vaddr: 0xffff888000000000, paddr: dump.UnknownPhys, data: ram[:0x2000]}}}
	pages, stats = scanAll(t, virtual.open(t))
	if !stats.Virtual || len(pages) != 2 || !bytes.Equal(pages[0xffff888000001000], ram[0x1000:0x2000]) {
		t.Errorf("%d pages, %+v", len(pages), *stats)
	}
}

// A flattened file may claim any amount of memory; what no record holds is passed by.
func TestScanHole(t *testing.T) {
	ram := dumptest.Pages(5)
	const claimed = 1 << 44
	c := testCore{loads: []testLoad{{paddr: 0x1000, data: ram}}, patch: func(file []byte, phoff int) {
		binary.LittleEndian.PutUint64(file[phoff+56+32:], claimed)
		binary.LittleEndian.PutUint64(file[phoff+56+40:], claimed)
	}}
	img, err := openBytes(flatJoin(dumptest.FlatRec(0, c.bytes()), dumptest.FlatRec(claimed, make([]byte, 8*PageSize)), dumptest.FlatEnd()))
	if err != nil {
		t.Fatal(err)
	}
	pages, stats := scanAll(t, img)
	if !bytes.Equal(pages[0x1000], ram[:PageSize]) || stats.AllRead() || stats.Read+stats.Failed[Failed]+stats.Failed[Truncated] != claimed || stats.Read < uint64(len(ram)) {
		t.Errorf("%d pages, %+v", len(pages), *stats)
	}
}

// A scan ends when it is told to, by either side.
func TestScanEnds(t *testing.T) {
	k := testKdump{flags: dumptest.FlagZlib, ram: dumptest.Pages(2000)}
	img := k.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	taken := 0
	stats, err := Scan(ctx, img, nil, func(ScanPiece) int { return 0 }, func(int) bool {
		taken++
		cancel()
		return true
	})
	if !errors.Is(err, context.Canceled) || stats == nil || stats.Read >= uint64(len(k.ram)) || taken == 0 {
		t.Errorf("%v, %d taken", err, taken)
	}
	taken = 0
	if _, err := Scan(context.Background(), img, nil, func(ScanPiece) int { return 0 }, func(int) bool { taken++; return taken < 2 }); err != nil || taken != 2 {
		t.Errorf("%v, %d taken", err, taken)
	}
	var last int64
	if _, err := Scan(context.Background(), img, func(_ string, done, all int64) {
		if done < last || all != int64(len(k.ram)) {
			t.Errorf("%d of %d after %d", done, all, last)
		}
		last = done
	}, func(ScanPiece) int { return 0 }, func(int) bool { return true }); err != nil || last != int64(len(k.ram)) {
		t.Errorf("%v, %d at the end", err, last)
	}
	live := &Image{live: true}
	if _, err := Scan(context.Background(), live, nil, func(ScanPiece) int { return 0 }, func(int) bool { return true }); err == nil {
		t.Error("a live kernel is scanned")
	}
}

// BenchmarkScan scans 16 MiB of generated pages in each way of compression.
func BenchmarkScan(b *testing.B) {
	for _, flags := range []uint32{0, dumptest.FlagZlib, dumptest.FlagLZO, dumptest.FlagSnappy, dumptest.FlagZstd} {
		b.Run(fmt.Sprintf("%#x", flags), func(b *testing.B) {
			k := testKdump{flags: flags, ram: dumptest.Pages(4096)}
			img := k.open(b)
			b.SetBytes(int64(len(k.ram)))
			for b.Loop() {
				if _, err := Scan(context.Background(), img, nil, func(ScanPiece) int { return 0 }, func(int) bool { return true }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A file on disk is mapped, and one that is cut while that is so is told as cut, not as a crash.
func TestScanMapped(t *testing.T) {
	ram := dumptest.Pages(200)
	c := testCore{loads: []testLoad{{data: ram}}}
	path := filepath.Join(t.TempDir(), "core")
	file := c.bytes()
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	pages, stats := scanAll(t, img)
	if len(pages) != 200 || !stats.AllRead() {
		t.Fatalf("%d pages, %+v", len(pages), stats)
	}
	for at, page := range pages {
		if !bytes.Equal(page, ram[at:at+PageSize]) {
			t.Errorf("page %#x differs", at)
		}
	}
	var once sync.Once
	const left = 100
	sum := 0
	stats, err = Scan(context.Background(), img, nil, func(p ScanPiece) int {
		once.Do(func() {
			if err := os.Truncate(path, int64(len(file)-(200-left)*PageSize)); err != nil {
				t.Error(err)
			}
		})
		n := 0
		for _, b := range p.Data {
			n += int(b)
		}
		return n
	}, func(n int) bool { sum += n; return true })
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64((200 - left) * PageSize); stats.Failed[Truncated] < want || stats.Failed[Truncated] > want+2*PageSize {
		t.Errorf("%d bytes were cut off, and the scan says %+v", want, stats)
	}
}

// A flattened ELF core on disk is looked at where its records lie, whatever their size, and later records
// that overlap others count there, too.
func TestScanMappedFlattened(t *testing.T) {
	ram := dumptest.Pages(1500) // several units
	c := testCore{loads: []testLoad{{data: ram[:1000*PageSize]}, {paddr: 2000 * PageSize, data: ram[1000*PageSize:]}}}
	file := c.bytes()
	again := bytes.Clone(file)
	var later []byte
	for i, at := range []int{len(file) / 2, len(file)/2 + 3*PageSize, len(file) - 5*PageSize, 700_000} {
		part := again[at : at+PageSize+100*i+1]
		for j := range part {
			part[j] ^= 0x5a
		}
		later = append(later, dumptest.FlatRec(at, part)...)
	}
	want := again[len(again)-len(ram):]
	for _, size := range []int{777, 4096, 5000, 65536, 1 << 20, len(file)} {
		flat := dumptest.Flatten(file, size)
		flat = append(append(flat[:len(flat)-len(dumptest.FlatEnd())], later...), dumptest.FlatEnd()...)
		path := filepath.Join(t.TempDir(), "flat")
		if err := os.WriteFile(path, flat, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		pages, stats := scanAll(t, img)
		if !stats.AllRead() || stats.Read != uint64(len(ram)) {
			t.Errorf("records of %d bytes: %+v", size, stats)
		}
		got := make([]byte, 0, len(ram))
		for page := range 1000 {
			got = append(got, piecesOf(pages, uint64(page)*PageSize)...)
		}
		for page := range 500 {
			got = append(got, piecesOf(pages, uint64(2000+page)*PageSize)...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("records of %d bytes: memory differs", size)
		}
		_ = img.Close()
	}
}

// piecesOf puts a page together that came in pieces.
func piecesOf(pages map[uint64][]byte, page uint64) []byte {
	var out []byte
	for at := page; at < page+PageSize; {
		part := pages[at]
		if len(part) == 0 {
			return out
		}
		out, at = append(out, part...), at+uint64(len(part))
	}
	return out
}

// A flattened file that was cut after it was opened is told as cut, not as a crash; what its records say
// anew is not believed beyond what is there.
func TestScanMappedFlattenedCut(t *testing.T) {
	ram := dumptest.Pages(1200)
	flat := dumptest.Flatten((&testCore{loads: []testLoad{{data: ram}}}).bytes(), 65536)
	path := filepath.Join(t.TempDir(), "flat")
	if err := os.WriteFile(path, flat, 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	const cut = 300 * PageSize
	if err := os.Truncate(path, int64(len(flat)-cut)); err != nil {
		t.Fatal(err)
	}
	pages, stats := scanAll(t, img)
	if failed := stats.Failed[Truncated]; failed < cut-2*65536 || failed > cut+2*65536 || stats.Read+failed != uint64(len(ram)) {
		t.Errorf("%d bytes were cut off, and the scan says %+v", cut, stats)
	}
	for page := range 800 {
		if !bytes.Equal(piecesOf(pages, uint64(page)*PageSize), ram[page*PageSize:][:PageSize]) {
			t.Fatalf("page %d differs", page)
		}
	}
}
