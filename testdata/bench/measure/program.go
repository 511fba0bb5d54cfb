package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A program is one row of the table: a command and the answer that it must give.
type program struct {
	name  string
	root  string // directory that is its /, "" for the machine's own
	path  string // inside root
	args  []string
	stdin string // inside root, "" for none
	code  int    // its exit code
	want  string // matches its stdout
	slow  bool   // takes many seconds
	peer  bool   // may be unable to answer
	// repeats is what the answer has to be, so often, where want is too little. It is compared as it
	// comes: what this process holds would count as the next one's peak memory, which begins as a
	// copy of it.
	repeats []byte
	passes  int
	keep    *[]byte // takes the answer, or nil
}

// A repeatChecker compares what is written with want, again and again.
type repeatChecker struct {
	want []byte
	n    int // bytes so far
	bad  bool
}

func (c *repeatChecker) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && !c.bad; {
		want := c.want[c.n%len(c.want):]
		n := min(len(rest), len(want))
		c.bad = !bytes.Equal(rest[:n], want[:n])
		c.n += n
		rest = rest[n:]
	}
	return len(b), nil
}

// environment is the same for all, so that nobody's settings of the machine
// (a debuginfod server, a Go memory limit) reach a program.
var environment = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}

// A sample is what one run needed. CPU and memory are the kernel's count for
// the process and the children that it waited for.
type sample struct {
	wall, user, system time.Duration
	rss                int64 // bytes, at its peak
	memory             int64 // the number that the answer holds, by the first group of want
}

// run starts the program, waits for it, and checks its answer.
func (p program) run() (sample, error) {
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = environment
	if p.root != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.root}
		cmd.Dir = "/"
	}
	if p.stdin != "" {
		f, err := os.Open(filepath.Join(p.root, p.stdin))
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	checker := &repeatChecker{want: p.repeats}
	if p.repeats != nil {
		cmd.Stdout = checker
	}
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil {
		return sample{}, fmt.Errorf("%s: %w", p.name, err)
	}
	found := regexp.MustCompile(p.want).FindSubmatch(stdout.Bytes())
	if cmd.ProcessState.ExitCode() != p.code || found == nil {
		return sample{}, &wrongAnswer{
			text: fmt.Sprintf("%s: want exit code %d and %q, have %v and %q %s",
				p.name, p.code, p.want, cmd.ProcessState, clip(stdout.String()), clip(stderr.String())),
			said: stderr.String() + "\n" + stdout.String(),
		}
	}
	if p.repeats != nil && (checker.bad || checker.n != p.passes*len(p.repeats)) {
		return sample{}, fmt.Errorf("%s: %d passes give another answer than one: they differ behind byte %d", p.name, p.passes, checker.n)
	}
	if p.keep != nil {
		*p.keep = bytes.Clone(stdout.Bytes())
	}
	memory := int64(0)
	if len(found) > 1 {
		memory, _ = strconv.ParseInt(string(found[1]), 10, 64)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return sample{
		wall:   wall,
		user:   cmd.ProcessState.UserTime(),
		system: cmd.ProcessState.SystemTime(),
		rss:    usage.Maxrss << 10,
		memory: memory,
	}, nil
}

// wrongAnswer is the error of a program that ran.
type wrongAnswer struct{ text, said string }

func (e *wrongAnswer) Error() string { return e.text }

// essence is what a program says that cannot answer: its last line that is more than a
// prompt, without the path of the dump.
func essence(err error) string {
	var wrong *wrongAnswer
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(wrong.said), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if len(line) > 8 && !strings.HasPrefix(line, "crash>") && !strings.Contains(line, "Usage:") && !strings.Contains(line, "-h` for") {
			return "cannot open: " + strings.ReplaceAll(line, peerDumps+"/", "")
		}
	}
	return "cannot open, and does not say why"
}

// clip shortens a program's output to what an error message can hold.
func clip(s string) string {
	if s = strings.TrimSpace(s); len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}

// versions asks dpkg in the peers' root, since not every program tells its
// version without a dump.
func (h host) versions() map[string]string {
	versions := map[string]string{}
	for name, pkg := range map[string]string{rowDrgn: "python3-drgn", rowCrash: "crash"} {
		versions[name] = h.version(pkg)
	}
	return versions
}

func (h host) version(pkg string) string {
	cmd := exec.Command("/usr/bin/dpkg-query", "-W", "-f", "${Version}", pkg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: h.peers}
	cmd.Dir, cmd.Env = "/", environment
	out, err := cmd.Output()
	if err != nil {
		return "of unknown version"
	}
	return string(out)
}
