package kmem

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"kinspect/kmem/dumptest"
)

// benchDump writes a QEMU-like dump of 256 MiB, most of it a hole, with 8 MiB of memory
// mapped in large pages at testDirect5, and in small ones, every second frame
// swapped with its neighbour, 1 GiB above.
func benchDump(b *testing.B) string {
	b.Helper()
	const size = 256 << 20
	m := newTestMachine(5, 16<<20)
	dumptest.Pattern(m.ram[8<<20:], 0)
	for i := range uint64(4) {
		m.mapPage(testDirect5+i<<hugeShift, 8<<20+i<<hugeShift, hugeShift)
	}
	for i := range uint64(2048) {
		m.mapPage(testDirect5+1<<30+i*PageSize, 8<<20+(i^1)*PageSize, pageShift)
	}
	c := m.core()
	c.patch = func(file []byte, phoff int) {
		load := file[phoff+56:]
		binary.LittleEndian.PutUint64(load[32:], size)
		binary.LittleEndian.PutUint64(load[40:], size)
	}
	path := filepath.Join(b.TempDir(), "core")
	file := c.bytes()
	if err := os.WriteFile(path, file, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(file)-len(m.ram)+size)); err != nil {
		b.Fatal(err)
	}
	return path
}

func openBench(b *testing.B, path string) *Image {
	b.Helper()
	img, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	return img
}

// One process's whole start: open, and one read through the page tables.
func BenchmarkOpenAndRead(b *testing.B) {
	path := benchDump(b)
	b.ReportAllocs()
	for b.Loop() {
		img := openBench(b, path)
		if v, err := ReadUint64(img, testDirect5+0x123450); err != nil || v != 0x123450 {
			b.Fatalf("%#x, %v", v, err)
		}
		_ = img.Close()
	}
}

// Eight bytes: of one page, of 200 pages that a list might lie in (which the file's
// cache holds), of 2,000 (which it does not); and of 200 without the cache.
func BenchmarkRead8(b *testing.B) {
	path := benchDump(b)
	run := func(name string, pages uint64, cached bool) {
		b.Run(name, func(b *testing.B) {
			img := openBench(b, path)
			defer img.Close()
			if !cached {
				img.content.File.Uncache()
			}
			buf := make([]byte, 8)
			i := uint64(0)
			for b.Loop() {
				if err := img.ReadMem(Addr(testDirect5+i%pages*PageSize+i*8%PageSize), buf); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
	run("one page", 1, true)
	run("200 pages", 200, true)
	run("2000 pages", 2000, true)
	run("200 pages without cache", 200, false)
}

// A vmlinux BTF's worth of memory, in large pages and in scattered small ones.
func BenchmarkRead5MB(b *testing.B) {
	path := benchDump(b)
	for name, at := range map[string]Addr{"large pages": testDirect5 + 0x1000, "scattered pages": testDirect5 + 1<<30 + 0x1000} {
		b.Run(name, func(b *testing.B) {
			img := openBench(b, path)
			defer img.Close()
			buf := make([]byte, 5<<20)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if err := img.ReadMem(at, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What recording adds to reads that were seen before.
func BenchmarkRecorder(b *testing.B) {
	rec := NewRecorder(openBench(b, benchDump(b)))
	buf := make([]byte, 8)
	i := uint64(0)
	for b.Loop() {
		if err := rec.ReadMem(Addr(testDirect5+i%200*PageSize), buf); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
