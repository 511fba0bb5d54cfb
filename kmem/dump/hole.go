package dump

import (
	"math"
	"os"
)

// NextData is the first byte from off on that is in no hole of a file on disk, at most the file's size; off
// itself, where that is not known without reading.
func (f *File) NextData(off uint64) uint64 {
	file, ok := f.r.(*os.File)
	size := uint64(max(f.Size, 0))
	if !ok || off >= size {
		return off
	}
	next, ok := nextData(file, int64(off))
	if !ok || uint64(next) < off {
		return off
	}
	return min(uint64(next), size)
}

// Hole reports whether the n bytes at off are known to be zeros without being read: a hole
// of a file on disk.
func (f *File) Hole(off, n uint64) bool {
	return off <= math.MaxInt64-n && off+n <= uint64(max(f.Size, 0)) && f.NextData(off)-off >= n
}
