package kmem

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/elfcore"
)

const testKernel = 0xffff888000000000

func ramp(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)
	}
	return b
}

// Reads that begin and end anywhere in a file of virtual segments: some adjacent, one
// filtered in part, one cut off.
func TestReadVirtualSegments(t *testing.T) {
	data := ramp(0x6000)
	c := testCore{
		notes: []testNote{{"VMCOREINFO", []byte("OSRELEASE=6.1\n")}},
		loads: []testLoad{
			{vaddr: testKernel, paddr: dump.UnknownPhys, data: data[:0x1000]},
			{vaddr: testKernel + 0x1000, paddr: dump.UnknownPhys, data: data[0x1000:0x2800], memsz: 0x2000},
			{vaddr: testKernel + 0x4000, paddr: dump.UnknownPhys, data: data[0x4000:]},
		},
	}
	file := c.bytes()
	img, err := openBytes(file[:len(file)-0x800])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		addr   uint64 // after testKernel
		n      int
		reason Reason
		fault  uint64 // where, after testKernel; 0: none
		detail string
	}{
		{"nothing", 0x9999, 0, 0, 0, ""},
		{"one byte", 0xfff, 1, 0, 0, ""},
		{"across segments", 0xff0, 0x1000, 0, 0, ""},
		{"all that is there", 0, 0x2800, 0, 0, ""},
		{"into filtered memory", 0x27f8, 9, Filtered, 0x2800, ""},
		{"filtered memory", 0x2fff, 1, Filtered, 0x2fff, ""},
		{"before the first", math.MaxUint64, 8, Unmapped, math.MaxUint64, "no segment of the dump covers it"},
		{"between", 0x3000, 8, Unmapped, 0x3000, "no segment of the dump covers it"},
		{"up to the cut", 0x57f0, 16, 0, 0, ""},
		{"over the cut", 0x57f0, 17, Truncated, 0x5800, "and the file has"},
		{"behind the cut", 0x5fff, 1, Truncated, 0x5fff, "and the file has"},
		{"past the last", 0x6000, 8, Unmapped, 0x6000, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			buf := make([]byte, tt.n)
			addr := Addr(testKernel + tt.addr)
			err := img.ReadMem(addr, buf)
			if tt.fault == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if tt.n > 0 && !bytes.Equal(buf, data[tt.addr:tt.addr+uint64(tt.n)]) {
					t.Error("wrong bytes")
				}
				return
			}
			f := AsFault(err)
			if f == nil {
				t.Fatalf("%v", err)
			}
			at := testKernel + tt.fault
			if f.Addr != at || f.Len != uint64(tt.n)-(at-uint64(addr)) || f.Reason != tt.reason || f.Physical || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("got %+v", f)
			}
		})
	}
	for _, addr := range []Addr{math.MaxUint64, math.MaxUint64 - 6} {
		if f := AsFault(img.ReadMem(addr, make([]byte, 8))); f == nil || f.Reason != Unmapped {
			t.Errorf("%v: %v", addr, f)
		}
	}
	if f := AsFault(img.ReadPhys(0x1000, make([]byte, 8))); f == nil || !f.Physical || f.Reason != Unmapped {
		t.Errorf("physical: %v", f)
	}
}

// A fault behind the page tables names the virtual address.
func TestReadThroughTablesFaults(t *testing.T) {
	m := newTestMachine(4, testRAM)
	for i := range uint64(4) {
		m.mapPage(testKernel+i*PageSize, testRAM-2*PageSize+i*PageSize, pageShift)
	}
	c := m.core()
	c.loads[0].memsz = testRAM + PageSize
	img := c.open(t)
	f := AsFault(img.ReadMem(testKernel+0xff8, make([]byte, 0x2000)))
	if f == nil || f.Addr != testKernel+0x2000 || f.Len != 0xff8 || f.Reason != Filtered || f.Physical || !strings.Contains(f.Detail, "physical address 0x400000") {
		t.Errorf("filtered: %+v", f)
	}
	f = AsFault(img.ReadMem(testKernel+0x3010, make([]byte, 16)))
	if f == nil || f.Addr != testKernel+0x3010 || f.Reason != Unmapped || !strings.Contains(f.Detail, "physical address 0x401010: no segment") {
		t.Errorf("outside: %+v", f)
	}
	f = AsFault(img.ReadPhys(testRAM-8, make([]byte, 0x1010)))
	if f == nil || f.Addr != testRAM || !f.Physical || f.Reason != Filtered {
		t.Errorf("physical: %+v", f)
	}
	f = AsFault(img.ReadPhys(math.MaxUint64, make([]byte, 8)))
	if f == nil || !f.Physical || f.Reason != Unmapped {
		t.Errorf("last physical: %+v", f)
	}
}

