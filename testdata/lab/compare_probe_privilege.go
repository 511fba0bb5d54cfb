package main

import "strings"

// privilegeChecks are of what kinspect does with capabilities, and says without: in each way, and what it chooses by itself.
var privilegeChecks = []check{
	{name: "capabilities", at: []string{probes}, once: true, run: checkCapabilities},
	{name: "capabilities-dropped", at: []string{probes}, once: true, run: checkDropped},
	{name: "seccomp", at: []string{probes}, once: true, run: checkSeccomp},
}

// A holder is a user with some capabilities, and what kinspect says to him.
type holder struct {
	caps           string // as `guest as` takes them
	command        string
	exit           int
	stdout, stderr []string
}

const (
	evalName  = "eval init_uts_ns.name.sysname"
	kcoreCaps = "sys_rawio,dac_read_search"
	bpfCaps   = "bpf,perfmon"
)

var holders = []holder{
	// Enough, in each way.
	{caps: kcoreCaps + ",syslog", command: evalName, stdout: []string{"Linux"}},
	{caps: kcoreCaps, command: evalName, stdout: []string{"Linux"}}, // the kernel's own tables have the symbols
	{caps: bpfCaps + ",syslog", command: evalName, stdout: []string{"Linux"}},
	{caps: bpfCaps, command: evalName, stdout: []string{"Linux"}},
	{caps: bpfCaps + ",syslog", command: "--memory kcore " + evalName, exit: 2, stderr: []string{"lacks CAP_DAC_READ_SEARCH and CAP_SYS_RAWIO"}},
	{caps: bpfCaps + ",syslog,sys_resource", command: "drops bond0 --for 1s", stdout: []string{"drops on bond0"}},
	{caps: kcoreCaps + "," + bpfCaps + ",syslog", command: "explain bond0", exit: 1, stdout: []string{"/proc/kcore", "the kernel's netlink says"}},
	// One is missing, and it is named.
	{caps: "", command: evalName, exit: 2, stderr: []string{"root", "lacks CAP_DAC_READ_SEARCH and CAP_SYS_RAWIO", "lacks CAP_PERFMON and CAP_BPF"}},
	{caps: "sys_rawio", command: "--memory kcore " + evalName, exit: 2, stderr: []string{"lacks CAP_DAC_READ_SEARCH\n"}},
	{caps: "dac_read_search", command: "--memory kcore " + evalName, exit: 2, stderr: []string{"lacks CAP_SYS_RAWIO\n"}},
	{caps: "bpf,syslog", command: "--memory bpf " + evalName, exit: 2, stderr: []string{"lacks CAP_PERFMON"}},
	{caps: "perfmon,syslog", command: "--memory bpf " + evalName, exit: 2, stderr: []string{"lacks CAP_BPF"}},
	{caps: bpfCaps + ",syslog,sys_resource", command: "trace veth_xmit --for 1s", exit: 2, stderr: []string{"veth_xmit", "CAP_SYS_ADMIN is missing"}},
	{caps: kcoreCaps + ",syslog", command: "drops bond0 --for 1s", exit: 2, stderr: []string{"CAP_BPF"}},
	{caps: kcoreCaps + ",syslog", command: "doctor", exit: 1, stdout: []string{"live probes: drops", "cannot load a BPF program", "lacks CAP_PERFMON and CAP_BPF", "or ask explain, check or --watch, which read memory alone", "with CAP_DAC_READ_SEARCH, CAP_SYS_RAWIO and CAP_SYSLOG"}},
	// The capabilities are the program's, and no right to read other people's files.
	{caps: kcoreCaps + ",syslog", command: "run /tmp/secret.ki", exit: 2, stderr: []string{"permission denied"}},
	{caps: kcoreCaps + ",syslog", command: "--symbols /tmp/secret.ki " + evalName, exit: 2, stderr: []string{"permission denied"}},
}

