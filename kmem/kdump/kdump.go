// Package kdump reads and writes kdump-compressed dumps.
//
// Such a dump is what makedumpfile writes by default and QEMU in its
// kdump formats: the physical pages that somebody thought worth keeping, each
// compressed by itself. A file of x86-64 is little-endian and counts in blocks of
// one page, 4096 bytes:
//
//	block 0        header (struct disk_dump_header): the signature "KDUMP   ", what
//	               uname(2) says, and how long the following parts are
//	block 1        sub header (struct kdump_sub_header), sub_hdr_size blocks: phys_base,
//	               the dump level, and where in the file VMCOREINFO and the ELF notes are
//	then           bitmap_blocks blocks of bitmaps, a bit a page frame, the lowest bit of a
//	               byte first. Bitmap 1: there is memory. Bitmap 2: the page is in the dump.
//	               (An old file may have one only, which serves as both.)
//	then           a descriptor of 24 bytes for each bit that is set in bitmap 2, in their
//	               order: offset (64 bits), size, flags (32 bits each), page flags
//	then           the pages; a flag in the descriptor says how one is compressed. All
//	               pages of zeros share one, the first thing that both writers put there.
//
// So the descriptor of a page is the one whose number is the count of bits before
// the page's own, and where the first page lies is known from the count of all bits:
// the one check that the format offers against a damaged bitmap. Against damaged descriptors there is
// their order: see order.go.
//
// The header tells its version; each added members at the sub header's end. Version 6
// is of 2013 and has its page numbers in 64 bits, as the older ones cut them to 32.
//
// makedumpfile --split writes several files, each with headers and bitmaps for the
// whole dump and with descriptors and pages for a range of page numbers of its own
// (start_pfn to end_pfn). Room for descriptors is kept in each as if it had them all.
//
// A writer that runs out of disk space sets a flag in the header's status and leaves
// the descriptors of the pages that it did not write zero: an offset of 0.
package kdump

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"kinspect/kmem/dump"
)

// Magic is how a file begins.
const Magic = "KDUMP   "

// How a page is compressed: flags of its descriptor, and of the header's status, where
// they tell what the writer was asked for.
const (
	FlagZlib   = 0x1
	FlagLZO    = 0x2
	FlagSnappy = 0x4
	FlagZstd   = 0x20
	// StatusIncomplete is of the header's status alone: the writer ran out of space.
	StatusIncomplete = 0x8

	flagsPacked = FlagZlib | FlagLZO | FlagSnappy | FlagZstd
)

const (
	blockSize     = dump.PageSize
	headerSize    = 464
	subHeaderSize = 104
	descSize      = 24
	machineOffset = 12 + 4*65 // utsname's fifth string of 65 bytes
	utsLen        = 65

	// maxPages bounds the page numbers, and so the bitmaps: 52 bits of
	// physical address are the most that x86-64 has.
	maxPages = 1 << (52 - dump.PageShift)
)

// Format is the format of kdump-compressed dumps. A split one has several files, in any order.
var Format = dump.Format{Magic: Magic, Open: open}

func open(files []*dump.File) (*dump.Content, error) {
	parts := make([]partFile, len(files))
	for i, f := range files {
		h, err := parseHeader(f)
		if err != nil {
			return nil, err
		}
		parts[i] = partFile{File: f, head: h}
	}
	m, err := newMemory(parts)
	if err != nil {
		return nil, err
	}
	first := parts[0] // by pages now
	notes, err := first.head.findNotes(first.File)
	if err != nil {
		return nil, err
	}
	return &dump.Content{File: first.File, Memory: m, Notes: notes, PhysBase: &first.head.physBase, Remarks: m.remarks()}, nil
}

// header is what both headers of a file say.
type header struct {
	version    int
	status     uint32
	pages      uint64 // page numbers are below
	bitmap     uint64 // offset of the bitmap of the pages in the dump
	memory     uint64 // offset of the bitmap of pages that exist; 0: the file has none
	descs      uint64 // offset of the first descriptor
	physBase   uint64
	split      bool
	start, end uint64 // the pages of this file, the end exclusive; all, where it is not split
	vmcoreinfo [2]uint64
	notes      [2]uint64 // offset and size
}

// machines are the names for x86-64 in utsname. QEMU 10.0 writes Unknown, whatever it
// dumps; what else the file says of the kernel has to tell then.
var machines = map[string]bool{"x86_64": true, "": true, "Unknown": true}

