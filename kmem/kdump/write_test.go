package kdump

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
)

// fileBuffer is a file in memory.
type fileBuffer struct {
	b     []byte
	at    int64
	wrote int64
}

func (f *fileBuffer) Write(p []byte) (int, error) {
	if need := f.at + int64(len(p)); need > int64(len(f.b)) {
		f.b = append(f.b, make([]byte, need-int64(len(f.b)))...)
	}
	n := copy(f.b[f.at:], p)
	f.at += int64(n)
	f.wrote += int64(n)
	return n, nil
}

func (f *fileBuffer) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		off += f.at
	} else if whence != io.SeekStart {
		return 0, fmt.Errorf("seek to %d (%d)", off, whence)
	}
	f.at = off
	return off, nil
}

func write(t testing.TB, k *File) ([]byte, *Layout) {
	t.Helper()
	var f fileBuffer
	lay, err := k.Write(&f)
	if err != nil {
		t.Fatal(err)
	}
	if lay.Size != int64(len(f.b)) || f.at != lay.Size {
		t.Errorf("%d bytes at %d, and the layout says %d", len(f.b), f.at, lay.Size)
	}
	return f.b, lay
}

func openWritten(t testing.TB, files ...[]byte) *dump.Content {
	t.Helper()
	var list []*dump.File
	for _, b := range files {
		list = append(list, dump.NewFile(bytes.NewReader(b), int64(len(b)), "test", true))
	}
	c, err := Format.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lzo is what this package has no compressor for.
func lzoPacker(t testing.TB) Packer {
	return Packer{Flag: FlagLZO, New: func() (func(dst, page []byte) ([]byte, error), error) {
		return func(dst, page []byte) ([]byte, error) {
			return append(dst, dumptest.PackPage(t, page, FlagLZO)...), nil
		}, nil
	}}
}

// testFile is a dump of every third page of ram, and of neighbours.
func testFile(ram []byte) *File {
	k := &File{
		UTS: [6]string{"Linux", "host", "6.12.0-test", "#1"}, PhysBase: 0x1234000, Level: 31,
		VMCoreInfo: []byte("OSRELEASE=6.12.0-test\n"), Notes: []Note{{Name: "A", Type: 7, Desc: []byte("abcde")}, {Name: "LONGER", Desc: nil}},
		MaxPage: uint64(len(ram)/blockSize) + 5,
		Exists:  func(page uint64) bool { return page%16 != 5 },
		Read:    func(page uint64, buf []byte) error { copy(buf, ram[page*blockSize:]); return nil },
	}
	for page := uint64(0); page < uint64(len(ram)/blockSize); page++ {
		if page%3 == 0 || page%16 == 7 || page > 40 {
			k.Pages = append(k.Pages, page)
		}
	}
	return k
}

func TestWriteRead(t *testing.T) {
	ram := dumptest.Pages(64)
	for name, pack := range map[string]Packer{"default": {}, "raw": Raw, "zstd": Zstd, "zlib": Zlib, "snappy": Snappy, "lzo": lzoPacker(t)} {
		for version := 3; version <= 6; version++ {
			for _, plain := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, version %d, zeros %v", name, version, plain), func(t *testing.T) {
					k := testFile(ram)
					k.Pack, k.Version, k.PlainZeros = pack, version, plain
					b, lay := write(t, k)
					if again, _ := write(t, k); !bytes.Equal(b, again) {
						t.Error("the same content gives different files")
					}
					if !bytes.HasPrefix(b[lay.VMCoreInfo[0]:], k.VMCoreInfo) || lay.VMCoreInfo[1] != int64(len(k.VMCoreInfo)) {
						t.Errorf("VMCOREINFO is not at %v", lay.VMCoreInfo)
					}
					c := openWritten(t, b)
					if *c.PhysBase != k.PhysBase || len(c.Remarks) != 0 {
						t.Errorf("phys_base %#x, remarks %q", *c.PhysBase, c.Remarks)
					}
					if version >= 4 { // before that notes had no place
						n := c.Note("A")
						if n == nil || n.Type != 7 || c.Note("LONGER") == nil {
							t.Fatalf("notes %+v", c.Notes)
						}
						if raw, err := c.File.ReadNote(n, 10); err != nil || string(raw) != "abcde" {
							t.Errorf("%q, %v", raw, err)
						}
					}
					checkPages(t, c, k, ram)
				})
			}
		}
	}
}

