package dump

import (
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
)

// A dump's cache has cacheSlots lines of CacheLine bytes: 1 MiB in all.
const (
	// CacheLine is the length of a line of a file's cache, in bytes.
	CacheLine  = 1024
	cacheSlots = 1024
	// aheadLines is how many lines are read at once where lines are asked for one after
	// the other. They share one piece of memory, of which the cache may hold that many
	// times its size at worst.
	aheadLines = 16
)

// File is a file that a dump is read from: offsets, no addresses. It is safe for
// concurrent use.
//
// Small reads of a file on disk go through a cache, as a pread for each pointer
// of a list and each level of the page tables would cost more than everything else. It
// has no lock: a slot's line never changes, it is replaced. Its lines are short as most
// reads want one structure of a page.
// A live kernel changes, and memory needs no cache: both have none.
type File struct {
	Name  string // what the user called it, for messages
	Size  int64  // in bytes
	r     io.ReaderAt
	cache *[cacheSlots]atomic.Pointer[cachedLine]
	// missed is where the line ends that was read last: one that begins there is the next
	// of a walk upwards, as that of a list whose nodes were allocated in a row.
	missed atomic.Int64
	misses atomic.Int32 // how many lines were read, up to mapAfter

	mapped   atomic.Pointer[mapping] // of a file that much was read of, or nil
	mapFirst sync.Once
}

type cachedLine struct {
	off  int64
	data []byte // shorter than a line only at the end of the file
}

// NewFile returns a file of size bytes that is read from r.
func NewFile(r io.ReaderAt, size int64, name string, cached bool) *File {
	f := &File{Name: name, Size: size, r: r}
	if cached {
		f.cache = new([cacheSlots]atomic.Pointer[cachedLine])
	}
	return f
}

// Uncache ends the use of the cache. Nobody may read meanwhile.
func (f *File) Uncache() { f.cache = nil }

// Cached reports whether the file has a cache.
func (f *File) Cached() bool { return f.cache != nil }

// ReaderAt is what the file is read from.
func (f *File) ReaderAt() io.ReaderAt { return f.r }

// partial is a reader that has not all bytes of the file it stands for.
type partial interface {
	// DataAt is the first range at or behind off that is there: from start up to end.
	// Where there is none, both are the file's size or more.
	DataAt(off uint64) (start, end uint64)
}

// DataAt is the first range of the file at or behind off that is there, as far as that is known without
// reading: from start up to end, the two being equal where there is none.
func (f *File) DataAt(off uint64) (start, end uint64) {
	size := uint64(max(f.Size, 0))
	start, end = off, size
	if p, ok := f.r.(partial); ok {
		start, end = p.DataAt(off)
	}
	start = min(max(start, off), max(size, off))
	return start, max(start, min(end, size))
}

// ReadFull fills buf from the file's offset off. The error of a read that the file's
// end cuts short is [io.ErrUnexpectedEOF].
func (f *File) ReadFull(off uint64, buf []byte) error {
	if off > math.MaxInt64 || int64(off) > f.Size || uint64(f.Size)-off < uint64(len(buf)) {
		return io.ErrUnexpectedEOF
	}
	if f.cache == nil {
		return f.Direct(int64(off), buf)
	}
	if m := f.mapped.Load(); m != nil && len(buf) <= maxMappedRead && m.read(off, buf) {
		return nil
	}
	if len(buf) > CacheLine {
		return f.Direct(int64(off), buf)
	}
	for at := int64(off); len(buf) > 0; {
		line, err := f.line(at &^ (CacheLine - 1))
		if err != nil {
			return f.Direct(at, buf) // what cannot be read may be the line's other bytes
		}
		n := copy(buf, line.data[min(int(at&(CacheLine-1)), len(line.data)):])
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		buf, at = buf[n:], at+int64(n)
	}
	return nil
}