// parseHeader reads both headers and checks what they say against the file.
func parseHeader(f *dump.File) (*header, error) {
	head := make([]byte, headerSize)
	if err := f.ReadHeader(0, head, "kdump header"); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	h := &header{version: int(int32(le.Uint32(head[8:]))), status: le.Uint32(head[424:])}
	machine, _, _ := bytes.Cut(head[machineOffset:machineOffset+utsLen], []byte{0})
	switch {
	case h.version&0xffff == 0 && h.version != 0:
		return nil, f.Errorf(0, "a big-endian kdump file (%s): kinspect reads dumps of x86-64 kernels", clean(machine))
	case !machines[string(machine)]:
		return nil, f.Errorf(machineOffset, "a dump of another architecture, %s: kinspect reads x86-64", clean(machine))
	case h.version < 0 || h.version > 0xff:
		return nil, f.Errorf(8, "damaged kdump header: version %d", h.version)
	}
	if block := le.Uint32(head[428:]); block != blockSize {
		return nil, f.Errorf(428, "damaged kdump header: blocks of %d bytes, and pages of x86-64 have %d", block, blockSize)
	}
	subBlocks, bitmapBlocks := uint64(le.Uint32(head[432:])), uint64(le.Uint32(head[436:]))
	h.pages = uint64(le.Uint32(head[440:]))
	if subBlocks == 0 || subBlocks > math.MaxInt32 {
		return nil, f.Errorf(432, "damaged kdump header: a sub header of %d blocks", int32(subBlocks))
	}
	if err := h.readSubHeader(f); err != nil {
		return nil, err
	}
	if h.pages == 0 || h.pages > maxPages {
		return nil, f.Errorf(440, "damaged kdump header: %d pages", h.pages)
	}
	if !h.split {
		h.start, h.end = 0, h.pages
	} else if h.start > h.end || h.end > h.pages {
		return nil, f.Errorf(blockSize, "damaged kdump header: its part of the dump is said to be pages %#x to %#x of %#x", h.start, h.end, h.pages)
	}
	h.bitmap = (1 + subBlocks) * blockSize
	h.descs = h.bitmap + bitmapBlocks*blockSize
	one := (h.pages + 8*blockSize - 1) / (8 * blockSize) // blocks of one bitmap
	switch {
	case bitmapBlocks >= 2*one:
		h.memory = h.bitmap
		h.bitmap += bitmapBlocks / 2 * blockSize
	case bitmapBlocks < one:
		return nil, f.Errorf(436, "damaged kdump header: a bitmap of %d blocks, and %d pages take %d", bitmapBlocks, h.pages, one)
	}
	if h.descs > uint64(max(f.Size, 0)) {
		return nil, f.Errorf(0, "truncated: the file ends (after %d bytes) before the end of its bitmaps at %#x", f.Size, h.descs)
	}
	// Before version 6 page numbers may have been cut off.
	if h.version >= 6 && bitmapBlocks != one && bitmapBlocks != 2*one {
		return nil, f.Errorf(436, "damaged kdump header: bitmaps of %d blocks, and %d pages take %d each", bitmapBlocks, h.pages, one)
	}
	return h, nil
}

// readSubHeader reads the sub header as far as the version has it.
func (h *header) readSubHeader(f *dump.File) error {
	sub := make([]byte, subHeaderSize)
	size := 8
	switch {
	case h.version >= 6:
		size = subHeaderSize
	case h.version == 5:
		size = 80
	case h.version == 4:
		size = 64
	case h.version == 3:
		size = 48
	case h.version == 2:
		size = 32
	case h.version == 1:
		size = 16
	}
	if err := f.ReadHeader(blockSize, sub[:size], "kdump sub header"); err != nil {
		return err
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(sub[at:]) }
	h.physBase = word(0)
	h.split = binary.LittleEndian.Uint32(sub[12:]) != 0
	h.start, h.end = word(16), word(24)
	h.vmcoreinfo = [2]uint64{word(32), word(40)}
	h.notes = [2]uint64{word(48), word(56)}
	if h.version >= 6 {
		h.start, h.end, h.pages = word(80), word(88), word(96)
	}
	return nil
}

// findNotes finds the notes as if the file were an ELF core.
func (h *header) findNotes(f *dump.File) ([]dump.Note, error) {
	var notes []dump.Note
	if off, size := h.vmcoreinfo[0], h.vmcoreinfo[1]; size > 0 {
		if off+size < off || off+size > uint64(max(f.Size, 0)) {
			return nil, f.Errorf(blockSize, "damaged: VMCOREINFO is said to be %d bytes at %#x, and the file has %d", size, off, f.Size)
		}
		notes = append(notes, dump.Note{Name: "VMCOREINFO", Off: off, Size: size})
	}
	if off, size := h.notes[0], h.notes[1]; size > 0 {
		return f.AppendNotes(notes, off, size)
	}
	return notes, nil
}

// clean makes bytes of a file fit for a message.
func clean(b []byte) string {
	s := fmt.Sprintf("%q", b)
	return s[1 : len(s)-1]
}
