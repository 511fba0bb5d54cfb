package dump

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// countedReader counts the calls of a reader.
type countedReader struct {
	*bytes.Reader
	calls int
}

func (r *countedReader) ReadAt(p []byte, off int64) (int, error) {
	r.calls++
	return r.Reader.ReadAt(p, off)
}

// TestReadAhead: reads upwards take few calls, reads here and there one each, and
// all of them give what is in the file, up to an end within a line.
func TestReadAhead(t *testing.T) {
	data := make([]byte, 600*CacheLine+123)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	open := func() (*File, *countedReader) {
		c := &countedReader{Reader: bytes.NewReader(data)}
		return NewFile(c, int64(len(data)), "test", true), c
	}
	check := func(f *File, off int) {
		t.Helper()
		var buf [8]byte
		if err := f.ReadFull(uint64(off), buf[:]); err != nil || !bytes.Equal(buf[:], data[off:off+8]) {
			t.Fatalf("at %d: %x, %v", off, buf, err)
		}
	}
	f, c := open()
	for off := 0; off+8 <= len(data); off += 64 {
		check(f, off)
	}
	if most := 600/aheadLines + 4; c.calls > most {
		t.Errorf("%d calls upwards, want at most %d", c.calls, most)
	}
	f, _ = open()
	for range 2000 {
		check(f, r.IntN(len(data)-8))
	}
	for off := len(data) - 3*CacheLine; off+8 <= len(data); off++ {
		check(f, off)
	}
	f, c = open()
	for line := 590; line > 0; line -= 7 {
		check(f, line*CacheLine)
	}
	if c.calls != 85 {
		t.Errorf("%d calls for 85 lines apart", c.calls)
	}
}
