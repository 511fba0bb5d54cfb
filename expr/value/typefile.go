package value

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/kmem"
)

// UseTypes makes the kernel's types those of a file: a detached BTF, such as a
// copy of /sys/kernel/btf/vmlinux, or an ELF file with a .BTF section; either packed with zstd,
// gzip or xz, too. It must be called before [Kernel.Types]. The file is refused, with
// [kmem.ErrOtherKernel], unless it fits the kernel:
//
//   - an ELF file's build ID must be that in the kernel's memory, where both are known;
//   - all sizes and offsets of structs in VMCOREINFO that the types know must be
//     theirs;
//   - the per-CPU variables, which BTF lists with their places, must be where the
//     symbols put them, where there are symbols.
//
// Where the build ID does not decide, eight sizes and offsets have to be compared or, without
// VMCOREINFO, twenty variables. They go by layout: types of another build with the very same
// layouts pass, and do no harm.
func (k *Kernel) UseTypes(path string) error {
	data, buildID, err := readBTFFile(path)
	if err != nil {
		return err
	}
	types, err := parseBTF(data, path)
	if err != nil {
		return err
	}
	if err := k.fits(types, buildID); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	k.typesOnce.Do(func() { k.types = types })
	if k.types != types {
		return fmt.Errorf("%s: the kernel's types were in use before", path)
	}
	k.typesFile = path
	return nil
}

// TypesFile is the file that the types come from, "" where they are the kernel's
// own.
func (k *Kernel) TypesFile() string { return k.typesFile }

// readBTFFile reads the BTF in a file, at most maxBTF bytes, and the file's build ID, "" where
// it has none.
func readBTFFile(path string) (data []byte, buildID string, err error) {
	file, err := kmem.OpenSideFile(path, "types")
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	if file.Size == 0 {
		return nil, "", fmt.Errorf("%s: no BTF: the file is empty", path)
	}
	if string(file.Magic) == elf.ELFMAG {
		return elfBTF(file, path)
	}
	if !bytes.HasPrefix(file.Magic, []byte{0x9f, 0xeb}) {
		return nil, "", fmt.Errorf("%s: neither a BTF (such as /sys/kernel/btf/vmlinux) nor an ELF file with one", path)
	}
	if file.Size > maxBTF {
		return nil, "", fmt.Errorf("%s: more than %d MiB, which is no kernel's BTF", path, maxBTF>>20)
	}
	data = make([]byte, file.Size)
	if n, err := file.ReadAt(data, 0); n < len(data) {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return data, "", nil
}

// elfBTF reads the section .BTF, and the build ID.
func elfBTF(file io.ReaderAt, path string) (data []byte, buildID string, err error) {
	defer func() { // debug/elf is careful, but not ours
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: damaged ELF file: %v", path, p)
		}
	}()
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("%s: damaged ELF file: %w", path, err)
	}
	sec := f.Section(".BTF")
	if sec == nil {
		return nil, "", fmt.Errorf("%s: an ELF file without a section .BTF", path)
	}
	if f.Section(".BTF.base") != nil || f.Type == elf.ET_REL {
		return nil, "", fmt.Errorf("%s: a module's BTF, which needs vmlinux's: give that", path)
	}
	if max(sec.Size, sec.FileSize) > maxBTF {
		return nil, "", fmt.Errorf("%s: a section .BTF of %d bytes, which is no kernel's", path, sec.Size)
	}
	if data, err = sec.Data(); err != nil {
		return nil, "", fmt.Errorf("%s: its section .BTF: %w", path, err)
	}
	return data, kmem.ELFBuildID(f), nil
}

