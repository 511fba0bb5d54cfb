package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// checkSnapshot takes a snapshot of `explain bond0` and asks it again: the
// answer must be the same but for where it came from.
func checkSnapshot(c *subjectContext) error {
	device := map[string]string{"incident": "bond0", "scenarios": "bond2"}[c.capture]
	file := filepath.Join(c.host.dir, "snapshot.part")
	defer os.Remove(file)
	at := file
	if c.live() {
		at = "/tmp/snapshot"
	}
	// A live kernel changes meanwhile, if only by what the snapshot itself takes of a small guest's
	// memory: the snapshot's answer is what the source said before or says behind.
	_, before, err := explain(c, device)
	if err != nil {
		return err
	}
	taken, err := c.ask("snapshot", "-o", at, "--", "explain", "--json", device)
	if err != nil {
		return err
	}
	if err := taken.check(c.exit(1), nil, nil); err != nil {
		return err
	}
	if c.live() {
		if err := c.guest.fetchFile(at, file); err != nil {
			return err
		}
		if _, err := c.guest.run("rm " + at); err != nil {
			return err
		}
	}
	_, first, err := explain(c, device)
	if err != nil {
		return err
	}
	again := *c
	again.subject = dumpSubject{ctx: c.host.ctx, kinspect: c.host.kinspect, cores: []string{file}}
	_, second, err := explain(again, device)
	if err != nil {
		return err
	}
	if second.exit != first.exit {
		return second.fail("the snapshot answers with exit %d, its source with %d", second.exit, first.exit)
	}
	if c.throughBPF() { // each run has loaded programs of its own
		for _, a := range []*answer{&before, &first, &second} {
			a.stdout = programsLoaded.ReplaceAllString(a.stdout, "programs loaded since boot")
		}
	}
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(first.stdout), &a), json.Unmarshal([]byte(second.stdout), &b)); err != nil {
		return err
	}
	if d := differences("", a, b); len(d) > 0 {
		var sooner any
		if c.live() && json.Unmarshal([]byte(before.stdout), &sooner) == nil && len(differences("", sooner, b)) == 0 {
			return nil
		}
		return first.fail("the snapshot's answer is another one (source, snapshot):\n  %s", strings.Join(d, "\n  "))
	}
	return nil
}

// mayDiffer are the parts of an explanation that a snapshot need not repeat:
// where it was read from, how to ask again, and what a live kernel goes on
// counting.
var mayDiffer = []string{"source", "next", "kernel_total", "processed"}

// differences lists the places where two decoded JSON values differ.
func differences(at string, a, b any) []string {
	var list []string
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(a)) {
			if !contains(mayDiffer, key) {
				list = append(list, differences(at+"."+key, a[key], b[key])...)
			}
		}
		return list
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			break
		}
		for i := range a {
			list = append(list, differences(fmt.Sprintf("%s[%d]", at, i), a[i], b[i])...)
		}
		return list
	}
	if !reflect.DeepEqual(a, b) {
		list = append(list, fmt.Sprintf("%s: %v, %v", at, a, b))
	}
	return list
}

// checkUnmapped reads vmalloc's address space, 16 TiB behind its start, where nothing is. Live the kernel
// answers with zeros, which kinspect may not hand on.
func checkUnmapped(c *subjectContext) error {
	a, err := c.ask("eval", "mem(cast('unsigned long *', addr('vmalloc_base'))[0] + 0x100000000000, 8)")
	if err != nil {
		return err
	}
	words := []string{"not mapped", "is not present"}
	if c.live() && !c.throughBPF() {
		words = append(words, "/proc/kcore answers such reads with zeros")
	}
	return a.check(2, nil, words)
}

// checkCallersNamespace: live, the default is the namespace that kinspect runs
// in, and --netns takes a process.
func checkCallersNamespace(c *subjectContext) error {
	live := c.subject.(liveSubject)
	for _, row := range []struct {
		line           string
		exit           int
		stdout, stderr []string
	}{
		{"/usr/sbin/ip netns exec blue kinspect eval \"netdev('eth0').name\"", 0, []string{"eth0"}, nil},
		{"/usr/sbin/ip netns exec blue kinspect eval \"netdev('bond0').name\"", 2, nil, []string{"init_net"}},
		{"/usr/sbin/ip netns exec blue sleep 60 & sleep 0.3; kinspect --netns $! eval \"netdev('eth0').name\"; kill $!", 0, []string{"eth0"}, nil},
	} {
		a, err := live.shell(row.line)
		if err != nil {
			return err
		}
		if err := a.check(row.exit, row.stdout, row.stderr); err != nil {
			return err
		}
	}
	return nil
}

