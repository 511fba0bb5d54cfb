package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// What the guest said of itself is some seconds older than what kinspect reads, and live
// kinspect is a part of the guest: each check says what may have moved between the two.

// systemFact reads a file of the facts about the kernel as a whole.
func (c *subjectContext) systemFact(name string) (string, error) {
	return readFact(c.facts, "sys/"+name)
}

// checkModules compares the modules with /proc/modules.
func checkModules(c *subjectContext) error {
	text, err := c.systemFact("modules")
	if err != nil {
		return err
	}
	want := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line) // name size refs users state address
		if len(f) < 5 {
			return fmt.Errorf("cannot read the line %q of /proc/modules", line)
		}
		want[f[0]] = fmt.Sprint(f[1], " ", f[2], " ", strings.Trim(f[3], "-,"), " ", f[4])
	}
	var rows [][5]any
	a, err := evaluate(c, &rows, "modules() | map([.name, .size, .refs, .used_by, .state])")
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, r := range rows {
		have[fmt.Sprint(r[0])] = fmt.Sprintf("%.0f %.0f %v %v", r[1], r[2], r[3], r[4])
	}
	if !maps.Equal(have, want) {
		return a.fail("modules %v, /proc/modules has %v", have, want)
	}
	return nil
}

// checkMounts compares the mounts with /proc/1/mounts. What a file system itself adds to
// the options is not read.
func checkMounts(c *subjectContext) error {
	text, err := c.systemFact("mounts")
	if err != nil {
		return err
	}
	var rows [][4]string
	a, err := evaluate(c, &rows, "mounts() | map([.source, .target, .fstype, .flags])")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	// Up to 7.0 the first mount is rootfs, which /proc shows; what lies below it is above
	// the root of task 1, which /proc leaves out.
	if n := len(rows) - len(lines); n == 1 && rows[0][2] == "nullfs" {
		rows = rows[1:]
	}
	if len(rows) != len(lines) {
		return a.fail("%d mounts, /proc/1/mounts has:\n%s", len(rows), text)
	}
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) < 4 {
			return fmt.Errorf("cannot read the line %q of /proc/1/mounts", line)
		}
		r := rows[i]
		if r[0] != f[0] && f[0] != "none" || r[1] != f[1] || r[2] != f[2] {
			return a.fail("mount %v, /proc/1/mounts has %s", r, line)
		}
		options := strings.Split(f[3], ",")
		for _, flag := range strings.Split(r[3], ",") {
			if !slices.Contains(options, flag) {
				return a.fail("%s has the flag %s, /proc/1/mounts has %s", r[1], flag, line)
			}
		}
	}
	return nil
}

// near tells whether two numbers differ by no more than a part of them, or a little.
func near(a, b, part, little float64) bool {
	return math.Abs(a-b) <= max(little, part*max(a, b))
}

// checkSlabs compares the slab caches with /proc/slabinfo: names and sizes exactly, and
// numbers of objects within a tenth or four slabs, since they move with all that happens.
func checkSlabs(c *subjectContext) error {
	text, err := c.systemFact("slabinfo")
	if err != nil {
		return err
	}
	type row struct{ active, objects, size, perSlab float64 }
	want := map[string]row{}
	for line := range strings.Lines(text) {
		var name string
		var r row
		if n, _ := fmt.Sscan(line, &name, &r.active, &r.objects, &r.size, &r.perSlab); n == 5 {
			want[name] = r
		}
	}
	var rows [][4]any
	a, err := evaluate(c, &rows, "slab_caches() | map([.name, .active, .objects, .size])")
	if err != nil {
		return err
	}
	var errs []error
	far := 0
	for _, r := range rows {
		name := fmt.Sprint(r[0])
		w, ok := want[name]
		if !ok || r[3] != w.size {
			errs = append(errs, a.fail("%v, /proc/slabinfo has %v", r, w))
			continue
		}
		if !near(r[1].(float64), w.active, 0.1, 4*w.perSlab) || !near(r[2].(float64), w.objects, 0.1, 4*w.perSlab) {
			// The kernel goes on freeing, maple nodes behind a grace period for one, between its
			// answer and the dump.
			if far++; far > 10 {
				errs = append(errs, a.fail("%v, /proc/slabinfo has %v", r, w))
			}
		}
	}
	if len(rows) != len(want) || len(rows) < 50 {
		errs = append(errs, a.fail("%d slab caches, /proc/slabinfo has %d", len(rows), len(want)))
	}
	return errors.Join(errs...)
}

