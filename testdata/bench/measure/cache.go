package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropCache takes one file out of the page cache. Pages that a process has
// mapped stay, so it counts what is left and fails where that is more than a
// sliver: a cold row that was warm would be a lie.
func dropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // dirty pages stay as well
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("%s: posix_fadvise: %w", path, err)
	}
	left, err := cached(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: mincore: %w", path, err)
	}
	if left > info.Size()/100 {
		return fmt.Errorf("%s: %d MiB stay in the page cache, another process seems to use it", path, left>>20)
	}
	return nil
}

// cached tells how many bytes of a file are in the page cache.
func cached(f *os.File, size int64) (int64, error) {
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(mapped)
	page := os.Getpagesize()
	resident := make([]byte, (len(mapped)+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[0])), uintptr(len(mapped)),
		uintptr(unsafe.Pointer(&resident[0])))
	if errno != 0 {
		return 0, errno
	}
	var n int64
	for _, b := range resident {
		n += int64(b&1) * int64(page)
	}
	return n, nil
}
