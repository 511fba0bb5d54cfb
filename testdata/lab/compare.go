package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A check is one thing that kinspect must get right. Checks are data: to add
// one, add a row to commandChecks, or a function to checks.
type check struct {
	name string
	// at names the captures that the check belongs to: incident, quiet, scenarios,
	// vmcore, wide, noinfo, probes; packed, for vmcore's dumps that take long to unpack; and
	// behind the scenarios "watch" and "hostile", the end of the shared boot, where the host starts to refuse.
	at []string
	// on restricts the check to "live" or to "dump"; "" is both.
	on string
	// series restricts it to one kernel, "5.10", or to all others, "!5.10".
	series string
	// first asks a capture's first dump, and no other row of the same memory: many answers, and slow ones.
	first bool
	// once is for a check that says itself how memory is to be read: it is not made a second time through BPF, as all others are.
	once bool
	run  func(*subjectContext) error
}

// fits tells whether a check is for this subject.
func (k check) fits(c *subjectContext) bool {
	on := map[bool]string{true: "live", false: "dump"}[c.live()]
	other, not := strings.CutPrefix(k.series, "!")
	if k.first && strings.Contains(c.file, "/") || k.once && c.throughBPF() {
		return false
	}
	return contains(k.at, c.capture) && (k.on == "" || k.on == on) &&
		(k.series == "" || (c.kernel.series == other) != not)
}

// A subjectContext is what a check works on.
type subjectContext struct {
	subject
	kernel  *kernel
	capture string
	file    string // the dump, under the kernel's results; "" live
	facts   string // directory of the facts that belong to the capture
	truth   *truth
	guest   *guest // nil on a dump
	host    hostTools
	matrix  *matrix // nil where what explain tells is not recorded
	times   bool    // tell what each check takes
}

// hostTools are what checks may use on this machine.
type hostTools struct {
	ctx      context.Context
	kinspect string
	dir      string // results of this kernel
}

var checks = []check{
	{name: "explain-bond0", at: []string{"incident", "vmcore", "wide", "noinfo", "packed"}, run: checkIncident},
	{name: "truth", at: []string{"incident", "quiet", "scenarios", "vmcore", "wide", "noinfo", noIPv6}, run: checkTruth},
	{name: "counters", at: []string{"incident", "scenarios", "vmcore", "wide", "noinfo"}, run: everyNamespace(checkCounters)},
	{name: "all-counters", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: everyNamespace(checkAllCounters)},
	{name: "snmp-files", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: everyNamespace(checkSNMPFiles)},
	{name: "nstat", at: []string{"incident", "scenarios"}, run: everyNamespace(checkNstat)},
	{name: "losses", at: []string{"scenarios"}, run: checkLosses},
	{name: "snmp-snapshot", at: []string{"scenarios"}, run: checkSNMPSnapshot},
	{name: "ethtool", at: []string{"incident"}, on: "live", run: checkEthtool},
	{name: "softnet", at: []string{"incident", "scenarios"}, run: checkSoftnet},
	{name: "ptype", at: []string{"incident", "scenarios"}, run: checkPtype},
	{name: "overview", at: []string{"scenarios"}, run: checkOverview},
	{name: "snapshot", at: []string{"incident", "scenarios"}, run: checkSnapshot},
	{name: "sym", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: checkSym},
	{name: "runbook", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: checkRunbook},
	{name: "runbook-file", at: []string{"incident"}, on: "live", run: checkRunbookFile},
	{name: "scripts", at: []string{"incident", "scenarios"}, run: checkScripts},
	{name: "tasks", at: []string{"incident", "scenarios", "wide"}, run: checkTasks},
	{name: "processes", at: []string{"incident", "scenarios", "wide"}, run: checkProcesses},
	{name: "files", at: []string{"incident", "scenarios", "wide"}, run: checkFiles},
	{name: "stacks", at: []string{"incident", "scenarios", "wide"}, run: checkStacks},
	{name: "modules", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: checkModules},
	{name: "mounts", at: []string{"incident", "scenarios", "wide"}, run: checkMounts},
	{name: "slabs", at: []string{"incident", "scenarios", "wide"}, run: checkSlabs},
	{name: "log", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: checkLog},
	{name: "time", at: []string{"incident", "scenarios", "vmcore", "wide"}, run: checkTime},
	{name: "meminfo", at: []string{"incident", "scenarios", "wide"}, run: checkMemInfo},
	{name: "interrupts", at: []string{"incident", "scenarios", "wide"}, run: checkInterrupts},
	{name: "unmapped", at: []string{"incident"}, run: checkUnmapped},
	{name: "callers-namespace", at: []string{"incident"}, on: "live", run: checkCallersNamespace},
	{name: "kptr-restrict", at: []string{"incident"}, on: "live", run: checkKptrRestrict},
	{name: "watch", at: []string{"watch"}, on: "live", run: checkWatch},
	{name: "not-root", at: []string{"hostile"}, on: "live", once: true, run: checkNotRoot},
	{name: "no-kcore", at: []string{"hostile"}, on: "live", once: true, run: checkNoKcore},
	{name: "lockdown", at: []string{"hostile"}, on: "live", once: true, run: checkLockdown},
}

