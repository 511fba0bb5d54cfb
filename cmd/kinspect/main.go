// Command kinspect inspects a Linux kernel, the running one or a dump's. See the
// README for what it is for; this package has its flags, output and exit codes,
// and no kernel knowledge.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/kmem/privilege"
)

// Exit codes, the same for all commands.
const (
	exitFine    = 0
	exitFinding = 1
	exitFailed  = 2 // could not answer, or only in part
)

func main() {
	dropping = true
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// app is one run of the program.
type app struct {
	stdin   *os.File
	stdout  *output
	stderr  io.Writer
	options options
	record  bool // keep what is read, for a snapshot
	target  *target
	command string          // its name, "" before it is known
	noKcore *kmem.HostError // why the running kernel is read in another way, or nil
	// bpfToRead: to read memory takes CAP_BPF each time.
	bpfToRead bool
	format    value.Format // of what eval, run and the prompt print
}

// command is one subcommand.
type command struct {
	name, args, about string
	min, max          int // arguments; max -1 is any number
	run               func(a *app, args []string) (int, error)
}

// commands lists the subcommands in the order of help.
func commands() []command {
	return []command{
		{"eval", "EXPR…", "evaluate expressions on the kernel", 1, -1, (*app).eval},
		{"run", "FILE.ki|- [ARG…]", "run a script: statements, assertions, an exit code", 1, -1, (*app).runScript},
		{"explain", "[DEV]", "say which path dropped a device's frames, and what rules the others out; without DEV, all devices that show a drop", 0, 1, (*app).explain},
		{"handler", "ETHERTYPE [DEV]", "say what handles an ethertype, there or on any device", 1, 2, (*app).handler},
		{"counters", "DEV", "every counter that tools show of a device, and which numbers of the kernel make it up", 1, 1, (*app).counters},
		{"softnet", "", "the CPUs' backlogs by name: dropped, squeezed, waiting, their limits, RPS", 0, 0, (*app).softnet},
		{"drops", "[DEV]", "live: every frame that the kernel drops from now on, by reason, place, device and ethertype, and which counters that moves", 0, 1, (*app).drops},
		{"trace", "FUNC|TRACEPOINT", "live: each call of a function of the kernel or a module, its return, or a tracepoint, chosen and shown by expressions on its arguments", 1, 1, (*app).trace},
		{"count", "FUNC|PATTERN…", "live: how often functions of the kernel or its modules run, on each CPU and a second, also by a value of their arguments; --preset tcp says what TCP's figures mean", 0, -1, (*app).counts},
		{"check", "[NAME…|FILE…|all]", "run named checks with bounds, built in or of a file, for people, as JSON, or as metrics; without NAME, list them", 0, -1, (*app).check},
		{"snmp", "[NAME…]", "what IP, ICMP, UDP and TCP counted in a namespace, by nstat's names, what it means, and the sockets and devices it leads to; --all shows zeros", 0, -1, (*app).snmp},
		{"netstat", "[snmp|netstat|snmp6]", "/proc/net/snmp, netstat and snmp6 of a namespace, as the kernel prints them", 0, 3, (*app).netstat},
		{"sym", "NAME[+OFF]|ADDR", "name an address of the kernel, or find a symbol; --around N lists its neighbours", 1, 1, (*app).sym},
		{"search", "--u64 VALUE|…", "find a pattern in all memory of a dump: who points there, where is that", 0, 0, (*app).search},
		{"snapshot", "-o FILE -- COMMAND…", "run a command and keep what it read in a file that answers it again", 1, -1, (*app).snapshot},
		{"demo", "", "show the incident that kinspect was made for, from a snapshot inside the program", 0, 0, (*app).demo},
		{"doctor", "", "list what this host or file lets kinspect see, and what is missing", 0, 0, (*app).doctor},
		{"repl", "", "explore interactively; what no command starts", 0, 0, (*app).repl},
		{"help", "[COMMAND]", "this text, or a command's", 0, 1, (*app).help},
		{"completion", "bash|zsh|fish", "print a script that makes the shell complete kinspect's words", 1, -1, (*app).completion},
		{"version", "", "print the version", 0, 0, (*app).version},
	}
}

func findCommand(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// noCommand is the error for a name that no command has.
func noCommand(name string, others ...string) error {
	for _, c := range commands() {
		others = append(others, c.name)
	}
	if near := btf.Near(name, others); len(near) > 0 {
		return usagef("no command %q: did you mean %s?", name, strings.Join(near, ", "))
	}
	return usagef("no command %q", name)
}

func run(args []string, stdin, stdout *os.File, stderr io.Writer) int {
	if dropping {
		if err := privilege.Start(0); err != nil {
			fmt.Fprintf(stderr, "kinspect: %v\n", err)
			return exitFailed
		}
	}
	a := &app{stdin: stdin, stdout: newOutput(stdout), stderr: stderr}
	code, err := a.main(args)
	if a.target != nil {
		a.target.close()
	}
	if failure := a.stdout.failure(); failure != nil && (err == nil || errors.Is(err, a.stdout.err)) {
		err = failure
	}
	if err != nil {
		code = exitFailed
		a.fail(err)
	}
	return code
}

// usageError is an error of the command line itself.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// caretError shows itself with a caret under the place that is wrong.
type caretError interface{ Caret() string }

// fail prints an error: for people on standard error, and with --json as an object
// on standard output.
func (a *app) fail(err error) {
	msg := err.Error()
	var caret caretError
	if errors.As(err, &caret) {
		if c := caret.Caret(); c != "" {
			msg += "\n" + strings.TrimRight(c, "\n")
		}
	}
	fmt.Fprintf(a.stderr, "kinspect: %s\n", value.Scrub(msg))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(a.stderr, "try: kinspect help")
	}
	var part *partError // which the answer has
	if a.options.json && !errors.As(err, &part) {
		out := map[string]any{"error": err.Error()}
		var script *expr.ScriptError
		if errors.As(err, &script) {
			out["file"], out["line"], out["column"] = script.Name, script.Line, script.Column
		}
		_ = a.printJSON(out)
	}
}

func (a *app) main(args []string) (int, error) {
	rest, err := a.options.parse(args)
	if err != nil {
		return exitFailed, err
	}
	if !a.options.json && plainTerminal(a.stdout.file, os.Getenv) {
		a.stdout.to = plainWriter{a.stdout.file}
	}
	if len(rest) == 0 || rest[0] != "check" && rest[0] != "snapshot" {
		if a.format, err = value.DefaultFormat.Set(a.options.set); err != nil {
			return exitFailed, usagef("--set: %v", err)
		}
	}
	switch {
	case a.options.help && len(rest) > 0:
		return a.help(rest[:1])
	case a.options.help:
		return a.help(nil)
	case a.options.version:
		return a.version(nil)
	case len(rest) == 0:
		a.command = "repl"
		if err := a.options.check(a.command); err != nil {
			return exitFailed, err
		}
		return a.repl(nil)
	}
	c, ok := findCommand(rest[0])
	if !ok {
		if _, err := os.Stat(rest[0]); err == nil && len(a.options.core) > 0 {
			return exitFailed, usagef("no command %q: the files of a split dump are named each with --core: --core %s", rest[0], commandLine([]string{a.options.core[0], "--core", rest[0]}))
		}
		return exitFailed, noCommand(rest[0])
	}
	a.command = c.name
	rest = rest[1:]
	if len(rest) < c.min || (c.max >= 0 && len(rest) > c.max) {
		return exitFailed, usagef("usage: kinspect %s %s", c.name, c.args)
	}
	if c.name != "snapshot" { // which looks at its flags together with those of the command that it is of
		if err := a.options.check(c.name); err != nil {
			return exitFailed, err
		}
	}
	return c.run(a, rest)
}
