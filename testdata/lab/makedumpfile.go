package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// able are those rows by makedumpfile that this one can make. What it cannot is told
// with the kernel's line.
func (r *runner) able(list []row) []row {
	var able []row
	for _, d := range list {
		if d.snappy() && !r.tools.makedumpfile.snappy {
			r.result.missing = append(r.result.missing, d.file())
			continue
		}
		able = append(able, d)
	}
	return able
}

// crashScript is what the crash kernel does for the rows: makedumpfile reads the old
// kernel's memory itself, writes into the second kernel's memory, and all of it goes to
// the second disk as a tar archive. A file system that is too small for the dump is
// what makes it incomplete, and an error to makedumpfile.
func (r *runner) crashScript(list []row) string {
	if len(list) == 0 {
		return ""
	}
	var script strings.Builder
	script.WriteString("mkdir /out /small\nmount -t tmpfs -o size=75% out /out\n")
	for _, d := range list {
		to := "/out/" + d.name
		if d.room == "" {
			fmt.Fprintf(&script, "%s || echo 'lab: makedumpfile failed: %s' > /dev/console\n", r.filter(inGuest, d, "/proc/vmcore", to), d.name)
			continue
		}
		fmt.Fprintf(&script, "mount -t tmpfs -o size=%s small /small\n", d.room)
		fmt.Fprintf(&script, "%s && echo 'lab: makedumpfile had room: %s' > /dev/console\n", r.filter(inGuest, d, "/proc/vmcore", "/small/dump"), d.name)
		fmt.Fprintf(&script, "cp /small/dump %s && umount /small\n", to)
	}
	script.WriteString("tar c -C /out . > /dev/vdb && echo 'lab: dumps' > /dev/console\n")
	return script.String()
}

// filter is the shell command that makes a row, with makedumpfile's files in dir.
func (r *runner) filter(dir string, d row, from string, to ...string) string {
	command := append(r.tools.makedumpfile.command(dir), "--message-level", "0")
	command = append(append(command, strings.Fields(d.how)...), from)
	if contains(strings.Fields(d.how), "-F") {
		return quoteAll(command) + " > " + quoteAll(to)
	}
	return quoteAll(append(command, to...))
}

// takeDumps unpacks what the crash kernel left on its second disk.
func (r *runner) takeDumps(g *guest, list []row, disk string) error {
	if len(list) == 0 {
		return nil
	}
	console, err := os.ReadFile(g.machine.console)
	if err != nil {
		return err
	}
	if text := string(console); !strings.Contains(text, "lab: dumps") || strings.Contains(text, "lab: makedumpfile") {
		return g.failure("makedumpfile in the crash kernel")
	}
	f, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer f.Close()
	return untar(f, filepath.Join(r.dir, vmcoreFormatsDir))
}

// makedumpfile makes the rows that are made of vmcore.elf.
func (r *runner) makedumpfile(ctx context.Context, list []row) error {
	start := time.Now()
	for _, d := range list {
		var to []string
		for _, f := range d.files() {
			to = append(to, filepath.Join(r.dir, f))
		}
		command := r.filter(r.tools.makedumpfile.dir, d, filepath.Join(r.dir, "vmcore.elf"), to...)
		if out, err := output(ctx, "", "sh", "-c", command); err != nil {
			return fmt.Errorf("%w\n%s", err, lastLines(out, 10))
		}
		if err := chmodAll(to); err != nil {
			return err
		}
	}
	r.progress(fmt.Sprintf("%d dumps by makedumpfile", len(list)), start)
	return nil
}

// pack makes the rows that are other rows, compressed.
func (r *runner) pack(ctx context.Context, list []row) error {
	start := time.Now()
	for _, d := range list {
		command := fmt.Sprintf("%s < %s > %s", d.how, quoteAll([]string{filepath.Join(r.dir, d.of)}), quoteAll([]string{filepath.Join(r.dir, d.file())}))
		if _, err := output(ctx, "", "sh", "-c", command); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		r.progress(fmt.Sprintf("%d dumps packed", len(list)), start)
	}
	return nil
}

// chmodAll lets everyone read: makedumpfile lets its owner alone.
func chmodAll(files []string) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, os.Chmod(f, 0o644))
	}
	return errors.Join(errs...)
}
