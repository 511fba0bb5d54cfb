package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// kinspectTime bounds one run of kinspect; a second is usual in the guest, where the machine has nothing else to do.
const kinspectTime = 3 * time.Minute

// An answer is how one run of kinspect ended.
type answer struct {
	command        string // as a user would type it
	exit           int
	stdout, stderr string
}

// A subject is a kernel that kinspect looks at: the live one inside a guest,
// or a dump on this machine. An error is the lab's; kinspect's own failures
// are answers.
type subject interface {
	ask(args ...string) (answer, error)
	live() bool
}

// liveSubject runs kinspect in the guest.
type liveSubject struct {
	g *guest
	// memory is how it is to read memory, as its variable KINSPECT_MEMORY says: "bpf", or "" for its own choice, /proc/kcore.
	memory string
}

func (s liveSubject) live() bool { return true }

// way tells kinspect how to read memory, at the start of a script.
func (s liveSubject) way() string {
	if s.memory == "" {
		return ""
	}
	return "export KINSPECT_MEMORY=" + s.memory + "\n"
}

func (s liveSubject) ask(args ...string) (answer, error) {
	return s.shell(quoteAll(append([]string{"kinspect"}, args...)))
}

// shell runs a command line that has kinspect in it, for the checks that need
// more than arguments: another user, another namespace.
func (s liveSubject) shell(line string) (answer, error) {
	resp, err := s.g.try(kinspectTime, s.way()+line)
	return answer{command: line, exit: resp.Exit, stdout: string(resp.Stdout), stderr: string(resp.Stderr)}, err
}

// dumpSubject runs kinspect here, on a dump.
type dumpSubject struct {
	ctx      context.Context
	kinspect string
	cores    []string // one, or all files of a split dump
}

func (s dumpSubject) live() bool { return false }

func (s dumpSubject) ask(args ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, kinspectTime)
	defer cancel()
	var all []string
	for _, core := range s.cores {
		all = append(all, "--core", core)
	}
	all = append(all, args...)
	cmd := exec.CommandContext(ctx, s.kinspect, all...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{
		command: quoteAll(append([]string{"kinspect"}, all...)),
		exit:    cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(),
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	return a, err
}

// quoteAll makes a shell command line.
func quoteAll(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " '\"|&;<>()$`\\*?[]#~{}\n\t") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// fail describes what is wrong with an answer, with the answer.
func (a answer) fail(format string, args ...any) error {
	return fmt.Errorf("%s\n%s", fmt.Sprintf(format, args...), indent(a.text()))
}

func (a answer) text() string {
	return fmt.Sprintf("$ %s\n%s%s[exit %d]", a.command, shorten(a.stdout), shorten(a.stderr), a.exit)
}

// shorten keeps a failure readable.
func shorten(s string) string {
	const most = 4000
	if len(s) > most {
		s = s[:most] + " ..."
	}
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

func indent(s string) string {
	return "    | " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    | ")
}

// The shape of `kinspect explain DEV --json`. Unknown numbers are null.
type explanation struct {
	Device   string `json:"device"`
	Counters []struct {
		Counter     string      `json:"counter"`
		Total       *uint64     `json:"total"`
		AtLeast     *uint64     `json:"at_least"`
		Own         *uint64     `json:"own"`
		Slaves      *uint64     `json:"slaves"`
		Driver      *uint64     `json:"driver"`
		KernelTotal *uint64     `json:"kernel_total"`
		Paths       []causePath `json:"paths"`
	} `json:"counters"`
	Softnet struct {
		PerCPU []struct {
			CPU     int    `json:"cpu"`
			Dropped uint64 `json:"dropped"`
		} `json:"per_cpu"`
	} `json:"softnet"`
	Handlers []struct {
		Ethertype string `json:"ethertype"` // 0x0800, or "all" for a tap
		Func      string `json:"func"`
		Module    string `json:"module"`
	} `json:"handlers"`
	Path  []string `json:"path"`
	Notes []string `json:"notes"`
}

// A causePath is one way in which a counter can rise.
type causePath struct {
	ID       string   `json:"id"`
	Verdict  string   `json:"verdict"`
	Level    string   `json:"level"`
	Count    *uint64  `json:"count"`
	Min      uint64   `json:"min"`
	Max      *uint64  `json:"max"`
	Now      bool     `json:"now"`
	Evidence []string `json:"evidence"`
}

// explain asks for the explanation of a device.
func explain(s subject, args ...string) (explanation, answer, error) {
	var e explanation
	a, err := s.ask(append([]string{"explain", "--json"}, args...)...)
	if err != nil {
		return e, a, err
	}
	if err := json.Unmarshal([]byte(a.stdout), &e); err != nil {
		return e, a, a.fail("stdout is not explain's JSON: %v", err)
	}
	return e, a, nil
}
