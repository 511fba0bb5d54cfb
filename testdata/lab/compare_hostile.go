package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
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
	taken, err := c.ask("snapshot", "-o", at, "--", "explain", "--json", device)
	if err != nil {
		return err
	}
	if err := taken.check(1, nil, nil); err != nil {
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
	again.subject = dumpSubject{ctx: c.host.ctx, kinspect: c.host.kinspect, core: file}
	_, second, err := explain(again, device)
	if err != nil {
		return err
	}
	if second.exit != first.exit {
		return second.fail("the snapshot answers with exit %d, its source with %d", second.exit, first.exit)
	}
	a, b, err := withoutSource(first.stdout, second.stdout)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return errors.Join(first.fail("the snapshot's answer is another one; the source says:"), second.fail("and the snapshot:"))
	}
	return nil
}

// withoutSource decodes two explanations without what must differ: where they
// were read from, and the netlink total that only a live kernel gives.
func withoutSource(texts ...string) (any, any, error) {
	var out [2]map[string]any
	for i, t := range texts {
		if err := json.Unmarshal([]byte(t), &out[i]); err != nil {
			return nil, nil, err
		}
		delete(out[i], "source")
		delete(out[i], "next")
		counters, _ := out[i]["counters"].([]any)
		for _, c := range counters {
			if m, ok := c.(map[string]any); ok {
				delete(m, "kernel_total")
			}
		}
	}
	return out[0], out[1], nil
}

// checkKptrRestrict hides the addresses in /proc/kallsyms from root too.
// kinspect reads the tables in memory then, and says why, where VMCOREINFO
// names them; 5.10's does not.
func checkKptrRestrict(c *subjectContext) error {
	const set = "cat /proc/sys/kernel/kptr_restrict > /tmp/kptr; echo 2 > /proc/sys/kernel/kptr_restrict; "
	const reset = "; status=$?; cat /tmp/kptr > /proc/sys/kernel/kptr_restrict; exit $status"
	a, err := c.subject.(liveSubject).shell("set +e; " + set + "kinspect eval \"netdev('bond0').rx_dropped\"" + reset)
	if err != nil {
		return err
	}
	if c.kernel.series == "5.10" {
		return a.check(2, nil, []string{"kptr_restrict"})
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
mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security
grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || echo confidentiality > /sys/kernel/security/lockdown
KINSPECT`, "lockdown")
}
