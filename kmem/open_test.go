package kmem

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
	"kinspect/kmem/packed"

	"github.com/klauspost/compress/zstd"
)

func pack(t testing.TB, b []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(b, nil)
}

func TestOpenZstd(t *testing.T) {
	c := testCore{loads: []testLoad{{vaddr: testKernel, paddr: dump.UnknownPhys, data: ramp(50000)}}}
	file := c.bytes()
	whole := pack(t, file)
	var streamed bytes.Buffer // does not know its size
	enc, _ := zstd.NewWriter(&streamed)
	_, _ = enc.Write(file)
	_ = enc.Close()
	half := len(file) / 2
	for name, b := range map[string][]byte{
		"whole": whole, "streamed": streamed.Bytes(), "two frames": append(pack(t, file[:half]), pack(t, file[half:])...),
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
		"magic alone":    {packed.ZstdMagic, "damaged zstd file"},
		"no ELF":         {pack(t, []byte("text")), "not a dump that kinspect knows"},
		"twice":          {pack(t, whole), "compressed twice, what is in it is a zstd file again"},
		"garbage behind": {append(bytes.Clone(whole), "garbage"...), "damaged zstd file"},
	} {
		_, err := openBytes(tt.file)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}

// An xz file may not claim any amount of memory.
func TestUnpackXZDictionary(t *testing.T) {
	head := append(bytes.Clone([]byte("\xfd7zXZ\x00")), 0, 4, 0xe6, 0xd6, 0xb4, 0x46, 2, 0, 0x21, 1, 40, 0, 0, 0)
	if _, err := openBytes(head); err == nil || !strings.Contains(err.Error(), "dictionary") {
		t.Errorf("%v", err)
	}
}

// Each format, compressed in each way.
func TestOpenCompressed(t *testing.T) {
	k := testKdump{flags: kdump.FlagSnappy, ram: dumptest.Pages(30)}
	elf := testCore{loads: []testLoad{{data: k.ram}}}
	for name, file := range map[string][]byte{"kdump": k.bytes(t), "flattened": dumptest.Flatten(k.bytes(t), 1000), "ELF": elf.bytes()} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(file)
		_ = w.Close()
		for _, content := range [][]byte{b.Bytes(), pack(t, file)} {
			img, err := openBytes(content)
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
	single := binary.LittleEndian.AppendUint64(append(bytes.Clone(packed.ZstdMagic), 0xe0), 1<<30) // single segment of 1 GiB
	windowed := append(bytes.Clone(packed.ZstdMagic), 0, 0xa8)                                     // a window of 2 GiB
	content := binary.LittleEndian.AppendUint64(append(bytes.Clone(packed.ZstdMagic), 0xc0, 0), 1<<29)
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
