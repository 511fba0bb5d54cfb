package kdump

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"kinspect/kmem/dump"
)

// vmcoreinfoDesc is where in its note the text of VMCOREINFO begins.
const vmcoreinfoDesc = 12 + 12

// Note is an ELF note.
type Note struct {
	Name string
	Type uint32
	Desc []byte
}

// File is a kdump-compressed dump in the making. Its zero value and Pages make one of the sixth
// version, with pages compressed with zstd. What it writes depends on nothing but its fields.
type File struct {
	// Version is the header's, 6 where it is 0. Files of other versions, which is for tests,
	// have shorter sub headers.
	Version int
	// Pack compresses pages; the zero value stands for [Zstd].
	Pack Packer
	// UTS is what uname(2) says: sysname, nodename, release, version, machine, domainname.
	// An empty machine stands for x86_64.
	UTS [6]string
	// PhysBase is where the kernel's image was moved to in physical memory, and Level the dump level.
	PhysBase   uint64
	Level      uint32
	VMCoreInfo []byte // not written where it is empty
	Notes      []Note
	// Incomplete sets the flag of a writer that ran out of disk space.
	Incomplete bool
	// SingleBitmap leaves out the bitmap of what exists, as old writers did.
	SingleBitmap bool

	// MaxPage is the first page number behind the machine's memory; 0: the one behind the last of Pages.
	MaxPage uint64
	// Exists tells whether the machine had memory at a page that is not in Pages; nil: it had.
	Exists func(page uint64) bool
	// OnlyPages says that nothing is known of pages that are not in Pages, and Exists is not asked. The
	// bitmaps of a large machine, of which there are few pages, are holes in the file then.
	OnlyPages bool
	// Pages are the numbers of the pages in the dump, and Read fills buf with one's content.
	Pages []uint64
	Read  func(page uint64, buf []byte) error
	// Split makes the file a part of a dump, with the pages from Start up to End.
	Split      bool
	Start, End uint64
	// PlainZeros keeps a copy of zeros for each page of zeros, where otherwise all share one.
	PlainZeros bool
}

// Layout tells where parts of a written file are.
type Layout struct {
	Notes, VMCoreInfo [2]int64 // offset and size
	Bitmaps           [2]int64 // of what exists (0: left out), and of what is in the dump
	Descs             int64    // the first page descriptor
	Data              int64    // what follows the descriptors
	Size              int64
}

// Write writes the dump to w, which is empty, and where a seek beyond the end leaves zeros.
func (k *File) Write(w io.WriteSeeker) (*Layout, error) {
	pages := slices.Clone(k.Pages)
	slices.Sort(pages)
	pages = slices.Compact(pages)
	top := k.MaxPage
	if n := len(pages); n > 0 && pages[n-1] >= top {
		if top != 0 {
			return nil, fmt.Errorf("kdump: page %#x of a machine with %#x", pages[n-1], top)
		}
		top = pages[n-1] + 1
	}
	if top = max(top, 1); top > maxPages {
		return nil, fmt.Errorf("kdump: page %#x, and x86-64 has %#x at most", top-1, uint64(maxPages))
	}
	start, end := uint64(0), top
	if k.Split {
		if start, end = k.Start, k.End; start > end || end > top {
			return nil, fmt.Errorf("kdump: a part from page %#x to %#x of %#x", start, end, top)
		}
	}
	head, lay, err := k.headers(top, start, end)
	if err != nil {
		return nil, err
	}
	out := newPosition(w)
	out.write(head)
	if !k.SingleBitmap {
		lay.Bitmaps[0] = out.at
		k.writeBitmap(out, top, pages, true)
	}
	lay.Bitmaps[1] = out.at
	k.writeBitmap(out, top, pages, false)
	lay.Descs = out.at
	// A part keeps room for all descriptors, and uses the first ones.
	out.hole(int64(len(pages)) * descSize)
	lay.Data = out.at
	lo, _ := slices.BinarySearch(pages, start)
	hi, _ := slices.BinarySearch(pages, end)
	descs, err := k.writePages(out, pages[lo:hi])
	if err == nil {
		err = out.flush()
	}
	if err == nil {
		_, err = w.Seek(lay.Descs, io.SeekStart)
	}
	if err == nil {
		_, err = w.Write(descs)
	}
	if err == nil {
		_, err = w.Seek(out.at, io.SeekStart)
	}
	lay.Size = out.at
	return lay, err
}

