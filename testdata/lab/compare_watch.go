package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A watchLine is a line of `kinspect explain --watch`.
type watchLine struct {
	Sample  int      `json:"sample"`
	Final   bool     `json:"final"`
	Moved   bool     `json:"moved"`
	Missing []string `json:"missing"`
	Changes []struct {
		What string `json:"what"`
	} `json:"changes"`
	Devices []struct {
		Device   string `json:"device"`
		Gone     bool   `json:"gone"`
		Counters []struct {
			Counter string `json:"counter"`
			watchedCounter
		} `json:"counters"`
	} `json:"devices"`
	Rows []struct { // of the other commands
		Name  string      `json:"name"`
		Moved json.Number `json:"moved"`
	} `json:"rows"`
}

// watch runs a watch in the guest, and a script once its first line is there, behind which a signal ends it. Without a
// script it has to end by itself.
func watch(c *subjectContext, args, script string) ([]watchLine, answer, error) {
	end := ""
	if script != "" {
		end = "kill -INT $watch"
	}
	a, err := c.subject.(liveSubject).shell(fmt.Sprintf(`set +e
rm -f /tmp/watch.out /tmp/watch.err # what the one before said is no sign that this one has begun
kinspect %s >/tmp/watch.out 2>/tmp/watch.err &
watch=$!
for i in $(seq 1000); do
	test -s /tmp/watch.out && break
	kill -0 $watch 2>/dev/null || break
	sleep 0.1
done
(
:
%s
) >/dev/null
%s
wait $watch
status=$?
cat /tmp/watch.out
cat /tmp/watch.err >&2
exit $status`, args, script, end))
	if err != nil {
		return nil, a, err
	}
	a.command = "kinspect " + args
	var lines []watchLine
	for text := range strings.Lines(a.stdout) {
		var l watchLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, a, a.fail("stdout is not lines of JSON: %v", err)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return nil, a, a.fail("no sample")
	}
	for i, l := range lines {
		if l.Sample != i || l.Final != (i == len(lines)-1) {
			return nil, a, a.fail("line %d is sample %d, final %v", i, l.Sample, l.Final)
		}
	}
	return lines, a, a.sane()
}

// frames is the command that sends frames which nothing handles.
func frames(via string, count int) string {
	return fmt.Sprintf("guest frames -i %s -type %s -count %d", via, unhandledType, count)
}

// checkWatch has a device with thousands of old backlog drops, of which explain cannot tell what they were, and sends
// frames that nothing handles: a watch must tell what these are. It comes behind all that compares counters.
func checkWatch(c *subjectContext) error {
	const device, count = "flood0", 25
	plain, a, err := explain(c, device)
	if err != nil {
		return err
	}
	for _, counter := range plain.Counters {
		for _, p := range counter.Paths {
			if counter.Counter == "rx_dropped" && p.Verdict == "fired" && p.Count != nil {
				return a.fail("%s has %d: the wound is not one that explain cannot tell", p.ID, *p.Count)
			}
		}
	}
	return errors.Join(
		watchBleeding(c, device, count), watchOld(c, device), watchBond(c), watchEverything(c), watchGone(c), watchNumbers(c),
	)
}

// watchBleeding watches frames that nothing handles.
func watchBleeding(c *subjectContext, device string, count uint64) error {
	lines, a, err := watch(c, "explain "+device+" --watch 1s", frames(device+"p", int(count)))
	if err != nil {
		return err
	}
	if a.exit != 1 || !lines[len(lines)-1].Moved {
		return a.fail("exit %d, want 1", a.exit)
	}
	if state := lines[0].counter(device, "rx_dropped").State; state != "old wound" {
		return a.fail("at the start rx_dropped is %q", state)
	}
	last := lines[len(lines)-1].counter(device, "rx_dropped")
	if !last.moves() || last.Moved == nil || *last.Moved != count || last.Verdict == nil {
		return a.fail("rx_dropped is %q, and moved by %s, want %d", last.State, number(last.Moved), count)
	}
	for _, p := range last.Verdict.Paths {
		switch {
		case p.ID != "unhandled-protocol" && p.Verdict == "fired":
			return a.fail("%s is said to have dropped them", p.ID)
		case p.ID == "backlog" && p.Verdict != "ruled out":
			return a.fail("backlog is %q, and did not move", p.Verdict)
		case p.ID != "unhandled-protocol":
		case c.kernel.series == bareModules: // a veth's peer cannot be asked there what it could not hand over
			if p.Verdict == "ruled out" {
				return a.fail("unhandled-protocol is %q", p.Verdict)
			}
		case p.Verdict != "fired" || p.Level != "only path left" || p.Count == nil || *p.Count != count:
			return a.fail("unhandled-protocol is %q, %q, count %s, want %d", p.Verdict, p.Level, number(p.Count), count)
		}
	}
	return nil
}

// watchOld watches the device when nothing happens.
func watchOld(c *subjectContext, device string) error {
	lines, a, err := watch(c, "explain "+device+" --watch 500ms --count 3", "")
	if err != nil {
		return err
	}
	last := lines[len(lines)-1]
	if counter := last.counter(device, "rx_dropped"); a.exit != 0 || last.Moved || counter.State != "old wound" || len(lines) != 4 {
		return a.fail("exit %d, want 0; moved %v, rx_dropped is %q", a.exit, last.Moved, counter.State)
	}
	return nil
}