// compare runs all checks that fit, and returns what failed, a line or more
// for each, and how many passed.
func compare(c *subjectContext) (failures []error, passed int) {
	what := c.file
	if c.live() {
		what = c.capture + " live"
	}
	if c.throughBPF() {
		what += " through BPF"
	}
	list := slices.Concat(checks, netChecks, commandCheckList(), probeChecks, headChecks, bigChecks, traceChecks, countChecks, memoryChecks, privilegeChecks, loadChecks)
	for _, k := range list {
		if !k.fits(c) {
			continue
		}
		start, cpu := time.Now(), c.cpu()
		err := k.run(c)
		if c.times {
			fmt.Fprintf(os.Stderr, "lab: %s, %s: %s: %.2f s, of QEMU's CPU %.2f s\n", c.kernel.series, what, k.name, time.Since(start).Seconds(), (c.cpu() - cpu).Seconds())
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s, %s: %s: %w", c.kernel.series, what, k.name, err))
			continue
		}
		passed++
	}
	return failures, passed
}

// cpu is what the guest has taken of this machine's time; 0 on a dump.
func (c *subjectContext) cpu() time.Duration {
	if c.guest == nil {
		return 0
	}
	return c.guest.cpu()
}

// bareModules is the kernel whose modules bring no types. Live, netlink knows
// what they count by themselves and what a bond's slaves brought; a dump does
// not say, and kinspect has to say that.
const bareModules = "5.10"

// inPart tells whether what drivers count is unknown on this subject.
func (c *subjectContext) inPart() bool { return !c.live() && c.kernel.series == bareModules }

// exit is explain's exit code where a full answer has the code whole.
func (c *subjectContext) exit(whole int) int {
	if c.inPart() {
		return 2
	}
	return whole
}

// A commandCheck is a command line, its exit code, and words that its output
// has to hold.
type commandCheck struct {
	at     string // captures, separated by spaces
	on     string
	series string // "5.10" for that kernel alone, "!5.10" for all but that one
	args   []string
	exit   int
	stdout []string
	stderr []string
	never  []string // words that would be wrong on stdout
}

