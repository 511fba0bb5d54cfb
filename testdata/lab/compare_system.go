package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the guest said of itself is some seconds older than what kinspect reads, and live
// kinspect is a part of the guest: each check says what may have moved between the two.

// systemFact reads a file of the facts about the kernel as a whole.
func (c *subjectContext) systemFact(name string) (string, error) {
	return readFact(c.facts, "sys/"+name)
}

// collector is the number of the shell that collected the facts: tasks with a higher one
// come and go.
func (c *subjectContext) collector() (uint64, error) {
	text, err := c.systemFact("shell")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// A taskFact is what /proc/PID/status says.
type taskFact struct {
	name, state string
	tgid, ppid  uint64
}

func (c *subjectContext) tasks() (map[uint64]taskFact, error) {
	text, err := c.systemFact("tasks")
	if err != nil {
		return nil, err
	}
	out := map[uint64]taskFact{}
	var t taskFact
	var pid uint64
	for line := range strings.Lines(text) {
		key, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		v = strings.TrimSpace(v)
		n, _ := strconv.ParseUint(v, 10, 64)
		switch key {
		case "Name":
			t.name = v
		case "State":
			t.state = v
		case "Tgid":
			t.tgid = n
		case "Pid":
			pid = n
		case "PPid":
			t.ppid = n
			out[pid] = t
		}
	}
	if len(out) < 20 {
		return nil, fmt.Errorf("the facts have %d tasks", len(out))
	}
	return out, nil
}

// isWorker tells whether a task is one of a pool that grows and shrinks by itself.
func isWorker(name string) bool { return strings.HasPrefix(name, "kworker/") }

// checkTasks compares all threads with /proc/PID/status. A worker may have come or gone,
// and what runs in between may be in another state: that of the lab's agent and its
// shells, of workers, and of what a timer wakes.
func checkTasks(c *subjectContext) error {
	want, err := c.tasks()
	if err != nil {
		return err
	}
	shell, err := c.collector()
	if err != nil {
		return err
	}
	var rows [][5]any
	a, err := evaluate(c, &rows, "tasks('all') | map([.pid, .comm, task_state(#), .tgid, task_parent(#).tgid])")
	if err != nil {
		return err
	}
	var errs []error
	have := map[uint64]bool{}
	moved := 0
	for _, row := range rows {
		pid := uint64(row[0].(float64))
		name := fmt.Sprint(row[1])
		have[pid] = true
		w, ok := want[pid]
		switch {
		case pid >= shell:
			continue
		case !ok && isWorker(name):
			continue
		case !ok:
			errs = append(errs, a.fail("task %d, %s, is not in /proc", pid, name))
			continue
		}
		// /proc shows what a worker works on behind its name.
		if name != w.name && !(isWorker(name) && strings.HasPrefix(w.name, strings.TrimRight(name, "+-"))) && !strings.HasPrefix(w.name, name) ||
			uint64(row[3].(float64)) != w.tgid || uint64(row[4].(float64)) != w.ppid {
			errs = append(errs, a.fail("task %d: %v, /proc says %+v", pid, row, w))
		}
		if row[2] != w.state {
			moved++
		}
	}
	for pid, w := range want {
		if !have[pid] && pid < shell && !isWorker(w.name) {
			errs = append(errs, a.fail("task %d, %s, is missing", pid, w.name))
		}
	}
	if moved > 6 {
		errs = append(errs, a.fail("%d tasks of %d are in another state than in /proc", moved, len(rows)))
	}
	return errors.Join(errs...)
}

// checkFiles compares the open files of all processes with the links in /proc/PID/fd,
// but for the agent's, which serves the lab meanwhile.
func checkFiles(c *subjectContext) error {
	text, err := c.systemFact("fds")
	if err != nil {
		return err
	}
	shell, err := c.collector()
	if err != nil {
		return err
	}
	tasks, err := c.tasks()
	if err != nil {
		return err
	}
	want := map[string]string{}
	for line := range strings.Lines(text) {
		at, path, ok := strings.Cut(strings.TrimSpace(line), " ")
		part := strings.Split(at, "/") // /proc/PID/fd/FD
		if !ok || len(part) != 5 {
			return fmt.Errorf("cannot read the line %q of the links", line)
		}
		pid, err := strconv.ParseUint(part[2], 10, 64)
		if err != nil {
			return err
		}
		if pid < shell && tasks[pid].name != "guest" {
			want[part[2]+" "+part[4]] = path
		}
	}
	var rows [][]any
	a, err := evaluate(c, &rows, "tasks() | map([.pid, .comm, task_files(#) | map([.fd, .path])])")
	if err != nil {
		return err
	}
	have := map[string]string{}
	agents := 0
	for _, row := range rows {
		pid := uint64(row[0].(float64))
		files, ok := row[2].([]any)
		if !ok {
			return a.fail("task %d has no list of files", pid)
		}
		if row[1] == "guest" {
			for _, f := range files {
				// The agent's end of the line to the lab.
				if strings.HasPrefix(fmt.Sprint(f.([]any)[1]), "/dev/vport") {
					agents++
				}
			}
			continue
		}
		for _, f := range files {
			if pid < shell {
				have[fmt.Sprintf("%d %v", pid, f.([]any)[0])] = fmt.Sprint(f.([]any)[1])
			}
		}
	}
	if agents == 0 {
		return a.fail("the agent's port is not among its files")
	}
	if !maps.Equal(have, want) || len(want) == 0 {
		return a.fail("open files %v, /proc has %v", have, want)
	}
	return nil
}

var stackLine = regexp.MustCompile(`^\[<0>\] (\S+)/0x`)

// checkStacks compares the stacks of tasks that wait with /proc/PID/stack, which leaves
// out the scheduler's own functions at the top. A task that has run since may wait
// elsewhere.
func checkStacks(c *subjectContext) error {
	text, err := c.systemFact("stacks")
	if err != nil {
		return err
	}
	shell, err := c.collector()
	if err != nil {
		return err
	}
	want := map[uint64][]string{}
	var pid uint64
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "== "); ok {
			if pid, err = strconv.ParseUint(n, 10, 64); err != nil {
				return err
			}
		} else if m := stackLine.FindStringSubmatch(line); m != nil {
			want[pid] = append(want[pid], m[1])
		}
	}
	var rows [][2]any
	a, err := evaluate(c, &rows, "tasks('all') | map([.pid, stack(#)])")
	if err != nil {
		return err
	}
	same, guesses := 0, 0
	var other []string
	for _, row := range rows {
		pid := uint64(row[0].(float64))
		w, ok := want[pid]
		if !ok || pid >= shell {
			continue
		}
		var have []string
		for _, f := range row[1].([]any) {
			frame := fmt.Sprint(f)
			if strings.HasPrefix(frame, "?") {
				guesses++
			}
			name, _, _ := strings.Cut(frame, " ") // without its module
			have = append(have, name)
		}
		if len(have) >= len(w) && slices.Equal(have[len(have)-len(w):], w) {
			same++
			continue
		}
		other = append(other, fmt.Sprintf("task %d: %v, /proc says %v", pid, have, w))
	}
	if same < 20 || len(other) > same/5 || guesses > 0 && !c.live() {
		return a.fail("%d stacks as in /proc, %d others, %d guesses:\n%s", same, len(other), guesses, strings.Join(other, "\n"))
	}
	return nil
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
			far++
			if !c.live() || far > 10 {
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

// A countRow is a line of /proc/interrupts or /proc/softirqs.
type countRow struct {
	counts []float64
	rest   string
}

// countRows reads the lines whose name is wanted.
func countRows(text string, wanted func(string) bool) map[string]countRow {
	out := map[string]countRow{}
	cpus := 0
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if i == 0 {
			cpus = len(f)
			continue
		}
		if len(f) <= cpus || !wanted(strings.TrimSuffix(f[0], ":")) {
			continue
		}
		var r countRow
		for _, n := range f[1 : 1+cpus] {
			v, err := strconv.ParseFloat(n, 64)
			if err != nil {
				break
			}
			r.counts = append(r.counts, v)
		}
		r.rest = strings.Join(f[1+cpus:], " ")
		out[strings.TrimSuffix(f[0], ":")] = r
	}
	return out
}

