package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"kinspect/testdata/lab/results"
)

// runningDump is a running kernel's memory that is a dump's: what its page tables do not map, the kernel could not
// read. It keeps which addresses were read.
type runningDump struct {
	img    *Image
	names  func(name string) (Addr, bool) // nil: it looks up none
	reads  []Addr
	closed bool
}

func (d *runningDump) Source() string { return "a test" }
func (d *runningDump) Close() error   { d.closed = true; return nil }

func (d *runningDump) ReadMem(addr Addr, buf []byte) error {
	d.reads = append(d.reads, addr)
	if err := d.img.ReadMem(addr, buf); err != nil {
		f := *AsFault(err)
		f.Reason, f.Detail = Unmapped, "the kernel's own read of it faults"
		return &f
	}
	return nil
}

func (d *runningDump) Lookup(name string) (Addr, error) {
	if d.names == nil {
		return 0, errors.New("no look-ups")
	}
	if a, ok := d.names(name); ok {
		return a, nil
	}
	return 0, ErrNoSymbol
}

const (
	machineDevice = 0xfed00000         // registers
	machineFixmap = 0xffffffffff5fb000 // where they are mapped, too
	machineVars   = 0x1f0000           // in read-only data
)

// newRunning makes a machine with the variables that a running kernel is found by; vmalloc's range begins at vmalloc.
func newRunning(t *testing.T, levels int) (m *scanMachine, d *runningDump, vmalloc uint64) {
	t.Helper()
	m = newScanMachine(scanOptions{levels: levels})
	vmalloc = m.direct + 1<<40
	const rodata = 0xffffffff82000000
	names := map[string]Addr{"vmcoreinfo_data": rodata + scanPtr}
	for i, v := range []struct {
		name  string
		value uint64
	}{{"page_offset_base", m.direct}, {"vmalloc_base", vmalloc}, {"vmemmap_base", vmalloc + 1<<45}} {
		binary.LittleEndian.PutUint64(m.ram[scanRodata+machineVars+8*i:], v.value)
		names[v.name] = rodata + machineVars + Addr(8*i)
	}
	m.mapPage(vmalloc+0x5000, scanData, pageShift)
	m.mapPage(vmalloc+0x6000, machineDevice, pageShift)
	m.mapPage(machineFixmap, machineDevice, pageShift)
	d = &runningDump{img: m.images(t)["elf"], names: func(name string) (Addr, bool) { a, ok := names[name]; return a, ok }}
	return m, d, vmalloc
}

// noFiles are those of a host that has none.
func noFiles(t *testing.T) hostPaths { return fakeHost(t, nil, nil, nil) }

func TestOpenRunning(t *testing.T) {
	for _, levels := range []int{4, 5} {
		t.Run(fmt.Sprintf("%d levels", levels), func(t *testing.T) {
			m, d, vmalloc := newRunning(t, levels)
			img, err := openRunning(d, noFiles(t))
			if err != nil {
				t.Fatal(err)
			}
			if !img.Live() || img.Source() != "a test" || img.VMCoreInfo().Release() != m.release {
				t.Errorf("live %v, %q, %q", img.Live(), img.Source(), img.VMCoreInfo().Release())
			}
			want := m.ram[scanData : scanData+PageSize]
			got := make([]byte, PageSize)
			for name, at := range map[string]uint64{"direct map": m.direct + scanData, "vmalloc": vmalloc + 0x5000} {
				if err := img.ReadMem(Addr(at), got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %v", name, err)
				}
				if p, err := img.Translate(Addr(at + 0x10)); err != nil || p != scanData+0x10 {
					t.Errorf("%s is at %v, %v", name, p, err)
				}
			}
			if err := img.ReadPhys(scanData, got); err != nil || !bytes.Equal(got, want) {
				t.Error(err)
			}
			for _, tt := range []struct {
				addr, fault uint64
				n           int
				reason      Reason
				words       string
			}{
				{vmalloc + 0x4ff8, vmalloc + 0x4ff8, 16, Unmapped, "page table entry at level PTE is not present"},
				{vmalloc + 0x5ff0, vmalloc + 0x6000, 32, Refused, "physical address 0xfed00000, which is no RAM"},
				{machineFixmap + 0x20, machineFixmap + 0x20, 4, Refused, "physical address 0xfed00020, which is no RAM"},
				{m.direct + 1<<33, m.direct + 1<<33, 8, Unmapped, "is not present"},
				{0x1000, 0x1000, 8, Unmapped, "the kernel's own read"},
			} {
				d.reads = nil
				f := AsFault(img.ReadMem(Addr(tt.addr), make([]byte, tt.n)))
				if f == nil || f.Addr != tt.fault || f.Len != uint64(tt.n)-(tt.fault-tt.addr) || f.Reason != tt.reason || !strings.Contains(f.Detail, tt.words) {
					t.Errorf("%#x: %+v", tt.addr, f)
				}
				for _, at := range d.reads {
					if at.Page() == Addr(machineFixmap) || at.Page() == Addr(vmalloc+0x6000) {
						t.Errorf("the registers of a device were read, at %v", at)
					}
				}
			}
			if f := AsFault(img.ReadPhys(machineDevice, got)); f == nil || !f.Physical || f.Addr != machineDevice || f.Reason != Unmapped {
				t.Errorf("%+v", f)
			}
			if f := AsFault(img.ReadPhys(1<<45, got)); f == nil || !f.Physical {
				t.Errorf("%+v", f)
			}
			if err := img.Close(); err != nil || !d.closed {
				t.Error(err, d.closed)
			}
		})
	}
}