// commandChecks are checks that a user could type. {blue} in them stands for
// the namespace "blue": its name live, its inode number on a dump, which has
// no /run/netns.
var commandChecks = []commandCheck{
	{at: "incident vmcore wide noinfo packed", args: []string{"eval", "netdev('bond0').rx_dropped"}, stdout: []string{"48"}},
	{at: "incident", args: []string{"eval", "netdev('bond0').name"}, stdout: []string{"bond0"}},
	{at: "incident vmcore wide noinfo packed", args: []string{"handler", "0x0004", "bond0"}, exit: 1, stdout: []string{"none"}},
	{at: "incident", args: []string{"handler", "STP", "bond0"}, exit: 1, stdout: []string{"none"}},
	{at: "incident", args: []string{"handler", "LLDP", "bond0"}, exit: 1, stdout: []string{"none"}},
	{at: "incident vmcore wide noinfo", args: []string{"handler", "0x0800", "bond0"}, stdout: []string{"ip_rcv"}},
	{at: "incident", args: []string{"handler", "ARP", "bond0"}, stdout: []string{"arp_rcv"}},
	{at: "incident", series: "!5.10", args: []string{"handler", "0x0800", "veth0"}, stdout: []string{"bond_handle_frame"}},
	{at: "scenarios", args: []string{"handler", "LACP", "bond2"}, stdout: []string{"bond_3ad_lacpdu_recv"}, never: []string{"none: such a frame"}},
	{at: "scenarios", series: "!5.10", args: []string{"handler", "STP", "quiet0"}, stdout: []string{"llc_rcv", "0x42"}},
	// 5.10's modules have no BTF: answers in part, which say what they lack.
	{at: "incident", series: "5.10", args: []string{"handler", "0x0800", "veth0"}, exit: 2, stdout: []string{"bond_handle_frame", "BTF"}},
	{at: "scenarios", series: "5.10", args: []string{"handler", "STP", "quiet0"}, exit: 2, stdout: []string{"llc_rcv", "SAP", "BTF"}},
	{at: "scenarios", args: []string{"handler", "0x88b5", "plain0"}, exit: 1, stdout: []string{"none"}},
	{at: "scenarios", args: []string{"handler", "IPv6", "plain0"}, stdout: []string{"ipv6_rcv", "IPv6 is off on plain0", "Ip6InDiscards"}},
	{at: "scenarios", args: []string{"handler", "0x88b5", "port0"}, exit: 1, stdout: []string{"br_handle_frame", "br0"}},

	{at: "incident vmcore", on: "dump", series: "!5.10", args: []string{"check", "testdata/examples/site.check"}, exit: 1, stdout: []string{"fine   uplink ", "FOUND  uplink-drops", "bond0: 1000 of a thousand at worst, at most 1", "48 unhandled-protocol (only path left, as set up now)", "FOUND  lldp"}},

	// The shell that panicked. Two tasks of a CPU are on it while it switches from one to the other.
	{at: "vmcore", on: "dump", args: []string{"eval", "tasks('all') | filter(.on_cpu != 0 && .comm == 'sh') | map(stack(#))"}, stdout: []string{"__crash_kexec+", "panic+", "sysrq_handle_crash+", "vfs_write+", "entry_SYSCALL_64_after_hwframe+"}},

	{at: "incident", args: []string{"eval", "netdev('eth0').name"}, exit: 2, stderr: []string{"eth0", "{blue}"}},
	{at: "incident", args: []string{"explain", "eth0"}, exit: 2, stderr: []string{"eth0", "{blue}"}},
	{at: "incident", args: []string{"--netns", "{blue}", "eval", "netdev('eth0').name"}, stdout: []string{"eth0"}},
	{at: "incident", args: []string{"eval", "netdev('eth0', '{blue}').name"}, stdout: []string{"eth0"}},
	{at: "incident", args: []string{"eval", "netdevs('all') | filter(.name == 'twin') | count()"}, stdout: []string{"2"}},
	{at: "incident", on: "dump", args: []string{"explain", "bond0", "--watch", "2s"}, exit: 2, stderr: []string{"nothing moves in a dump"}},
	{at: "incident", args: []string{"explain", "bond9"}, exit: 2, stderr: []string{"bond0"}},
	{at: "incident", series: "!5.10", args: []string{"explain", "veth1"}, exit: 1, stdout: []string{"veth1"}},
	{at: "incident", series: "!5.10", args: []string{"explain", "veth0"}, stdout: []string{"veth0"}},
	{at: "incident", series: "5.10", on: "live", args: []string{"explain", "veth1"}, exit: 1, stdout: []string{"veth1"}},
	{at: "incident", series: "5.10", on: "live", args: []string{"explain", "veth0"}, stdout: []string{"veth0"}},
	{at: "incident", series: "5.10", on: "dump", args: []string{"explain", "veth1"}, exit: 2, stdout: []string{"rx_dropped at least 5"}},
	{at: "incident", series: "5.10", on: "dump", args: []string{"explain", "veth0"}, exit: 2, stdout: []string{"rx_dropped at least 0"}},
	{at: "incident", series: "!5.10", on: "live", args: []string{"explain", "bond0", "--html", "-"}, exit: 1, stdout: []string{"<h1>bond0 in init_net</h1>", "the running kernel", "Up for", "48 lost, in rx_dropped", "says 53 too"}},
	{at: "incident vmcore", series: "!5.10", on: "dump", args: []string{"explain", "bond0", "--html", "-"}, exit: 1, stdout: []string{"<h1>bond0 in init_net</h1>", "Its clock then", "48 lost, in rx_dropped"}},
	{at: "vmcore", on: "dump", series: "!5.10", args: []string{"explain", "bond0", "--html", "-"}, exit: 1, stdout: []string{"<dt>Crashed</dt>"}},
	{at: "incident", args: []string{"handler", "nonsense", "bond0"}, exit: 2, stderr: []string{"nonsense"}},
	{at: "incident", args: []string{"eval", "netdev('bond0'"}, exit: 2},
	{at: "incident", args: []string{"eval", "netdev('bond0').no_such_member"}, exit: 2, stderr: []string{"no_such_member"}},
}

