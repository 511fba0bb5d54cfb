package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A kernel is one unpacked Debian kernel.
type kernel struct {
	suite   string
	series  string // 6.12
	release string // 6.12.x+deb13-cloud-amd64
	image   string // path of vmlinuz
	modules string // path of lib/modules/RELEASE
}

var seriesPattern = regexp.MustCompile(`^\d+\.\d+`)

// openKernel finds the kernel in a directory that packages were unpacked into.
func openKernel(dir, suiteName string) (*kernel, error) {
	// usr/lib/modules from 7.x on, lib/modules before.
	var found []string
	for _, pattern := range []string{"lib/modules/*", "usr/lib/modules/*"} {
		m, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		found = append(found, m...)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s: want one modules directory, have %q", dir, found)
	}
	k := &kernel{suite: suiteName, release: filepath.Base(found[0]), modules: found[0]}
	k.series = seriesPattern.FindString(k.release)
	for _, path := range []string{
		filepath.Join(dir, "boot/vmlinuz-"+k.release),
		filepath.Join(k.modules, "vmlinuz"),
	} {
		if _, err := os.Stat(path); err == nil {
			k.image = path
		}
	}
	if k.series == "" || k.image == "" {
		return nil, fmt.Errorf("%s: no kernel image for %s", dir, k.release)
	}
	return k, nil
}

// fetchKernel returns the newest kernel of a suite, downloading it unless the
// cache has it unpacked already. Older ones of the same suite are removed.
func fetchKernel(ctx context.Context, cache string, s suite, m mirrors) (*kernel, error) {
	root, err := newAptRoot(filepath.Join(cache, "apt", s.name), s)
	if err != nil {
		return nil, err
	}
	if err := root.update(ctx, m); err != nil {
		return nil, err
	}
	parts, err := root.newestKernel(ctx)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, "kernels", s.name)
	dir := filepath.Join(home, parts[0].name+"_"+parts[0].version)
	if _, err := os.Stat(dir); err == nil {
		return openKernel(dir, s.name)
	}
	if err := os.RemoveAll(home); err != nil {
		return nil, err
	}
	// Unpacked under another name first, so that an interrupted run leaves
	// nothing that looks complete.
	if err := root.unpack(ctx, parts, dir+".part"); err != nil {
		return nil, err
	}
	if err := os.Rename(dir+".part", dir); err != nil {
		return nil, err
	}
	return openKernel(dir, s.name)
}

// cachedKernel returns the kernel of a suite that an earlier run left.
func cachedKernel(cache string, s suite) (*kernel, error) {
	dirs, err := filepath.Glob(filepath.Join(cache, "kernels", s.name, "*_*"))
	if err != nil || len(dirs) != 1 {
		return nil, fmt.Errorf("%s: want one unpacked kernel, have %q", s.name, dirs)
	}
	return openKernel(dirs[0], s.name)
}

// A module is one kernel module, unpacked, with the names it depends on.
type module struct {
	name    string
	object  []byte
	depends []string
}

// moduleSet reads the named modules and all that they depend on. A name that
// is built into this kernel is left out; one that is neither is an error.
func (k *kernel) moduleSet(ctx context.Context, names []string) (map[string]module, error) {
	files := map[string]string{}
	err := filepath.WalkDir(k.modules, func(path string, _ fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(path), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	builtin := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		builtin[moduleName(strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko"))] = true
	}
	set := map[string]module{}
	queue := slices.Clone(names)
	for len(queue) > 0 {
		name := moduleName(queue[0])
		queue = queue[1:]
		if _, have := set[name]; have || builtin[name] {
			continue
		}
		if files[name] == "" {
			return nil, fmt.Errorf("%s has no module %s", k.release, name)
		}
		m, err := readModule(ctx, name, files[name])
		if err != nil {
			return nil, err
		}
		set[name] = m
		queue = append(queue, m.depends...)
	}
	return set, nil
}

// moduleName is the form that /proc/modules uses.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

func readModule(ctx context.Context, name, path string) (module, error) {
	m := module{name: name}
	var err error
	switch filepath.Ext(path) {
	case ".xz":
		m.object, err = output(ctx, "", "xz", "-dc", path)
	case ".zst":
		m.object, err = output(ctx, "", "zstd", "-qdc", path)
	default:
		m.object, err = os.ReadFile(path)
	}
	if err != nil {
		return m, err
	}
	f, err := elf.NewFile(bytes.NewReader(m.object))
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return m, fmt.Errorf("%s: no .modinfo", path)
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			for d := range strings.SplitSeq(list, ",") {
				m.depends = append(m.depends, moduleName(d))
			}
		}
	}
	return m, nil
}
