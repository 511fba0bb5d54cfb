//go:build unix

package dump

import (
	"os"
	"syscall"
)

// Window maps n bytes of the file at off, so that to read them once takes no copy of them. It is
// nil where the file cannot be mapped, or does not have as many; unmap it when done. What the
// file loses meanwhile, or cannot be read of it, is a fault of the processor: readers call
// [debug.SetPanicOnFault] and recover.
func (f *File) Window(off uint64, n int) (data []byte, unmap func()) {
	file, ok := f.r.(*os.File)
	if !ok || n <= 0 || off > uint64(max(f.Size, 0)) || uint64(f.Size)-off < uint64(n) {
		return nil, nil
	}
	lead := int(off % uint64(os.Getpagesize()))
	all, err := syscall.Mmap(int(file.Fd()), int64(off)-int64(lead), n+lead, syscall.PROT_READ, syscall.MAP_SHARED|mapPopulate)
	if err != nil {
		return nil, nil
	}
	return all[lead:], func() { _ = syscall.Munmap(all) }
}
