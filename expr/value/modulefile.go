package value

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/debuginfo"
	"kinspect/kmem"
)

// moduleFile is a module's file with debug information, or why there is none.
type moduleFile struct {
	loaded *debuginfo.Loaded
	err    error
}

// errNoModuleFile says that no file was given for a module.
var errNoModuleFile = errors.New("there is no debug information of it: give its file NAME.ko or NAME.ko.debug with --vmlinux, or the directory that has it (Debian: the package linux-image-RELEASE-dbg, /usr/lib/debug/lib/modules/RELEASE)")

// maxFolder bounds the entries of a directory that are looked at, with all below it.
const maxFolder = 1 << 20

func (k *Kernel) useModuleFile(path string) error {
	name := debuginfo.ModuleOf(path)
	if name == "" {
		return fmt.Errorf("%s: a module's file whose name does not tell which: it should be NAME.ko or NAME.ko.debug", path)
	}
	k.addModuleFile(name, path)
	return nil
}

func (k *Kernel) addModuleFile(name, path string) {
	k.debug.mu.Lock()
	defer k.debug.mu.Unlock()
	if k.debug.files == nil {
		k.debug.files = map[string][]string{}
	}
	k.debug.files[name] = append(k.debug.files[name], path)
	if m := k.debug.modules[name]; m != nil && m.err != nil {
		delete(k.debug.modules, name) // it was asked for before
	}
}

// useFolder lists the modules' files in a directory, and takes the vmlinux that is this kernel's, unless one was given.
func (k *Kernel) useFolder(ctx context.Context, path string, progress kmem.Progress) error {
	var kernels []string
	seen, modules := 0, 0
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		switch seen++; {
		case err != nil:
			return err
		case seen > maxFolder:
			return fmt.Errorf("%s: more than %d files: name the directory of one kernel", path, maxFolder)
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir():
			return nil
		}
		base := filepath.Base(name)
		if base == "vmlinux" || strings.HasPrefix(base, "vmlinux-") || strings.HasPrefix(base, "vmlinux.") {
			kernels = append(kernels, name)
		} else if module := debuginfo.ModuleOf(base); module != "" {
			k.addModuleFile(module, name)
			modules++
		}
		return nil
	})
	if err != nil {
		return err
	}
	byID := isFolder(filepath.Join(path, ".build-id"))
	if byID {
		k.debug.folders = append(k.debug.folders, path)
	}
	if modules+len(kernels) == 0 && !byID {
		return fmt.Errorf("%s: neither a vmlinux nor a module's file (NAME.ko, NAME.ko.debug) is in that directory or below it", path)
	}
	if k.debug.vmlinux != nil {
		return nil
	}
	if syms, err := k.Symbols(); err == nil && byID {
		if name := byBuildID(path, kmem.BuildIDInMemory(k, syms)); name != "" {
			if _, err := os.Stat(name); err == nil {
				kernels = append(kernels, name)
			}
		}
	}
	// The same file may be there by several names.
	release := k.Release()
	slices.SortStableFunc(kernels, func(a, b string) int {
		return btoi(strings.Contains(b, release)) - btoi(strings.Contains(a, release))
	})
	var first error
	for _, name := range kernels {
		if isFolder(name) { // a link
			continue
		}
		err := k.UseVmlinux(ctx, name, progress)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if modules == 0 && !byID {
		return first
	}
	return nil
}

