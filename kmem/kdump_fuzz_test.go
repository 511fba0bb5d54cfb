package kmem

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// readAnything reads an image that may be of any file: each error is a fault.
func readAnything(t *testing.T, img *Image) {
	t.Helper()
	buf := make([]byte, 3*PageSize)
	read := func(addr uint64, n int) {
		if err := img.ReadPhys(PhysAddr(addr), buf[:n]); err != nil && AsFault(err) == nil {
			t.Errorf("physical %#x: %v is no fault", addr, err)
		}
		if err := img.ReadMem(Addr(addr), buf[:n]); err != nil && AsFault(err) == nil {
			t.Errorf("%#x: %v is no fault", addr, err)
		}
	}
	for _, addr := range []uint64{0, 100, PageSize, startKMap, math.MaxUint64, math.MaxUint64 - 599} {
		read(addr, 500)
	}
	ranges := 0
	for addr, size := range img.PhysRanges() {
		read(uint64(addr), len(buf))
		read(uint64(addr)+size-1, 9)
		if ranges++; ranges > 50 {
			break
		}
	}
	for _, r := range img.Remarks() {
		if strings.ContainsAny(r, "\n\x1b") {
			t.Errorf("remark %q is not one clean line", r)
		}
	}
}

// scanAnything scans an image that may be of any file: what a scan brings is what a read brings.
func scanAnything(t *testing.T, img *Image) {
	t.Helper()
	type page struct {
		addr uint64
		data []byte
	}
	var pages []page
	stats, err := Scan(context.Background(), img, nil, func(p ScanPiece) page {
		n := min(p.Size, PageSize)
		if p.Data == nil {
			return page{p.Addr, make([]byte, n)}
		}
		return page{p.Addr, bytes.Clone(p.Data[:n])}
	}, func(p page) bool {
		pages = append(pages, p)
		return len(pages) < 50
	})
	if err != nil {
		return
	}
	buf := make([]byte, PageSize)
	for _, p := range pages {
		if stats.Virtual {
			err = img.ReadMem(Addr(p.addr), buf[:len(p.data)])
		} else {
			err = img.ReadPhys(PhysAddr(p.addr), buf[:len(p.data)])
		}
		if err != nil || !bytes.Equal(buf[:len(p.data)], p.data) {
			t.Errorf("the scan's page at %#x is not what is read there (%v)", p.addr, err)
		}
	}
}

func FuzzKdump(f *testing.F) {
	for _, flags := range []uint32{0, kdump.FlagZlib, kdump.FlagLZO, kdump.FlagSnappy, kdump.FlagZstd} {
		k := testKdump{flags: flags, ram: dumptest.Pages(6), vmcoreinfo: []byte("OSRELEASE=6.1\n"), dumped: func(p int) bool { return p != 4 }, sharedZero: true}
		f.Add(k.bytes(f))
	}
	k := testKdump{version: 4, ram: dumptest.Pages(9), start: 2, end: 8, notes: []testNote{{"CORE", []byte("x")}}}
	f.Add(k.bytes(f))
	known := encodeSavedMap([]savedRange{{testKernel, testKernel + 99, 0x1000}, {testKernel + 1<<20, testKernel + 1<<20 + 99, strayPlace | PageSize}}, nil)
	f.Add(testSavedKdump(f, `{"version":2,"redacted":true}`, known, true))
	f.Fuzz(func(t *testing.T, file []byte) {
		img, err := openBytes(append([]byte(kdump.Magic), file[min(len(file), len(kdump.Magic)):]...))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		readAnything(t, img)
		scanAnything(t, img)
	})
}

// FuzzFlatFile opens anything as a flattened file.
func FuzzFlatFile(f *testing.F) {
	k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(4), sharedZero: true}
	f.Add(dumptest.Flatten(k.bytes(f), 1000)[4096:])
	elf := testCore{loads: []testLoad{{data: []byte("memory")}}}
	f.Add(dumptest.Flatten(elf.bytes(), 50)[4096:])
	elf = testCore{loads: []testLoad{{data: dumptest.Pages(4)}}}
	f.Add(dumptest.Flatten(elf.bytes(), 6000)[4096:])
	path := filepath.Join(f.TempDir(), "flat")
	f.Fuzz(func(t *testing.T, records []byte) {
		file := append(dumptest.FlatHead(), records...)
		img, err := openBytes(file)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		readAnything(t, img)
		scanAnything(t, img)
		if img.noPhys() {
			return
		}
		if _, ok := img.phys.(*dump.Space); !ok {
			return // nothing else is mapped
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		disk, err := Open(path)
		if err != nil {
			t.Fatalf("on disk: %v", err)
		}
		defer disk.Close()
		if a, b := scanSums(t, img), scanSums(t, disk); a != b {
			t.Errorf("in memory %v, and on disk, where it is mapped, %v", a, b)
		}
	})
}

// scanSum is what a scan read and what it could not.
type scanSum struct{ read, failed, sum uint64 }

// scanSums sums up a scan of the first MiB: by each byte and its address, however it came in pieces.
func scanSums(t *testing.T, img *Image) (all scanSum) {
	t.Helper()
	const most = 1 << 20
	stats, err := Scan(context.Background(), img, nil, func(p ScanPiece) scanSum {
		s := scanSum{read: p.Size}
		for i, b := range p.Data {
			s.sum += (p.Addr + uint64(i) + 1) * uint64(b)
		}
		return s
	}, func(s scanSum) bool {
		all.read, all.sum = all.read+s.read, all.sum+s.sum
		return all.read < most
	})
	if err != nil || all.read >= most {
		return scanSum{}
	}
	for _, n := range stats.Failed {
		all.failed += n
	}
	return all
}
