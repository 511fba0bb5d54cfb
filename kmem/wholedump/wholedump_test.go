package wholedump_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/anchore/go-lzo"

	"kinspect/kmem"
	"kinspect/kmem/wholedump"
)

// TestPackLZO unpacks with a decompressor that others wrote.
func TestPackLZO(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		page := make([]byte, wholedump.PageSize)
		for at := 0; at < len(page); {
			n := min(1+rng.IntN(1+rng.IntN(600)), len(page)-at)
			switch rng.IntN(3) {
			case 0: // zeros
			case 1:
				for j := range n {
					page[at+j] = byte(rng.Uint32())
				}
			default:
				if at > 0 {
					from := rng.IntN(at)
					for j := range n {
						page[at+j] = page[from+j]
					}
				}
			}
			at += n
		}
		out := make([]byte, len(page))
		n, err := lzo.Decompress(wholedump.PackLZO(page), out)
		if err != nil || n != len(page) || !bytes.Equal(out, page) {
			t.Fatalf("page %d: %d bytes, %v", i, n, err)
		}
	}
}

// TestFormats reads each page of each format by its virtual address.
func TestFormats(t *testing.T) {
	for _, levels := range []int{4, 5} {
		l := wholedump.Layout{Levels: levels, PhysBase: 0x1000000, Top: 0xffffffff81200000, Direct: 0xffff888000000000, Memory: 64 << 20}
		if levels == 5 {
			l.Direct = 0xff11000000000000
		}
		pages := map[uint64][]byte{}
		rng := rand.New(rand.NewPCG(3, 4))
		for _, base := range []uint64{l.Direct + 0x5000, 0xffffffff81000000, 0xffffffffc0100000, l.Direct + 1<<45} {
			for i := range uint64(40) {
				page := make([]byte, wholedump.PageSize)
				if i%5 != 0 { // the others are zeros
					for at := range rng.IntN(len(page)) {
						page[at] = byte(rng.Uint32() >> (4 * (i % 7)))
					}
					binary.LittleEndian.PutUint64(page, base+i)
				}
				pages[base+i*wholedump.PageSize] = page
			}
		}
		m := wholedump.New(pages, l)
		info := []byte("OSRELEASE=6.12.0\nSYMBOL(init_top_pgt)=ffffffff81200000\nNUMBER(phys_base)=16777216\nNUMBER(pgtable_l5_enabled)=" + string(rune('0'+levels-4)) + "\n")
		note := wholedump.ElfNote{Name: "VMCOREINFO", Desc: info}
		qemu := m.QEMUNotes(0xffffffff81000000)
		files := map[string]*wholedump.File{
			"elf": m.ELF(note), "elf by CR3": m.ELF(qemu...), "flattened": wholedump.Flatten(m.ELF(note), 5000),
		}
		for name, method := range map[string]wholedump.Method{
			"raw": wholedump.Raw, "zlib": wholedump.Zlib, "lzo": wholedump.LZO, "snappy": wholedump.Snappy, "zstd": wholedump.Zstd, "zstd checked": wholedump.ZstdChecked,
		} {
			files[name] = m.Kdump(wholedump.Kdump{Method: method, VMCoreInfo: info, Zeros: method != wholedump.LZO})
			files[name+" flattened"] = wholedump.Flatten(files[name], 10000)
		}
		for name, f := range files {
			at := 0
			for _, p := range f.Parts {
				if p.Off != at || p.Len <= 0 {
					t.Fatalf("%d levels, %s: a part at %#x, want %#x", levels, name, p.Off, at)
				}
				at = p.End()
			}
			if at != len(f.Data) {
				t.Errorf("%d levels, %s: parts to %#x of %#x", levels, name, at, len(f.Data))
			}
			img, err := kmem.OpenReaderAt(bytes.NewReader(f.Data), int64(len(f.Data)), name)
			if err != nil {
				t.Fatalf("%d levels, %s: %v", levels, name, err)
			}
			got := make([]byte, wholedump.PageSize)
			for addr, want := range pages {
				if err := img.ReadMem(kmem.Addr(addr), got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d levels, %s: page at %#x: %v", levels, name, addr, err)
				}
			}
		}
	}
}
