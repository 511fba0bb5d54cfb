package wholedump

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Method is how pages are compressed, by the flag that says so.
type Method uint32

// The methods. ZstdChecked is Zstd with a checksum in each frame, which makedumpfile
// leaves out.
const (
	Raw         Method = 0
	Zlib        Method = 0x1
	LZO         Method = 0x2
	Snappy      Method = 0x4
	Zstd        Method = 0x20
	ZstdChecked Method = 0x120
)

// Kdump is how a kdump-compressed dump is to be written.
type Kdump struct {
	Method     Method
	VMCoreInfo []byte
	Notes      []ElfNote
	// Zeros leaves pages of zeros to share one, as dump levels with bit 1 do.
	Zeros bool
	// Start and End are the frames of a part of a split dump, the end exclusive; all
	// where End is 0.
	Start, End uint64
}

// Kdump writes the machine's memory as makedumpfile does, version 6.
func (m *Machine) Kdump(k Kdump) *File {
	frames := m.Frames()
	pages := frames[len(frames)-1] + 1
	blocks := (pages + 8*PageSize - 1) / (8 * PageSize)
	le := binary.LittleEndian
	notes := noteBytes(k.Notes)
	const subAt = 256
	subBlocks := (subAt + len(k.VMCoreInfo) + len(notes) + PageSize - 1) / PageSize
	head := make([]byte, PageSize)
	copy(head, "KDUMP   ")
	le.PutUint32(head[8:], 6)
	for i, s := range []string{"Linux", "host", "6.12.0", "#1 SMP", "x86_64"} {
		copy(head[12+65*i:], s)
	}
	le.PutUint32(head[424:], uint32(k.Method)&0xff)
	le.PutUint32(head[428:], PageSize)
	le.PutUint32(head[432:], uint32(subBlocks))
	le.PutUint32(head[436:], uint32(2*blocks))
	le.PutUint32(head[440:], uint32(pages))
	le.PutUint32(head[460:], 1) // CPUs
	sub := make([]byte, subBlocks*PageSize)
	le.PutUint64(sub, m.PhysBase)
	le.PutUint32(sub[8:], 31)
	start, end := uint64(0), pages
	if k.End != 0 {
		start, end = k.Start, min(k.End, pages)
		le.PutUint32(sub[12:], 1)
		le.PutUint64(sub[16:], start)
		le.PutUint64(sub[24:], end)
	}
	put := func(field int, at int, b []byte) {
		if len(b) > 0 {
			copy(sub[at:], b)
			le.PutUint64(sub[field:], uint64(PageSize+at))
			le.PutUint64(sub[field+8:], uint64(len(b)))
		}
	}
	put(32, subAt, k.VMCoreInfo)
	put(48, subAt+len(k.VMCoreInfo), notes)
	le.PutUint64(sub[80:], start)
	le.PutUint64(sub[88:], end)
	le.PutUint64(sub[96:], pages)

	exist, dumped := make([]byte, blocks*PageSize), make([]byte, blocks*PageSize)
	for n := range pages {
		exist[n/8] |= 1 << (n % 8)
	}
	for _, n := range frames {
		dumped[n/8] |= 1 << (n % 8)
	}
	f := &File{}
	f.add(Part{Kind: Header}, head)
	f.add(Part{Kind: Header}, sub[:subAt])
	text := subAt + len(k.VMCoreInfo) + len(notes)
	f.add(Part{Kind: Note}, sub[subAt:text])
	f.add(Part{Kind: Header}, sub[text:])
	f.add(Part{Kind: Bitmap}, exist)
	f.add(Part{Kind: Bitmap}, dumped)

	// Each part of a split dump has room for all descriptors.
	const descSize = 24
	descs := make([]byte, descSize*len(frames))
	at := len(f.Data)
	var mine []Part // descriptors
	data := &File{Data: make([]byte, at+len(descs))}
	zero := len(data.Data)
	if k.Zeros {
		data.add(Part{Kind: Page, Frame: 0}, make([]byte, PageSize))
	}
	for _, n := range frames {
		if n < start || n >= end {
			continue
		}
		desc := descs[descSize*len(mine):]
		mine = append(mine, Part{Off: at + descSize*len(mine), Len: descSize, Kind: Descriptor, Frame: n})
		page := m.frames[n].data[:]
		if k.Zeros && !slices.ContainsFunc(page, func(b byte) bool { return b != 0 }) {
			le.PutUint64(desc, uint64(zero))
			le.PutUint32(desc[8:], PageSize)
			continue
		}
		packed, flags, kind := pack(page, k.Method)
		le.PutUint64(desc, uint64(len(data.Data)))
		le.PutUint32(desc[8:], uint32(len(packed)))
		le.PutUint32(desc[12:], flags)
		data.add(Part{Kind: kind, Frame: n}, packed)
	}
	f.Parts = append(f.Parts, mine...)
	if room := len(descs) - descSize*len(mine); room > 0 {
		f.Parts = append(f.Parts, Part{Off: at + descSize*len(mine), Len: room, Kind: Descriptor, Frame: end})
	}
	f.Data = append(append(f.Data, descs...), data.Data[at+len(descs):]...)
	f.Parts = append(f.Parts, data.Parts...)
	return f
}

// pack compresses a page, where that makes it smaller.
func pack(page []byte, m Method) (data []byte, flags uint32, kind Kind) {
	kind = Packed
	switch m {
	case Zlib:
		var b bytes.Buffer
		w, _ := zlib.NewWriterLevel(&b, zlib.BestSpeed)
		_, _ = w.Write(page)
		_ = w.Close()
		data, kind = b.Bytes(), Checked
	case LZO:
		data = PackLZO(page)
	case Snappy:
		data = snappy.Encode(nil, page)
	case Zstd, ZstdChecked:
		data = encoders()[m].EncodeAll(page, nil)
		if m == ZstdChecked {
			kind = Checked
		}
	}
	if data == nil || len(data) >= len(page) {
		return page, 0, Page
	}
	return data, uint32(m) & 0xff, kind
}

// encoders are kept, as one takes longer to make than a page to compress.
var encoders = sync.OnceValue(func() map[Method]*zstd.Encoder {
	out := map[Method]*zstd.Encoder{}
	for _, m := range []Method{Zstd, ZstdChecked} {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(m == ZstdChecked))
		if err != nil {
			panic(err)
		}
		out[m] = enc
	}
	return out
})

// Parts tells the parts of a kdump-compressed file that others wrote, whose pages have a
// checksum each: headers, the notes among them, bitmaps, descriptors and pages.
func Parts(data []byte) *File {
	le := binary.LittleEndian
	sub, bitmaps := int(le.Uint32(data[432:])), int(le.Uint32(data[436:]))
	at := (1 + sub) * PageSize
	f := &File{Data: data}
	part := func(to int, kind Kind) {
		if from := len(data[:min(to, len(data))]); from > f.end() {
			f.Parts = append(f.Parts, Part{Off: f.end(), Len: from - f.end(), Kind: kind})
		}
	}
	first := at + bitmaps*PageSize
	part(PageSize+256, Header)
	part(at, Note)
	part(first, Bitmap)
	part(int(le.Uint64(data[first:])), Descriptor)
	part(len(data), Checked)
	return f
}

// end is where the last part ends.
func (f *File) end() int {
	if len(f.Parts) == 0 {
		return 0
	}
	return f.Parts[len(f.Parts)-1].End()
}
