package dump

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func mappedFile(t *testing.T, size int) (*File, []byte, string) {
	t.Helper()
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(content)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFile(disk, int64(size), path, true)
	t.Cleanup(func() { f.Close(); disk.Close() })
	return f, content, path
}

// mapIt reads so much that the file is mapped, where the system can do that.
func mapIt(t *testing.T, f *File) {
	t.Helper()
	var b [8]byte
	for off := uint64(0); f.misses.Load() <= mapAfter-1; off = (off + 3*CacheLine) % uint64(f.Size-8) {
		if err := f.ReadFull(off, b[:]); err != nil {
			t.Fatal(err)
		}
	}
	if f.mapped.Load() == nil {
		t.Skip("this system maps no files")
	}
}

func TestMapped(t *testing.T) {
	f, content, _ := mappedFile(t, 8<<20+123)
	if f.mapped.Load() != nil {
		t.Fatal("mapped before anything was read")
	}
	mapIt(t, f)
	f.mapped.Load().limit = 16 // units, so that it is given back again and again
	var wait sync.WaitGroup
	for seed := range uint64(2) {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 20000 {
				off, n := r.IntN(len(content)), r.IntN(200)
				if r.IntN(100) == 0 {
					n = r.IntN(3 * maxMappedRead)
				}
				buf := make([]byte, n)
				err := f.ReadFull(uint64(off), buf)
				if off+n > len(content) {
					if err == nil {
						t.Error("a read past the end has no error")
					}
					continue
				}
				if err != nil || !bytes.Equal(buf, content[off:off+n]) {
					t.Errorf("%d bytes at %#x: %v, or others than there are", n, off, err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// TestMappedCut cuts the file while it is mapped: what is gone is an error, and no fault of
// the processor's.
func TestMappedCut(t *testing.T) {
	f, content, path := mappedFile(t, 4<<20)
	mapIt(t, f)
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	var b [8]byte
	if err := f.ReadFull(4096, b[:]); err != nil || !bytes.Equal(b[:], content[4096:4104]) {
		t.Errorf("what is left: %x, %v", b, err)
	}
	// The cache may still have a line.
	for off := uint64(3 << 20); off < 3<<20+1<<16; off += 4096 {
		if err := f.ReadFull(off, make([]byte, 2*CacheLine)); err == nil {
			t.Errorf("what is gone, at %#x, was read", off)
		}
	}
	f.Close()
	if err := f.ReadFull(4096, b[:]); err != nil || !bytes.Equal(b[:], content[4096:4104]) {
		t.Errorf("no longer mapped: %x, %v", b, err)
	}
}
