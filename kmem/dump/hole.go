package dump

import (
	"math"
	"os"
)

// Hole reports whether the n bytes at off are known to be zeros without being read: a hole
// of a file on disk.
func (f *File) Hole(off, n uint64) bool {
	file, ok := f.r.(*os.File)
	if !ok || off > math.MaxInt64-n || off+n > uint64(max(f.Size, 0)) {
		return false
	}
	next, ok := nextData(file, int64(off))
	return ok && uint64(next) >= off+n
}
