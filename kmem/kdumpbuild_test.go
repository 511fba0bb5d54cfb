package kmem

import (
	"bytes"
	stdzlib "compress/zlib"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// testKdump is a kdump-compressed dump in the making.
type testKdump struct {
	version    int // 0 stands for 6
	flags      uint32
	status     uint32 // more of the header's status
	ram        []byte
	memory     func(page int) bool // nil: all of ram
	dumped     func(page int) bool // nil: all that exists
	single     bool                // one bitmap only
	start, end int                 // a part of a split dump, where end is not 0
	notes      []testNote
	vmcoreinfo []byte
	physBase   uint64
	sharedZero bool // pages of zeros share one
	layout     kdumpLayout
}

// kdumpLayout tells a test where things came to lie.
type kdumpLayout struct{ bitmap, descs, data, count int }

// bytes lays the file out as makedumpfile does.
func (k *testKdump) bytes(t testing.TB) []byte {
	le := binary.LittleEndian
	k.layout = kdumpLayout{}
	version := k.version
	if version == 0 {
		version = 6
	}
	pages := len(k.ram) / PageSize
	bitmapBlocks := (pages + 8*PageSize - 1) / (8 * PageSize)
	const subBlocks = 2
	head := make([]byte, (1+subBlocks)*PageSize)
	copy(head, kdumpMagic)
	le.PutUint32(head[8:], uint32(version))
	copy(head[kdumpMachine:], "x86_64")
	le.PutUint32(head[424:], k.flags|k.status)
	le.PutUint32(head[428:], PageSize)
	le.PutUint32(head[432:], subBlocks)
	blocks := 2 * bitmapBlocks
	if k.single {
		blocks = bitmapBlocks
	}
	le.PutUint32(head[436:], uint32(blocks))
	le.PutUint32(head[440:], uint32(pages))
	if version >= 6 {
		le.PutUint32(head[440:], 0) // must not be looked at
	}
	sub := head[PageSize:]
	le.PutUint64(sub, k.physBase)
	start, end := 0, pages
	if k.end != 0 {
		start, end = k.start, k.end
		le.PutUint32(sub[12:], 1)
		le.PutUint64(sub[16:], uint64(start))
		le.PutUint64(sub[24:], uint64(end))
	}
	var notes []byte
	for _, n := range k.notes {
		notes = le.AppendUint32(notes, uint32(len(n.name)+1))
		notes = le.AppendUint32(notes, uint32(len(n.desc)))
		notes = le.AppendUint32(notes, 0)
		notes = append(notes, make([]byte, align4(uint64(len(n.name)+1)))...)
		copy(notes[len(notes)-int(align4(uint64(len(n.name)+1))):], n.name)
		notes = append(notes, n.desc...)
		notes = append(notes, make([]byte, align4(uint64(len(n.desc)))-uint64(len(n.desc)))...)
	}
	at := 256
	copy(sub[at:], k.vmcoreinfo)
	le.PutUint64(sub[32:], uint64(PageSize+at))
	le.PutUint64(sub[40:], uint64(len(k.vmcoreinfo)))
	at += len(k.vmcoreinfo)
	copy(sub[at:], notes)
	le.PutUint64(sub[48:], uint64(PageSize+at))
	le.PutUint64(sub[56:], uint64(len(notes)))
	le.PutUint64(sub[80:], uint64(start))
	le.PutUint64(sub[88:], uint64(end))
	le.PutUint64(sub[96:], uint64(pages))
	if size := map[int]int{0: 8, 1: 16, 2: 32, 3: 48, 4: 64, 5: 80}[version]; size != 0 {
		clear(sub[size:min(256, len(sub))])
	}

	bitmap1, bitmap2 := make([]byte, bitmapBlocks*PageSize), make([]byte, bitmapBlocks*PageSize)
	total := 0
	for page := range pages {
		if k.memory != nil && !k.memory(page) {
			continue
		}
		bitmap1[page/8] |= 1 << (page % 8)
		if k.dumped == nil || k.dumped(page) {
			bitmap2[page/8] |= 1 << (page % 8)
			total++
		}
	}
	file := head
	if !k.single {
		file = append(file, bitmap1...)
	}
	k.layout.bitmap = len(file)
	file = append(file, bitmap2...)
	k.layout.descs = len(file)
	file = append(file, make([]byte, total*kdumpDescSize)...)
	k.layout.data = len(file)
	if k.sharedZero {
		file = append(file, make([]byte, PageSize)...)
	}
	for page := start; page < end; page++ {
		if bitmap2[page/8]>>(page%8)&1 == 0 {
			continue
		}
		raw := k.ram[page*PageSize : (page+1)*PageSize]
		desc := file[k.layout.descs+k.layout.count*kdumpDescSize:]
		k.layout.count++
		if k.sharedZero && bytes.Equal(raw, make([]byte, PageSize)) {
			le.PutUint64(desc, uint64(k.layout.data))
			le.PutUint32(desc[8:], PageSize)
			continue
		}
		data, flags := packPage(t, raw, k.flags), k.flags
		if len(data) >= PageSize {
			data, flags = raw, 0
		}
		le.PutUint64(desc, uint64(len(file)))
		le.PutUint32(desc[8:], uint32(len(data)))
		le.PutUint32(desc[12:], flags)
		file = append(file, data...)
	}
	return file
}

var pageEncoder = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return enc
})

