package debuginfo

import (
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/kmem"
)

var update = flag.Bool("update", false, "write what addr2line says of the programs in testdata")

// programs are the ELF files that testdata/make.sh makes.
var programs = []string{"dwarf4", "dwarf5", "packed"}

func openProgram(tb testing.TB, name string) *File {
	tb.Helper()
	f, err := Open(filepath.Join("testdata", name+".elf"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// TestFrames compares the frames of every address of the programs with what addr2line said of them.
func TestFrames(t *testing.T) {
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".elf")
			want := recorded(t, path)
			f := openProgram(t, name)
			inlined := 0
			for i, frames := range want {
				a := f.Text() + kmem.Addr(i)
				got, err := f.Lookup(a)
				if len(frames) == 0 {
					if err == nil {
						t.Errorf("%s: %v, and addr2line knows nothing", a, got)
					}
					continue
				}
				if err != nil || !same(got, frames) {
					t.Errorf("%s: %v, %v, and addr2line said %v", a, got, err, frames)
				}
				if len(got) > 2 {
					inlined++
				}
			}
			if inlined < 20 {
				t.Errorf("only %d addresses of %d are in three functions", inlined, len(want))
			}
		})
	}
}

// recorded is what addr2line says of each address of a program's code.
func recorded(t *testing.T, path string) [][]Frame {
	t.Helper()
	golden := strings.TrimSuffix(path, ".elf") + ".json"
	if *update {
		if _, err := exec.LookPath("addr2line"); err != nil {
			t.Fatal(err)
		}
		file, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		text := file.Section(".text")
		var addrs []uint64
		for a := range text.Size {
			addrs = append(addrs, text.Addr+a)
		}
		var lines []string
		for _, frames := range addr2line(t, path, addrs) {
			if len(frames) == 1 && frames[0].Line == 0 {
				frames = nil // what fills the room between functions has the symbol before it alone
			}
			one, _ := json.Marshal(frames)
			lines = append(lines, string(one))
		}
		if err := os.WriteFile(golden, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]Frame
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

// TestNoAranges looks addresses up by the units' own ranges, as where the compiler writes no .debug_aranges.
func TestNoAranges(t *testing.T) {
	for _, name := range programs {
		with, without := openProgram(t, name), openProgram(t, name)
		delete(without.raw, "aranges")
		for i := range 400 {
			a := with.Text() + kmem.Addr(i)
			want, werr := with.Lookup(a)
			got, gerr := without.Lookup(a)
			if fmt.Sprint(got, gerr) != fmt.Sprint(want, werr) {
				t.Errorf("%s: %s: %v, %v without .debug_aranges, and %v, %v with them", name, a, got, gerr, want, werr)
			}
		}
	}
}

func TestUnknownAddress(t *testing.T) {
	f := openProgram(t, "dwarf5")
	for _, a := range []kmem.Addr{0, 1, 0xffffffff80ffffff, 0xffffffff81100000, ^kmem.Addr(0)} {
		if got, err := f.Lookup(a); !errors.Is(err, ErrNoLine) {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "text")
	if err := os.WriteFile(none, []byte("no ELF file at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(none); err == nil || !strings.Contains(err.Error(), "linux-image-RELEASE-dbg") {
		t.Errorf("a text: %v", err)
	}
	data, err := os.ReadFile("testdata/dwarf5.elf")
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.ReplaceAll(string(data), ".debug_", ".dobug_"))
	stripped := filepath.Join(dir, "stripped")
	if err := os.WriteFile(stripped, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(stripped); !errors.Is(err, ErrNoDebuginfo) {
		t.Errorf("without debug information: %v", err)
	}
}

// TestTypes compares the types of the programs with the source.
func TestTypes(t *testing.T) {
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			data, err := openProgram(t, name).BTF(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := btf.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			device, err := spec.Struct("device")
			if err != nil {
				t.Fatal(err)
			}
			if err := device.Sound(); err != nil {
				t.Error(err)
			}
			for _, c := range []struct {
				member string
				offset uint64
				bits   uint32
				typ    string
			}{
				{"name", 0, 0, "char [16]"},
				{"up", 16, 1, "unsigned int"},
				{"mode", 16, 3, "unsigned int"},
				{"level", 16, 5, "int"},
				{"color", 24, 0, "enum color"},
				{"wide", 32, 0, "enum wide"},
				{"number", 40, 0, "union number"},
				{"a", 48, 0, "int"},
				{"c", 50, 0, "short"},
				{"next", 56, 0, "struct device *"},
				{"table", 64, 0, "struct device *const *[3][5]"},
				{"open", 184, 0, "int (*)(struct device *, const char *, ...)"},
				{"later", 192, 0, "struct later *"},
				{"ready", 200, 0, "_Bool"},
				{"rate", 208, 0, "double"},
				{"counter", 216, 0, "volatile int"},
				{"tail", 220, 0, "unsigned short []"},
			} {
				m, err := device.FindMember(c.member)
				if err != nil {
					t.Error(err)
					continue
				}
				if m.BitSize != 0 {
					if uint32(m.BitSize) != c.bits {
						t.Errorf("%s has %d bits, not %d", c.member, m.BitSize, c.bits)
					}
				} else if m.Offset() != c.offset {
					t.Errorf("%s is at %d, not at %d", c.member, m.Offset(), c.offset)
				}
				if got := m.Type.String(); got != c.typ && got != strings.Replace(c.typ, "short", "short int", 1) && got != strings.Replace(c.typ, "unsigned short", "short unsigned int", 1) {
					t.Errorf("%s is %s, not %s", c.member, got, c.typ)
				}
			}
			// small.c only declares it.
			if l, err := spec.Struct("later"); err != nil || l.Size != 24 {
				t.Errorf("struct later: %v, %v", l, err)
			}
			m, err := device.FindMember("later")
			if err == nil {
				if p, ok := m.Type.(*btf.Pointer); !ok || btf.Underlying(p.Target()).(*btf.Struct) == nil {
					t.Errorf("later points to %T", p.Target())
				}
			}
			if e, _, ok := spec.Enumerator("BLUE"); !ok || int64(int32(e.Value)) != -3 {
				t.Errorf("BLUE is %v", e.Value)
			}
			if e, _, ok := spec.Enumerator("WIDE"); !ok || e.Value != 0x123456789abc {
				t.Errorf("WIDE is %#x", e.Value)
			}
			if off, size, ok := spec.VarPlace("per_cpu_pair"); !ok || size != 8 || off > 4 {
				t.Errorf("per_cpu_pair is at %d, %d bytes, %v", off, size, ok)
			}
			if v, err := spec.Var("first"); err != nil || v.Type().String() != "struct device" {
				t.Errorf("first: %v", err)
			}
			if fn, err := spec.Func("middle"); err != nil || fn.Type().String() != "long (struct device *, long)" && fn.Type().String() != "long int (struct device *, long int)" {
				t.Errorf("middle is %v, %v", fn, err)
			}
		})
	}
}
