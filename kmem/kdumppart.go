package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// kdumpPart is one file of the dump.
type kdumpPart struct {
	f          *coreFile
	name       string
	descs      uint64 // offset of the first descriptor
	first      uint64 // pages in the dump before start
	count      uint64 // pages in the dump from start to end
	start, end uint64
	status     uint32
}

// pageDesc is a page's descriptor.
type pageDesc struct {
	off   uint64
	size  uint32
	flags uint32
}

func parsePageDesc(b []byte) pageDesc {
	le := binary.LittleEndian
	return pageDesc{off: le.Uint64(b), size: le.Uint32(b[8:]), flags: le.Uint32(b[12:])}
}

// check compares the first descriptor with the bitmap. The pages begin right behind
// the descriptors, with the page of zeros that the others share; so the first
// page is that one, or the next thing behind it. A bitmap with a bit too many or
// too few would lead to the descriptors of other pages: better no answer than theirs.
func (p *kdumpPart) check(all uint64) error {
	if p.count == 0 {
		return nil
	}
	var raw [kdumpDescSize]byte
	if err := p.f.readAt(p.descs, raw[:]); err != nil {
		return nil // cut off: each page says so
	}
	d := parsePageDesc(raw[:])
	if d.off == 0 {
		return nil
	}
	for _, n := range []uint64{p.count, all} {
		data := p.descs + n*kdumpDescSize
		if d.off == data || d.off == data+PageSize {
			return nil
		}
	}
	return &FormatError{Source: p.name, Off: p.descs, What: fmt.Sprintf("damaged: %d pages are in the dump by its bitmap, and the first lies at %#x, which is not behind as many descriptors", p.count, d.off)}
}

// incomplete tells what a user should know about missing pages, "" where there is
// nothing.
func (p *kdumpPart) incomplete() string {
	if p.status&kdumpIncomplete != 0 {
		return remarkIncomplete
	}
	// Pages lie in the order of their descriptors, but for those of zeros.
	const last = 1024
	n := min(p.count, last)
	raw := make([]byte, n*kdumpDescSize)
	if n > 0 && p.f.readAt(p.descs+(p.count-n)*kdumpDescSize, raw) != nil {
		return "the dump is cut off: the file ends within its page descriptors"
	}
	for ; len(raw) > 0; raw = raw[kdumpDescSize:] {
		d := parsePageDesc(raw)
		if d.off+uint64(d.size) > uint64(max(p.f.size, 0)) || d.off == 0 {
			return fmt.Sprintf("the dump is cut off: the file has %d bytes, and pages behind them cannot be read", p.f.size)
		}
	}
	return ""
}

// remarkIncomplete is for dumps whose writer said so.
const remarkIncomplete = "the dump is incomplete: whoever wrote it ran out of space, and what did not fit cannot be read"

const kdumpPacked = kdumpZlib | kdumpLZO | kdumpSnappy | kdumpZstd

// sound checks a descriptor.
func (p *kdumpPart) sound(page uint64, d pageDesc) error {
	size := uint64(max(p.f.size, 0))
	switch {
	case d.off == 0:
		return pageFault(page, Truncated, "whoever wrote the dump stopped before this page")
	case d.size == 0 || d.size > PageSize || (d.flags&kdumpPacked == 0 && d.size != PageSize):
		return pageFault(page, Failed, fmt.Sprintf("damaged page descriptor: %d bytes", d.size))
	case d.off < p.descs+p.count*kdumpDescSize:
		return pageFault(page, Failed, fmt.Sprintf("damaged page descriptor: offset %#x", d.off))
	case d.off > size || size-d.off < uint64(d.size):
		return pageFault(page, Truncated, fmt.Sprintf("it belongs at offset %#x, and the file has %#x bytes", d.off, size))
	}
	return nil
}

// fault explains an error of the file.
func (p *kdumpPart) fault(page uint64, what string, err error) *Fault {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return pageFault(page, Truncated, "its "+what+" is behind the end of the file")
	}
	return pageFault(page, Failed, "its "+what+": "+err.Error())
}
