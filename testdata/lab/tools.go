package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// tools are programs that the lab makes for itself, once, in tools/ of its directory:
// what Debian packages is too old for these kernels, or built without the libraries
// that a format needs.
type tools struct {
	makedumpfile dumper
	qemu         string // the program, "" where no boot of this run takes it
	pahole       bundle
}

// The suites that their packages and sources come from.
var (
	makedumpfileSuite = suite{name: "sid"} // bookworm's has no zstd, and fails on 6.12
	qemuSuite         = suite{name: "trixie", updates: "trixie-updates", secure: "trixie-security"}
	paholeSuite       = suite{name: "sid"} // bookworm's is older than what these kernels' types were made with
)

// prepareTools makes the tools that this run needs and that are not there yet.
func prepareTools(ctx context.Context, o options, m mirrors) (t tools, err error) {
	wants := func(boot string, kernels []string) bool {
		return o.wantsBoot(boot) && slices.ContainsFunc(suites, func(s suite) bool {
			return o.mayWant(s) && (kernels == nil || contains(kernels, s.series))
		})
	}
	if wants("vmcore", nil) {
		t.makedumpfile.bundle = bundle{filepath.Join(o.cache, "tools", "makedumpfile"), "makedumpfile"}
		if err := makeTool(ctx, o, m, t.makedumpfile.dir, makedumpfileSuite, makeMakedumpfile); err != nil {
			return t, fmt.Errorf("makedumpfile: %w", err)
		}
		if t.makedumpfile.snappy, err = t.makedumpfile.hasSnappy(ctx); err != nil {
			return t, err
		}
	}
	if wants("shared", strings.Fields(ownQEMUKernels)) {
		dir := filepath.Join(o.cache, "tools", "qemu")
		if err := makeTool(ctx, o, m, dir, qemuSuite, makeQEMU); err != nil {
			return t, fmt.Errorf("QEMU: %w", err)
		}
		t.qemu = filepath.Join(dir, "qemu-system-x86_64")
	}
	if !o.noKinspect {
		t.pahole = bundle{filepath.Join(o.cache, "tools", "pahole"), "pahole"}
		if err := makeTool(ctx, o, m, t.pahole.dir, paholeSuite, makePahole); err != nil {
			return t, fmt.Errorf("pahole: %w", err)
		}
	}
	return t, nil
}

// makeTool has a tool made in dir, unless it is there. It is made under another name
// first: an interrupted run leaves nothing that looks complete.
func makeTool(ctx context.Context, o options, m mirrors, dir string, s suite, fill func(context.Context, *aptRoot, string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if o.cached {
		return fmt.Errorf("%s is not there: run without --cached once", dir)
	}
	start := time.Now()
	part, lists := dir+".part", dir+".apt"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(lists) // nothing asks them again
	root, err := newAptRoot(lists, s)
	if err != nil {
		return err
	}
	root.sources = true
	if err := root.update(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err := fill(ctx, root, part); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "lab: made %s in %.0f s\n", dir, time.Since(start).Seconds())
	return os.Rename(part, dir)
}

// errNoSource says that the mirror has no source of a package: some hold binaries alone.
var errNoSource = errors.New("the mirror does not have its source")

var noSource = regexp.MustCompile(`\b404\b|Unable to find a source package`)

// source unpacks a package's source below dir, and returns where.
func (r *aptRoot) source(ctx context.Context, name, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	_, err := r.runIn(ctx, dir, "apt-get", "source", name)
	if err != nil && noSource.MatchString(err.Error()) {
		return "", errNoSource
	}
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, name+"-*")) // its archives are NAME_VERSION
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%s: want one directory of the source, have %q", name, found)
	}
	return found[0], nil
}

// A dumper is makedumpfile. So it runs on any machine, and in the crash kernel.
type dumper struct {
	bundle
	snappy bool
}

// inGuest is where the files lie in the crash kernel.
const inGuest = "/makedumpfile"

// guestFiles are the files, by their paths in the crash kernel.
func (d dumper) guestFiles() (map[string]string, error) {
	files := make(map[string]string)
	found, err := filepath.Glob(filepath.Join(d.dir, "*", "*"))
	for _, path := range found {
		files[inGuest+strings.TrimPrefix(path, d.dir)] = path
	}
	return files, err
}

// hasSnappy asks makedumpfile what it was built with.
func (d dumper) hasSnappy(ctx context.Context) (bool, error) {
	command := append(d.command(d.dir), "-v")
	out, err := output(ctx, "", command[0], command[1:]...)
	return regexp.MustCompile(`snappy\s+enabled`).Match(out), err
}

// makeMakedumpfile builds makedumpfile where the mirror has its source, or where the
// environment names a directory of it: Debian's own is built without snappy. Otherwise
// it takes Debian's, and the rows in snappy are QEMU's.
func makeMakedumpfile(ctx context.Context, root *aptRoot, to string) error {
	work := to + ".work"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if given := os.Getenv("KINSPECT_LAB_MAKEDUMPFILE"); given != "" {
		src := filepath.Join(work, "given")
		if _, err := output(ctx, "", "cp", "-r", given, src); err != nil {
			return err
		}
		return buildMakedumpfile(ctx, src, to)
	}
	src, err := root.source(ctx, "makedumpfile", work)
	if errors.Is(err, errNoSource) {
		fmt.Fprintf(os.Stderr, "lab: makedumpfile: %v: taking Debian's, which has no snappy\n", err)
		return unpackBundle(ctx, root, "makedumpfile", "makedumpfile", work, to)
	}
	if err != nil {
		return err
	}
	return buildMakedumpfile(ctx, src, to)
}

func buildMakedumpfile(ctx context.Context, src, to string) error {
	if _, err := output(ctx, src, "make", "LINKTYPE=dynamic", "USELZO=on", "USESNAPPY=on", "USEZSTD=on", "makedumpfile"); err != nil {
		return err
	}
	program := filepath.Join(src, "makedumpfile")
	libs, err := sharedLibraries(ctx, program)
	if err != nil {
		return err
	}
	return install(program, libs, to)
}

// makePahole takes Debian's.
func makePahole(ctx context.Context, root *aptRoot, to string) error {
	work := to + ".work"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return unpackBundle(ctx, root, "pahole", "pahole", work, to)
}