// countingReader counts the calls, which are system calls on a file.
type countingReader struct {
	io.ReaderAt
	calls atomic.Int64
}

func (c *countingReader) ReadAt(b []byte, off int64) (int, error) {
	c.calls.Add(1)
	return c.ReaderAt.ReadAt(b, off)
}

// Pages that lie together in the file are read with one call, whatever size
// they are mapped with; scattered ones come out in order.
func TestReadMergesPages(t *testing.T) {
	m := newTestMachine(5, 16<<20)
	dumptest.Pattern(m.ram[8<<20:], 0)
	for i := range uint64(512) {
		m.mapPage(testDirect5+i*PageSize, 8<<20+i*PageSize, pageShift)
		m.mapPage(testDirect5+8<<20+i*PageSize, 8<<20+(511-i)*PageSize, pageShift)
	}
	for i := range uint64(3) {
		m.mapPage(testDirect5+2<<20+i<<hugeShift, 10<<20+i<<hugeShift, hugeShift)
	}
	file := m.core().bytes()
	r := &countingReader{ReaderAt: bytes.NewReader(file)}
	img, err := OpenReaderAt(r, int64(len(file)), "test")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8<<20-24)
	before := r.calls.Load()
	if err := img.ReadMem(testDirect5+16, buf); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf, m.ram[8<<20+16:16<<20-8]) {
		t.Error("wrong bytes")
	}
	if n := r.calls.Load() - before; n > 20 { // 1, and the pages of the tables
		t.Errorf("%d reads of the file", n)
	}
	buf = make([]byte, 2<<20)
	if err := img.ReadMem(testDirect5+8<<20, buf); err != nil {
		t.Fatal(err)
	}
	for i := range 512 {
		if !bytes.Equal(buf[i*PageSize:][:PageSize], m.ram[8<<20+(511-i)*PageSize:][:PageSize]) {
			t.Fatalf("page %d is wrong", i)
		}
	}
}

func TestImageConcurrently(t *testing.T) {
	m := newTestMachine(4, testRAM)
	dumptest.Pattern(m.ram[:0x100000], 0)
	for i := range uint64(256) {
		m.mapPage(testKernel+i*PageSize, i*PageSize, pageShift)
	}
	img := m.core().open(t)
	rec := NewRecorder(img)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(20000) {
				addr := (i*7919 + g*4093) % 0xffff8 &^ 7
				r := Reader(img)
				if i%2 == 0 {
					r = rec
				}
				if got, err := ReadUint64(r, Addr(testKernel+addr)); err != nil || got != addr {
					t.Errorf("%#x: %#x, %v", addr, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// failingReader fails with err behind the headers.
type failingReader struct {
	io.ReaderAt
	from int64
	err  error
}

func (f *failingReader) ReadAt(b []byte, off int64) (int, error) {
	if off >= f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, off)
}

func TestReadErrors(t *testing.T) {
	c := testCore{loads: []testLoad{{vaddr: testKernel, paddr: 0x1000, data: make([]byte, 0x4000)}}}
	file := c.bytes()
	for _, tt := range []struct {
		live bool
		err  error
		want Reason
	}{
		{false, io.EOF, Truncated}, // the file was cut after it was opened
		{false, syscall.EIO, Failed},
		{false, syscall.EFAULT, Failed},
		{true, syscall.EFAULT, Refused},
		{true, syscall.EPERM, Refused},
		{true, syscall.EIO, Failed},
		{true, io.EOF, Failed},
	} {
		r := &failingReader{ReaderAt: bytes.NewReader(file), from: 0x1000, err: tt.err}
		content, err := elfcore.Open(dump.NewFile(r, int64(len(file)), "test", !tt.live), tt.live)
		if err != nil {
			t.Fatal(err)
		}
		img, err := newImage(content, tt.live)
		if err != nil {
			t.Fatal(err)
		}
		f := AsFault(img.ReadMem(testKernel+0x2000, make([]byte, 8)))
		if f == nil || f.Reason != tt.want || f.Addr != testKernel+0x2000 {
			t.Errorf("live %v, %v: %+v, want %v", tt.live, tt.err, f, tt.want)
		}
	}
}

func TestOpenPaths(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "directory", fifo: "pipe", filepath.Join(dir, "none"): "no such file", os.DevNull: "device"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	path := filepath.Join(dir, "core")
	c := testCore{loads: []testLoad{{vaddr: testKernel, paddr: dump.UnknownPhys, data: ramp(100)}}}
	if err := os.WriteFile(path, c.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if img.Source() != path || img.Live() || img.Snapshot() != nil || img.VMCoreInfo() != nil {
		t.Errorf("%+v", img)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if err := img.ReadMem(testKernel, make([]byte, 4096)); !errors.Is(err, os.ErrClosed) && AsFault(err) == nil {
		t.Errorf("after close: %v", err)
	}
}
