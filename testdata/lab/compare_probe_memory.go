package main

import (
	"regexp"
	"strings"
)

// memoryChecks are of memory that is read through BPF, beside the live checks that are made both ways.
var memoryChecks = []check{
	{name: "memory-faults", at: []string{probes}, once: true, run: checkMemoryFaults},
	{name: "memory-hidden-symbols", at: []string{probes}, once: true, run: checkMemoryHiddenSymbols},
	{name: "memory-nothing-left", at: []string{probes}, once: true, run: checkMemoryNothingLeft},
}

// throughBPF tells whether a live kernel's memory is read through BPF.
func (c *subjectContext) throughBPF() bool {
	s, ok := c.subject.(liveSubject)
	return ok && s.memory == throughBPF
}

// programsLoaded is what explain says of the kernel's count of BPF programs: each run through BPF raises it.
var programsLoaded = regexp.MustCompile(`programs loaded since boot: \d+`)

// checkMemoryFaults reads what is not there, what is partly there, and what is no memory: faults, never zeros, and at the byte.
func checkMemoryFaults(c *subjectContext) error {
	live := c.subject.(liveSubject)
	for _, row := range []struct {
		expr  string
		exit  int
		words []string
	}{
		{"mem(cast('unsigned long *', addr('vmalloc_base'))[0] + 0x100000000000, 8)", 2, []string{"not mapped", "is not present"}},
		{"mem(0x1000, 8)", 2, []string{"not mapped", "no address of the kernel"}},
		{"mem(0xffffffffff600000, 8)", 2, []string{"cannot read 8 bytes at address 0xffffffffff600000"}},
		// The registers of a device, where a read could do something.
		{"mem(cast('unsigned long *', addr('hpet_virt_address'))[0], 8)", 2, []string{"refused by the kernel", "physical address 0xfed00000, which is no RAM"}},
		// Behind the end of memory.
		{"mem(cast('unsigned long *', addr('page_offset_base'))[0] + 0x4000000000, 8)", 2, []string{"cannot read 8 bytes", "not mapped"}},
		{"mem(cast('unsigned long *', addr('page_offset_base'))[0] + 0x1000, 4096)", 0, nil},
	} {
		a, err := live.shell("kinspect --memory bpf eval " + quoteAll([]string{row.expr}))
		if err != nil {
			return err
		}
		stdout, stderr := row.words, []string(nil)
		if row.exit != 0 {
			stdout, stderr = nil, row.words
		}
		if err := a.check(row.exit, stdout, stderr); err != nil {
			return err
		}
	}
	return nil
}

// checkMemoryHiddenSymbols: where nobody may see addresses, kallsyms' tables are found in memory.
func checkMemoryHiddenSymbols(c *subjectContext) error {
	a, err := c.subject.(liveSubject).shell(`set +e
cat /proc/sys/kernel/kptr_restrict > /tmp/kptr; echo 2 > /proc/sys/kernel/kptr_restrict
kinspect --memory bpf eval "netdev('bond0').name"
status=$?
cat /tmp/kptr > /proc/sys/kernel/kptr_restrict
exit $status`)
	if err != nil {
		return err
	}
	return a.check(0, []string{"bond0"}, []string{"kptr_restrict"})
}

// checkMemoryNothingLeft kills kinspect while it has its map and its programs: the kernel's lists of both, which kinspect reads in
// memory, are as before.
func checkMemoryNothingLeft(c *subjectContext) error {
	live := c.subject.(liveSubject)
	const count = "kinspect --memory kcore eval \"idr_for_each(map_idr) | count()\" \"idr_for_each(prog_idr) | count()\"\n"
	a, err := live.shell(`set +e
sleep 2 # the kernel frees later what the check before had
` + count + `
mkfifo /tmp/kinspect.in
kinspect --memory bpf repl </tmp/kinspect.in >/tmp/kinspect.out 2>&1 &
pid=$!
exec 3>/tmp/kinspect.in
for i in $(seq 300); do ls -l /proc/$pid/fd | grep -q bpf-prog && break; sleep 0.1; done
` + count + `
kill -KILL $pid
exec 3>&-
rm /tmp/kinspect.in
sleep 2
` + count)
	if err != nil {
		return err
	}
	lines := strings.Fields(a.stdout)
	if a.exit != 0 || len(lines) != 6 {
		return a.fail("want two counts three times")
	}
	if lines[0] != lines[4] || lines[1] != lines[5] {
		return a.fail("maps and programs were %s and %s, and are %s and %s", lines[0], lines[1], lines[4], lines[5])
	}
	if lines[0] == lines[2] || lines[1] == lines[3] {
		return a.fail("while kinspect ran, there were no more maps or programs than before")
	}
	return nil
}
