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

// A runner takes one kernel through its boots.
type runner struct {
	kernel *kernel
	dir    string // results of this kernel
	guest  string // the guest program, built for this run
	// kinspect is the binary to test, "" to test nothing.
	kinspect string
	fixtures string // directory that takes new snapshots for the tests, or ""
	ask      string // a shell command to run at each capture, or ""
	times    bool   // tell what each check takes
	icount   bool   // the boot "load" counts instructions
	tools    tools
	matrix   matrix
	result   result
}

// A result is what one kernel's line at the end says.
type result struct {
	live, dump verdict
	made       []string // rows, under the kernel's results
	missing    []string // rows that this makedumpfile cannot make
	took       time.Duration
	err        error // the lab itself failed
}

// A verdict counts checks.
type verdict struct {
	passed   int
	failures []error
}

func (v verdict) String() string {
	switch {
	case len(v.failures) > 0:
		return fmt.Sprintf("FAILED %d of %d", len(v.failures), len(v.failures)+v.passed)
	case v.passed == 0:
		return "not tested"
	}
	return fmt.Sprintf("ok (%d checks)", v.passed)
}

// guestFiles are the lab's own files in every initramfs.
func (r *runner) guestFiles() map[string]string {
	files := map[string]string{"/usr/bin/guest": r.guest}
	if r.kinspect != "" {
		files["/usr/bin/kinspect"] = r.kinspect
	}
	return files
}

// wideSuites are those whose kernels are also booted with four-level page tables and
// enough memory for 1 GiB pages in the direct map.
var wideSuites = []string{"trixie", "trixie-backports"}

// sharedMemory is what the scenarios take, with a snapshot of a kernel on top.
const sharedMemory = 320

// wideMemory holds at least one whole, aligned GiB of the direct map.
const wideMemory = 2560

// shared is the boot that all kernels get: the incident alone, captured, then
// all other scenarios, captured again.
func (r *runner) shared(ctx context.Context) error {
	start := time.Now()
	m := machine{memory: sharedMemory}
	if contains(strings.Fields(ownQEMUKernels), r.kernel.series) {
		m.qemu = r.tools.qemu
	}
	g, err := r.boot(ctx, "shared", m)
	if err != nil {
		return err
	}
	defer g.kill()
	r.progress("booted", start)
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	if err := r.capture(ctx, g, "incident", &t); err != nil {
		return err
	}
	r.progress("incident", start)
	if err := playAll(g, &t, quietScenarios); err != nil {
		return err
	}
	if err := r.capture(ctx, g, "quiet", &t); err != nil {
		return err
	}
	r.progress("quiet scenarios", start)
	if err := playAll(g, &t, floodScenarios); err != nil {
		return err
	}
	if err := r.capture(ctx, g, "scenarios", &t); err != nil {
		return err
	}
	r.compare(ctx, "watch", &t, g)
	r.compare(ctx, "hostile", &t, g)
	r.progress("scenarios", start)
	return nil
}

// noinfo dumps the incident from a machine whose QEMU does not learn of VMCOREINFO.
func (r *runner) noinfo(ctx context.Context) error {
	g, err := r.boot(ctx, "noinfo", machine{memory: 256, noinfo: true})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	facts, err := r.takeFacts(g, "noinfo", &t)
	if err != nil {
		return err
	}
	if err := errors.Join(t.check(facts), r.dumpAll(g, "noinfo")); err != nil {
		return err
	}
	return r.compareRows(ctx, "noinfo", &t, rowsOf(r.kernel.series, noinfoDir, byQEMU))
}

// wide dumps the incident from a machine with other page tables.
func (r *runner) wide(ctx context.Context) error {
	g, err := r.boot(ctx, "wide", machine{memory: wideMemory, cpu: "max,la57=off"})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident, changedSetUp}); err != nil {
		return err
	}
	if err := r.capture(ctx, g, "wide", &t); err != nil {
		return err
	}
	return digHoles(filepath.Join(r.dir, "wide.elf"))
}

// noIPv6 is a machine whose kernel has IPv6 built in and does not start it (ipv6.disable=1), which leaves its frames
// without a handler, as a kernel without the module would.
func (r *runner) noIPv6(ctx context.Context) error {
	g, err := r.boot(ctx, noIPv6, machine{memory: 256, cmdline: "ipv6.disable=1"})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{ipv6Absent}); err != nil {
		return err
	}
	return r.capture(ctx, g, noIPv6, &t)
}

// noIPv6 names that boot and its capture.
const noIPv6 = "noipv6"

// probes is where kinspect watches a live kernel while frames are sent: the incident's devices, and what each check sends.
func (r *runner) probes(ctx context.Context) error {
	g, err := r.boot(ctx, probes, machine{memory: sharedMemory})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	r.compare(ctx, probes, &t, g)
	return r.askGuest(g, probes)
}

// probes names that boot and its checks.
const probes = "probes"

// boot starts a machine of this kernel with the usual initramfs.
func (r *runner) boot(ctx context.Context, name string, m machine) (*guest, error) {
	return r.bootWith(ctx, name, m, initramfsSpec{})
}

// bootWith is boot with more files in the guest.
func (r *runner) bootWith(ctx context.Context, name string, m machine, spec initramfsSpec) (*guest, error) {
	m.kernel, m.initrd = r.kernel, filepath.Join(r.dir, name+".cpio")
	m.console = filepath.Join(r.dir, "console."+name+".log")
	spec.init, spec.files = agentInit, r.guestFiles()
	if err := buildInitramfs(ctx, r.kernel, spec, m.initrd); err != nil {
		return nil, err
	}
	defer os.Remove(m.initrd) // QEMU has read it once the guest answers
	return startGuest(ctx, m)
}

