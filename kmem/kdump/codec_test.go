package kdump

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
)

// FuzzPage unpacks anything in each way, twice with one decoder: what came before must not matter.
func FuzzPage(f *testing.F) {
	ram := dumptest.Pages(4)
	for _, flags := range []uint32{FlagZlib, FlagLZO, FlagSnappy, FlagZstd} {
		for p := range 4 {
			f.Add(flags, dumptest.PackPage(f, ram[p*dump.PageSize:(p+1)*dump.PageSize], flags))
		}
	}
	var used pageDecoder
	f.Fuzz(func(t *testing.T, flags uint32, data []byte) {
		if len(data) > dump.PageSize {
			return
		}
		a, b := make([]byte, dump.PageSize), make([]byte, dump.PageSize)
		binary.LittleEndian.PutUint64(b, 1)
		err := used.unpack(a, data, flags)
		again := new(pageDecoder).unpack(b, data, flags)
		if (err == nil) != (again == nil) || (err == nil && !bytes.Equal(a, b)) {
			t.Errorf("%v, and then %v", err, again)
		}
		if flags&flagsPacked != FlagZlib {
			return
		}
		// The standard library is the oracle.
		want, oracle := make([]byte, dump.PageSize), error(nil)
		r, oracle := zlib.NewReader(bytes.NewReader(data))
		if oracle == nil {
			if _, oracle = io.ReadFull(r, want); oracle == nil {
				var n int64
				if n, oracle = io.Copy(io.Discard, io.LimitReader(r, 10)); n > 0 {
					oracle = errPageSize
				}
			}
		}
		if (err == nil) != (oracle == nil) || (err == nil && !bytes.Equal(a, want)) {
			t.Errorf("%v, and the standard library says %v", err, oracle)
		}
	})
}

// Data that unpacks to more than a page is no page.
func TestUnpackLongPage(t *testing.T) {
	var d pageDecoder
	page := make([]byte, dump.PageSize)
	for _, n := range []int{0, 1, dump.PageSize - 1, dump.PageSize + 1, 3 * dump.PageSize} {
		for _, flags := range []uint32{FlagZlib, FlagSnappy, FlagZstd, FlagLZO} {
			if flags == FlagLZO && n < 10 {
				continue // our own packer cannot
			}
			if err := d.unpack(page, dumptest.PackPage(t, make([]byte, n), flags), flags); err == nil {
				t.Errorf("flags %#x: %d bytes are a page", flags, n)
			}
		}
	}
	if err := d.unpack(page, dumptest.PackPage(t, page, FlagZlib), FlagZlib); err != nil {
		t.Errorf("after failures: %v", err)
	}
}
