package kmem

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"kinspect/kmem/elfcore"
)

// testLoad is a PT_LOAD of a core file that a test makes.
type testLoad struct {
	vaddr, paddr uint64
	data         []byte
	memsz        uint64 // 0: as long as data
}

type testNote struct {
	name string
	desc []byte
}

// testCore is a core file in the making; the zero value is an x86-64 one.
type testCore struct {
	machine elf.Machine // 0: x86-64
	typ     elf.Type    // 0: ET_CORE
	notes   []testNote
	loads   []testLoad
	xnum    bool                         // number of program headers in section header 0
	patch   func(file []byte, phoff int) // spoils the result
}

// bytes lays the file out as QEMU does: ELF header, program headers, notes, memory.
func (c *testCore) bytes() []byte {
	le := binary.LittleEndian
	phoff := elfcore.HeaderSize
	if c.xnum {
		phoff += 64
	}
	var notes []byte
	for _, n := range c.notes {
		notes = le.AppendUint32(notes, uint32(len(n.name)+1))
		notes = le.AppendUint32(notes, uint32(len(n.desc)))
		notes = le.AppendUint32(notes, 0)
		notes = append(notes, n.name...)
		notes = append(notes, make([]byte, align4(uint64(len(n.name)+1))-uint64(len(n.name)))...)
		notes = append(notes, n.desc...)
		notes = append(notes, make([]byte, align4(uint64(len(n.desc)))-uint64(len(n.desc)))...)
	}
	phnum := len(c.loads) + 1
	off := uint64(phoff + phnum*56)
	var table, body []byte
	header := func(typ elf.ProgType, vaddr, paddr, filesz, memsz uint64) {
		table = le.AppendUint32(table, uint32(typ))
		table = le.AppendUint32(table, 7)
		for _, v := range []uint64{off + uint64(len(body)), vaddr, paddr, filesz, memsz, 0} {
			table = le.AppendUint64(table, v)
		}
	}
	header(elf.PT_NOTE, 0, 0, uint64(len(notes)), 0)
	body = append(body, notes...)
	for _, l := range c.loads {
		memsz := l.memsz
		if memsz == 0 {
			memsz = uint64(len(l.data))
		}
		header(elf.PT_LOAD, l.vaddr, l.paddr, uint64(len(l.data)), memsz)
		body = append(body, l.data...)
	}
	head := make([]byte, phoff)
	copy(head, elf.ELFMAG+"\x02\x01\x01")
	machine, typ := c.machine, c.typ
	if machine == 0 {
		machine = elf.EM_X86_64
	}
	if typ == 0 {
		typ = elf.ET_CORE
	}
	le.PutUint16(head[16:], uint16(typ))
	le.PutUint16(head[18:], uint16(machine))
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], uint64(phoff))
	le.PutUint16(head[52:], elfcore.HeaderSize)
	le.PutUint16(head[54:], 56)
	le.PutUint16(head[56:], uint16(phnum))
	if c.xnum {
		le.PutUint16(head[56:], 0xffff)
		le.PutUint64(head[40:], elfcore.HeaderSize)
		le.PutUint32(head[elfcore.HeaderSize+44:], uint32(phnum))
	}
	file := append(append(head, table...), body...)
	if c.patch != nil {
		c.patch(file, phoff)
	}
	return file
}

// open opens the file and fails the test where that fails.
func (c *testCore) open(t testing.TB) *Image {
	t.Helper()
	img, err := openBytes(c.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func openBytes(b []byte) (*Image, error) {
	return OpenReaderAt(bytes.NewReader(b), int64(len(b)), "test")
}

// testMachine is physical memory with page tables that a test makes.
type testMachine struct {
	levels int
	ram    []byte // from physical address 0
	root   uint64
	next   uint64 // the next free physical page
	sme    uint64
}

const testPhysBase = 0x200000

// newTestMachine returns a machine of size bytes, whose first page table lies
// where the kernel's would for init_top_pgt at startKMap plus 1 MiB.
func newTestMachine(levels int, size int) *testMachine {
	m := &testMachine{levels: levels, ram: make([]byte, size), root: testPhysBase + 0x100000}
	m.next = m.root + PageSize
	return m
}

// mapPage enters a page of 1<<shift bytes into the tables.
func (m *testMachine) mapPage(virt, phys uint64, shift uint) {
	entry := phys | ptePresent | m.sme
	if shift != pageShift {
		entry |= ptePSE
	}
	m.put(m.slot(virt, shift), entry)
}

// slot returns the physical address of the entry that maps pages of 1<<shift
// bytes at virt, making tables on the way.
func (m *testMachine) slot(virt uint64, shift uint) uint64 {
	table := m.root
	for s := uint(pageShift + tableBits*(m.levels-1)); ; s -= tableBits {
		at := table + virt>>s%512*8
		if s == shift {
			return at
		}
		entry := m.get(at)
		if entry == 0 {
			entry = m.next | ptePresent | entryWritable | m.sme
			m.next += PageSize
			m.put(at, entry)
		}
		table = entry &^ m.sme &^ 0xfff
	}
}

func (m *testMachine) get(at uint64) uint64    { return binary.LittleEndian.Uint64(m.ram[at:]) }
func (m *testMachine) put(at uint64, v uint64) { binary.LittleEndian.PutUint64(m.ram[at:], v) }

// info is the machine's VMCOREINFO.
func (m *testMachine) info(lines ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "OSRELEASE=6.12.0-test\nPAGESIZE=4096\nSYMBOL(init_top_pgt)=%x\nNUMBER(phys_base)=%d\nNUMBER(pgtable_l5_enabled)=%d\nNUMBER(sme_mask)=%d\n",
		uint64(startKMap)+m.root-testPhysBase, testPhysBase, m.levels-4, m.sme)
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return []byte(b.String())
}

// core is the machine's memory as QEMU dumps it.
func (m *testMachine) core() *testCore {
	return &testCore{
		notes: []testNote{{"CORE", make([]byte, 33)}, {"QEMU", make([]byte, 440)}, {"VMCOREINFO", m.info()}},
		loads: []testLoad{{data: m.ram}},
	}
}

func align4(n uint64) uint64 { return (n + 3) &^ 3 }