// checkLog compares the log with dmesg, line by line. There may be new lines since.
func checkLog(c *subjectContext) error {
	text, err := c.systemFact("dmesg")
	if err != nil {
		return err
	}
	a, err := c.ask("eval", "dmesg()")
	if err != nil {
		return err
	}
	if a.exit != 0 {
		return a.fail("exit %d, want 0", a.exit)
	}
	want := strings.Split(strings.TrimSpace(text), "\n")
	have := strings.Split(strings.TrimSpace(a.stdout), "\n")
	if len(want) < 100 || len(have) < len(want) {
		return a.fail("%d lines, dmesg has %d", len(have), len(want))
	}
	for i, w := range want {
		if strings.TrimRight(have[i], " ") != strings.TrimRight(w, " ") {
			return a.fail("line %d is\n%s\ndmesg has\n%s", i+1, have[i], w)
		}
	}
	if c.capture == "vmcore" && !c.live() && !strings.Contains(a.stdout, "Kernel panic - not syncing") {
		return a.fail("the panic is not in the log")
	}
	return nil
}

// checkTime compares uptime, boot time and command line. The dump was made within
// minutes of the facts.
func checkTime(c *subjectContext) error {
	var have [3]any
	a, err := evaluate(c, &have, "[uptime(), boot_time(), cmdline()]")
	if err != nil {
		return err
	}
	uptime, err1 := c.systemFact("uptime")
	btime, err2 := c.systemFact("btime")
	cmdline, err3 := c.systemFact("cmdline")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	var up, boot float64
	if _, err := fmt.Sscan(uptime, &up); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(btime, "btime %g", &boot); err != nil {
		return err
	}
	// The clock is that of the last tick, which an idle kernel does without for a while.
	if now := have[0].(float64); now < up-2 || now > up+600 {
		return a.fail("uptime %v, /proc/uptime was %v", now, up)
	}
	if !near(have[1].(float64), boot, 0, 1) {
		return a.fail("boot time %v, /proc/stat says %v", have[1], boot)
	}
	if have[2] != strings.TrimRight(cmdline, "\n") {
		return a.fail("command line %q, /proc/cmdline is %q", have[2], cmdline)
	}
	return nil
}

// ownMemory are the figures that move with kinspect itself where it runs in the guest, and
// what it and the lab's agent take there at most, in kB.
var ownMemory = []string{"MemFree", "MemAvailable", "Active", "Active(anon)", "Inactive", "Inactive(anon)", "AnonPages", "Mapped", "PageTables", "AnonHugePages"}

const ownKB = 128 << 10

// checkMemInfo compares the figures with /proc/meminfo: the sum exactly, the others within
// 3 per cent or 4 MB on a dump.
func checkMemInfo(c *subjectContext) error {
	text, err := c.systemFact("meminfo")
	if err != nil {
		return err
	}
	if c.live() { // what ran since the facts has left inodes and names in the caches
		now, err := c.guest.run("cat /proc/meminfo")
		if err != nil {
			return err
		}
		text = string(now)
	}
	want := map[string]float64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		var n float64
		if _, err := fmt.Sscan(rest, &n); err != nil {
			return err
		}
		want[name] = n
	}
	var have map[string]float64
	a, err := evaluate(c, &have, "meminfo()")
	if err != nil {
		return err
	}
	if len(have) < 20 {
		return a.fail("%d figures", len(have))
	}
	var errs []error
	for name, n := range have {
		w, ok := want[name]
		part, little := 0.03, 4096.
		switch {
		case name == "MemTotal":
			part, little = 0, 0
		case c.live() && contains(ownMemory, name):
			little = ownKB
		case c.live():
			part = 0.1
		}
		if !ok || !near(n, w, part, little) {
			errs = append(errs, a.fail("%s is %v kB, /proc/meminfo says %v", name, n, w))
		}
	}
	return errors.Join(errs...)
}
