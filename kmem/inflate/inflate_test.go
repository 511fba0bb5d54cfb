package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	stdadler "hash/adler32"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const pageSize = 4096

// realPages are up to limit pages of a real kernel, out of a kdump-compressed snapshot.
func realPages(t testing.TB, limit int) [][]byte {
	t.Helper()
	file, err := os.ReadFile("../../testdata/snapshots/incident-6.12.kdump")
	if err != nil {
		t.Fatal(err)
	}
	zstd, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer zstd.Close()
	// Package kdump explains the layout.
	le := binary.LittleEndian
	sub, bitmaps := le.Uint32(file[432:]), le.Uint32(file[436:])
	second, descs := file[(1+sub+bitmaps/2)*pageSize:], file[(1+sub+bitmaps)*pageSize:]
	count := 0
	for _, b := range second[:bitmaps/2*pageSize] {
		count += bits.OnesCount8(b)
	}
	var pages [][]byte
	for n := 0; n < count; n += max(1, count/limit) {
		d := descs[n*24:]
		data := file[le.Uint64(d):][:le.Uint32(d[8:])]
		if le.Uint32(d[12:]) != 0 {
			if data, err = zstd.DecodeAll(data, nil); err != nil {
				t.Fatal(err)
			}
		}
		if len(data) == pageSize && !bytes.Equal(data, make([]byte, pageSize)) {
			pages = append(pages, data)
		}
	}
	if len(pages) == 0 {
		t.Fatal("the snapshot has no pages")
	}
	return pages
}

func noise(n int, values uint32) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(values)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32N(values))
	}
	return b
}

func pack(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// oracle is what the standard library makes of a stream of at most limit bytes.
func oracle(src []byte, limit int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(out) > limit {
		err = ErrTooLong
	}
	return out, err
}

// TestZlib packs data of many kinds with the standard library, and unpacks it with one decoder into
// places of its own size, of a larger one, and of one that is too small.
func TestZlib(t *testing.T) {
	inputs := map[string][]byte{"nothing": {}, "a byte": {7}}
	pages, periods := 150, 20
	if testing.Short() {
		pages, periods = 10, 4
	}
	for _, n := range []int{2, 15, 16, 17, 300, pageSize, 70000} {
		for _, values := range []uint32{1, 2, 3, 30, 256} {
			inputs[fmt.Sprintf("%d bytes of %d values", n, values)] = noise(n, values)
		}
		for period := 1; period < periods; period++ {
			inputs[fmt.Sprintf("%d bytes, every %d the same", n, period)] = bytes.Repeat(noise(period, 256), n/period+1)[:n]
		}
	}
	for i, page := range realPages(t, pages) {
		inputs[fmt.Sprint("page ", i)] = page
	}
	var d Decoder
	blocks := map[byte]int{}
	for name, data := range inputs {
		for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
			src := pack(t, data, level)
			blocks[src[2]>>1&3]++
			for _, size := range []int{len(data), len(data) + 1, len(data) + 100} {
				dst := make([]byte, size)
				if n, err := d.Zlib(dst, src); err != nil || !bytes.Equal(dst[:n], data) {
					t.Fatalf("%s, level %d, %d bytes of room: %d bytes, %v", name, level, size, n, err)
				}
			}
			if len(data) == 0 {
				continue
			}
			dst := make([]byte, len(data))
			if _, err := d.Zlib(dst[:len(data)-1], src); !errors.Is(err, ErrTooLong) {
				t.Fatalf("%s, level %d, a byte too little room: %v", name, level, err)
			}
			if dst[len(data)-1] != 0 {
				t.Fatalf("%s, level %d: written beyond the end", name, level)
			}
		}
	}
	for kind := range byte(3) {
		if blocks[kind] == 0 {
			t.Errorf("no stream begins with a block of kind %d", kind)
		}
	}
}

// Where the stream ends is where the next thing begins.
func TestFlateUsed(t *testing.T) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for _, data := range [][]byte{{}, []byte("abc"), noise(pageSize, 7), noise(pageSize, 256)} {
			var b bytes.Buffer
			w, err := flate.NewWriter(&b, level)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(data)
			_ = w.Close()
			size := b.Len()
			b.Write(noise(40, 256))
			dst := make([]byte, len(data))
			var d Decoder
			if n, used, err := d.Flate(dst, b.Bytes()); err != nil || n != len(data) || used != size || !bytes.Equal(dst, data) {
				t.Errorf("level %d, %d bytes: %d bytes from %d (of %d), %v", level, len(data), n, used, size, err)
			}
		}
	}
}