// checkPages compares each page of the machine with what the dump says.
func checkPages(t *testing.T, c *dump.Content, k *File, ram []byte) {
	t.Helper()
	in := map[uint64]bool{}
	for _, p := range k.Pages {
		in[p] = true
	}
	for page := range k.MaxPage + 2 {
		buf := make([]byte, blockSize)
		err := c.Memory.ReadPhys(dump.PhysAddr(page*blockSize), buf)
		f := dump.AsFault(err)
		switch {
		case in[page]:
			if err != nil || !bytes.Equal(buf, ram[page*blockSize:][:blockSize]) {
				t.Errorf("page %d: %v", page, err)
			}
		case f == nil:
			t.Errorf("page %d: %v", page, err)
		case page < k.MaxPage && k.Exists(page) != (f.Reason == dump.Filtered):
			t.Errorf("page %d: %v", page, err)
		}
	}
}

func TestWriteSplit(t *testing.T) {
	ram := dumptest.Pages(64)
	var files [][]byte
	for _, part := range [][2]uint64{{0, 20}, {20, 21}, {21, 69}} {
		k := testFile(ram)
		k.Split, k.Start, k.End = true, part[0], part[1]
		b, _ := write(t, k)
		files = append(files, b)
	}
	checkPages(t, openWritten(t, files[2], files[0], files[1]), testFile(ram), ram)
}

// What makes a file special shows up when it is read.
func TestWriteOdd(t *testing.T) {
	ram := dumptest.Pages(64)
	k := testFile(ram)
	k.Incomplete = true
	b, lay := write(t, k)
	if c := openWritten(t, b); len(c.Remarks) != 1 || lay.Bitmaps[0] == 0 {
		t.Errorf("%q, %+v", c.Remarks, lay)
	}
	k = testFile(ram)
	k.SingleBitmap = true
	b, lay = write(t, k)
	if lay.Bitmaps[0] != 0 {
		t.Errorf("%+v", lay)
	}
	k.Exists = func(uint64) bool { return true }
	checkPages(t, openWritten(t, b), k, ram)

	empty := &File{}
	b, _ = write(t, empty)
	if err := openWritten(t, b).Memory.ReadPhys(0, make([]byte, 8)); dump.AsFault(err) == nil {
		t.Error(err)
	}
	// Page numbers of more than 32 bits, far apart.
	far := &File{Pages: []uint64{1 << 21, 5}, Read: func(page uint64, buf []byte) error { buf[0] = byte(page >> 20); buf[1] = 1; return nil }}
	b, _ = write(t, far)
	buf := make([]byte, 2)
	if err := openWritten(t, b).Memory.ReadPhys(1<<33, buf); err != nil || buf[0] != 2 {
		t.Errorf("%x, %v", buf, err)
	}
	// Of a machine of 1 TiB of which two pages are known, the bitmaps are holes.
	large := &File{MaxPage: 1 << 28, OnlyPages: true, Pages: []uint64{1<<28 - 1, 5}, Read: far.Read}
	var f fileBuffer
	if lay, err := large.Write(&f); err != nil || lay.Size < 64<<20 || int64(len(f.b)) != lay.Size {
		t.Fatalf("%+v, %v, %d bytes", lay, err, len(f.b))
	}
	if b = f.b; f.wrote > 1<<20 {
		t.Errorf("%d bytes were written", f.wrote)
	}
	if err := openWritten(t, b).Memory.ReadPhys((1<<28-1)<<12, buf); err != nil || buf[1] != 1 {
		t.Errorf("%x, %v", buf, err)
	}
	for name, k := range map[string]*File{
		"behind the end": {MaxPage: 5, Pages: []uint64{5}},
		"too high":       {Pages: []uint64{1 << 40}},
		"part":           {MaxPage: 5, Split: true, Start: 3, End: 6},
		"reader":         {Pages: []uint64{0}, Read: func(uint64, []byte) error { return io.ErrUnexpectedEOF }},
	} {
		if _, err := k.Write(&fileBuffer{}); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
}

// A page of zstd has a checksum: no changed byte of it passes for memory.
func TestWrittenPageDamage(t *testing.T) {
	ram := dumptest.Pages(4)
	k := &File{Pages: []uint64{0}, Read: func(_ uint64, buf []byte) error { copy(buf, ram); return nil }}
	b, lay := write(t, k)
	off := binary.LittleEndian.Uint64(b[lay.Descs:])
	size := binary.LittleEndian.Uint32(b[lay.Descs+8:])
	if size >= blockSize || binary.LittleEndian.Uint32(b[lay.Descs+12:]) != FlagZstd {
		t.Fatalf("a page of %d bytes", size)
	}
	for i := range uint64(size) {
		bad := bytes.Clone(b)
		bad[off+i] ^= 1 << (i % 8)
		buf := make([]byte, blockSize)
		if err := openWritten(t, bad).Memory.ReadPhys(0, buf); err == nil && !bytes.Equal(buf, ram[:blockSize]) {
			t.Fatalf("byte %d was changed, and other memory read", i)
		}
	}
}
