package kdump

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"kinspect/kmem/dump"
	"kinspect/kmem/inflate"
	"kinspect/kmem/lzo"
)

// pageDecoder unpacks single pages. It is for one goroutine at a time; codecs are
// made when the first page needs them, and reused.
type pageDecoder struct {
	zlib *inflate.Decoder
	zstd *zstd.Decoder
	raw  []byte // a buffer for what the file holds
}

var pageDecoders = sync.Pool{New: func() any { return new(pageDecoder) }}

// errPageSize is the error of data that is no whole page when it is unpacked.
var errPageSize = fmt.Errorf("it does not unpack to %d bytes", dump.PageSize)

// unpack fills page, of dump.PageSize bytes, with what data holds; flags say how it is
// compressed. Not a byte of page is to be used after an error.
func (d *pageDecoder) unpack(page, data []byte, flags uint32) (err error) {
	switch flags & (FlagZlib | FlagLZO | FlagSnappy | FlagZstd) {
	case 0:
		if len(data) != len(page) {
			return errPageSize
		}
		copy(page, data)
		return nil
	case FlagZlib:
		return d.unpackZlib(page, data)
	case FlagLZO:
		return unpackLZO(page, data)
	case FlagSnappy:
		if n, err := snappy.DecodedLen(data); err != nil {
			return err
		} else if n != len(page) {
			return errPageSize
		}
		_, err := snappy.Decode(page, data)
		return err
	case FlagZstd:
		return d.unpackZstd(page, data)
	}
	return fmt.Errorf("it is compressed in an unknown way (flags %#x)", flags)
}

func (d *pageDecoder) unpackZlib(page, data []byte) error {
	if d.zlib == nil {
		d.zlib = new(inflate.Decoder)
	}
	n, err := d.zlib.Zlib(page, data)
	if errors.Is(err, inflate.ErrTooLong) || (err == nil && n != len(page)) {
		return errPageSize
	}
	return err
}

func unpackLZO(page, data []byte) error {
	n, err := lzo.Decompress(page, data)
	if errors.Is(err, lzo.ErrTooLong) || (err == nil && n != len(page)) {
		return errPageSize
	}
	return err
}

func (d *pageDecoder) unpackZstd(page, data []byte) (err error) {
	if d.zstd == nil {
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxPageWindow))
		if err != nil {
			return err
		}
	}
	out, err := d.zstd.DecodeAll(data, page[:0:len(page)])
	if err == nil && len(out) != len(page) {
		err = errPageSize
	}
	return err
}

// maxPageWindow is the largest window that a page's zstd frame may claim, in bytes.
const maxPageWindow = 1 << 20