// Where no symbol can be asked for, the kernel's tables are found in its memory.
func TestOpenRunningWithoutNames(t *testing.T) {
	m, d, _ := newRunning(t, 5)
	d.names = nil
	img, err := openRunning(d, noFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	if img.VMCoreInfo().Release() != m.release {
		t.Errorf("%q", img.VMCoreInfo().Release())
	}
	syms, err := img.Symbols()
	if err != nil || syms.Len() == 0 {
		t.Fatal(err)
	}
	// They have no page_offset_base here: then only the kernel's image is read, and it says why.
	if _, err := ReadUint64(img, Addr(0xffffffff82000000)); err != nil {
		t.Error(err)
	}
	f := AsFault(img.ReadMem(Addr(m.direct), make([]byte, 8)))
	if f == nil || f.Reason != Refused || !strings.Contains(f.Detail, "page_offset_base") {
		t.Errorf("%+v", f)
	}
	if f := AsFault(img.ReadPhys(0, make([]byte, 8))); f == nil || f.Reason != Refused || !strings.Contains(f.Detail, "virtual addresses alone") {
		t.Errorf("%+v", f)
	}
}

// Nothing at all is known of a kernel that tells nothing: it opens, and each answer says so.
func TestOpenRunningBlind(t *testing.T) {
	_, d, vmalloc := newRunning(t, 4)
	d.names = func(string) (Addr, bool) { return 0, false }
	d.img = (&testCore{}).open(t)
	img, err := openRunning(d, noFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	if f := AsFault(img.ReadMem(Addr(vmalloc), make([]byte, 8))); f == nil || f.Reason != Refused {
		t.Errorf("%+v", f)
	}
	if _, err := img.Translate(Addr(vmalloc)); err == nil {
		t.Error("an address is translated")
	}
	if _, err := img.Symbols(); err == nil {
		t.Error("there are symbols")
	}
}

// TestLabRunning reads the lab's dumps as if they ran, and compares with them as dumps.
func TestLabRunning(t *testing.T) {
	results.Each(t, func(t *testing.T, file string) {
		dumped, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer dumped.Close()
		syms, err := dumped.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		names := func(name string) (Addr, bool) { s, ok := syms.Lookup(name); return s.Addr, ok }
		data, ok := names("vmcoreinfo_data")
		if !ok {
			t.Fatal("no vmcoreinfo_data")
		}
		line := fakeHost(t, nil, fmt.Appendf(nil, "%x d vmcoreinfo_data\n", uint64(data)), nil)
		for i, d := range []*runningDump{{img: dumped, names: names}, {img: dumped}, {img: dumped}} {
			img, err := openRunning(d, []hostPaths{noFiles(t), noFiles(t), line}[i])
			if err != nil {
				t.Fatal(err)
			}
			if got, want := img.VMCoreInfo().Release(), dumped.VMCoreInfo().Release(); got != want {
				t.Errorf("%q, and it is %q", got, want)
			}
			if got, err := img.Symbols(); err != nil {
				t.Error(err)
			} else if got.Len() != syms.Len() {
				t.Errorf("%d symbols, and there are %d", got.Len(), syms.Len())
			} else if line := i == 2; line && !strings.Contains(got.Source(), "found by its shape") {
				t.Error(got.Source())
			}
			random := rand.New(rand.NewSource(1))
			r := img.running
			at := func(first, size uint64) Addr { return Addr(first + uint64(random.Int63n(int64(size)))) }
			stext, _ := syms.Lookup("_stext")
			read, failed := 0, 0
			for i := range 3000 {
				var addr Addr
				switch i % 3 {
				case 0:
					addr = at(r.direct.first, 400<<20)
				case 1:
					addr = at(uint64(stext.Addr), 64<<20)
				case 2:
					addr = at(r.direct.last+1, 64<<20)
				}
				one, two := make([]byte, 1+random.Intn(3*PageSize)), []byte(nil)
				two = make([]byte, len(one))
				want, got := dumped.ReadMem(addr, one), img.ReadMem(addr, two)
				switch {
				case want == nil && got == nil && bytes.Equal(one, two):
					read++
				case want != nil && got != nil && AsFault(want).Addr == AsFault(got).Addr:
					failed++
				default:
					t.Errorf("%v, %d bytes: %v, of the dump %v", addr, len(one), got, want)
				}
			}
			if read < 1000 || failed < 10 {
				t.Errorf("%d reads, %d faults: too few of one to tell", read, failed)
			}
		}
	})
}
