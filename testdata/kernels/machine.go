package kernels

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zlib"

	"kinspect/kmem"
)

// A Machine is the memory of a snapshot, put into the physical memory of a machine of any
// size: all of its pages at its end, and page tables that lead to them.
type Machine struct {
	Pages uint64 // page frames
	info  []byte // VMCOREINFO
	ram   map[uint64][]byte
}

const (
	pageSize  = 4096
	startKMap = 0xffffffff80000000
	// spread is the distance of two page tables, in frames.
	spread = 7
)

// NewMachine makes one of pages page frames from a series' snapshot.
func NewMachine(tb testing.TB, series string, pages uint64) *Machine {
	tb.Helper()
	return NewMachineWith(tb, series, pages, nil)
}

// NewMachineWith is NewMachine with more pages of memory, by virtual address.
func NewMachineWith(tb testing.TB, series string, pages uint64, more map[uint64][]byte) *Machine {
	tb.Helper()
	img, err := kmem.Open(Path(tb, series))
	if err != nil {
		tb.Fatal(err)
	}
	defer img.Close()
	m := &Machine{Pages: pages, ram: make(map[uint64][]byte), info: bytes.Clone(img.VMCoreInfo().Raw())}
	virt := make(map[uint64][]byte)
	maps.Copy(virt, more)
	stats, err := kmem.Scan(tb.Context(), img, nil, func(p kmem.ScanPiece) kmem.ScanPiece {
		if p.Data == nil {
			p.Data = make([]byte, p.Size)
		}
		p.Data = bytes.Clone(p.Data)
		return p
	}, func(p kmem.ScanPiece) bool {
		for at := uint64(0); at < p.Size; {
			page := (p.Addr + at) &^ (pageSize - 1)
			if virt[page] == nil {
				virt[page] = make([]byte, pageSize)
			}
			at += uint64(copy(virt[page][(p.Addr+at)%pageSize:], p.Data[at:]))
		}
		return true
	})
	if err != nil || !stats.Virtual || !stats.AllRead() {
		tb.Fatalf("the snapshot's memory: %+v, %v", stats, err)
	}
	m.place(tb, virt)
	return m
}

// place puts the pages into the machine, the last at its end, and maps them.
func (m *Machine) place(tb testing.TB, virt map[uint64][]byte) {
	number := func(pattern string, base int) uint64 {
		found := regexp.MustCompile(pattern).FindSubmatch(m.info)
		if found == nil {
			tb.Fatalf("VMCOREINFO has no %s", pattern)
		}
		n, err := strconv.ParseUint(string(found[1]), base, 64)
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	levels := uint(4 + number(`NUMBER\(pgtable_l5_enabled\)=(\d+)`, 10))
	// Neighbours in the kernel's memory are neighbours here, too, as most are.
	pages := slices.Sorted(maps.Keys(virt))
	// The kernel's image lies in one piece, as phys_base says, and the top table in it.
	top := number(`SYMBOL\(init_top_pgt\)=([0-9a-f]+)`, 16)
	inImage := func(at uint64) bool { return at >= startKMap && at-startKMap < 1<<30 }
	low, high, others := top, top, uint64(0)
	for _, at := range pages {
		if inImage(at) {
			low, high = min(low, at), max(high, at)
		} else {
			others++
		}
	}
	page := (m.Pages - others) * pageSize
	const tableRoom = 64 << 20
	image := (page - tableRoom - (high - low)) &^ (2<<20 - 1)
	next := page - pageSize
	alloc := func(data []byte) uint64 {
		at := next
		next -= spread * pageSize
		m.ram[at] = data
		return at
	}
	root := image + top - low
	m.ram[root] = make([]byte, pageSize)
	for _, at := range pages {
		table := root
		for shift := 12 + 9*(levels-1); ; shift -= 9 {
			slot := m.ram[table][at>>shift%512*8:]
			if shift == 12 {
				phys := image + at - low
				if !inImage(at) {
					phys, page = page, page+pageSize
				}
				binary.LittleEndian.PutUint64(slot, phys|0x63)
				if phys != root {
					m.ram[phys] = virt[at]
				}
				break
			}
			entry := binary.LittleEndian.Uint64(slot)
			if entry == 0 {
				entry = alloc(make([]byte, pageSize)) | 0x63
				binary.LittleEndian.PutUint64(slot, entry)
			}
			table = entry &^ 0xfff
		}
	}
	base := int64(image - (low - startKMap))
	m.info = regexp.MustCompile(`NUMBER\(phys_base\)=-?\d+`).ReplaceAll(m.info, fmt.Appendf(nil, "NUMBER(phys_base)=%d", base))
}

// frames are the frames that hold something, upwards.
func (m *Machine) frames() []uint64 { return slices.Sorted(maps.Keys(m.ram)) }

// ELF is a dump as QEMU writes it: a segment for the lower half of the memory, and one for
// the upper, which lies 1 GiB higher than it has to.
func (m *Machine) ELF() *Sparse {
	le := binary.LittleEndian
	note := le.AppendUint32(nil, uint32(len("VMCOREINFO\x00")))
	note = le.AppendUint32(note, uint32(len(m.info)))
	note = append(le.AppendUint32(note, 0), "VMCOREINFO\x00\x00"...)
	note = append(note, m.info...)
	note = append(note, make([]byte, (4-len(note)%4)%4)...)
	head := make([]byte, 64)
	copy(head, elf.ELFMAG+"\x02\x01\x01")
	le.PutUint16(head[16:], uint16(elf.ET_CORE))
	le.PutUint16(head[18:], uint16(elf.EM_X86_64))
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], 64)
	le.PutUint16(head[52:], 64)
	le.PutUint16(head[54:], 56)
	le.PutUint16(head[56:], 3)
	data := uint64(64+3*56+len(note)+4095) &^ 4095
	half := m.Pages / 2 * pageSize
	for _, h := range [][4]uint64{
		{uint64(elf.PT_NOTE), 64 + 3*56, 0, uint64(len(note))},
		{uint64(elf.PT_LOAD), data, 0, half},
		{uint64(elf.PT_LOAD), data + half, half, m.Pages*pageSize - half},
	} {
		head = le.AppendUint32(head, uint32(h[0]))
		head = le.AppendUint32(head, 7)
		for _, v := range []uint64{h[1], 0, h[2], h[3], h[3], 0} {
			head = le.AppendUint64(head, v)
		}
	}
	s := &Sparse{Size: int64(data + m.Pages*pageSize)}
	s.add(0, append(head, note...))
	for _, at := range m.frames() {
		s.add(int64(data+at), m.ram[at])
	}
	return s
}

