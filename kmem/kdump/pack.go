package kdump

import (
	"bytes"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Packer is a way to compress pages.
type Packer struct {
	// Flag says so in the file: see the Flag constants.
	Flag uint32
	// New returns a function that appends a page, compressed, to dst. nil, or what is no shorter
	// than the page, stands for a page that is kept as it is. It is called for one page at a time.
	New func() (func(dst, page []byte) ([]byte, error), error)
}

// Packers of this package. For LZO there is no compressor in Go; tests bring their own.
var (
	// Raw keeps pages as they are.
	Raw = Packer{Flag: 0, New: func() (func(dst, page []byte) ([]byte, error), error) {
		return func([]byte, []byte) ([]byte, error) { return nil, nil }, nil
	}}
	// Zstd is the best of them. Each frame tells its size and ends with a checksum, so that
	// damage does not pass for memory.
	Zstd = Packer{Flag: FlagZstd, New: newZstd}
	// Zlib is what all readers know. It has a checksum, too.
	Zlib = Packer{Flag: FlagZlib, New: newZlib}
	// Snappy is quick. It has no checksum.
	Snappy = Packer{Flag: FlagSnappy, New: func() (func(dst, page []byte) ([]byte, error), error) {
		return func(dst, page []byte) ([]byte, error) { return snappy.Encode(dst[:cap(dst)], page), nil }, nil
	}}
)

func newZstd() (func(dst, page []byte) ([]byte, error), error) {
	// One goroutine, so that the same page always gives the same bytes.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, err
	}
	return func(dst, page []byte) ([]byte, error) { return enc.EncodeAll(page, dst), nil }, nil
}

func newZlib() (func(dst, page []byte) ([]byte, error), error) {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	return func(dst, page []byte) ([]byte, error) {
		out.Reset()
		w.Reset(&out)
		if _, err := w.Write(page); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return append(dst, out.Bytes()...), nil
	}, nil
}
