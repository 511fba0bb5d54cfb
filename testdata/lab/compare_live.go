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
	if c.live() {
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

// refused is what holds wherever the host does not let kinspect read.
func refused(c *subjectContext, line string, words ...string) error {
	live := c.subject.(liveSubject)
	a, err := live.shell(strings.ReplaceAll(line, "KINSPECT", "kinspect explain bond0"))
	if err != nil {
		return err
	}
	if err := a.check(2, nil, words); err != nil {
		return err
	}
	doctor, err := live.shell(strings.ReplaceAll(line, "KINSPECT", "kinspect doctor"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(doctor.stdout) == "" {
		return doctor.fail("doctor says nothing")
	}
	return doctor.sane()
}

func checkNotRoot(c *subjectContext) error {
	return refused(c, "chmod 755 /; guest as 65534 KINSPECT", "root")
}

func checkNoKcore(c *subjectContext) error {
	return refused(c, "set +e; mount -o bind /dev/null /proc/kcore; KINSPECT; status=$?; umount /proc/kcore; exit $status", "/proc/kcore")
}

// checkLockdown comes last of all: a lockdown is not taken back.
func checkLockdown(c *subjectContext) error {
	return refused(c, `mkdir -p /sys/kernel/security
test -e /sys/kernel/security/lockdown || mount -t securityfs none /sys/kernel/security
grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || echo confidentiality > /sys/kernel/security/lockdown
KINSPECT`, "lockdown")
}
