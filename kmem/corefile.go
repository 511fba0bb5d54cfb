package kmem

import (
	"errors"
	"io"
	"math"
	"sync/atomic"
)

// cacheSlots is the size of a dump's cache in pages of [PageSize]: 1 MiB in all.
const cacheSlots = 256

// coreFile is the file that an image reads: offsets, no addresses.
//
// Small reads of a file on disk go through a cache of whole pages, as a pread for
// each pointer of a list would cost more than everything else. The cache has
// one slot for an offset and no lock: a slot's page never changes, it is replaced.
// A live kernel changes, and memory needs no cache: both have none.
type coreFile struct {
	r     io.ReaderAt
	size  int64
	cache *[cacheSlots]atomic.Pointer[cachedPage]
}

type cachedPage struct {
	off  int64
	data []byte // shorter than a page only at the end of the file
}

func newCoreFile(r io.ReaderAt, size int64, cached bool) *coreFile {
	f := &coreFile{r: r, size: size}
	if cached {
		f.cache = new([cacheSlots]atomic.Pointer[cachedPage])
	}
	return f
}

// readAt fills buf from the file's offset off. The error of a read that the file's
// end cuts short is [io.ErrUnexpectedEOF].
func (f *coreFile) readAt(off uint64, buf []byte) error {
	if off > math.MaxInt64 || int64(off) > f.size || uint64(f.size)-off < uint64(len(buf)) {
		return io.ErrUnexpectedEOF
	}
	if f.cache == nil || len(buf) >= PageSize {
		return f.pread(int64(off), buf)
	}
	for at := int64(off); len(buf) > 0; {
		page, err := f.page(at &^ (PageSize - 1))
		if err != nil {
			return err
		}
		n := copy(buf, page.data[min(int(at&(PageSize-1)), len(page.data)):])
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		buf, at = buf[n:], at+int64(n)
	}
	return nil
}

// page returns the page of the file at off, which is a multiple of [PageSize].
func (f *coreFile) page(off int64) (*cachedPage, error) {
	slot := &f.cache[uint64(off)/PageSize%cacheSlots]
	if p := slot.Load(); p != nil && p.off == off {
		return p, nil
	}
	p := &cachedPage{off: off, data: make([]byte, min(PageSize, f.size-off))}
	if err := f.pread(off, p.data); err != nil {
		return nil, err
	}
	slot.Store(p)
	return p, nil
}

func (f *coreFile) pread(off int64, buf []byte) error {
	n, err := f.r.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