// headers makes both headers, with VMCOREINFO and the notes behind the second.
func (k *File) headers(top, start, end uint64) ([]byte, *Layout, error) {
	pack := k.Pack
	if pack.New == nil {
		pack = Zstd
	}
	version := k.Version
	if version == 0 {
		version = 6
	}
	lay := &Layout{}
	le := binary.LittleEndian
	head := make([]byte, blockSize+subHeaderSize, 3*blockSize)
	// VMCOREINFO is the first note, and the sub header also points at it: some readers look
	// there, and others at the notes.
	notes := slices.Clone(k.Notes)
	if len(k.VMCoreInfo) > 0 {
		notes = slices.Insert(notes, 0, Note{Name: "VMCOREINFO", Desc: k.VMCoreInfo})
	}
	for i := range notes {
		head = appendNote(head, &notes[i])
	}
	if at := int64(blockSize + subHeaderSize); int64(len(head)) > at {
		lay.Notes = [2]int64{at, int64(len(head)) - at}
	}
	if len(k.VMCoreInfo) > 0 {
		lay.VMCoreInfo = [2]int64{lay.Notes[0] + vmcoreinfoDesc, int64(len(k.VMCoreInfo))}
	}
	head = append(head, make([]byte, -len(head)&(blockSize-1))...)
	sub := head[blockSize:]
	bitmapBlocks := (top + 8*blockSize - 1) / (8 * blockSize)
	if !k.SingleBitmap {
		bitmapBlocks *= 2
	}
	if bitmapBlocks > 1<<31-1 || len(sub) > 1<<31-1 {
		return nil, nil, errors.New("kdump: too large")
	}
	copy(head, "KDUMP   ")
	le.PutUint32(head[8:], uint32(version))
	uts := k.UTS
	if uts[4] == "" {
		uts[4] = "x86_64"
	}
	for i, s := range uts {
		copy(head[12+i*utsLen:12+(i+1)*utsLen-1], s)
	}
	status := pack.Flag
	if k.Incomplete {
		status |= StatusIncomplete
	}
	le.PutUint32(head[424:], status)
	le.PutUint32(head[428:], blockSize)
	le.PutUint32(head[432:], uint32(len(sub)/blockSize))
	le.PutUint32(head[436:], uint32(bitmapBlocks))
	le.PutUint32(head[440:], uint32(min(top, 1<<32-1))) // version 6 has it in the sub header
	le.PutUint32(head[460:], 1)                         // CPUs; readers find them in memory
	if version < 6 && top > 1<<32-1 {
		return nil, nil, fmt.Errorf("kdump: version %d cannot count %#x pages", version, top)
	}

	le.PutUint64(sub, k.PhysBase)
	le.PutUint32(sub[8:], k.Level)
	if k.Split {
		le.PutUint32(sub[12:], 1)
	}
	le.PutUint64(sub[16:], start)
	le.PutUint64(sub[24:], end)
	le.PutUint64(sub[32:], uint64(lay.VMCoreInfo[0]))
	le.PutUint64(sub[40:], uint64(lay.VMCoreInfo[1]))
	le.PutUint64(sub[48:], uint64(lay.Notes[0]))
	le.PutUint64(sub[56:], uint64(lay.Notes[1]))
	le.PutUint64(sub[80:], start)
	le.PutUint64(sub[88:], end)
	le.PutUint64(sub[96:], top)
	if version < 6 {
		clear(sub[subSizes[version]:subHeaderSize])
	}
	return head, lay, nil
}

// subSizes are what versions of the sub header have of it.
var subSizes = [...]int{8, 16, 32, 48, 64, 80}

