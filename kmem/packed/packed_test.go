package packed

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"kinspect/kmem/dumptest"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(b, nil)
}

// What does not fit into memory goes to a file, which is gone at the end.
func TestUnpackToFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	content := make([]byte, 3<<20)
	dumptest.Pattern(content[1<<20:2<<20], 1)
	var gz, xzed bytes.Buffer
	zw := gzip.NewWriter(&gz)
	_, _ = zw.Write(content)
	_ = zw.Close()
	xw, err := xz.NewWriter(&xzed)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = xw.Write(content)
	_ = xw.Close()
	for i, file := range [][]byte{pack(t, content), gz.Bytes(), xzed.Bytes()} {
		c := &compressions[i]
		for inMem, toFile := range map[int64]bool{1: true, 2 << 20: true, 3<<20 - 1: true, 3 << 20: false} {
			calls := 0
			progress := func(name string, done, size int64) {
				if calls++; name != "name" || done <= 0 || done > size || size != int64(len(file)) {
					t.Errorf("%s: progress of %q: %d of %d", c.name, name, done, size)
				}
			}
			u, err := c.unpack(t.Context(), bytes.NewReader(file), int64(len(file)), "name", progress, inMem, 3<<20)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got := make([]byte, len(content))
			if err := u.File.ReadFull(0, got); err != nil || !bytes.Equal(got, content) || u.File.Size != int64(len(content)) {
				t.Errorf("%s, %d bytes in memory: %v", c.name, inMem, err)
			}
			if (u.Closer != nil) != toFile || (calls > 0) != toFile {
				t.Errorf("%s, %d bytes in memory: file %v, %d calls", c.name, inMem, u.Closer != nil, calls)
			}
			if u.Closer != nil {
				_ = u.Closer.Close()
			}
		}
		if _, err := c.unpack(t.Context(), bytes.NewReader(file), int64(len(file)), "", nil, 1, 1<<20); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
			t.Errorf("%s: over the limit: %v", c.name, err)
		}
		for _, n := range []int{0, 3, 20, len(file) / 2, len(file) - 1} {
			if _, err := c.unpack(t.Context(), bytes.NewReader(file[:n]), int64(n), "", nil, 1<<10, 1<<30); err == nil && n > 0 {
				t.Errorf("%s: %d of its %d bytes unpack", c.name, n, len(file))
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	c := &compressions[1]
	if _, err := c.unpack(t.Context(), bytes.NewReader(gz.Bytes()), int64(gz.Len()), "", nil, 1, 1<<30); err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("no directory: %v", err)
	}
}

// Who interrupts gets an error that says so, at once, and nothing stays.
func TestUnpackInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	content := make([]byte, maxInMemory+8<<20)
	dumptest.Pattern(content, 1)
	var gz bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&gz, gzip.BestSpeed)
	_, _ = zw.Write(content)
	_ = zw.Close()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := Unpack(ctx, bytes.NewReader(gz.Bytes()), int64(gz.Len()), "vmcore.gz", gz.Bytes()[:16], func(string, int64, int64) {
		calls++
		cancel()
	})
	if err == nil || !errors.Is(err, context.Canceled) || err.Error() != "vmcore.gz: interrupted while it was unpacked; nothing is left of that" || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A large window, as zstd --long=27 has, is all that such a file takes of memory.
func TestUnpackLargeWindow(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const block, blocks = 128 << 10, 300
	content := make([]byte, block)
	dumptest.Pattern(content, 3)
	file := append(bytes.Clone(ZstdMagic), 0, (27-10)<<3)
	for i := range blocks {
		head := uint32(block<<3 | boolBit(i == blocks-1))
		file = append(append(file, byte(head), byte(head>>8), byte(head>>16)), content...)
	}
	read := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapSys - m.HeapReleased
	}
	before, most := read(), uint64(0)
	u, err := Unpack(t.Context(), bytes.NewReader(file), int64(len(file)), "vmcore.zst", file[:16], func(string, int64, int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapSys-m.HeapReleased)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Closer.Close()
	got := make([]byte, block)
	if err := u.File.ReadFull(block*(blocks-1), got); err != nil || !bytes.Equal(got, content) || u.File.Size != block*blocks {
		t.Error(err)
	}
	if most > before+(160<<20) {
		t.Errorf("%d MiB while it was unpacked", (most-before)>>20)
	}
	if after := read(); after > before+(32<<20) {
		t.Errorf("%d MiB of memory are kept", (after-before)>>20)
	}
}

func boolBit(b bool) int {
	if b {
		return 1
	}
	return 0
}
