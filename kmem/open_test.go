package kmem

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func packed(t testing.TB, b []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(b, nil)
}

func TestOpenZstd(t *testing.T) {
	c := testCore{loads: []testLoad{{vaddr: testKernel, paddr: unknownPaddr, data: ramp(50000)}}}
	file := c.bytes()
	whole := packed(t, file)
	var streamed bytes.Buffer // does not know its size
	enc, _ := zstd.NewWriter(&streamed)
	_, _ = enc.Write(file)
	_ = enc.Close()
	half := len(file) / 2
	for name, b := range map[string][]byte{
		"whole": whole, "streamed": streamed.Bytes(), "two frames": append(packed(t, file[:half]), packed(t, file[half:])...),
	} {
		img, err := openBytes(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		buf := make([]byte, 50000)
		if err := img.ReadMem(testKernel, buf); err != nil || !bytes.Equal(buf, ramp(50000)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"cut off":        {whole[:len(whole)/2], "damaged zstd file: after"},
		"magic alone":    {compressions[0].magic, "damaged zstd file"},
		"no ELF":         {packed(t, []byte("text")), "not an ELF core dump"},
		"twice":          {packed(t, whole), "not an ELF core dump"},
		"garbage behind": {append(bytes.Clone(whole), "garbage"...), "damaged zstd file"},
	} {
		_, err := openBytes(tt.file)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}

// What does not fit into memory goes to a file, which is gone at the end.
func TestUnpackToFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	content := make([]byte, 3<<20)
	pattern(content[1<<20:2<<20], 1)
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
	for i, file := range [][]byte{packed(t, content), gz.Bytes(), xzed.Bytes()} {
		c := &compressions[i]
		for inMem, toFile := range map[int64]bool{1: true, 2 << 20: true, 3<<20 - 1: true, 3 << 20: false} {
			calls := 0
			progress := func(name string, done, size int64) {
				if calls++; name != "name" || done <= 0 || done > size || size != int64(len(file)) {
					t.Errorf("%s: progress of %q: %d of %d", c.name, name, done, size)
				}
			}
			u, err := c.unpack(bytes.NewReader(file), int64(len(file)), "name", progress, inMem, 3<<20)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got := make([]byte, len(content))
			if err := u.f.readAt(0, got); err != nil || !bytes.Equal(got, content) || u.f.size != int64(len(content)) {
				t.Errorf("%s, %d bytes in memory: %v", c.name, inMem, err)
			}
			if (u.closer != nil) != toFile || (calls > 0) != toFile {
				t.Errorf("%s, %d bytes in memory: file %v, %d calls", c.name, inMem, u.closer != nil, calls)
			}
			if u.closer != nil {
				_ = u.closer.Close()
			}
		}
		if _, err := c.unpack(bytes.NewReader(file), int64(len(file)), "", nil, 1, 1<<20); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
			t.Errorf("%s: over the limit: %v", c.name, err)
		}
		for _, n := range []int{0, 3, 20, len(file) / 2, len(file) - 1} {
			if _, err := c.unpack(bytes.NewReader(file[:n]), int64(n), "", nil, 1<<10, 1<<30); err == nil && n > 0 {
				t.Errorf("%s: %d of its %d bytes unpack", c.name, n, len(file))
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	c := &compressions[1]
	if _, err := c.unpack(bytes.NewReader(gz.Bytes()), int64(gz.Len()), "", nil, 1, 1<<30); err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("no directory: %v", err)
	}
}

// An xz file may not claim any amount of memory.
func TestUnpackXZDictionary(t *testing.T) {
	head := append(bytes.Clone(compressions[2].magic), 0, 4, 0xe6, 0xd6, 0xb4, 0x46, 2, 0, 0x21, 1, 40, 0, 0, 0)
	if _, err := openBytes(head); err == nil || !strings.Contains(err.Error(), "dictionary") {
		t.Errorf("%v", err)
	}
}

// Each format, compressed in each way.
func TestOpenCompressed(t *testing.T) {
	k := testKdump{flags: kdumpSnappy, ram: testPages(30)}
	elf := testCore{loads: []testLoad{{data: k.ram}}}
	for name, file := range map[string][]byte{"kdump": k.bytes(t), "flattened": flattened(k.bytes(t), 1000), "ELF": elf.bytes()} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(file)
		_ = w.Close()
		for _, packed := range [][]byte{b.Bytes(), packed(t, file)} {
			img, err := openBytes(packed)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkPages(t, img, k.ram, present1)
		}
	}
}

// A frame header that claims much costs little.
func TestUnpackLyingHeader(t *testing.T) {
	single := binary.LittleEndian.AppendUint64(append(bytes.Clone(compressions[0].magic), 0xe0), 1<<30) // single segment of 1 GiB
	windowed := append(bytes.Clone(compressions[0].magic), 0, 0xa8)                                     // a window of 2 GiB
	content := binary.LittleEndian.AppendUint64(append(bytes.Clone(compressions[0].magic), 0xc0, 0), 1<<29)
	for name, head := range map[string][]byte{"single segment": single, "window": windowed, "content size": content} {
		for _, tail := range [][]byte{nil, {0x01, 0, 0}, make([]byte, 100)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := openBytes(append(bytes.Clone(head), tail...))
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s: opened", name)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%s: %d bytes allocated (%v)", name, n, err)
			}
		}
	}
}