func appendNote(b []byte, n *Note) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(len(n.Name)+1))
	b = le.AppendUint32(b, uint32(len(n.Desc)))
	b = le.AppendUint32(b, n.Type)
	b = append(append(b, n.Name...), 0)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, n.Desc...)
	return append(b, make([]byte, -len(b)&3)...)
}

// writeBitmap writes a bitmap: of the pages in the dump, with those that exist too where all is set.
func (k *File) writeBitmap(out *position, top uint64, pages []uint64, all bool) {
	const covers = 8 * blockSize // pages of a block
	all = all && !k.OnlyPages
	block := make([]byte, blockSize)
	for first := uint64(0); first < top; first += covers {
		if !all && (len(pages) == 0 || pages[0] >= first+covers) {
			out.hole(blockSize)
			continue
		}
		clear(block)
		if all {
			for page := first; page < min(top, first+covers); page++ {
				if k.Exists == nil || k.Exists(page) {
					block[(page-first)/8] |= 1 << (page % 8)
				}
			}
		}
		for len(pages) > 0 && pages[0] < first+covers {
			block[(pages[0]-first)/8] |= 1 << (pages[0] % 8)
			pages = pages[1:]
		}
		out.write(block)
	}
}

// writePages writes the pages' data and returns their descriptors.
func (k *File) writePages(out *position, pages []uint64) ([]byte, error) {
	pack := k.Pack
	if pack.New == nil {
		pack = Zstd
	}
	compress, err := pack.New()
	if err != nil {
		return nil, fmt.Errorf("kdump: %w", err)
	}
	le := binary.LittleEndian
	descs := make([]byte, 0, len(pages)*descSize)
	raw := make([]byte, blockSize)
	var packed []byte
	zeros := int64(-1)
	if !k.PlainZeros && len(pages) > 0 {
		zeros = out.at
		out.hole(blockSize)
	}
	for _, page := range pages {
		clear(raw)
		if err := k.Read(page, raw); err != nil {
			return nil, err
		}
		off, data, flag := out.at, raw, uint32(0)
		if zeros >= 0 && dump.AllZero(raw) {
			off, data = zeros, nil
		} else if packed, err = compress(packed[:0], raw); err != nil {
			return nil, fmt.Errorf("kdump: page %#x: %w", page, err)
		} else if packed != nil && len(packed) < len(raw) {
			data, flag = packed, pack.Flag
		}
		out.write(data)
		size := len(data)
		if data == nil {
			size = blockSize
		}
		descs = le.AppendUint64(descs, uint64(off))
		descs = le.AppendUint32(descs, uint32(size))
		descs = le.AppendUint32(descs, flag)
		descs = le.AppendUint64(descs, 0)
	}
	return descs, nil
}

// position counts what was written. Its first error stays, until flush.
type position struct {
	to   io.WriteSeeker
	w    *bufio.Writer
	at   int64
	gap  int64 // zeros before at that are not written yet
	fail error
}

func newPosition(w io.WriteSeeker) *position {
	return &position{to: w, w: bufio.NewWriterSize(w, 1<<20)}
}

func (p *position) write(b []byte) {
	if len(b) == 0 {
		return
	}
	p.fill()
	n, _ := p.w.Write(b)
	p.at += int64(n)
}

// hole leaves n bytes zero.
func (p *position) hole(n int64) { p.gap, p.at = p.gap+n, p.at+n }

// fill writes the zeros that were left out, or passes over them where they are many.
func (p *position) fill() {
	const many = 64 << 10
	if p.gap >= many && p.fail == nil {
		if p.fail = p.w.Flush(); p.fail == nil {
			_, p.fail = p.to.Seek(p.gap, io.SeekCurrent)
		}
		p.gap = 0
	}
	var block [blockSize]byte
	for ; p.gap > 0; p.gap -= min(p.gap, blockSize) {
		_, _ = p.w.Write(block[:min(p.gap, blockSize)])
	}
}

// flush ends the file, whose last byte is one that was written.
func (p *position) flush() error {
	if p.gap > 0 {
		p.gap--
		p.fill()
		_ = p.w.WriteByte(0)
	}
	if p.fail != nil {
		return p.fail
	}
	return p.w.Flush()
}