func commandCheckList() []check {
	var list []check
	for _, row := range commandChecks {
		list = append(list, check{
			name: strings.Join(row.args, " "),
			at:   strings.Fields(row.at), on: row.on, series: row.series,
			run: row.run,
		})
	}
	return list
}

func (row commandCheck) run(c *subjectContext) error {
	blue, err := c.blue()
	if err != nil {
		return err
	}
	fill := func(list []string) []string {
		filled := slices.Clone(list)
		for i := range filled {
			filled[i] = strings.ReplaceAll(filled[i], "{blue}", blue)
		}
		return filled
	}
	a, err := c.ask(fill(row.args)...)
	if err != nil {
		return err
	}
	for _, w := range row.never {
		if strings.Contains(a.stdout, w) {
			return a.fail("stdout says %q", w)
		}
	}
	return a.check(row.exit, fill(row.stdout), fill(row.stderr))
}

// check compares an answer with an exit code and words.
func (a answer) check(exit int, stdout, stderr []string) error {
	if a.exit != exit {
		return a.fail("exit %d, want %d", a.exit, exit)
	}
	for _, w := range stdout {
		if !strings.Contains(a.stdout, w) {
			return a.fail("stdout does not say %q", w)
		}
	}
	for _, w := range stderr {
		if !strings.Contains(a.stderr, w) {
			return a.fail("stderr does not say %q", w)
		}
	}
	// An answer in part says on stdout what it lacks; none at all says why.
	if a.exit == 2 && strings.TrimSpace(a.stderr+a.stdout) == "" {
		return a.fail("exit 2 without a word")
	}
	return a.sane()
}

// sane is what holds for every answer, also a bad one.
func (a answer) sane() error {
	for _, bad := range []string{"panic:", "goroutine ", "runtime error"} {
		if strings.Contains(a.stderr, bad) || strings.Contains(a.stdout, bad) {
			return a.fail("a panic")
		}
	}
	return nil
}

// blue is how the namespace "blue" is called on this subject.
func (c *subjectContext) blue() (string, error) {
	if c.live() {
		return "blue", nil
	}
	content, err := readFact(c.facts, "net/blue/inum")
	return strings.TrimSpace(content), err
}
