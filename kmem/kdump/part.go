package kdump

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kinspect/kmem/dump"
)

// part is one file of the dump.
type part struct {
	f          *dump.File
	descs      uint64 // offset of the first descriptor
	first      uint64 // pages in the dump before start
	count      uint64 // pages in the dump from start to end
	start, end uint64
	status     uint32
	inOrder    bool   // pages lie in the order of their descriptors, see findOrder
	data       uint64 // offset of the first page, which pages of zeros share
}

// pageDesc is a page's descriptor.
type pageDesc struct {
	off   uint64
	size  uint32
	flags uint32
	n     uint64 // of its part's pages it is the n-th, from 0
}

func parsePageDesc(b []byte) pageDesc {
	le := binary.LittleEndian
	return pageDesc{off: le.Uint64(b), size: le.Uint32(b[8:]), flags: le.Uint32(b[12:])}
}

// check compares the first descriptor with the bitmap. The pages begin right behind
// the descriptors, with the page of zeros that the others share; so the first
// page is that one, or the next thing behind it. A bitmap with a bit too many or
// too few would lead to the descriptors of other pages: better no answer than theirs.
func (p *part) check(all uint64) error {
	if p.count == 0 {
		return nil
	}
	var raw [descSize]byte
	if err := p.f.ReadFull(p.descs, raw[:]); err != nil {
		return nil // cut off: each page says so
	}
	d := parsePageDesc(raw[:])
	if d.off == 0 {
		return nil
	}
	for _, n := range []uint64{p.count, all} {
		data := p.descs + n*descSize
		if d.off == data || d.off == data+dump.PageSize {
			p.data = data
			p.findOrder()
			return nil
		}
	}
	return &dump.FormatError{Source: p.f.Name, Off: p.descs, What: fmt.Sprintf("damaged: %d pages are in the dump by its bitmap, and the first lies at %#x, which is not behind as many descriptors", p.count, d.off)}
}

// incomplete tells what a user should know about missing pages, "" where there is
// nothing.
func (p *part) incomplete() string {
	if p.status&StatusIncomplete != 0 {
		return dump.RemarkIncomplete
	}
	// Pages lie in the order of their descriptors, but for those of zeros.
	const last = 1024
	n := min(p.count, last)
	raw := make([]byte, n*descSize)
	if n > 0 && p.f.ReadFull(p.descs+(p.count-n)*descSize, raw) != nil {
		return "the dump is cut off: the file ends within its page descriptors"
	}
	for ; len(raw) > 0; raw = raw[descSize:] {
		d := parsePageDesc(raw)
		if d.off+uint64(d.size) > uint64(max(p.f.Size, 0)) || d.off == 0 {
			return fmt.Sprintf("the dump is cut off: the file has %d bytes, and pages behind them cannot be read", p.f.Size)
		}
	}
	return ""
}

// sound checks a descriptor.
func (p *part) sound(page uint64, d pageDesc) error {
	size := uint64(max(p.f.Size, 0))
	switch {
	case d.off == 0:
		return pageFault(page, dump.Unwritten, "it ran out of space, or was stopped")
	case d.size == 0 || d.size > dump.PageSize || (d.flags&flagsPacked == 0 && d.size != dump.PageSize):
		return pageFault(page, dump.Failed, fmt.Sprintf("damaged page descriptor: %d bytes", d.size))
	case d.off < p.descs+p.count*descSize:
		return pageFault(page, dump.Failed, fmt.Sprintf("damaged page descriptor: offset %#x", d.off))
	case d.off > size || size-d.off < uint64(d.size):
		return pageFault(page, dump.Truncated, fmt.Sprintf("it belongs at offset %#x, and the file has %#x bytes", d.off, size))
	}
	return p.place(page, d)
}

// fault explains an error of the file.
func (p *part) fault(page uint64, what string, err error) *dump.Fault {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return pageFault(page, dump.Truncated, "its "+what+" is behind the end of the file")
	}
	return pageFault(page, dump.Failed, "its "+what+": "+err.Error())
}
