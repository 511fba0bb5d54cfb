package kdump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"kinspect/kmem/dump"
)

// pageDecoder unpacks single pages. It is for one goroutine at a time; codecs are
// made when the first page needs them, and reused.
type pageDecoder struct {
	in   bytes.Reader
	zlib io.ReadCloser
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

func (d *pageDecoder) unpackZlib(page, data []byte) (err error) {
	d.in.Reset(data)
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(&d.in)
	} else {
		err = d.zlib.(zlib.Resetter).Reset(&d.in, nil)
	}
	if err != nil {
		d.zlib = nil
		return err
	}
	if _, err := io.ReadFull(d.zlib, page); err != nil {
		return err
	}
	// The checksum is looked at where the end is.
	var more [1]byte
	if n, err := io.ReadFull(d.zlib, more[:]); n > 0 {
		return errPageSize
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// unpackLZO guards against a library that was not written for hostile input.
func unpackLZO(page, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged LZO data: %v", r)
		}
	}()
	n, err := lzo.Decompress(data, page)
	if err == nil && n != len(page) {
		err = errPageSize
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