// checkCapabilities runs kinspect for users with a few capabilities each.
func checkCapabilities(c *subjectContext) error {
	live := c.subject.(liveSubject)
	for _, h := range holders {
		line := "chmod 755 /; echo 'print(1)' > /tmp/secret.ki; chmod 600 /tmp/secret.ki; guest as 65534:" + h.caps + " kinspect " + h.command
		a, err := live.shell(line)
		if err != nil {
			return err
		}
		if err := a.check(h.exit, h.stdout, h.stderr); err != nil {
			return err
		}
	}
	return nil
}

// checkDropped looks at kinspect while it waits at its prompt: what its threads hold, as procfs says. Root's right to files
// stays, and what entering a network namespace takes is permitted, but not in effect; through BPF, 5.10 wants CAP_BPF for each read.
func checkDropped(c *subjectContext) error {
	live := c.subject.(liveSubject)
	for _, row := range []struct {
		user, memory         string
		effective, permitted []string
	}{
		{"", "kcore", []string{"0000000000000006"}, []string{"0000000000280006"}},
		{"", "bpf", []string{"0000000000000006", "0000008000000006"}, []string{"0000000000280006", "0000008000280006"}},
		{"guest as 65534:" + kcoreCaps + ",syslog ", "kcore", []string{"0000000000000000"}, []string{"0000000000000000"}},
		{"guest as 65534:" + bpfCaps + ",syslog,sys_admin ", "bpf", []string{"0000000000000000", "0000008000000000"}, []string{"0000000000200000", "0000008000200000"}},
	} {
		a, err := live.shell(`set +e
chmod 755 /; rm -f /tmp/kinspect.in; mkfifo -m 666 /tmp/kinspect.in
export HOME=/tmp
` + row.user + `kinspect --memory ` + row.memory + ` repl </tmp/kinspect.in >/tmp/kinspect.out 2>&1 &
pid=$!
exec 3>/tmp/kinspect.in
for i in $(seq 300); do ls -l /proc/$pid/fd | grep -qE 'kcore|bpf-prog' && break; sleep 0.1; done
sleep 2 # it gives up the rest right behind that
cat /tmp/kinspect.out >&2
cat /proc/$pid/task/*/status | grep -E 'Cap(Prm|Eff|Inh|Amb):' | sort -u
exec 3>&-
wait $pid
rm /tmp/kinspect.in`)
		if err != nil {
			return err
		}
		fields := strings.Fields(a.stdout)
		if a.exit != 0 || len(fields) != 8 {
			return a.fail("want one line of each set: the threads differ, or kinspect ended")
		}
		const none = "0000000000000000"
		sets := map[string]string{fields[0]: fields[1], fields[2]: fields[3], fields[4]: fields[5], fields[6]: fields[7]}
		if !contains(row.effective, sets["CapEff:"]) || !contains(row.permitted, sets["CapPrm:"]) || sets["CapAmb:"] != none || sets["CapInh:"] != none {
			return a.fail("want %q effective and %q permitted, and nothing to inherit", row.effective, row.permitted)
		}
	}
	return nil
}

// checkSeccomp refuses bpf(2) by a filter, as container runtimes do: it reads as a filter, and not as a missing capability.
func checkSeccomp(c *subjectContext) error {
	live := c.subject.(liveSubject)
	a, err := live.shell("guest seccomp 321 kinspect --memory bpf " + evalName)
	if err != nil {
		return err
	}
	if err := a.check(2, nil, []string{"through BPF", "no capability is missing, but a seccomp filter"}); err != nil {
		return err
	}
	a, err = live.shell("guest seccomp 321 kinspect " + evalName)
	if err != nil {
		return err
	}
	if err := a.check(0, []string{"Linux"}, nil); err != nil {
		return err
	}
	a, err = live.shell("guest seccomp 321 kinspect doctor")
	if err != nil {
		return err
	}
	return a.check(1, []string{"a seccomp filter looks at its system calls", "live probes: drops", "cannot load a BPF program", "/proc/kcore opens"}, nil)
}
