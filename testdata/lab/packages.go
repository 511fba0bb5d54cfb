package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A suite is one Debian suite and the kernel series that its stock cloud
// kernel has. The version inside the series is whatever the mirror holds
// today: a pinned one disappears from a mirror within weeks.
type suite struct {
	name    string
	series  string // "" where the series itself moves
	updates string // a suite of the same mirror that may hold a newer build, or ""
	secure  string // the suite on the security mirror, or ""
}

var suites = []suite{
	{name: "bullseye", series: "5.10", updates: "bullseye-updates", secure: "bullseye-security"},
	{name: "bookworm", series: "6.1", updates: "bookworm-updates", secure: "bookworm-security"},
	{name: "trixie", series: "6.12", updates: "trixie-updates", secure: "trixie-security"},
	{name: "trixie-backports"},
}

// errAbsent says that a suite has left the mirror, as old suites do.
var errAbsent = errors.New("absent: the suite has left the mirror")

// metaPackage depends on the newest cloud kernel of its suite.
const metaPackage = "linux-image-cloud-amd64"

// kernelPart matches the packages that hold a kernel's files. Up to 6.x all is
// in linux-image-*; from 7.x on that one is empty, and depends on
// linux-binary-*, linux-modules-* and linux-base-*.
var kernelPart = regexp.MustCompile(`^linux-(image|base|binary|modules)-\d`)

// mirrors are the two archives that suites come from.
type mirrors struct{ main, security, keyring string }

// findMirrors takes the mirrors from the machine's own apt configuration, so
// that the lab works wherever `apt-get install` does. The environment may
// override them.
func findMirrors(ctx context.Context) (mirrors, error) {
	m := mirrors{
		main:     os.Getenv("KINSPECT_LAB_MIRROR"),
		security: os.Getenv("KINSPECT_LAB_SECURITY_MIRROR"),
		keyring:  "/usr/share/keyrings/debian-archive-keyring.gpg",
	}
	out, err := output(ctx, "", "apt-get", "indextargets",
		"--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(out)) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 3)
		switch {
		case len(f) != 3 || f[0] != "Debian":
		case f[1] == "Debian" && m.main == "":
			m.main = f[2]
		case f[1] == "Debian-Security" && m.security == "":
			m.security = f[2]
		}
	}
	if m.main == "" {
		return m, errors.New("this machine's apt has no lists of a Debian mirror: run apt-get update, or set KINSPECT_LAB_MIRROR")
	}
	return m, nil
}

// An aptRoot is a private apt for one suite: own sources, own lists, own
// status file. Signatures and hashes are checked by apt as ever, and nothing
// of the machine's package state is read or changed.
type aptRoot struct {
	dir     string
	suite   suite
	sources bool // also of source packages
}

func newAptRoot(dir string, s suite) (*aptRoot, error) {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "sources.d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	return &aptRoot{dir: dir, suite: s}, os.WriteFile(filepath.Join(dir, "state/status"), nil, 0o644)
}

// writeSources names the suites to take packages from, but for those in gone.
func (r *aptRoot) writeSources(m mirrors, gone []string) error {
	var list strings.Builder
	add := func(mirror, suite string) {
		if mirror != "" && suite != "" && !contains(gone, suite) {
			fmt.Fprintf(&list, "deb [arch=amd64 signed-by=%s] %s %s main\n", m.keyring, mirror, suite)
			if r.sources {
				fmt.Fprintf(&list, "deb-src [signed-by=%s] %s %s main\n", m.keyring, mirror, suite)
			}
		}
	}
	add(m.main, r.suite.name)
	add(m.main, r.suite.updates)
	add(m.security, r.suite.secure)
	return os.WriteFile(filepath.Join(r.dir, "sources.list"), []byte(list.String()), 0o644)
}

// run calls an apt tool on this root.
func (r *aptRoot) run(ctx context.Context, tool string, args ...string) ([]byte, error) {
	return r.runIn(ctx, r.dir, tool, args...)
}

func (r *aptRoot) runIn(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	options := []string{
		"-oDir::State=" + r.dir + "/state",
		"-oDir::State::status=" + r.dir + "/state/status",
		"-oDir::Cache=" + r.dir + "/cache",
		"-oDir::Etc::sourcelist=" + r.dir + "/sources.list",
		"-oDir::Etc::sourceparts=" + r.dir + "/sources.d",
		"-oAPT::Sandbox::User=root", // the cache may lie where _apt cannot look
		"-oAcquire::Languages=none",
		"-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-qq",
	}
	return output(ctx, dir, tool, append(options, args...)...)
}

// noRelease is how apt says that a mirror does not have a suite.
var noRelease = regexp.MustCompile(`repository '\S+ (\S+) Release' does not have a Release file`)

// update fetches the lists. That the mirror does not have the suite is
// errAbsent. That it does not have the suite's -updates or -security is told
// on stderr: an old suite loses them first.
func (r *aptRoot) update(ctx context.Context, m mirrors) error {
	var gone []string
	for {
		if err := r.writeSources(m, gone); err != nil {
			return err
		}
		_, err := r.run(ctx, "apt-get", "update", "-oAPT::Update::Error-Mode=any")
		if err == nil {
			return nil
		}
		missing := noRelease.FindStringSubmatch(err.Error())
		switch {
		case missing == nil:
			return err
		case missing[1] == r.suite.name:
			return errAbsent
		}
		fmt.Fprintf(os.Stderr, "lab: the mirror has no %s\n", missing[1])
		gone = append(gone, missing[1])
		if len(gone) > 2 {
			return err
		}
	}
}

// A pkg is a package at the version that apt would install.
type pkg struct {
	name, version string
	depends       []string
}

func (r *aptRoot) show(ctx context.Context, name string) (pkg, error) {
	out, err := r.run(ctx, "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return pkg{}, err
	}
	p := pkg{name: name}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Version":
			p.version = value
		case "Depends":
			for _, d := range strings.Split(value, ",") {
				p.depends = append(p.depends, strings.Fields(d)[0])
			}
		}
	}
	if p.version == "" {
		return p, fmt.Errorf("%s: apt-cache show gives no version", name)
	}
	return p, nil
}

// newestKernel lists the packages of the suite's newest cloud kernel, the
// linux-image-* first.
func (r *aptRoot) newestKernel(ctx context.Context) ([]pkg, error) {
	meta, err := r.show(ctx, metaPackage)
	if err != nil {
		return nil, err
	}
	var parts []pkg
	queue := meta.depends
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		known := slices.ContainsFunc(parts, func(p pkg) bool { return p.name == name })
		if known || !kernelPart.MatchString(name) {
			continue
		}
		p, err := r.show(ctx, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		queue = append(queue, p.depends...)
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%s in %s depends on no kernel: %q", metaPackage, r.suite.name, meta.depends)
	}
	return parts, nil
}

// unpack downloads the packages and unpacks them into dir, without installing
// anything.
func (r *aptRoot) unpack(ctx context.Context, parts []pkg, dir string) error {
	debs := filepath.Join(r.dir, "debs")
	if err := errors.Join(os.RemoveAll(debs), os.MkdirAll(debs, 0o755), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	var names []string
	for _, p := range parts {
		names = append(names, p.name+"="+p.version)
	}
	// apt-get download writes into its working directory.
	if _, err := r.runIn(ctx, debs, "apt-get", append([]string{"download"}, names...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(files) != len(parts) {
		return fmt.Errorf("downloaded %d packages, want %d: %w", len(files), len(parts), err)
	}
	for _, f := range files {
		if _, err := output(ctx, "", "dpkg-deb", "-x", f, dir); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program and returns its stdout; its stderr goes into the error.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