// fits compares types with what is known of the kernel without them. buildID is that of their
// file, or "".
func (k *Kernel) fits(types *btf.Spec, buildID string) error {
	const enough, plenty = 8, 20
	sure := false
	if syms, err := k.Symbols(); err == nil && buildID != "" {
		if id := kmem.BuildIDInMemory(k, syms); id != "" {
			if !strings.EqualFold(id, buildID) {
				return fmt.Errorf("these types are %w: they are of the build ID %s, and the kernel has %s", kmem.ErrOtherKernel, buildID, id)
			}
			sure = true
		}
	}
	compared, err := fitsVMCoreInfo(types, k.Image.VMCoreInfo())
	if err != nil {
		return err
	}
	perCPU, err := k.fitsPerCPU(types)
	if err != nil {
		return err
	}
	switch {
	case sure || compared >= enough:
		return nil
	case k.Image.VMCoreInfo() != nil:
		return fmt.Errorf("whether these types are this kernel's cannot be told: %d sizes and offsets could be compared with VMCOREINFO, and %d are wanted", compared, enough)
	case perCPU < plenty:
		return fmt.Errorf("whether these types are this kernel's cannot be told: it has no VMCOREINFO, its build ID could not be compared, and of its per-CPU variables %d, where %d are wanted", perCPU, plenty)
	}
	return nil
}

// fitsVMCoreInfo compares types with sizes and offsets in VMCOREINFO, and counts these.
func fitsVMCoreInfo(types *btf.Spec, info *kmem.VMCoreInfo) (same int, err error) {
	compare := func(what string, have uint64, want string) error {
		n, err := strconv.ParseUint(want, 10, 64)
		if err != nil {
			return nil
		}
		if have != n {
			return fmt.Errorf("these types are %w: %s is %d in them, and %d in VMCOREINFO", kmem.ErrOtherKernel, what, have, n)
		}
		same++
		return nil
	}
	for name, want := range info.Each("SIZE") {
		if size, ok := sizeOf(types, name); ok {
			if err := compare("the size of "+name, size, want); err != nil {
				return 0, err
			}
		}
	}
	for name, want := range info.Each("OFFSET") {
		if off, ok := offsetOf(types, name); ok {
			if err := compare("the offset of "+name, off, want); err != nil {
				return 0, err
			}
		}
	}
	return same, nil
}

func sizeOf(types *btf.Spec, name string) (uint64, bool) {
	var t btf.Type
	if st, err := types.Struct(name); err == nil {
		t = st
	} else if td, err := types.Typedef(name); err == nil {
		t = td
	} else {
		return 0, false
	}
	size, err := btf.Sizeof(t)
	return size, err == nil
}

// offsetOf finds "struct.member"; one that the types do not have is another
// name's, since VMCOREINFO keeps old names.
func offsetOf(types *btf.Spec, name string) (uint64, bool) {
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		st, err := types.Struct(name[:i])
		if err != nil {
			return 0, false
		}
		f, err := st.FindMember(name[i+1:])
		return f.Offset(), err == nil && f.BitSize == 0
	}
	return 0, false
}

// fitsPerCPU compares the section of per-CPU variables with the symbols, and counts those
// that agree. Some names are taken twice there, so a few may differ.
func (k *Kernel) fitsPerCPU(types *btf.Spec) (same int, err error) {
	syms, err := k.Symbols()
	if err != nil {
		return 0, nil
	}
	start, ok := syms.Lookup("__per_cpu_start")
	if !ok {
		return 0, nil
	}
	other := 0
	first := ""
	for _, t := range types.All(btf.DataSecs, ".data..percpu") {
		sec, ok := t.(*btf.DataSec)
		if !ok {
			continue
		}
		for _, v := range sec.Vars() {
			variable, ok := v.Var.(*btf.Var)
			if !ok {
				continue
			}
			sym, ok := syms.Lookup(variable.Name)
			switch {
			case !ok:
			case uint64(sym.Addr-start.Addr) == uint64(v.Offset):
				same++
			default:
				if other++; other == 1 {
					first = fmt.Sprintf("%s is %#x from __per_cpu_start in them, and %#x by the symbols", Printable(variable.Name), v.Offset, uint64(sym.Addr-start.Addr))
				}
			}
		}
	}
	if other > (same+other)/20 {
		return same, fmt.Errorf("these types are %w: %d of %d per-CPU variables are elsewhere: %s", kmem.ErrOtherKernel, other, same+other, first)
	}
	return same, nil
}
