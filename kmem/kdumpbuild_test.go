package kmem

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
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
	copy(head, kdump.Magic)
	le.PutUint32(head[8:], uint32(version))
	copy(head[(12+4*65):], "x86_64")
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
	file = append(file, make([]byte, total*24)...)
	k.layout.data = len(file)
	if k.sharedZero {
		file = append(file, make([]byte, PageSize)...)
	}
	for page := start; page < end; page++ {
		if bitmap2[page/8]>>(page%8)&1 == 0 {
			continue
		}
		raw := k.ram[page*PageSize : (page+1)*PageSize]
		desc := file[k.layout.descs+k.layout.count*24:]
		k.layout.count++
		if k.sharedZero && bytes.Equal(raw, make([]byte, PageSize)) {
			le.PutUint64(desc, uint64(k.layout.data))
			le.PutUint32(desc[8:], PageSize)
			continue
		}
		data, flags := dumptest.PackPage(t, raw, k.flags), k.flags
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

// open opens the dump and fails the test where that fails.
func (k *testKdump) open(t testing.TB) *Image {
	t.Helper()
	img, err := openBytes(k.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// descEnd is the end of a page's data, by its descriptor.
func descEnd(desc []byte) uint64 {
	return binary.LittleEndian.Uint64(desc) + uint64(binary.LittleEndian.Uint32(desc[8:]))
}

// openParts opens files as one dump.
func openParts(files ...[]byte) (*Image, error) {
	var sources sourceFiles
	for i, b := range files {
		s, err := newSource(context.Background(), bytes.NewReader(b), int64(len(b)), string(rune('a'+i)), nil)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return openSources(context.Background(), sources, nil)
}

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
