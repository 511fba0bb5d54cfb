package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A bundle is a program with all its libraries, and the dynamic loader among them:
// DIR/bin/PROGRAM and DIR/lib. So it runs on any machine.
type bundle struct{ dir, program string }

// loader is the dynamic loader's name, in lib.
const loader = "ld-linux-x86-64.so.2"

// command starts a command line of the program, where the bundle's files lie in dir.
func (b bundle) command(dir string) []string {
	lib := filepath.Join(dir, "lib")
	return []string{filepath.Join(lib, loader), "--library-path", lib, filepath.Join(dir, "bin", b.program)}
}

// unpackBundle takes a program of Debian's package with the libraries of its suite, which may
// be newer than this machine's.
func unpackBundle(ctx context.Context, root *aptRoot, name, program, work, to string) error {
	parts, err := root.withLibraries(ctx, name)
	if err != nil {
		return err
	}
	if err := root.unpack(ctx, parts, work); err != nil {
		return err
	}
	lib := filepath.Join(work, "usr/lib/x86_64-linux-gnu")
	path := filepath.Join(work, "usr/bin", program)
	out, err := output(ctx, "", filepath.Join(lib, loader), "--library-path", lib, "--list", path)
	if err != nil {
		return err
	}
	libs, err := parseLibraries(path, out)
	if err != nil {
		return err
	}
	return install(path, libs, to)
}

// install copies a program and its libraries into bin and lib.
func install(program string, libs []string, to string) error {
	files := map[string]string{"bin/" + filepath.Base(program): program}
	for _, path := range libs {
		files["lib/"+filepath.Base(path)] = path
	}
	for name, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name = filepath.Join(to, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, content, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// libraryPackage matches the packages of shared libraries; libc's character sets are
// of no use here.
var libraryPackage = regexp.MustCompile(`^(lib|zlib)`)

// withLibraries lists a package and the libraries that it needs.
func (r *aptRoot) withLibraries(ctx context.Context, name string) ([]pkg, error) {
	var parts []pkg
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		if slices.ContainsFunc(parts, func(p pkg) bool { return p.name == queue[0] }) {
			continue
		}
		p, err := r.show(ctx, queue[0])
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		for _, d := range p.depends {
			if libraryPackage.MatchString(d) && !strings.HasPrefix(d, "libc-") {
				queue = append(queue, d)
			}
		}
	}
	return parts, nil
}
