package kmem

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
	"kinspect/testdata/lab/results"
)

// qemuCPU makes the note of a CPU.
func qemuCPU(cr3, cr4, idt uint64) testNote {
	b := make([]byte, qemuCPUSize+8)
	le := binary.LittleEndian
	le.PutUint32(b, 1)
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint64(b[qemuCPUIDT+16:], idt)
	le.PutUint64(b[qemuCPUCR+24:], cr3)
	le.PutUint64(b[qemuCPUCR+32:], cr4)
	return testNote{qemuNote, b}
}

// Page tables without VMCOREINFO.
func TestQEMUTables(t *testing.T) {
	const idt, data = 0xfffffe0000000000, 0xffff888000000000
	for _, levels := range []int{4, 5} {
		m := newTestMachine(levels, testPhysBase+0x400000)
		dumptest.Pattern(m.ram[testPhysBase+0x200000:], 0)
		m.mapPage(startKMap+0x1000000, testPhysBase, hugeShift)
		m.mapPage(idt, 0x1000, pageShift)
		m.mapPage(data, testPhysBase+0x200000, hugeShift)
		cr4 := uint64(levels-4) * cr4LA57
		// A program's own tables have the interrupt table and an entry of the text.
		user := m.root
		for _, tt := range []struct {
			name  string
			notes []testNote
			ok    bool
		}{
			{"the kernel's", []testNote{qemuCPU(m.root|0x5, cr4, idt)}, true},
			{"a program's, of two", []testNote{qemuCPU(m.root|userTable, cr4, idt)}, true},
			{"of the second CPU", []testNote{qemuCPU(0x3000, cr4, idt), qemuCPU(user, cr4, idt)}, true},
			{"none", []testNote{{"CORE", []byte("x")}}, false},
			{"short", []testNote{{qemuNote, make([]byte, 100)}}, false},
			{"nonsense", []testNote{qemuCPU(1<<60-1, cr4, idt), qemuCPU(0, 0, 0), qemuCPU(0x1000, cr4, 1)}, false},
			{"no interrupt table", []testNote{qemuCPU(m.root, cr4, 0x1000)}, false},
			{"other levels", []testNote{qemuCPU(m.root, cr4^cr4LA57, idt)}, false},
		} {
			c := testCore{notes: tt.notes, loads: []testLoad{{data: m.ram}}}
			k := testKdump{flags: kdump.FlagSnappy, ram: m.ram, notes: tt.notes, sharedZero: true}
			for _, file := range [][]byte{c.bytes(), k.bytes(t)} {
				img, err := openBytes(file)
				if err != nil {
					t.Fatal(err)
				}
				v, err := ReadUint64(img, data+0x1230)
				if tt.ok && (err != nil || v != 0x1230) {
					t.Errorf("%d levels, %s: %#x, %v", levels, tt.name, v, err)
				}
				if f := AsFault(err); !tt.ok && (f == nil || f.Reason != Unmapped) {
					t.Errorf("%d levels, %s: %v", levels, tt.name, err)
				}
			}
		}
	}
}

// hiddenNote renames VMCOREINFO in a file.
type hiddenNote struct{ io.ReaderAt }

func (h hiddenNote) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.ReaderAt.ReadAt(p, off)
	if off < 1<<20 {
		copy(p[:n], bytes.ReplaceAll(p[:n], []byte("VMCOREINFO\x00"), []byte("VMCOREINFX\x00")))
	}
	return n, err
}

// TestLabNoVMCoreInfo takes VMCOREINFO away from the lab's dumps by QEMU: the tables that
// the CPUs used have to say the same.
func TestLabNoVMCoreInfo(t *testing.T) {
	for _, dump := range results.Find(t, "incident.elf", "wide.elf") {
		want, err := Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		st, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		img, err := OpenReaderAt(hiddenNote{file}, st.Size(), dump)
		if err != nil {
			t.Fatal(err)
		}
		if img.content.Note("VMCOREINFO") != nil {
			t.Fatalf("%s: VMCOREINFO is still there", dump)
		}
		// It is in memory, where the symbols lead to it.
		if got := img.VMCoreInfo(); got == nil || got.Release() != want.VMCoreInfo().Release() {
			t.Errorf("%s: VMCOREINFO in memory: %s", dump, got.Release())
		}
		for _, name := range []string{"_stext", "init_uts_ns", "swapper_pg_dir", "node_online_map"} {
			addr, ok := want.VMCoreInfo().Symbol(name)
			if !ok {
				t.Errorf("%s: no %s", dump, name)
				continue
			}
			a, err := want.Translate(addr)
			b, err2 := img.Translate(addr)
			if err != nil || err2 != nil || a != b {
				t.Errorf("%s: %s at %v, %v and at %v, %v", dump, name, a, err, b, err2)
			}
		}
		_, _ = file.Close(), want.Close()
	}
}
