package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
		frames, _ := row[1].([]any)
		for _, f := range frames {
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

// byProcess reads a fact that has a line "== PID" before what is of each process.
func (c *subjectContext) byProcess(name string) (map[uint64]string, error) {
	text, err := c.systemFact(name)
	if err != nil {
		return nil, err
	}
	out := map[uint64]string{}
	for _, part := range strings.Split("\n"+text, "\n== ")[1:] {
		head, rest, _ := strings.Cut(part, "\n")
		pid, err := strconv.ParseUint(head, 10, 64)
		if err != nil {
			return nil, err
		}
		out[pid] = strings.TrimRight(rest, "\n")
	}
	return out, nil
}

// checkProcesses compares the arguments and the environment of all processes with
// /proc/PID/cmdline and /proc/PID/environ.
func checkProcesses(c *subjectContext) error {
	shell, err := c.collector()
	if err != nil {
		return err
	}
	var errs []error
	for file, function := range map[string]string{"cmdlines": "task_cmdline", "environs": "task_environ"} {
		want, err := c.byProcess(file)
		if err != nil {
			return err
		}
		var rows []struct {
			PID  uint64
			Text *string
		}
		a, err := evaluate(c, &rows, "tasks() | map({ let list = "+function+"(#); {PID: .pid, Text: list == nil ? nil : join(list, '\\n')} })")
		if err != nil {
			return err
		}
		same := 0
		for _, r := range rows {
			w, ok := want[r.PID]
			if !ok || r.PID >= shell {
				continue
			}
			have := ""
			if r.Text != nil {
				// Line ends are escaped on the way.
				have = strings.TrimRight(strings.ReplaceAll(*r.Text, `\x0a`, "\n"), "\n")
			}
			if have != w {
				errs = append(errs, a.fail("%s of task %d is %q, /proc says %q", file, r.PID, have, w))
			} else if w != "" {
				same++
			}
		}
		if same == 0 {
			errs = append(errs, a.fail("there is nothing in %s to compare", file))
		}
	}
	return errors.Join(errs...)
}
