package value

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func openSnapshot(t *testing.T, series string) *Kernel {
	t.Helper()
	img := kernels.Open(t, series)
	return New(img, img)
}

// ownBTF writes the BTF in a kernel's memory to a file.
func ownBTF(t *testing.T, k *Kernel) (path string, data []byte) {
	t.Helper()
	start, size, err := k.BTFRange()
	if err != nil {
		t.Fatal(err)
	}
	data = make([]byte, size)
	if err := k.ReadMem(start, data); err != nil {
		t.Fatal(err)
	}
	return writeTemp(t, data), data
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "btf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// btfELF is an ELF file with nothing but a section .BTF.
func btfELF(data []byte, name string, typ elf.Type) []byte {
	le := binary.LittleEndian
	names := "\x00" + name + "\x00.shstrtab\x00"
	out := make([]byte, 64)
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], uint16(typ))
	le.PutUint16(out[18:], uint16(elf.EM_X86_64))
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[40:], uint64(64+len(data)+len(names)))
	for i, v := range []uint16{64, 0, 0, 64, 3, 2} {
		le.PutUint16(out[52+2*i:], v)
	}
	out = append(append(out, data...), names...)
	header := func(name int, typ elf.SectionType, off, size int) {
		out = le.AppendUint32(le.AppendUint32(out, uint32(name)), uint32(typ))
		for _, v := range []int{0, 0, off, size, 0, 1, 0} {
			out = le.AppendUint64(out, uint64(v))
		}
	}
	header(0, elf.SHT_NULL, 0, 0)
	header(1, elf.SHT_PROGBITS, 64, len(data))
	header(2+len(name), elf.SHT_STRTAB, 64+len(data), len(names))
	return out
}

// Types from a file fit the kernel that they are of, and no other.
func TestUseTypes(t *testing.T) {
	for _, from := range kernels.Series {
		path, data := ownBTF(t, openSnapshot(t, from))
		for _, to := range kernels.Series {
			k := openSnapshot(t, to)
			err := k.UseTypes(path)
			if from != to {
				if !errors.Is(err, kmem.ErrOtherKernel) {
					t.Errorf("types of %s on %s: error %v", from, to, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("types of %s on %s: %v", from, to, err)
				continue
			}
			if k.TypesFile() != path || !k.HasMember("net_device", "mtu") {
				t.Errorf("types of %s: %q", from, k.TypesFile())
			}
			if err := k.UseTypes(path); err == nil {
				t.Error("types were changed while in use")
			}
		}
		if from != "6.12" {
			continue
		}
		for _, c := range []struct {
			name, want string
			data       []byte
		}{
			{"ELF", "", btfELF(data, ".BTF", elf.ET_EXEC)},
			{"module", "a module's BTF", btfELF(data, ".BTF", elf.ET_REL)},
			{"ELF without", "without a section .BTF", btfELF(data, ".text", elf.ET_EXEC)},
			{"cut ELF", "damaged ELF", btfELF(data, ".BTF", elf.ET_EXEC)[:70]},
			{"cut", "damaged", data[:len(data)/2]},
			{"empty", "no BTF", nil},
			{"text", "neither a BTF", []byte("types")},
			{"few types", "cannot be told: 0 sizes", emptyBTF},
		} {
			err := openSnapshot(t, from).UseTypes(writeTemp(t, c.data))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
			}
		}
	}
}

// emptyBTF is a BTF without types: a header of 24 bytes and a string table of one.
var emptyBTF = bytes.Join([][]byte{
	{0x9f, 0xeb, 1, 0, 24, 0, 0, 0}, make([]byte, 12), {1, 0, 0, 0, 0},
}, nil)