// Kdump is a kdump-compressed dump with zlib, as makedumpfile writes it: two bitmaps, a
// descriptor a page, and the pages.
func (m *Machine) Kdump(tb testing.TB) *Sparse {
	le := binary.LittleEndian
	bitmapBlocks := (m.Pages + 8*pageSize - 1) / (8 * pageSize)
	head := make([]byte, 2*pageSize)
	copy(head, "KDUMP   ")
	le.PutUint32(head[8:], 6)
	copy(head[12+4*65:], "x86_64")
	le.PutUint32(head[424:], 1)
	le.PutUint32(head[428:], pageSize)
	le.PutUint32(head[432:], 2)
	le.PutUint32(head[436:], uint32(2*bitmapBlocks))
	sub := head[pageSize:]
	le.PutUint64(sub[32:], pageSize+256)
	le.PutUint64(sub[40:], uint64(len(m.info)))
	le.PutUint64(sub[88:], m.Pages)
	le.PutUint64(sub[96:], m.Pages)
	head = append(head[:pageSize+256], m.info...)
	head = append(head, make([]byte, 3*pageSize-len(head))...)

	blocks := make(map[uint64][]byte) // of a bitmap
	var descs, data []byte
	frames := m.frames()
	first := 3*pageSize + 2*bitmapBlocks*pageSize
	at := first + uint64(len(frames))*24
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	for _, frame := range frames {
		page := frame / pageSize
		block := page / 8 / pageSize
		if blocks[block] == nil {
			blocks[block] = make([]byte, pageSize)
		}
		blocks[block][page/8%pageSize] |= 1 << (page % 8)
		packed.Reset()
		w.Reset(&packed)
		if _, err := w.Write(m.ram[frame]); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		content, flags := packed.Bytes(), uint32(1)
		if len(content) >= pageSize {
			content, flags = m.ram[frame], 0
		}
		descs = le.AppendUint64(descs, at+uint64(len(data)))
		descs = le.AppendUint32(descs, uint32(len(content)))
		descs = le.AppendUint32(descs, flags)
		descs = le.AppendUint64(descs, 0)
		data = append(data, content...)
	}
	s := &Sparse{}
	s.add(0, head)
	for i := range uint64(2) {
		for _, block := range slices.Sorted(maps.Keys(blocks)) {
			s.add(int64((3+i*bitmapBlocks+block)*pageSize), blocks[block])
		}
	}
	s.add(int64(first), descs)
	s.add(int64(at), data)
	return s
}