// between tells whether counters that only rise are not below what they were, nor above
// what they are later, where that is known.
func between(have []any, before, after countRow, live bool) bool {
	if len(have) != len(before.counts) || live && len(have) != len(after.counts) {
		return false
	}
	for i, n := range have {
		v, ok := n.(float64)
		if !ok || v < before.counts[i] || live && v > after.counts[i] {
			return false
		}
	}
	return true
}

// checkInterrupts compares the counts of interrupts and softirqs with those of /proc from
// before, and live also with those from after.
func checkInterrupts(c *subjectContext) error {
	isNumber := func(s string) bool { _, err := strconv.Atoi(s); return err == nil }
	var errs []error
	for _, t := range []struct {
		file, src string
		wanted    func(string) bool
	}{
		{"interrupts", "interrupts() | map([.irq, .counts, .chip + ' ' + .actions])", isNumber},
		{"softirqs", "softirqs() | map([.name, .counts, ''])", func(string) bool { return true }},
	} {
		text, err := c.systemFact(t.file)
		if err != nil {
			return err
		}
		var rows [][3]any
		a, err := evaluate(c, &rows, t.src)
		if err != nil {
			return err
		}
		before, after := countRows(text, t.wanted), map[string]countRow{}
		if c.live() {
			text, err := c.guest.run("cat /proc/" + t.file)
			if err != nil {
				return err
			}
			after = countRows(string(text), t.wanted)
		}
		if len(rows) != len(before) || len(rows) == 0 {
			errs = append(errs, a.fail("%d lines, /proc/%s has %d", len(rows), t.file, len(before)))
		}
		for _, r := range rows {
			name := fmt.Sprint(r[0])
			w, ok := before[name]
			counts, _ := r[1].([]any)
			if !ok || !between(counts, w, after[name], c.live()) {
				errs = append(errs, a.fail("%v, /proc/%s had %v, and has %v", r, t.file, w, after[name]))
			}
			// /proc has columns of its own between the chip and the names.
			for _, word := range strings.Fields(fmt.Sprint(r[2])) {
				if !strings.Contains(w.rest, strings.TrimSuffix(word, ",")) {
					errs = append(errs, a.fail("%s: no %s in %q of /proc/%s", name, word, w.rest, t.file))
				}
			}
		}
	}
	return errors.Join(errs...)
}