// capture takes facts, checks that the scenarios happened, compares what
// kinspect says live, dumps, and compares what it says of the dump.
func (r *runner) capture(ctx context.Context, g *guest, name string, t *truth) error {
	facts, err := r.takeFacts(g, name, t)
	if err != nil {
		return err
	}
	if err := t.check(facts); err != nil {
		return err
	}
	// The dump first: live checks change the guest, if only its free memory.
	if err := r.dumpAll(g, name); err != nil {
		return err
	}
	if r.kinspect == "" {
		return nil
	}
	if err := r.askGuest(g, name); err != nil {
		return err
	}
	if r.fixtures != "" {
		if err := r.writeFixtures(ctx, g, name, r.fixtures); err != nil {
			return err
		}
	}
	r.compare(ctx, name, t, g)
	r.compare(ctx, name, t, nil)
	if name == "incident" {
		return r.compareRows(ctx, name, t, rowsOf(r.kernel.series, formatsDir, byQEMU))
	}
	return nil
}

// askGuest runs the command of --ask, and prints what it says.
func (r *runner) askGuest(g *guest, name string) error {
	if r.ask == "" {
		return nil
	}
	resp, err := g.try(kinspectTime, r.ask)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s: %s\n%s%s[exit %d]\n", r.kernel.series, name, r.ask, resp.Stdout, resp.Stderr, resp.Exit)
	return nil
}

// takeFacts stores the facts of a capture. The last run's dump goes first: it
// must never stand beside another boot's facts.
func (r *runner) takeFacts(g *guest, name string, t *truth) (dir string, err error) {
	if err := os.RemoveAll(filepath.Join(r.dir, name+".elf")); err != nil {
		return "", err
	}
	dir = filepath.Join(r.dir, "facts", name)
	return dir, g.captureFacts(dir, t)
}

// compare runs the checks of one capture, live in g, both ways in which memory can be read, or on the dump where g is nil. The kernel
// counts the BPF programs that it ever loaded, and explain reads that: what reads /proc/kcore comes first.
func (r *runner) compare(ctx context.Context, name string, t *truth, g *guest) {
	r.compareBy(ctx, name, t, g, "")
	if g != nil {
		r.compareBy(ctx, name, t, g, throughBPF)
	}
}

// throughBPF is the second way to read a live kernel's memory.
const throughBPF = "bpf"

// compareBy is compare with the way in which memory is read live.
func (r *runner) compareBy(ctx context.Context, name string, t *truth, g *guest, memory string) {
	if r.kinspect == "" {
		return
	}
	c := &subjectContext{
		kernel: r.kernel, capture: name, truth: t, guest: g,
		facts: filepath.Join(r.dir, "facts", name),
		host:  hostTools{ctx: ctx, kinspect: r.kinspect, dir: r.dir}, matrix: &r.matrix, times: r.times,
	}
	if name == "vmcore" || name == "noinfo" || name == probes || name == "load" || memory != "" {
		c.matrix = nil // the incident once more, on another machine
	}
	verdict := &r.result.live
	if g != nil {
		c.subject = liveSubject{g, memory}
	} else {
		c.subject = dumpSubject{ctx: ctx, kinspect: r.kinspect, cores: []string{filepath.Join(r.dir, name+".elf")}}
		c.file = name + ".elf"
		verdict = &r.result.dump
	}
	start, cpu := time.Now(), c.cpu()
	failures, passed := compare(c)
	if passed+len(failures) == 0 {
		return
	}
	what := fmt.Sprintf("%d checks of %s", passed+len(failures), name)
	if g != nil {
		what += " live"
	}
	if memory != "" {
		what += " through " + memory
	}
	if g != nil {
		what += fmt.Sprintf(" (%.1f s of QEMU's CPU time)", (c.cpu() - cpu).Seconds())
	}
	r.progress(what, start)
	verdict.passed += passed
	verdict.failures = append(verdict.failures, failures...)
}

// progress tells on stderr how far a kernel is: minutes of silence look like a
// hang.
func (r *runner) progress(what string, start time.Time) {
	fmt.Fprintf(os.Stderr, "lab: %s: %s after %.1f s\n", r.kernel.series, what, time.Since(start).Seconds())
}

// all runs every boot that this kernel gets.
func (r *runner) all(ctx context.Context, o options) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	boots := []struct {
		name string
		run  func(context.Context) error
		want bool
	}{
		{"shared", r.shared, true},
		{"noinfo", r.noinfo, len(rowsOf(r.kernel.series, noinfoDir, byQEMU)) > 0},
		{"vmcore", r.kdump, true},
		{"wide", r.wide, contains(wideSuites, r.kernel.suite)},
		{noIPv6, r.noIPv6, true},
		{probes, r.probes, r.kinspect != ""},
		{"many", r.many, contains(o.boots, "many")}, // of use to testdata/bench alone
		{"memory", r.memory, contains(o.boots, "memory")},
		{"load", r.load, contains(o.boots, "load")},
	}
	var errs []error
	for _, b := range boots {
		if !b.want || !o.wantsBoot(b.name) {
			continue
		}
		start := time.Now()
		if err := b.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("boot %s: %w", b.name, err))
			continue
		}
		r.progress("boot "+b.name+" done", start)
	}
	return errors.Join(errs...)
}
