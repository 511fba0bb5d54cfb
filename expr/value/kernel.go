package value

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"kinspect/btf"
	"kinspect/kmem"
)

// Kernel is an opened kernel: memory, symbols, types and modules.
type Kernel struct {
	kmem.Reader             // all reads of memory go through here, see ReadMem
	Image       *kmem.Image // where the memory comes from

	symsOnce sync.Once
	syms     kmem.SymbolTable
	symsErr  error

	typesOnce sync.Once
	types     *btf.Spec
	typesErr  error
	typesFile string // see UseTypes

	debug debugFiles // see UseVmlinux

	moves    bool // a test's memory, which changes though it is of no running kernel
	modsOnce sync.Once
	mods     []*Module
	modsErr  error

	modTypesMu sync.Mutex
	modTypes   map[string]*modTypes

	memo memo

	globalsMu sync.Mutex
	globals   map[string]Value

	rangesOnce  sync.Once
	imageRanges imageRanges
	startedOnce sync.Once
	isStarted   bool

	allocatedOnce sync.Once
	allocated     imageSpan

	cpusOnce sync.Once
	cpus     []int
	cpuOff   []kmem.Addr
	cpusErr  error
}

// New returns the kernel in img. Memory is read through r, which is img itself
// or a decorator of it, such as a [kmem.Recorder]. Nothing is read yet.
func New(img *kmem.Image, r kmem.Reader) *Kernel {
	return &Kernel{Reader: r, Image: img, modTypes: map[string]*modTypes{}, globals: map[string]Value{}}
}

// Release is the kernel's release, such as "6.12.90+deb13.1-cloud-amd64", or
// "unknown" where VMCOREINFO does not tell.
func (k *Kernel) Release() string {
	if info := k.Image.VMCoreInfo(); info != nil && info.Release() != "" {
		return Printable(info.Release())
	}
	return "unknown"
}

// Symbols is vmlinux's symbol table.
func (k *Kernel) Symbols() (kmem.SymbolTable, error) {
	k.symsOnce.Do(func() { k.syms, k.symsErr = k.Image.Symbols() })
	return k.syms, k.symsErr
}

// maxBTF bounds the BTF that is believed to be in memory. vmlinux's is 5 to 8
// MiB in distribution kernels.
const maxBTF = 64 << 20

// Types is the type information of vmlinux: of a live kernel from
// /sys/kernel/btf/vmlinux, else from the image's own memory between
// __start_BTF and __stop_BTF (include/asm-generic/vmlinux.lds.h), else from the
// debug information of [Kernel.UseVmlinux].
func (k *Kernel) Types() (*btf.Spec, error) {
	k.typesOnce.Do(func() { k.types, k.typesErr = k.openTypes() })
	return k.types, k.typesErr
}

func (k *Kernel) openTypes() (*btf.Spec, error) {
	if k.Image.Live() {
		if data, err := os.ReadFile("/sys/kernel/btf/vmlinux"); err == nil {
			return parseBTF(data, "/sys/kernel/btf/vmlinux")
		}
	}
	types, err := k.ownTypes()
	if err != nil && k.debug.vmlinux != nil {
		made, failed := k.debug.vmlinux.types()
		if failed != nil {
			return nil, fmt.Errorf("%w; and those of %s could not be read: %w", err, k.Vmlinux(), failed)
		}
		k.debug.types.Store(true)
		return made, nil
	}
	if err != nil && !errors.Is(err, errNoBTF) {
		return nil, fmt.Errorf("%w (its vmlinux with debug information, given with --vmlinux, has the types, too)", err)
	}
	return types, err
}

// ownTypes reads the BTF in memory.
func (k *Kernel) ownTypes() (*btf.Spec, error) {
	start, size, err := k.BTFRange()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if err := k.ReadMem(start, data); err != nil {
		return nil, fmt.Errorf("reading the kernel's BTF: %w", err)
	}
	return parseBTF(data, "the image's memory at __start_BTF")
}

func parseBTF(data []byte, from string) (*btf.Spec, error) {
	spec, err := btf.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the BTF in %s is damaged: %w", from, err)
	}
	return spec, nil
}

// errNoBTF is the error of a kernel that was built without.
var errNoBTF = errors.New("this kernel has no BTF (__start_BTF is not among its symbols): it was built without CONFIG_DEBUG_INFO_BTF, so its types are not known: give its vmlinux with debug information with --vmlinux (Debian: the package linux-image-RELEASE-dbg), and the directory of its modules' files with --vmlinux again, or a BTF made of the vmlinux (pahole -J) with --btf")

