package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
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
		"magic alone":    {zstdMagic, "damaged zstd file"},
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

func TestUnpackLimit(t *testing.T) {
	b := packed(t, make([]byte, 3<<20))
	for limit, want := range map[int64]bool{3 << 20: true, 3<<20 - 1: false, 1 << 20: false} {
		out, err := unpack(bytes.NewReader(b), int64(len(b)), limit)
		if want != (err == nil) || (want && len(out) != 3<<20) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(out), err)
		}
		if err != nil && !strings.Contains(err.Error(), "unpack it with zstd -d") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// A frame header that claims much costs little.
func TestUnpackLyingHeader(t *testing.T) {
	single := binary.LittleEndian.AppendUint64(append(bytes.Clone(zstdMagic), 0xe0), 1<<30) // single segment of 1 GiB
	windowed := append(bytes.Clone(zstdMagic), 0, 0xa8)                                     // a window of 2 GiB
	content := binary.LittleEndian.AppendUint64(append(bytes.Clone(zstdMagic), 0xc0, 0), 1<<29)
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