// checkKptrRestrict hides the addresses in /proc/kallsyms from root too.
// kinspect reads the tables in memory then, where VMCOREINFO names them or, on
// 5.10, where it finds them itself, and says why.
func checkKptrRestrict(c *subjectContext) error {
	const set = "cat /proc/sys/kernel/kptr_restrict > /tmp/kptr; echo 2 > /proc/sys/kernel/kptr_restrict; "
	const reset = "; status=$?; cat /tmp/kptr > /proc/sys/kernel/kptr_restrict; exit $status"
	a, err := c.subject.(liveSubject).shell("set +e; " + set + "kinspect eval \"netdev('bond0').rx_dropped\"" + reset)
	if err != nil {
		return err
	}
	return a.check(0, []string{"48"}, []string{"kptr_restrict"})
}

// refused is what holds wherever the host does not let kinspect read. way is how it is to read.
func refused(c *subjectContext, line, way string, words ...string) error {
	live := c.subject.(liveSubject)
	command := "kinspect --memory " + way + " "
	a, err := live.shell(strings.ReplaceAll(line, "KINSPECT", command+"explain bond0"))
	if err != nil {
		return err
	}
	if err := a.check(2, nil, words); err != nil {
		return err
	}
	doctor, err := live.shell(strings.ReplaceAll(line, "KINSPECT", command+"doctor"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(doctor.stdout) == "" {
		return doctor.fail("doctor says nothing")
	}
	return doctor.sane()
}

func checkNotRoot(c *subjectContext) error {
	for _, way := range []string{"auto", "kcore", "bpf"} {
		if err := refused(c, "chmod 755 /; guest as 65534 KINSPECT", way, "root"); err != nil {
			return err
		}
	}
	return nil
}

// checkNoKcore takes /proc/kcore away. kinspect then reads through BPF by itself; who wants the file and nothing else is
// told that it is empty.
func checkNoKcore(c *subjectContext) error {
	const hidden = "set +e; mount -o bind /dev/null /proc/kcore; KINSPECT; status=$?; umount /proc/kcore; exit $status"
	if err := refused(c, hidden, "kcore", "/proc/kcore", "masked"); err != nil {
		return err
	}
	live := c.subject.(liveSubject)
	total, err := bondTotal(c)
	if err != nil {
		return err
	}
	for _, row := range []struct {
		command string
		exit    int
		stdout  []string
	}{
		{"kinspect explain bond0", c.exit(1), []string{"BPF", "rx_dropped " + total + " =", "the kernel's netlink says " + total + " too"}},
		{"kinspect doctor", map[bool]int{true: 1}[c.kernel.series == bareModules], []string{"BPF (bpf_probe_read_kernel) opens; cannot read", "/proc/kcore", "the file is empty"}},
	} {
		a, err := live.shell(strings.ReplaceAll(hidden, "KINSPECT", row.command))
		if err != nil {
			return err
		}
		if err := a.check(row.exit, row.stdout, nil); err != nil {
			return err
		}
	}
	return nil
}

// bondTotal is what the guest says of bond0's rx_dropped, which frames that came since the incident have moved.
func bondTotal(c *subjectContext) (string, error) {
	out, err := c.guest.run("cat /sys/class/net/bond0/statistics/rx_dropped")
	return strings.TrimSpace(string(out)), err
}

// lockDown brings the guest into a mode of lockdown, if it is not in one that is stricter.
const lockDown = `mkdir -p /sys/kernel/security
test -e /sys/kernel/security/lockdown || mount -t securityfs none /sys/kernel/security
grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || grep -q '\[MODE\]' /sys/kernel/security/lockdown || echo MODE > /sys/kernel/security/lockdown
`

// checkLockdown comes last of all: a lockdown is not taken back. That of the kernel's integrity lets memory be read, both ways; that
// of confidentiality neither way, and each says so.
func checkLockdown(c *subjectContext) error {
	live := c.subject.(liveSubject)
	total, err := bondTotal(c)
	if err != nil {
		return err
	}
	for _, way := range []string{"kcore", "bpf"} {
		a, err := live.shell("set +e\n" + strings.ReplaceAll(lockDown, "MODE", "integrity") + "kinspect --memory " + way + " explain bond0; kinspect doctor")
		if err != nil {
			return err
		}
		if err := a.check(map[bool]int{true: 1}[c.kernel.series == bareModules], []string{"rx_dropped " + total + " =", "lockdown: integrity (which lets memory be read)"}, nil); err != nil {
			return err
		}
	}
	confidential := strings.ReplaceAll(lockDown, "MODE", "confidentiality")
	for _, way := range []string{"auto", "kcore", "bpf"} {
		if err := refused(c, confidential+"KINSPECT", way, "locked down for confidentiality", "lockdown"); err != nil {
			return err
		}
	}
	return nil
}
