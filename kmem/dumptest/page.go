// Package dumptest makes pieces of dumps for tests.
package dumptest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"kinspect/kmem/dump"
)

// How a page of a kdump-compressed dump is compressed, by the flags of its descriptor: written
// down again, as packages of formats are tested with this one.
const (
	FlagZlib   = 0x1
	FlagLZO    = 0x2
	FlagSnappy = 0x4
	FlagZstd   = 0x20
)

var pageEncoder = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return enc
})

// PackPage compresses a page.
func PackPage(t testing.TB, raw []byte, flags uint32) []byte {
	switch flags {
	case 0:
		return raw
	case FlagZlib:
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write(raw)
		_ = w.Close()
		return b.Bytes()
	case FlagLZO:
		return packLZO(raw)
	case FlagSnappy:
		return snappy.Encode(nil, raw)
	case FlagZstd:
		return pageEncoder().EncodeAll(raw, nil)
	}
	t.Fatalf("flags %#x", flags)
	return nil
}

// packLZO makes LZO1X data of a page by hand: literals for as long as bytes change, and one match
// where the rest repeats the last byte. There is no compressor to be had in Go.
func packLZO(raw []byte) []byte {
	n := len(raw)
	for n > 1 && raw[n-1] == raw[n-2] {
		n--
	}
	n = min(max(n, 4), 3000)
	for i := n; i < len(raw); i++ {
		if raw[i] != raw[n-1] {
			n = len(raw)
		}
	}
	length := func(out []byte, n int) []byte { // what a length's lowest bits do not hold
		for ; n > 255; n -= 255 {
			out = append(out, 0)
		}
		return append(out, byte(n))
	}
	var out []byte
	if n <= 238 {
		out = append(out, byte(n+17))
	} else {
		out = length([]byte{0}, n-18)
	}
	out = append(out, raw[:n]...)
	if rest := len(raw) - n; rest > 0 { // a match of distance 1
		if rest <= 33 {
			out = append(out, 0x20|byte(rest-2))
		} else {
			out = length(append(out, 0x20), rest-33)
		}
		out = append(out, 0, 0)
	}
	return append(out, 0x11, 0, 0)
}

// Pages fills n pages, each of another kind: pages that compress, one of zeros, noise.
func Pages(n int) []byte {
	ram := make([]byte, n*dump.PageSize)
	x := uint32(1)
	for page := range n {
		b := ram[page*dump.PageSize : (page+1)*dump.PageSize]
		switch page % 4 {
		case 0:
			Pattern(b, uint64(page*dump.PageSize))
		case 1: // zeros
		case 2:
			for i := range b {
				x = x*1664525 + 1013904223
				b[i] = byte(x >> 24)
			}
		case 3:
			b[0], b[1], b[7] = byte(page), byte(page>>8), 1
		}
	}
	return ram
}

// Pattern fills a range so that each 8 bytes tell where they are.
func Pattern(b []byte, base uint64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], base+uint64(i))
	}
}
