package kmem

import (
	"math"
	"strings"
	"testing"

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
	})
}

// FuzzFlatFile opens anything as a flattened file.
func FuzzFlatFile(f *testing.F) {
	k := testKdump{flags: kdump.FlagZlib, ram: dumptest.Pages(4), sharedZero: true}
	f.Add(dumptest.Flatten(k.bytes(f), 1000)[4096:])
	elf := testCore{loads: []testLoad{{data: []byte("memory")}}}
	f.Add(dumptest.Flatten(elf.bytes(), 50)[4096:])
	f.Fuzz(func(t *testing.T, records []byte) {
		img, err := openBytes(append(dumptest.FlatHead(), records...))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		readAnything(t, img)
	})
}