// A stream that is cut off anywhere says so.
func TestTruncated(t *testing.T) {
	var d Decoder
	dst := make([]byte, pageSize)
	for _, data := range [][]byte{{}, noise(100, 2), noise(pageSize, 4), noise(pageSize, 256), realPages(t, 3)[2]} {
		for _, level := range []int{zlib.HuffmanOnly, 0, 1, 9} {
			src := pack(t, data, level)
			for n := range src {
				if _, err := d.Zlib(dst, src[:n:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%d bytes of %d, level %d: %v", n, len(src), level, err)
				}
			}
		}
	}
}

// Changed streams are accepted where the standard library accepts them.
func TestDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var d Decoder
	dst := make([]byte, pageSize+10)
	refused := 0
	for _, page := range realPages(t, 60) {
		for _, level := range []int{1, 6} {
			good := pack(t, page, level)
			for range 60 {
				src := bytes.Clone(good)
				for range 1 + rng.IntN(2) {
					// Most of them in the header and the description of the codes.
					at := rng.IntN(len(src))
					if rng.IntN(3) > 0 {
						at = rng.IntN(min(len(src), 100))
					}
					src[at] ^= 1 << rng.IntN(8)
				}
				compare(t, &d, dst, src)
				// Without the checksum's help: the data alone.
				raw := src[2:]
				want, oerr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), int64(len(dst))+1))
				n, _, err := d.Flate(dst, raw)
				if ok := oerr == nil && len(want) <= len(dst); ok != (err == nil) || (ok && !bytes.Equal(want, dst[:n])) {
					t.Fatalf("%x: %v, the standard library says %v, %d bytes", raw, err, oerr, len(want))
				}
				if err != nil {
					refused++
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// compare unpacks a stream, and wants what the standard library says of it.
func compare(t *testing.T, d *Decoder, dst, src []byte) {
	t.Helper()
	want, oerr := oracle(src, len(dst))
	n, err := d.Zlib(dst, src)
	if (err == nil) != (oerr == nil) || (err == nil && !bytes.Equal(dst[:n], want)) {
		t.Fatalf("%x: %d bytes, %v; the standard library says %d bytes, %v", src, n, err, len(want), oerr)
	}
}

func TestAdler32(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 4095, 4096, 4097, 100000} {
		for _, values := range []uint32{1, 2, 256} {
			b := noise(n, values)
			if got, want := adler32(b), stdadler.Checksum(b); got != want {
				t.Errorf("%d bytes of %d values: %#x, want %#x", n, values, got, want)
			}
		}
		b := bytes.Repeat([]byte{0xff}, n)
		if got, want := adler32(b), stdadler.Checksum(b); got != want {
			t.Errorf("%d bytes of 0xff: %#x, want %#x", n, got, want)
		}
	}
}

// FuzzInflate compares with the standard library, with one decoder for all: what came
// before must not matter.
func FuzzInflate(f *testing.F) {
	for _, page := range realPages(f, 30) {
		f.Add(pack(f, page, 1))
	}
	for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
		f.Add(pack(f, noise(300, 20), level))
	}
	for _, tt := range refused {
		f.Add(tt.src())
	}
	var d Decoder
	dst := make([]byte, pageSize)
	f.Fuzz(func(t *testing.T, src []byte) {
		compare(t, &d, dst, src)
		if len(src) < 2 {
			return
		}
		want, oerr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(src[2:])), pageSize+1))
		n, used, err := d.Flate(dst, src[2:])
		if ok := oerr == nil && len(want) <= pageSize; ok != (err == nil) || (ok && !bytes.Equal(want, dst[:n])) {
			t.Fatalf("%x: %v, the standard library says %v, %d bytes", src[2:], err, oerr, len(want))
		}
		if used > len(src)-2 {
			t.Fatalf("%x: %d bytes used", src[2:], used)
		}
	})
}

// A page of a real kernel, as zlib packs it at its fastest.
func BenchmarkZlib(b *testing.B) {
	var packed [][]byte
	for _, page := range realPages(b, 2000) {
		packed = append(packed, pack(b, page, zlib.BestSpeed))
	}
	page := make([]byte, pageSize)
	b.Run("this", func(b *testing.B) {
		b.SetBytes(pageSize)
		b.ReportAllocs()
		var d Decoder
		for i := 0; b.Loop(); i++ {
			if n, err := d.Zlib(page, packed[i%len(packed)]); n != pageSize || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("descriptions of codes", func(b *testing.B) {
		b.SetBytes(pageSize)
		var d Decoder
		for i := 0; b.Loop(); i++ {
			s := stream{src: packed[i%len(packed)][2:]}
			s.fill()
			s.drop(3)
			_ = d.codes(&s)
		}
	})
	b.Run("checksum", func(b *testing.B) {
		b.SetBytes(pageSize)
		for b.Loop() {
			adler32(page)
		}
	})
	b.Run("standard library", func(b *testing.B) {
		b.SetBytes(pageSize)
		var in bytes.Reader
		in.Reset(packed[0])
		r, err := zlib.NewReader(&in)
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			in.Reset(packed[i%len(packed)])
			_ = r.(zlib.Resetter).Reset(&in, nil)
			if _, err := io.ReadFull(r, page); err != nil {
				b.Fatal(err)
			}
		}
	})
}