// byBuildID is where debuggers look for a file of a build ID (Fedora's packages have these links): "" for none.
func byBuildID(folder, id string) string {
	if len(id) < 4 {
		return ""
	}
	return filepath.Join(folder, ".build-id", id[:2], id[2:]+".debug")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// moduleFile finds a module's file, and verifies that it is this module's.
func (k *Kernel) moduleFile(module string) (*moduleFile, error) {
	k.debug.mu.Lock()
	defer k.debug.mu.Unlock()
	if m, ok := k.debug.modules[module]; ok {
		return m, m.err
	}
	m := &moduleFile{}
	m.loaded, m.err = k.openModuleFile(module)
	if k.debug.modules == nil {
		k.debug.modules = map[string]*moduleFile{}
	}
	k.debug.modules[module] = m
	return m, m.err
}

func (k *Kernel) openModuleFile(module string) (*debuginfo.Loaded, error) {
	paths := k.debug.files[module]
	mods, err := k.Modules()
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(mods, func(m *Module) bool { return m.Name == module })
	if at < 0 {
		return nil, errNoModuleFile
	}
	id := mods[at].buildID()
	for _, folder := range k.debug.folders {
		if path := byBuildID(folder, id); path != "" {
			paths = append(slices.Clip(paths), path)
		}
	}
	var first error
	for _, path := range paths {
		l, err := mods[at].open(path, id)
		if err == nil {
			return l, nil
		}
		if first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	if first == nil {
		first = errNoModuleFile
	}
	return nil, first
}

// buildID is the module's GNU build ID in hexadecimal, "" where it is not known. struct module has it since 5.14
// (include/linux/module.h), where the kernel is so configured; else the note is read that /sys/module/NAME/notes shows.
func (m *Module) buildID() string {
	if v, err := m.Value.Path("build_id"); err == nil {
		id := make([]byte, 20)
		if a, ok := v.Addr(); ok && m.k.ReadMem(a, id) == nil && strings.Trim(string(id), "\x00") != "" {
			return hex.EncodeToString(id)
		}
	}
	notes, err := m.Value.Path("notes_attrs.attrs")
	if err != nil {
		return ""
	}
	const most = 8 // modules have three
	for i := range int64(most) {
		note, err := notes.Index(i)
		if err != nil {
			return ""
		}
		name, err := note.Path("attr.name")
		if err != nil {
			return ""
		}
		text, err := name.CString()
		if err != nil || !strings.HasPrefix(text, ".note") { // behind the last one
			return ""
		}
		at, err1 := note.UintPath("private")
		size, err2 := note.UintPath("size")
		if text != ".note.gnu.build-id" || err1 != nil || err2 != nil || size > 256 {
			continue
		}
		data := make([]byte, size)
		if m.k.ReadMem(kmem.Addr(at), data) != nil {
			return ""
		}
		return kmem.GNUBuildID(data)
	}
	return ""
}

// open opens a file that is said to be the module's. It is refused, with [kmem.ErrOtherKernel], where the build IDs or
// the symbols say otherwise.
func (m *Module) open(path, id string) (*debuginfo.Loaded, error) {
	f, err := debuginfo.Open(path)
	if err != nil {
		return nil, err
	}
	l, err := m.load(f, id)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (m *Module) load(f *debuginfo.File, id string) (*debuginfo.Loaded, error) {
	if !f.IsModule() {
		return nil, errors.New("no module's file")
	}
	if id != "" && f.BuildID() != "" && !strings.EqualFold(id, f.BuildID()) {
		return nil, fmt.Errorf("it is %w: it has the build ID %s, and the loaded module %s", kmem.ErrOtherKernel, f.BuildID(), id)
	}
	syms, err := m.symbols()
	if err != nil {
		return nil, fmt.Errorf("the module's symbols tell where its sections are: %w", err)
	}
	addresses := map[string]kmem.Addr{}
	for _, s := range syms {
		if _, twice := addresses[s.Name]; twice {
			addresses[s.Name] = 0
		} else {
			addresses[s.Name] = s.Addr
		}
	}
	for name, a := range addresses {
		if a == 0 {
			delete(addresses, name)
		}
	}
	// Modules share a few names: init_module, cleanup_module.
	l := f.Load(addresses)
	if l.Same == 0 || l.Same < len(addresses)/2 || l.Other > l.Same/20 {
		return nil, fmt.Errorf("it is %w: of the loaded module's %d symbols %d are where it has them", kmem.ErrOtherKernel, len(addresses), l.Same)
	}
	return l, nil
}

// moduleFileTypes makes the types of a module of its file.
func (k *Kernel) moduleFileTypes(module string, base *btf.Spec) (*btf.Spec, error) {
	m, err := k.moduleFile(module)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if k.debug.vmlinux != nil {
		ctx = k.debug.vmlinux.ctx
	}
	data, err := m.loaded.SplitBTF(ctx, base)
	if err != nil {
		return nil, err
	}
	return btf.ParseSplit(data, module, base)
}

func (k *Kernel) closeModuleFiles() {
	k.debug.mu.Lock()
	defer k.debug.mu.Unlock()
	for _, m := range k.debug.modules {
		if m.loaded != nil {
			_ = m.loaded.Close()
		}
	}
	k.debug.modules, k.debug.files, k.debug.folders = nil, nil, nil
}