// View returns the n bytes at off, at most a line of those that begin at off, which is a
// multiple of [CacheLine]. Nobody may change them.
func (f *File) View(off uint64, n int) ([]byte, error) {
	if f.cache == nil || off%CacheLine != 0 || off > math.MaxInt64 {
		buf := make([]byte, n)
		return buf, f.ReadFull(off, buf)
	}
	if int64(off) >= f.Size {
		return nil, io.ErrUnexpectedEOF
	}
	line, err := f.line(int64(off))
	if err != nil {
		return nil, err
	}
	if len(line.data) < n {
		return nil, io.ErrUnexpectedEOF
	}
	return line.data[:n], nil
}

// line returns the line of the file at off, which is a multiple of CacheLine.
func (f *File) line(off int64) (*cachedLine, error) {
	// Spread by Fibonacci hashing: structures of a page each are a usual stride.
	// Each line has two slots, the older line in the second.
	i := uint64(off) / CacheLine * 0x9e3779b97f4a7c15 >> 32 % cacheSlots
	first, second := &f.cache[i], &f.cache[i^1]
	old := first.Load()
	if old != nil && old.off == off {
		return old, nil
	}
	if p := second.Load(); p != nil && p.off == off {
		return p, nil
	}
	f.countMiss()
	if f.missed.Swap(off+CacheLine) == off && off > 0 {
		if p := f.ahead(off); p != nil {
			return p, nil
		}
	}
	p := &cachedLine{off: off, data: make([]byte, min(CacheLine, f.Size-off))}
	if err := f.Direct(off, p.data); err != nil {
		return nil, err
	}
	f.store(p)
	return p, nil
}

// maxMappedRead is the longest read of what is mapped: the pages of longer ones are entered one by one,
// and read but once.
const maxMappedRead = 64 << 10

// countMiss has the file mapped that many lines were read of.
func (f *File) countMiss() {
	if f.misses.Load() > mapAfter || f.misses.Add(1) < mapAfter {
		return
	}
	f.mapFirst.Do(func() { f.mapped.Store(newMapping(f.r, f.Size)) })
}

// Mapped reports whether the file is mapped.
func (f *File) Mapped() bool { return f.mapped.Load() != nil }

// ReadMapped is [File.ReadFull] of a file that is mapped. It is false where it is not, where the read is too long
// for that, and where it fails: the other tells why.
func (f *File) ReadMapped(off uint64, buf []byte) bool {
	m := f.mapped.Load()
	return m != nil && len(buf) <= maxMappedRead && m.read(off, buf)
}

// Close gives back what is mapped. The file that is read from stays open. Nobody may read
// meanwhile, or afterwards.
func (f *File) Close() {
	f.mapFirst.Do(func() {})
	if m := f.mapped.Swap(nil); m != nil {
		m.unmap()
	}
}

// ahead reads the line at off and those behind it, and returns the first. It is nil
// where they cannot be read as one.
func (f *File) ahead(off int64) *cachedLine {
	data := make([]byte, min(aheadLines*CacheLine, f.Size-off))
	if f.Direct(off, data) != nil {
		return nil
	}
	lines := make([]cachedLine, (len(data)+CacheLine-1)/CacheLine)
	for i := len(lines) - 1; i >= 0; i-- { // the first one last: it is wanted
		from := i * CacheLine
		lines[i] = cachedLine{off: off + int64(from), data: data[from:min(from+CacheLine, len(data)):min(from+CacheLine, len(data))]}
		f.store(&lines[i])
	}
	f.missed.Store(off + int64(len(lines))*CacheLine)
	return &lines[0]
}

// store puts a line into the cache.
func (f *File) store(p *cachedLine) {
	i := uint64(p.off) / CacheLine * 0x9e3779b97f4a7c15 >> 32 % cacheSlots
	if old := f.cache[i].Load(); old != nil && old.off != p.off {
		f.cache[i^1].Store(old)
	}
	f.cache[i].Store(p)
}

// Direct is [File.ReadFull] past the cache.
func (f *File) Direct(off int64, buf []byte) error {
	n, err := f.r.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
