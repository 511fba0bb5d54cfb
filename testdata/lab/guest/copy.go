package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// copySparse copies a file onto a disk that is known to hold zeroes, leaving
// zero blocks out, and prints the number of bytes that it covered. A memory
// image is mostly zeroes, and under emulation each block written costs.
func copySparse(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want FROM and TO, got %q", args)
	}
	from, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	var offset int64
	buf, zero := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(from, buf)
		if n > 0 && !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := to.WriteAt(buf[:n], offset); err != nil {
				return err
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("at %#x: %w", offset, err)
		}
	}
	if err := to.Sync(); err != nil {
		return err
	}
	fmt.Println(offset)
	return to.Close()
}
