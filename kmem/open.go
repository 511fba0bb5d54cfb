package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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

// Open opens an ELF dump of an x86-64 kernel: kexec's vmcore, QEMU's
// dump-guest-memory, or a snapshot of ours, each also compressed with zstd (up
// to 1 GiB unpacked, as that is held in memory). "/proc/kcore" is [OpenLive].
// A file that is no such dump gets a [*FormatError].
func Open(path string) (*Image, error) {
	if filepath.Clean(path) == defaultHost.kcore {
		return OpenLive()
	}
	// Look before opening: to open a pipe would wait for its writer.
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	} else if !st.Mode().IsRegular() {
		return nil, &FormatError{Source: path, What: "not a file but a " + fileKind(st.Mode())}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	}
	st, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("cannot open the dump: %w", err)
	}
	img, err := OpenReaderAt(file, st.Size(), path)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	if img.inMemory() {
		_ = file.Close()
	} else {
		img.closer = file
	}
	return img, nil
}

// OpenReaderAt opens a dump of size bytes, as [Open] does; name stands for the
// file in messages. The caller keeps r open until it has closed the image.
func OpenReaderAt(r io.ReaderAt, size int64, name string) (*Image, error) {
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: cannot read: %w", name, err)
	} else if !bytes.Equal(magic[:n], zstdMagic) {
		return newImage(newCoreFile(r, size, true), name, false)
	}
	data, err := unpack(r, size, maxUnpacked)
	if err != nil {
		return nil, &FormatError{Source: name, What: err.Error()}
	}
	return newImage(newCoreFile(bytes.NewReader(data), int64(len(data)), false), name, false)
}

// inMemory reports whether the image no longer needs the file that it came from.
func (img *Image) inMemory() bool {
	_, ok := img.file.r.(*bytes.Reader)
	return ok
}

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

func fileKind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&os.ModeNamedPipe != 0:
		return "pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}
