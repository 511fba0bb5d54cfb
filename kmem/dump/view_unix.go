//go:build unix

package dump

import (
	"os"
	"syscall"
)

// mapFile maps n bytes of a file from off on, a multiple of the page size; nil where that fails.
func mapFile(file *os.File, off uint64, n int) (data []byte, unmap func()) {
	data, err := syscall.Mmap(int(file.Fd()), int64(off), n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil
	}
	return data, func() { _ = syscall.Munmap(data) }
}
