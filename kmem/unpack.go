package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxUnpacked bounds a compressed file's content, in bytes: it is held in memory.
	maxUnpacked = 1 << 30
	// maxZstdWindow is the largest window that the zstd tool itself unpacks
	// without being told to. All files may claim minZstdWindow, which the tool
	// writes without being told to; more takes a file that may need it, so that a
	// lying header costs no memory.
	maxZstdWindow = 128 << 20
	minZstdWindow = 8 << 20
	maxZstdRatio  = 256
)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// unpack returns the content of a zstd file, at most limit bytes of it.
func unpack(r io.ReaderAt, size, limit int64) ([]byte, error) {
	if out := unpackWhole(r, size, limit); out != nil {
		return out, nil
	}
	window := min(maxZstdWindow, max(uint64(min(size, limit))*maxZstdRatio, minZstdWindow))
	dec, err := zstd.NewReader(io.NewSectionReader(r, 0, size),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, fmt.Errorf("cannot unpack zstd: %w", err)
	}
	defer dec.Close()
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(dec, limit+1))
	switch {
	case n > limit || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, fmt.Errorf("more than %d MiB when unpacked: unpack it with zstd -d and open the result", limit>>20)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("compressed with a window of more than %d MiB: unpack it with zstd -d --long=31 and open the result", window>>20)
	case err != nil:
		return nil, fmt.Errorf("damaged zstd file: after %d unpacked bytes: %w", n, err)
	}
	return out.Bytes(), nil
}

// unpackWhole is the quick way, in half the memory: for a file of one frame whose
// header tells the size, where a usual ratio makes that believable. It returns
// nil where the file is none or is damaged.
func unpackWhole(r io.ReaderAt, size, limit int64) []byte {
	const usualRatio = 32
	head := make([]byte, min(size, zstd.HeaderMaxSize))
	n, _ := r.ReadAt(head, 0)
	var h zstd.Header
	if err := h.Decode(head[:n]); err != nil || !h.HasFCS || h.FrameContentSize == 0 ||
		h.FrameContentSize > uint64(min(limit, size*usualRatio)) {
		return nil
	}
	// Not even noise grows by more when it is packed: what follows is no frame.
	if fcs := int64(h.FrameContentSize); size > fcs+fcs/16+1024 {
		return nil
	}
	packed := make([]byte, size)
	if n, _ := r.ReadAt(packed, 0); n < len(packed) {
		return nil
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil
	}
	defer dec.Close()
	out, err := dec.DecodeAll(packed, make([]byte, 0, h.FrameContentSize))
	if err != nil {
		return nil
	}
	return out
}
