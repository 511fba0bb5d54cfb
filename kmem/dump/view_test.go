package dump

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// viewOf is a file on disk with holes around the places where what is mapped ends.
func viewOf(t *testing.T, size int64, places ...int64) (*View, *os.File) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("files are mapped on Linux at least")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for i, at := range places {
		if _, err := f.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 100), at); err != nil {
			t.Fatal(err)
		}
	}
	v := NewFile(f, size, "test", false).NewView()
	if v == nil {
		t.Fatal("a file on disk cannot be mapped")
	}
	t.Cleanup(v.Close)
	return v, f
}

func TestView(t *testing.T) {
	const size = 2*viewSize + 5000
	v, f := viewOf(t, size, 0, 5000, viewSize-50, 2*viewSize-100, size-100)
	for _, tt := range []struct {
		off  uint64
		n    int
		want int // how many of them
	}{
		{0, 10, 10},
		{0, viewSize, viewSize},
		{5000, 1, 1},
		{5000, size, viewSize - 5000}, // up to the end of what is mapped
		{viewSize - 1, 100, 1},
		{viewSize, 100, 100},
		{2*viewSize - 100, 200, 100},
		{5001, 70, 70}, // back again
		{size - 100, 100, 100},
		{size - 100, 1000, 100},
		{size - 1, 1, 1},
		{size, 1, 0},
		{size + viewSize, 1, 0},
		{1 << 63, 1, 0},
		{^uint64(0), 1, 0},
		{100, 0, 0},
		{100, -1, 0},
	} {
		got := v.Bytes(tt.off, tt.n)
		if len(got) != tt.want {
			t.Errorf("%d bytes at %#x: %d, want %d", tt.n, tt.off, len(got), tt.want)
			continue
		}
		want := make([]byte, len(got))
		if _, err := f.ReadAt(want, int64(tt.off)); len(got) > 0 && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d bytes at %#x differ from what is read there (%v)", tt.n, tt.off, err)
		}
	}
	v.Close()
	v.Close()
	if got := v.Bytes(5000, 3); !bytes.Equal(got, []byte{2, 2, 2}) {
		t.Errorf("after Close: %v", got)
	}
	(*View)(nil).Close()
}

// pieces is a file that lies in another backwards, in pieces of ten bytes.
type pieces struct{ *os.File }

func (p pieces) PieceAt(off uint64) (at, n uint64, err error) {
	switch i := off / 10; {
	case i == 3:
		return 0, 0, os.ErrInvalid
	case i == 4:
		return 1 << 40, 10, nil // the file has no such offset
	default:
		return (9-i)*10 + off%10, 10 - off%10, nil
	}
}

func TestViewOfPieces(t *testing.T) {
	_, f := viewOf(t, 100)
	raw := make([]byte, 100)
	for i := range raw {
		raw[i] = byte(i)
	}
	if _, err := f.WriteAt(raw, 0); err != nil {
		t.Fatal(err)
	}
	v := NewFile(wholeOf{pieces{f}}, 95, "test", false).NewView()
	if v == nil {
		t.Fatal("pieces of a file on disk cannot be mapped")
	}
	defer v.Close()
	for off := range uint64(100) {
		got := v.Bytes(off, 50)
		i := off / 10
		switch {
		case i == 3 || i == 4 || off >= 95:
			if got != nil {
				t.Errorf("at %d: %v, and there is nothing", off, got)
			}
		case !bytes.Equal(got, raw[(9-i)*10+off%10:][:min(10-off%10, 95-off)]):
			t.Errorf("at %d: %v", off, got)
		}
	}
}

func TestNoView(t *testing.T) {
	if v := NewFile(bytes.NewReader(make([]byte, 100)), 100, "test", false).NewView(); v != nil {
		t.Error("bytes in memory are mapped")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if v := NewFile(r, 100, "test", false).NewView(); v != nil {
		t.Error("a pipe is mapped")
	}
}

// wholeOf tells what the pieces lie in.
type wholeOf struct{ pieces }

func (w wholeOf) Whole() io.ReaderAt { return w.File }