// BTFRange is where vmlinux's BTF lies in memory, and its length in bytes.
func (k *Kernel) BTFRange() (kmem.Addr, uint64, error) {
	syms, err := k.Symbols()
	if err != nil {
		return 0, 0, fmt.Errorf("types are not known, since symbols are not: %w", err)
	}
	start, ok1 := syms.Lookup("__start_BTF")
	stop, ok2 := syms.Lookup("__stop_BTF")
	if !ok1 || !ok2 {
		return 0, 0, errNoBTF
	}
	if stop.Addr <= start.Addr || stop.Addr-start.Addr > maxBTF {
		return 0, 0, fmt.Errorf("__start_BTF %s and __stop_BTF %s do not enclose a BTF", start.Addr, stop.Addr)
	}
	return start.Addr, uint64(stop.Addr - start.Addr), nil
}

// modTypes is one module's BTF, or why there is none.
type modTypes struct {
	spec *btf.Spec
	err  error
}

// ErrNoModuleBTF says that a module is there but brings no types with it, as in
// Debian's 5.10.
var ErrNoModuleBTF = errors.New("the module has no BTF")

// ModuleTypes is the BTF of a loaded module: of a live kernel from
// /sys/kernel/btf/MODULE, else from the kernel's list of module BTFs
// (kernel/bpf/btf.c: btf_modules, since 5.11), else made of the debug information
// of [Kernel.UseVmlinux]. The error wraps [ErrNoModuleBTF] where there is none of these.
func (k *Kernel) ModuleTypes(module string) (*btf.Spec, error) {
	k.modTypesMu.Lock()
	defer k.modTypesMu.Unlock()
	if t, ok := k.modTypes[module]; ok {
		return t.spec, t.err
	}
	spec, err := k.openModuleTypes(module)
	k.modTypes[module] = &modTypes{spec, err}
	return spec, err
}

func (k *Kernel) openModuleTypes(module string) (*btf.Spec, error) {
	base, err := k.Types()
	if err != nil {
		return nil, err
	}
	spec, err := k.ownModuleTypes(module, base)
	if !errors.Is(err, ErrNoModuleBTF) {
		return spec, err
	}
	made, failed := k.moduleFileTypes(module, base)
	switch {
	case failed == nil:
		return made, nil
	case errors.Is(failed, errNoModuleFile):
		return nil, err
	}
	return nil, fmt.Errorf("%w, and its file cannot be used: %w", err, failed)
}

// ownModuleTypes reads a module's BTF in memory. It goes on where the kernel's own BTF ends, and means nothing beside
// types that were made of debug information.
func (k *Kernel) ownModuleTypes(module string, base *btf.Spec) (*btf.Spec, error) {
	if k.debug.types.Load() {
		return nil, fmt.Errorf("module %s: %w (the kernel's types were made of %s)", Printable(module), ErrNoModuleBTF, k.Vmlinux())
	}
	if k.Image.Live() && !strings.ContainsAny(module, "/\x00") && module != "vmlinux" && module != ".." {
		if data, err := os.ReadFile(filepath.Join("/sys/kernel/btf", module)); err == nil {
			return btf.ParseSplit(data, module, base)
		}
	}
	found, err := k.ModuleBTFs()
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		if m.Module != module {
			continue
		}
		data := make([]byte, m.Size)
		if err := k.ReadMem(m.Addr, data); err != nil {
			return nil, fmt.Errorf("reading the BTF of module %s: %w", module, err)
		}
		return btf.ParseSplit(data, module, base)
	}
	return nil, fmt.Errorf("module %s: %w", Printable(module), ErrNoModuleBTF)
}

// Struct finds a struct in vmlinux's BTF, or, where modules are named, in the
// first of theirs that has it.
func (k *Kernel) Struct(name string, modules ...string) (*btf.Struct, error) {
	types, err := k.Types()
	if err != nil {
		return nil, err
	}
	st, err := types.Struct(name)
	if err == nil || len(modules) == 0 {
		return st, err
	}
	for _, m := range modules {
		spec, merr := k.ModuleTypes(m)
		if merr != nil {
			err = merr
			continue
		}
		if st, merr := spec.Struct(name); merr == nil {
			return st, nil
		}
	}
	return nil, err
}

// HasMember reports whether struct name has the member, which is how code asks
// what a kernel looks like.
func (k *Kernel) HasMember(name, member string) bool {
	st, err := k.Struct(name)
	if err != nil {
		return false
	}
	_, err = st.FindMember(member)
	return err == nil
}
