// Package packed unpacks files that a general tool compressed: gzip, xz, zstd. What is
// inside can be any format, so it is unpacked whole before somebody looks: to memory
// where it is small, else to a temporary file, in which zeros are holes.
//
// A zstd frame may tell its length in its header; a small one that does is unpacked in
// one go. Windows and dictionaries, which a file claims, are bounded before memory is
// given to them.
package packed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"kinspect/kmem/dump"
)

const (
	// maxInMemory bounds, in bytes, what a compressed file's content may take in
	// memory: what is larger goes to a temporary file.
	maxInMemory = 32 << 20
	// maxUnpacked bounds the temporary file: no disk has as much.
	maxUnpacked = 1 << 44
	// maxZstdWindow is the largest window that the zstd tool itself unpacks
	// without being told to. All files may claim minZstdWindow, which the tool
	// writes without being told to; more takes a file that may need it, so that a
	// lying header costs no memory.
	maxZstdWindow = 128 << 20
	minZstdWindow = 8 << 20
	largeWindow   = 16 << 20
	maxZstdRatio  = 256
	// maxXZDict bounds the dictionary of an xz file: xz -9 has 64 MiB.
	maxXZDict = 128 << 20
)

// A compression is a way in which files of any kind are compressed.
type compression struct {
	name, tool string
	magic      []byte
	// open returns the content of a file of size bytes.
	open func(r io.ReaderAt, size int64) (io.ReadCloser, error)
}

// ZstdMagic is how a zstd frame begins.
var ZstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

var compressions = [...]compression{
	{"zstd", "zstd -d --long=31", ZstdMagic, openZstd},
	{"gzip", "gzip -d", []byte{0x1f, 0x8b}, openGzip},
	{"xz", "xz -d", []byte("\xfd7zXZ\x00"), openXZ},
}

// InterruptedError says that somebody ended what takes long.
type InterruptedError struct {
	What string
	Err  error // the context's
}

func (e *InterruptedError) Error() string { return e.What }

// Unwrap is the context's error.
func (e *InterruptedError) Unwrap() error { return e.Err }

// Compressed names the tool that compressed a file which begins with magic, and how to undo it; "" where
// none did.
func Compressed(magic []byte) (name, tool string) {
	for i := range compressions {
		if c := &compressions[i]; bytes.HasPrefix(magic, c.magic) {
			return c.name, c.tool
		}
	}
	return "", ""
}

// Progress is told how many of a file's bytes have been unpacked, or how many bytes of its
// memory have been searched.
type Progress func(file string, done, size int64)

// Unpacked is the content of a compressed file.
type Unpacked struct {
	File   *dump.File
	Closer io.Closer // removes the temporary file; nil: it is in memory
}

// Unpack unpacks a file, which begins with magic. It returns nil where it is none of the compressed ones.
// Where ctx is done before the end, so is the unpacking, and nothing stays of it.
func Unpack(ctx context.Context, r io.ReaderAt, size int64, name string, magic []byte, progress Progress) (*Unpacked, error) {
	for i := range compressions {
		c := &compressions[i]
		if !bytes.HasPrefix(magic, c.magic) {
			continue
		}
		inMem := int64(maxInMemory)
		if c.name == "zstd" {
			if out := unpackWhole(r, size, maxInMemory); out != nil {
				return inMemory(out, name), nil
			}
			if zstdWindow(r, size) > largeWindow {
				// The window takes more memory than the content may: that goes to the file at once. And the
				// window is given back, else as much garbage may gather beside what is in use.
				inMem = 0
				defer debug.FreeOSMemory()
			}
		}
		u, err := c.unpack(ctx, r, size, name, progress, inMem, maxUnpacked)
		if ctx.Err() != nil {
			if err == nil && u.Closer != nil {
				_ = u.Closer.Close()
			}
			return nil, &InterruptedError{name + ": interrupted while it was unpacked; nothing is left of that", ctx.Err()}
		}
		if err != nil {
			return nil, &dump.FormatError{Source: name, What: err.Error()}
		}
		return u, nil
	}
	return nil, nil
}

func inMemory(b []byte, name string) *Unpacked {
	return &Unpacked{File: dump.NewFile(bytes.NewReader(b), int64(len(b)), name, false)}
}

