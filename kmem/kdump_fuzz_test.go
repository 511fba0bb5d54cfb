package kmem

import (
	"bytes"
	stdzlib "compress/zlib"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"testing"
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
	for _, flags := range []uint32{0, kdumpZlib, kdumpLZO, kdumpSnappy, kdumpZstd} {
		k := testKdump{flags: flags, ram: testPages(6), vmcoreinfo: []byte("OSRELEASE=6.1\n"), dumped: func(p int) bool { return p != 4 }, sharedZero: true}
		f.Add(k.bytes(f))
	}
	k := testKdump{version: 4, ram: testPages(9), start: 2, end: 8, notes: []testNote{{"CORE", []byte("x")}}}
	f.Add(k.bytes(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		img, err := openBytes(append([]byte(kdumpMagic), file[min(len(file), len(kdumpMagic)):]...))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		readAnything(t, img)
	})
}

// FuzzFlat compares with records that are written one after the other.
func FuzzFlat(f *testing.F) {
	f.Add([]byte{0, 3, 3, 3, 6, 2, 1, 4})
	f.Add([]byte{9, 3, 0, 9, 200, 40, 100, 220, 3, 0, 1, 1})
	f.Add(bytes.Repeat([]byte{5, 9, 14, 9}, 40))
	f.Fuzz(func(t *testing.T, plan []byte) {
		plan = plan[:min(len(plan), 400)]
		file := flatHead()
		var want []byte
		var known []bool
		for i := 0; i+1 < len(plan); i += 2 {
			off, n := int(plan[i]), int(plan[i+1])
			data := bytes.Repeat([]byte{byte(i + 1)}, n)
			file = append(file, flatRec(off, data)...)
			for len(want) < off+n {
				want, known = append(want, 0), append(known, false)
			}
			for j := range data {
				want[off+j], known[off+j] = data[j], true
			}
		}
		// An empty record at the very end makes the file longer.
		file = append(file, flatEnd()...)
		flat, err := openFlat(bytes.NewReader(file), int64(len(file)), "fuzz")
		if err != nil {
			t.Fatal(err)
		}
		if flat.end < uint64(len(want)) {
			t.Fatalf("%d bytes, want %d", flat.end, len(want))
		}
		for from := 0; from < len(want); from++ {
			got := make([]byte, min(33, len(want)-from))
			n, err := flat.ReadAt(got, int64(from))
			expect := 0
			for expect < len(got) && known[from+expect] {
				expect++
			}
			if n != expect || !bytes.Equal(got[:n], want[from:from+n]) || (err == nil) != (n == len(got)) {
				t.Fatalf("at %d: %d bytes %v, %v; want %d", from, n, got[:n], err, expect)
			}
		}
	})
}

// FuzzFlatFile opens anything as a flattened file.
func FuzzFlatFile(f *testing.F) {
	k := testKdump{flags: kdumpZlib, ram: testPages(4), sharedZero: true}
	f.Add(flattened(k.bytes(f), 1000)[flatHeaderSize:])
	elf := testCore{loads: []testLoad{{data: []byte("memory")}}}
	f.Add(flattened(elf.bytes(), 50)[flatHeaderSize:])
	f.Fuzz(func(t *testing.T, records []byte) {
		img, err := openBytes(append(flatHead(), records...))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		readAnything(t, img)
	})
}

// FuzzPage unpacks anything in each way, twice with one decoder: what came before must not matter.
func FuzzPage(f *testing.F) {
	ram := testPages(4)
	for _, flags := range []uint32{kdumpZlib, kdumpLZO, kdumpSnappy, kdumpZstd} {
		for p := range 4 {
			f.Add(flags, packPage(f, ram[p*PageSize:(p+1)*PageSize], flags))
		}
	}
	var used pageDecoder
	f.Fuzz(func(t *testing.T, flags uint32, data []byte) {
		if len(data) > PageSize {
			return
		}
		a, b := make([]byte, PageSize), make([]byte, PageSize)
		binary.LittleEndian.PutUint64(b, 1)
		err := used.unpack(a, data, flags)
		again := new(pageDecoder).unpack(b, data, flags)
		if (err == nil) != (again == nil) || (err == nil && !bytes.Equal(a, b)) {
			t.Errorf("%v, and then %v", err, again)
		}
		if flags&kdumpPacked != kdumpZlib {
			return
		}
		// The standard library is the oracle.
		want, oracle := make([]byte, PageSize), error(nil)
		r, oracle := stdzlib.NewReader(bytes.NewReader(data))
		if oracle == nil {
			if _, oracle = io.ReadFull(r, want); oracle == nil {
				var n int64
				if n, oracle = io.Copy(io.Discard, io.LimitReader(r, 10)); n > 0 {
					oracle = errPageSize
				}
			}
		}
		if (err == nil) != (oracle == nil) || (err == nil && !bytes.Equal(a, want)) {
			t.Errorf("%v, and the standard library says %v", err, oracle)
		}
	})
}
