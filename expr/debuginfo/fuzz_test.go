package debuginfo

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/kmem"
)

// FuzzFile opens a damaged program, looks addresses up in it and makes its types.
func FuzzFile(f *testing.F) {
	for _, name := range programs {
		data, err := os.ReadFile(filepath.Join("testdata", name+".elf"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint32(0), byte(0), uint32(0), byte(0))
		f.Add(data, uint32(9000), byte(0xff), uint32(9100), byte(0x80))
	}
	f.Fuzz(func(t *testing.T, data []byte, at1 uint32, x1 byte, at2 uint32, x2 byte) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[int(at1)%len(data)] ^= x1
			data[int(at2)%len(data)] ^= x2
		}
		exercise(data)
	})
}

// exercise must come back, whatever data is.
func exercise(data []byte) {
	f, err := open(bytes.NewReader(data), "damaged")
	if err != nil {
		return
	}
	for i := range 16 {
		frames, err := f.Lookup(f.Text() + kmem.Addr(i*29))
		if err == nil {
			_ = Text(frames)
		}
	}
	if blob, err := f.Variable(context.Background(), f.text+0x1000, "first", nil); err == nil {
		_, _ = btf.Parse(blob)
	}
	blob, err := f.BTF(context.Background(), nil)
	if err != nil {
		if strings.Contains(err.Error(), "types cannot be read") {
			panic(err) // a panic of ours, which became an error
		}
		return
	}
	spec, err := btf.Parse(blob)
	if err != nil {
		return
	}
	for i := range min(spec.NumTypes(), 500) {
		if t, err := spec.TypeByID(btf.ID(i)); err == nil {
			_ = t.String()
			if s, ok := t.(*btf.Struct); ok {
				_ = s.Sound()
			}
		}
	}
}

// TestDamaged changes each byte of the debug information of a program in turn.
func TestDamaged(t *testing.T) {
	step := 7
	if testing.Short() {
		step = 97
	}
	data, err := os.ReadFile("testdata/dwarf5.elf")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += step {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			data[i] ^= x
			exercise(data)
			data[i] ^= x
		}
	}
}
