package debuginfo

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// loadAt makes a kernel's addresses of the symbols of a module: each section is at a place of its own.
func loadAt(f *File, bases map[string]kmem.Addr) map[string]kmem.Addr {
	addresses := map[string]kmem.Addr{}
	f.EachSymbol(func(s ObjectSymbol) {
		if name, _ := f.Section(s.Section); bases[name] != 0 {
			addresses[s.Name] = bases[name] + kmem.Addr(s.Offset)
		}
	})
	return addresses
}

// TestModuleFrames compares the frames of every address of a module with what addr2line said of them. The sections are
// not in the order of the file, and not a whole number of pages away.
func TestModuleFrames(t *testing.T) {
	f, err := Open("testdata/module.ko")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.IsModule() || len(f.BuildID()) != 40 {
		t.Fatalf("module %v, build ID %q", f.IsModule(), f.BuildID())
	}
	bases := map[string]kmem.Addr{
		".text": 0xffffffffc0410040, ".text.hot": 0xffffffffc0400010, ".text.unlikely": 0xffffffffc0420000, ".init.text": 0xffffffffc0500000,
		".bss": 0xffffffffc0300000,
	}
	addresses := loadAt(f, bases)
	addresses["sink"] += 8 // one that does not agree
	l := f.Load(addresses)
	if l.Same != 8 || l.Other != 1 {
		t.Errorf("%d symbols agree, %d do not", l.Same, l.Other)
	}
	for i, section := range f.object.sections {
		base := bases[section.name]
		if base == 0 || section.name == ".bss" {
			continue
		}
		want := recordedSection(t, section)
		inlined := 0
		for off := range section.size {
			frames := want[off]
			got, err := l.Lookup(base + kmem.Addr(off))
			if len(frames) == 0 {
				if err == nil {
					t.Errorf("%s+%#x: %v, and addr2line knows nothing", section.name, off, got)
				}
				continue
			}
			if err != nil || !same(got, frames) {
				t.Errorf("%s+%#x: %v, %v, and addr2line said %v", section.name, off, got, err, frames)
			}
			if len(got) > 1 {
				inlined++
			}
		}
		if section.name == ".text.hot" && inlined < 10 {
			t.Errorf("%s: %d addresses are in inlined functions", section.name, inlined)
		}
		if a, ok := f.Place(i, section.size); ok {
			t.Errorf("%s ends before %s", section.name, a)
		}
	}
	for _, a := range []kmem.Addr{0, 0xffffffffc0410040 - 1, 0xffffffffc0600000, ^kmem.Addr(0)} {
		if got, err := l.Lookup(a); !errors.Is(err, ErrNoLine) {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
}

// recordedSection is what addr2line says of each address of a section of module.ko.
func recordedSection(t *testing.T, section objectSection) [][]Frame {
	t.Helper()
	golden := filepath.Join("testdata", "module"+section.name+".json")
	if *update {
		var lines []string
		var offs []uint64
		for off := range section.size {
			offs = append(offs, off)
		}
		for _, frames := range addr2lineSection(t, "testdata/module.ko", section.name, offs) {
			if len(frames) == 1 && frames[0].Line == 0 {
				frames = nil // what fills the room between functions
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
	if err := json.Unmarshal(data, &want); err != nil || uint64(len(want)) != section.size {
		t.Fatalf("%s: %d addresses, %v", golden, len(want), err)
	}
	return want
}

// TestModuleTypes makes the types of a module, on top of a kernel's.
func TestModuleTypes(t *testing.T) {
	blob, err := openProgram(t, "dwarf5").BTF(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := btf.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("testdata/module.ko")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	split, err := f.SplitBTF(context.Background(), base)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.ParseSplit(split, "module", base)
	if err != nil {
		t.Fatal(err)
	}
	private, err := spec.Struct("private")
	if err != nil {
		t.Fatal(err)
	}
	if err := private.Sound(); err != nil || private.Size != 16 {
		t.Errorf("%d bytes, %v", private.Size, err)
	}
	if m, err := private.FindMember("mode"); err != nil || m.BitSize != 3 {
		t.Errorf("mode: %+v, %v", m, err)
	}
	// Types that the kernel has are the kernel's: what the module declares, what both define.
	device, err := base.Struct("device")
	if err != nil {
		t.Fatal(err)
	}
	m, err := private.FindMember("dev")
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.Type.(*btf.Pointer); !ok || p.Target() != btf.Type(device) {
		t.Errorf("dev is %s, to another struct device than the kernel's", m.Type)
	}
	later, err := base.Struct("later")
	if own, err2 := spec.Struct("later"); err != nil || err2 != nil || own != later {
		t.Errorf("struct later is there twice, %v, %v", err, err2)
	}
	if e, _, ok := spec.Enumerator("CONSTANT"); !ok || e.Value != 43 {
		t.Errorf("CONSTANT, of an enum without a name: %v, %v", e, ok)
	}
	if v, err := spec.Var("the_private"); err != nil || v.Type() != btf.Type(private) {
		t.Errorf("the_private: %v", err)
	}
	if fn, err := spec.Func("handle"); err != nil || !strings.HasPrefix(fn.Type().String(), "long") {
		t.Errorf("handle: %v", err)
	}
	if own, all := spec.NumTypes()-base.NumTypes(), base.NumTypes(); own > 25 || all < 50 {
		t.Errorf("%d types on top of %d", own, all)
	}
}

func TestModuleOf(t *testing.T) {
	for file, want := range map[string]string{
		"/x/bonding.ko": "bonding", "nf-tables.ko.debug": "nf_tables", "a.ko.xz": "a", "a.ko.debug.zst": "a", "a.kodak": "", "vmlinux": "", ".ko": "", "a.ko.debug.tar": "",
	} {
		if got := ModuleOf(file); got != want {
			t.Errorf("%s is %q, not %q", file, got, want)
		}
	}
}

// TestDamagedModule changes the bytes of a module's file in turn.
func TestDamagedModule(t *testing.T) {
	data, err := os.ReadFile("testdata/module.ko")
	if err != nil {
		t.Fatal(err)
	}
	step := 7
	if testing.Short() {
		step = 97
	}
	for i := 0; i < len(data); i += step {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			data[i] ^= x
			exerciseModule(data)
			data[i] ^= x
		}
	}
}

// FuzzModule does so with any bytes.
func FuzzModule(f *testing.F) {
	data, err := os.ReadFile("testdata/module.ko")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, uint32(0), byte(0), uint32(0), byte(0))
	f.Add(data, uint32(9000), byte(0xff), uint32(9100), byte(0x80))
	f.Fuzz(func(t *testing.T, data []byte, at1 uint32, x1 byte, at2 uint32, x2 byte) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[int(at1)%len(data)] ^= x1
			data[int(at2)%len(data)] ^= x2
		}
		exerciseModule(data)
	})
}

// exerciseModule must come back, whatever data is.
func exerciseModule(data []byte) {
	exercise(data)
	f, err := open(bytes.NewReader(data), "damaged.ko")
	if err != nil || !f.IsModule() {
		return
	}
	bases := map[string]kmem.Addr{".text": 0xffffffffc0410040, ".text.hot": 0xffffffffc0400010, ".init.text": ^kmem.Addr(20)}
	l := f.Load(loadAt(f, bases))
	for _, base := range bases {
		for off := range kmem.Addr(8) {
			_, _ = l.Lookup(base + 7*off)
		}
	}
}

// TestLabModuleAddr2line compares the frames of random code of real modules with binutils'.
func TestLabModuleAddr2line(t *testing.T) {
	if _, err := exec.LookPath("addr2line"); err != nil {
		t.Skip("no addr2line")
	}
	var files []string
	for _, name := range []string{"bonding", "bridge", "veth", "llc"} {
		if path := filepath.Join(results.Modules(t), name+".ko"); exists(path) {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		t.Skip("none of these modules' files is there")
	}
	random := rand.New(rand.NewPCG(7, 12))
	for _, path := range files {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i, s := range f.object.sections {
			if s.place == 0 || s.size == 0 || !strings.HasPrefix(s.name, ".text") && s.name != ".init.text" && s.name != ".exit.text" {
				continue
			}
			var offs []uint64
			for range min(s.size, 300) {
				offs = append(offs, random.Uint64N(s.size))
			}
			base, _ := f.Place(i, 0)
			t.Log(path, s.name)
			compareFrames(t, f, base, offs, addr2lineSection(t, path, s.name, offs))
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestLabModuleTypes compares the types made of a module's debug information with the BTF that it brings itself.
func TestLabModuleTypes(t *testing.T) {
	vmlinux, modules := labVmlinux(t), results.Modules(t)
	base, err := btf.Parse(btfSection(t, vmlinux))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bonding", "veth", "tls"} {
		path := filepath.Join(modules, name+".ko")
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		theirs, err := btf.ParseSplit(btfSection(t, path), name, base)
		if err != nil {
			t.Fatal(err)
		}
		blob, err := f.SplitBTF(context.Background(), base)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := btf.ParseSplit(blob, name, base)
		if err != nil {
			t.Fatal(err)
		}
		mine, compared := structsByName(ours), 0
		for key, list := range structsByName(theirs) {
			for _, s := range list {
				found := false
				for _, m := range mine[key] {
					found = found || layout(m) == layout(s)
				}
				if compared++; !found {
					t.Errorf("%s: %s is\n%s\nin BTF, and not in %d made of DWARF", name, key, layout(s), len(mine[key]))
				}
			}
		}
		t.Logf("%s: %d structs and unions compared; %d types of its own, %d in its BTF", name, compared, ours.NumTypes()-base.NumTypes(), theirs.NumTypes()-base.NumTypes())
		if name == "bonding" && ours.NumTypes()-base.NumTypes() > 3*(theirs.NumTypes()-base.NumTypes()) {
			t.Errorf("%s: types of the kernel are there again", name)
		}
	}
}

func btfSection(t *testing.T, path string) []byte {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sec := file.Section(".BTF")
	if sec == nil {
		t.Skipf("%s has no BTF to compare with", path)
	}
	data, err := sec.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
