// Command fuzz makes the committed corpora of the fuzz targets from real dumps: those
// that the lab made (its directory is the argument). What a target cannot take whole, as the
// fuzzer is slow with long inputs, is cut down to some pages, with the real headers, notes,
// descriptors and page data. Run it from the root of the tree:
//
//	go run ./testdata/fuzz ~/.cache/kinspect-lab
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./testdata/fuzz LAB-DIRECTORY")
		os.Exit(2)
	}
	m := maker{lab: os.Args[1]}
	if err := m.all(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d seeds\n", m.seeds)
}

// maker writes seeds.
type maker struct {
	lab   string
	seeds int
}

func (m *maker) all() error {
	for _, step := range []func() error{m.elf, m.kdump, m.flattened, m.vmcoreinfo, m.kallsyms, m.types} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// add writes a seed of a target: its arguments, as Go's fuzzer reads them.
func (m *maker) add(pkg, target, name string, args ...any) error {
	var b strings.Builder
	b.WriteString("go test fuzz v1\n")
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			fmt.Fprintf(&b, "[]byte(%q)\n", a)
		case string:
			fmt.Fprintf(&b, "string(%q)\n", a)
		case uint32:
			fmt.Fprintf(&b, "uint32(%d)\n", a)
		default:
			return fmt.Errorf("%s: cannot write a %T", target, a)
		}
	}
	dir := filepath.Join(pkg, "testdata", "fuzz", target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m.seeds++
	return os.WriteFile(filepath.Join(dir, "real-"+name), []byte(b.String()), 0o644)
}

// dump is a file of the lab's.
func (m *maker) dump(series, name string) string { return filepath.Join(m.lab, series, name) }

// head reads the first n bytes of a file.
func head(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	got, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return b[:got], nil
}

// elf seeds with the heads of ELF cores: by QEMU, with paging and without, and by kexec.
func (m *maker) elf() error {
	for name, path := range map[string]string{
		"qemu-5.10": m.dump("5.10", "incident.elf"), "qemu-7.3": m.dump("7.3", "incident.elf"),
		"paging-6.12": m.dump("6.12", "formats/paging.elf"), "kexec-6.12": m.dump("6.12", "vmcore.elf"), "makedumpfile-6.12": m.dump("6.12", "vmcore-formats/elf31"),
	} {
		b, err := head(path, 12<<10)
		if err != nil {
			return err
		}
		if err := m.add("kmem", "FuzzELFCore", name, b); err != nil {
			return err
		}
	}
	return nil
}

// flattened seeds with the first records of flattened files.
func (m *maker) flattened() error {
	const headerSize = 4096
	for name, path := range map[string]string{
		"qemu-6.12": m.dump("6.12", "formats/zlib.kdump"), "makedumpfile-6.12": m.dump("6.12", "vmcore-formats/zlib31.flat"), "elf-6.12": m.dump("6.12", "vmcore-formats/elf31.flat"),
	} {
		b, err := head(path, 24<<10)
		if err != nil {
			return err
		}
		if err := m.add("kmem", "FuzzFlatFile", name, b[headerSize:]); err != nil {
			return err
		}
	}
	return nil
}

// vmcoreinfo seeds with the note of each kernel.
func (m *maker) vmcoreinfo() error {
	for _, series := range []string{"5.10", "6.1", "6.12", "7.3"} {
		img, err := kmem.Open(m.dump(series, "incident.elf"))
		if err != nil {
			return err
		}
		if err := m.add("kmem", "FuzzVMCoreInfo", series, img.VMCoreInfo().Raw()); err != nil {
			return err
		}
		if err := img.Close(); err != nil {
			return err
		}
	}
	return nil
}

// kallsyms seeds with some lines of /proc/kallsyms: the first, the last of the kernel's own, and modules'.
func (m *maker) kallsyms() error {
	for _, series := range []string{"5.10", "7.3"} {
		b, err := os.ReadFile(m.dump(series, "facts/incident/kallsyms"))
		if err != nil {
			return err
		}
		lines := bytes.SplitAfter(b, []byte("\n"))
		var modules int
		for modules = range lines {
			if bytes.Contains(lines[modules], []byte("\t[")) {
				break
			}
		}
		var some [][]byte
		for _, from := range []int{0, modules - 10, modules + 100, len(lines) - 11} {
			some = append(some, lines[from:from+10]...)
		}
		if err := m.add("kmem", "FuzzProcKallsyms", series, string(bytes.Join(some, nil))); err != nil {
			return err
		}
	}
	return nil
}

// types seeds with the smallest modules' BTF.
func (m *maker) types() error {
	for _, series := range []string{"6.12", "7.3"} {
		img, err := kmem.Open(m.dump(series, "incident.elf"))
		if err != nil {
			return err
		}
		mods, err := value.New(img, img).ModuleBTFs()
		if err != nil {
			return err
		}
		for _, mod := range mods {
			if mod.Size > 4<<10 {
				continue
			}
			b := make([]byte, mod.Size)
			if err := img.ReadMem(mod.Addr, b); err != nil {
				return err
			}
			if err := m.add("btf", "FuzzBTF", mod.Module+"-"+series, b); err != nil {
				return err
			}
		}
		if err := img.Close(); err != nil {
			return err
		}
	}
	return nil
}