// watchBond watches bond0, on which 53 frames were dropped before: 7 that it drops itself, and 3 of its inactive slave.
func watchBond(c *subjectContext) error {
	lines, a, err := watch(c, "explain bond0 --watch 1s", frames("veth0p", 7)+`
guest frames -i veth1p -dst `+stpGroup+` -type 802.2 -llc `+stpLLC+` -count 3`)
	if err != nil {
		return err
	}
	counter := lines[len(lines)-1].counter("bond0", "rx_dropped")
	if a.exit != 1 || counter.Moved == nil || *counter.Moved < 7 || counter.Verdict == nil || counter.Verdict.Own == nil || *counter.Verdict.Own != 7 {
		return a.fail("exit %d, want 1; rx_dropped moved by %s, 7 of its own", a.exit, number(counter.Moved))
	}
	// By now a bridge handles STP, also on the slave.
	if s := counter.Verdict.Slaves; s == nil || *s != *counter.Moved-7 || *s != 0 && *s != 3 {
		return a.fail("the slaves brought %s", number(s))
	}
	for _, p := range counter.Verdict.Paths {
		if p.ID == "unhandled-protocol" && (p.Verdict != "fired" || p.Count == nil || *p.Count != 7) {
			return a.fail("unhandled-protocol is %q, count %s, want 7", p.Verdict, number(p.Count))
		}
	}
	return nil
}

// watchEverything watches all devices.
func watchEverything(c *subjectContext) error {
	lines, a, err := watch(c, "explain --watch 1s --json", frames("plain0p", 9))
	if err != nil {
		return err
	}
	counter := lines[len(lines)-1].counter("plain0", "rx_dropped")
	if a.exit == 0 || !counter.moves() || counter.Moved == nil || *counter.Moved != 9 {
		return a.fail("exit %d; plain0's rx_dropped is %q and moved by %s, want 9", a.exit, counter.State, number(counter.Moved))
	}
	if old := lines[len(lines)-1].counter("flood0", "rx_dropped"); old.State != "old wound" {
		return a.fail("flood0's rx_dropped is %q", old.State)
	}
	return nil
}

// watchGone deletes a device that is watched, and makes another one of its name.
func watchGone(c *subjectContext) error {
	if err := pair(c.guest, "short0"); err != nil {
		return err
	}
	lines, a, err := watch(c, "explain short0 --watch 1s", `ip link del short0
for i in $(seq 1000); do
	grep -q '"gone":true' /tmp/watch.out && break
	sleep 0.1
done
ip link add short0 type veth peer name short0p`)
	_, clean := c.guest.run("ip link del short0")
	if err != nil {
		return errors.Join(err, clean)
	}
	gone := false
	for _, l := range lines {
		gone = gone || len(l.Devices) == 1 && l.Devices[0].Gone && len(l.Missing) > 0
	}
	last := lines[len(lines)-1]
	if len(last.Devices) != 1 || last.Devices[0].Gone || a.exit != 0 || len(last.Changes) == 0 ||
		!strings.Contains(last.Changes[len(last.Changes)-1].What, "another device") || !gone {
		return errors.Join(a.fail("exit %d: a device that goes and one that comes in its place are not told", a.exit), clean)
	}
	return clean
}

// watchNumbers watches lists of numbers.
func watchNumbers(c *subjectContext) error {
	for _, row := range []struct {
		args, script, name string
		least              int64
		exit               int // -1 is any
	}{
		{"counters plain0 --watch 1s", frames("plain0p", 5), "rx_dropped", 5, 1},
		{"softnet --watch 1s", "ping -c 2 127.0.0.1", "processed", 1, -1},
		{"snmp --watch 1s", "ping -c 2 127.0.0.1", "IcmpInEchos", 2, -1},
		{"netstat snmp --watch 1s", "ping -c 2 127.0.0.1", "IcmpOutEchoReps", 2, -1},
	} {
		lines, a, err := watch(c, row.args, row.script)
		if err != nil {
			return err
		}
		most := int64(-1)
		for _, r := range lines[len(lines)-1].Rows {
			if n, err := r.Moved.Int64(); err == nil && strings.HasSuffix(r.Name, row.name) {
				most = max(most, n)
			}
		}
		if most < row.least || row.exit >= 0 && a.exit != row.exit {
			return a.fail("exit %d; %s moved by %d, want %d", a.exit, row.name, most, row.least)
		}
	}
	return nil
}

// A watchedCounter is one counter of a line; it is all zero where the line does not have it.
type watchedCounter struct {
	State   string  `json:"state"`
	Moved   *uint64 `json:"moved"`
	Verdict *struct {
		Own    *uint64     `json:"own"`
		Slaves *uint64     `json:"slaves"`
		Paths  []causePath `json:"paths"`
	} `json:"verdict"`
}

// moves reports whether the counter moved in the watch, and how long ago does not matter.
func (w watchedCounter) moves() bool { return w.State == "bleeding" || w.State == "stopped" }

func (l watchLine) counter(device, name string) (out watchedCounter) {
	for _, d := range l.Devices {
		for _, counter := range d.Counters {
			if d.Device == device && counter.Counter == name {
				return counter.watchedCounter
			}
		}
	}
	return out
}
