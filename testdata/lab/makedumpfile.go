package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A filteredDump is what makedumpfile makes of vmcore.elf, as a file vmcore-formats/NAME.
type filteredDump struct {
	name   string
	args   string
	parts  int    // of a split dump: NAME.part1 and so on
	size   string // of a file system that is too small for it
	series string // "" for every kernel that has a vmcore
}

// filteredDumps are made by Debian sid's makedumpfile, which has no snappy. Level 1
// leaves out pages of zeros, which it sees; level 31 also leaves out what it takes
// for user memory and caches, and on a kernel newer than it knows (7.3) it took a
// net_device for that.
var filteredDumps = []filteredDump{
	{name: "zlib1", args: "-c -d 1"},
	{name: "lzo1", args: "-l -d 1"},
	{name: "zlib1.flat", args: "-c -d 1 -F"},
	{name: "zlib31", args: "-c -d 31", series: "6.12"},
	{name: "lzo31", args: "-l -d 31", series: "6.12"},
	{name: "zlib31.flat", args: "-c -d 31 -F", series: "6.12"},
	{name: "zstd31", args: "-z -d 31", series: "6.12"},
	{name: "raw31", args: "-d 31", series: "6.12"},
	{name: "elf31", args: "-E -d 31", series: "6.12"},
	{name: "elf31.flat", args: "-E -d 31 -F", series: "6.12"},
	{name: "lzo0", args: "-l -d 0", series: "6.12"},
	{name: "zstd1", args: "-z -d 1", series: "6.12"},
	{name: "split31", args: "-l -d 31 --split --splitblock-size 16", parts: 3, series: "6.12"},
	{name: "incomplete31", args: "-c -d 31", size: "9m", series: "6.12"},
}

// makedumpfile makes and asks the dumps. The program is in the Debian sid that
// testdata/bench/run makes; without it there is nothing to do.
func (r *runner) makedumpfile(ctx context.Context) error {
	sid := filepath.Join(filepath.Dir(r.dir), "bench", "sid")
	if _, err := os.Stat(filepath.Join(sid, "usr/bin/makedumpfile")); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %s: no dumps by makedumpfile: %s lacks it (testdata/bench/run --fresh)\n", r.kernel.series, sid)
		return nil
	}
	start := time.Now()
	dir := filepath.Join(r.dir, "vmcore-formats")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	script := "set -e\ncd /bench/lab/vmcore-formats\n"
	var list []filteredDump
	for _, d := range filteredDumps {
		if d.series == "" || d.series == r.kernel.series {
			list = append(list, d)
			script += d.script()
		}
	}
	command := []string{"unshare", "--mount", "--propagation", "private", "sh", "-euc", `
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/bench"
mkdir "$1/bench/lab" "$1/bench/small"
mount --bind "$2" "$1/bench/lab"
exec chroot "$1" sh -c "$3"`, "makedumpfile", sid, r.dir, script}
	if os.Geteuid() != 0 {
		command = append([]string{"sudo"}, command...)
	}
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("makedumpfile: %w\n%s", err, indent(string(out)))
	}
	r.progress(fmt.Sprintf("%d dumps by makedumpfile", len(list)), start)
	if r.kinspect == "" {
		return nil
	}
	for _, d := range list {
		if err := r.askFiltered(ctx, dir, d); err != nil {
			return err
		}
	}
	return nil
}

// script makes the dump. An incomplete one is an error to makedumpfile.
func (d filteredDump) script() string {
	run := "makedumpfile --message-level 0 " + d.args + " ../vmcore.elf"
	switch {
	case d.parts > 0:
		return run + " " + strings.Join(d.files(), " ") + "\n"
	case d.size != "":
		return fmt.Sprintf("mount -t tmpfs -o size=%s small /bench/small\n%s /bench/small/dump && exit 1\ncp /bench/small/dump %s\numount /bench/small\n", d.size, run, d.name)
	case strings.Contains(d.args, "-F"):
		return run + " > " + d.name + "\n"
	}
	return run + " " + d.name + "\n"
}

// files are the dump's files.
func (d filteredDump) files() []string {
	if d.parts == 0 {
		return []string{d.name}
	}
	var list []string
	for i := range d.parts {
		list = append(list, fmt.Sprintf("%s.part%d", d.name, i+1))
	}
	return list
}

// askFiltered asks a dump the incident's question.
func (r *runner) askFiltered(ctx context.Context, dir string, d filteredDump) error {
	files := d.files()
	for i := range files {
		files[i] = filepath.Join(dir, files[i])
	}
	slices.Reverse(files) // their headers tell the order
	row := commandCheck{args: []string{"eval", "netdev('bond0').rx_dropped"}, stdout: []string{"48"}}
	if d.size != "" {
		row = commandCheck{args: row.args, exit: 2, stderr: []string{"incomplete", "stopped before this page"}}
	}
	for _, more := range files[1:] {
		row.args = append([]string{"--core", more}, row.args...)
	}
	a, err := (dumpSubject{ctx: ctx, kinspect: r.kinspect, core: files[0]}).ask(row.args...)
	if err != nil {
		return err
	}
	if err := a.check(row.exit, row.stdout, row.stderr); err != nil {
		r.result.dump.failures = append(r.result.dump.failures, fmt.Errorf("%s, %s: %w", r.kernel.series, d.name, err))
		return nil
	}
	r.result.dump.passed++
	return nil
}