// packedReader remembers how far a file was read, for the progress.
type packedReader struct {
	io.ReaderAt
	most int64
}

func (c *packedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.most = max(c.most, off+int64(n))
	return n, err
}

// unpack unpacks to memory, or to a file where that takes more than inMem bytes.
func (c *compression) unpack(ctx context.Context, r io.ReaderAt, size int64, name string, progress Progress, inMem, limit int64) (_ *Unpacked, err error) {
	count := &packedReader{ReaderAt: r}
	content, err := c.open(count, size)
	if err != nil {
		return nil, fmt.Errorf("damaged %s file: %w", c.name, err)
	}
	defer content.Close()
	out := &spill{limit: inMem, name: name}
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := fill(content, buf)
		if werr := out.write(buf[:n]); werr != nil {
			return nil, fmt.Errorf("cannot unpack it: %w: set TMPDIR to a directory with room for it, or unpack it (%s) and open the result", werr, c.tool)
		}
		if out.size > limit {
			return nil, fmt.Errorf("more than %d bytes when unpacked", limit)
		}
		if progress != nil && out.file != nil {
			progress(name, count.most, size)
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return out.finish()
		case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return nil, fmt.Errorf("it is compressed with too large a window: unpack it (%s) and open the result", c.tool)
		default:
			return nil, fmt.Errorf("damaged %s file: after %d unpacked bytes: %w", c.name, out.size, err)
		}
	}
}

// fill fills buf. Other than [io.ReadFull] it leaves the reader's error as it is: the
// content's end, or an end before that.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// zstdWindow is the window that the first frame of a file claims, or 0.
func zstdWindow(r io.ReaderAt, size int64) uint64 {
	var h zstd.Header
	head := make([]byte, min(size, zstd.HeaderMaxSize))
	if n, _ := r.ReadAt(head, 0); h.Decode(head[:n]) != nil {
		return 0
	}
	return h.WindowSize
}

func openZstd(r io.ReaderAt, size int64) (io.ReadCloser, error) {
	window := min(maxZstdWindow, max(uint64(min(size, maxZstdWindow))*maxZstdRatio, minZstdWindow))
	dec, err := zstd.NewReader(io.NewSectionReader(r, 0, size),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	return dec.IOReadCloser(), nil
}

func openGzip(r io.ReaderAt, size int64) (io.ReadCloser, error) {
	return gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 128<<10))
}

func openXZ(r io.ReaderAt, size int64) (io.ReadCloser, error) {
	// The first block's header tells how much memory its dictionary takes: a stream
	// header of 12 bytes, the block's size and flags, and a filter with an ID, a
	// size and the dictionary's.
	var head [17]byte
	if n, _ := r.ReadAt(head[:], 0); n == len(head) && head[13]&3 == 0 && head[14] == 0x21 && head[15] == 1 {
		if bits := uint(head[16]); bits > 40 || (2|uint64(bits&1))<<(bits/2+11) > maxXZDict {
			return nil, fmt.Errorf("its dictionary takes more than %d MiB: unpack it (xz -d) and open the result", maxXZDict>>20)
		}
	}
	// The library takes some cut files for whole ones: look for the footer, which
	// zeros may follow.
	tail := make([]byte, min(size, 4<<10))
	if n, _ := r.ReadAt(tail, size-int64(len(tail))); n < len(tail) || !bytes.HasSuffix(bytes.TrimRight(tail, "\x00"), []byte("YZ")) {
		return nil, errors.New("it is cut off: its end is missing")
	}
	dec, err := xz.NewReader(bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 128<<10))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(dec), nil
}

// Zstd unpacks a zstd file of size bytes in memory, if that takes no more than limit bytes.
func Zstd(r io.ReaderAt, size, limit int64) ([]byte, error) {
	if out := unpackWhole(r, size, limit); out != nil {
		return out, nil
	}
	u, err := compressions[0].unpack(context.Background(), r, size, "", nil, 2*limit, limit)
	if err != nil {
		return nil, err
	}
	out := make([]byte, u.File.Size)
	return out, u.File.ReadFull(0, out)
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