// packPage compresses a page.
func packPage(t testing.TB, raw []byte, flags uint32) []byte {
	switch flags {
	case 0:
		return raw
	case kdumpZlib:
		var b bytes.Buffer
		w := stdzlib.NewWriter(&b)
		_, _ = w.Write(raw)
		_ = w.Close()
		return b.Bytes()
	case kdumpLZO:
		return packLZO(raw)
	case kdumpSnappy:
		return snappy.Encode(nil, raw)
	case kdumpZstd:
		return pageEncoder().EncodeAll(raw, nil)
	}
	t.Fatalf("flags %#x", flags)
	return nil
}

// packLZO makes LZO1X data of a page by hand: literals for as long as bytes change, and one match
// where the rest repeats the last byte. There is no compressor to be had in Go.
func packLZO(raw []byte) []byte {
	n := len(raw)
	for n > 1 && raw[n-1] == raw[n-2] {
		n--
	}
	n = min(max(n, 4), 3000)
	for i := n; i < len(raw); i++ {
		if raw[i] != raw[n-1] {
			n = len(raw)
		}
	}
	length := func(out []byte, n int) []byte { // what a length's lowest bits do not hold
		for ; n > 255; n -= 255 {
			out = append(out, 0)
		}
		return append(out, byte(n))
	}
	var out []byte
	if n <= 238 {
		out = append(out, byte(n+17))
	} else {
		out = length([]byte{0}, n-18)
	}
	out = append(out, raw[:n]...)
	if rest := len(raw) - n; rest > 0 { // a match of distance 1
		if rest <= 33 {
			out = append(out, 0x20|byte(rest-2))
		} else {
			out = length(append(out, 0x20), rest-33)
		}
		out = append(out, 0, 0)
	}
	return append(out, 0x11, 0, 0)
}

// open opens the dump and fails the test where that fails.
func (k *testKdump) open(t testing.TB) *Image {
	t.Helper()
	img, err := openBytes(k.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// openParts opens files as one dump.
func openParts(files ...[]byte) (*Image, error) {
	var sources sourceFiles
	for i, b := range files {
		s, err := newSource(bytes.NewReader(b), int64(len(b)), string(rune('a'+i)), nil)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return openSources(sources, nil)
}

// testPages fills n pages, each of another kind: pages that compress, one of zeros, noise.
func testPages(n int) []byte {
	ram := make([]byte, n*PageSize)
	x := uint32(1)
	for page := range n {
		b := ram[page*PageSize : (page+1)*PageSize]
		switch page % 4 {
		case 0:
			pattern(b, uint64(page*PageSize))
		case 1: // zeros
		case 2:
			for i := range b {
				x = x*1664525 + 1013904223
				b[i] = byte(x >> 24)
			}
		case 3:
			b[0], b[1], b[7] = byte(page), byte(page>>8), 1
		}
	}
	return ram
}

// flattened takes a file apart into records of up to size bytes.
func flattened(b []byte, size int) []byte {
	out := flatHead()
	for off := 0; off < len(b); off += size {
		out = append(out, flatRec(off, b[off:min(len(b), off+size)])...)
	}
	return append(out, flatEnd()...)
}

func flatHead() []byte {
	out := make([]byte, flatHeaderSize)
	copy(out, flatMagic)
	binary.BigEndian.PutUint64(out[16:], 1)
	binary.BigEndian.PutUint64(out[24:], 1)
	return out
}

func flatRec(off int, data []byte) []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(off))
	out = binary.BigEndian.AppendUint64(out, uint64(len(data)))
	return append(out, data...)
}

func flatEnd() []byte { return bytes.Repeat([]byte{0xff}, flatRecordSize) }

// sparseReader is a large file that is zero but for some ranges.
type sparseReader struct {
	size   int64
	pieces map[int64][]byte
}

func (s *sparseReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size-off))
	clear(p[:n])
	for at, b := range s.pieces {
		lo, hi := max(at, off), min(at+int64(len(b)), off+int64(n))
		if lo < hi {
			copy(p[lo-off:hi-off], b[lo-at:hi-at])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
