package dump

import (
	"errors"
	"math"
	"os"
	"syscall"
)

// nextData finds the first byte from off on that is not in a hole. It moves the file's
// position, which nobody uses.
func nextData(file *os.File, off int64) (int64, bool) {
	const seekData = 3 // SEEK_DATA, lseek(2)
	next, err := file.Seek(off, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return math.MaxInt64, true // nothing but a hole
	}
	return next, err == nil
}
