//go:build unix

package dump

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// mapFile maps n bytes of a file from off on, a multiple of the page size; nil where that fails.
func mapFile(file *os.File, off uint64, n int) (data []byte, unmap func()) {
	data, err := syscall.Mmap(int(file.Fd()), int64(off), n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil
	}
	return data, func() { _ = syscall.Munmap(data) }
}

// forget takes what is mapped out of the process's memory, where it is not; it stays mapped, and in the
// page cache.
func forget(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
