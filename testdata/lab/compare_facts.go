package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func readFact(facts, name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(facts, name))
	return string(content), err
}

// evaluate evaluates an expression with --json and decodes the value.
func evaluate(s subject, value any, args ...string) (answer, error) {
	a, err := s.ask(append([]string{"eval", "--json"}, args...)...)
	if err != nil {
		return a, err
	}
	if a.exit != 0 {
		return a, a.fail("exit %d, want 0", a.exit)
	}
	object := struct {
		Value any `json:"value"`
	}{value}
	if err := json.Unmarshal([]byte(a.stdout), &object); err != nil {
		return a, a.fail("stdout is not eval's JSON: %v", err)
	}
	return a, nil
}

// namespaces are the directories of the facts, "init" among them.
func (c *subjectContext) namespaces() ([]string, error) {
	dirs, err := filepath.Glob(filepath.Join(c.facts, "net", "*"))
	for i := range dirs {
		dirs[i] = filepath.Base(dirs[i])
	}
	return dirs, err
}

// inNamespace are the arguments that select a namespace of the facts.
func (c *subjectContext) inNamespace(ns string) ([]string, error) {
	if ns == "init" {
		return nil, nil
	}
	inum, err := readFact(c.facts, "net/"+ns+"/inum")
	return []string{"--netns", strings.TrimSpace(inum)}, err
}

// checkCounters compares the core counters of all devices in all namespaces
// with `ip -j -s -s link`. Left out is what netlink's number has more than
// the core's: a bond adds its slaves, and a veth counts in tx_dropped what the
// other end refused.
func checkCounters(c *subjectContext) error {
	names, err := c.namespaces()
	if err != nil {
		return err
	}
	var errs []error
	for _, ns := range names {
		links, err := readLinks(c.facts, ns)
		if err != nil {
			return err
		}
		args, err := c.inNamespace(ns)
		if err != nil {
			return err
		}
		var rows [][4]any
		a, err := evaluate(c, &rows, append(args, "netdevs() | map([.name, .rx_dropped, .tx_dropped, .rx_nohandler])")...)
		if err != nil {
			return err
		}
		if len(rows) != len(links) {
			errs = append(errs, a.fail("%d devices, netlink has %d", len(rows), len(links)))
		}
		for _, row := range rows {
			name := fmt.Sprint(row[0])
			l, ok := links[name]
			if !ok {
				errs = append(errs, a.fail("%s: netlink does not have it", name))
				continue
			}
			if l.Info.Kind == "bond" {
				continue
			}
			want := [4]any{name, l.Stats.RX.Dropped, l.Stats.TX.Dropped, l.Stats.RX.Nohandler}
			if l.Info.Kind == "veth" {
				want[2] = row[2]
			}
			if fmt.Sprint(row) != fmt.Sprint(want) {
				errs = append(errs, a.fail("%s: %v, netlink says %v", name, row, want))
			}
		}
	}
	return errors.Join(errs...)
}

// checkSoftnet compares the backlog's drops of each CPU with column 2 of
// /proc/net/softnet_stat.
func checkSoftnet(c *subjectContext) error {
	text, err := readFact(c.facts, "softnet_stat")
	if err != nil {
		return err
	}
	e, a, err := explain(c, "bond0")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(e.Softnet.PerCPU) != len(lines) {
		return a.fail("%d CPUs, softnet_stat has %d", len(e.Softnet.PerCPU), len(lines))
	}
	var errs []error
	for cpu, line := range lines {
		dropped, err := strconv.ParseUint(strings.Fields(line)[1], 16, 64)
		if err != nil {
			return err
		}
		if have := e.Softnet.PerCPU[cpu]; have.CPU != cpu || have.Dropped != dropped {
			errs = append(errs, a.fail("CPU %d: %d drops of the backlog, softnet_stat says %d", cpu, have.Dropped, dropped))
		}
	}
	return errors.Join(errs...)
}

var ptypeLine = regexp.MustCompile(`^(ALL|[0-9a-f]{4})\s+(\S+)?\s+(\w+)(?: \[(\w+)\])?$`)

// checkPtype compares the handlers that explain lists for a device with
// /proc/net/ptype: those bound to no device, and those bound to this one.
func checkPtype(c *subjectContext) error {
	text, err := readFact(c.facts, "net/init/ptype")
	if err != nil {
		return err
	}
	for _, device := range []string{"bond0", "tapped0"} {
		if device == "tapped0" && c.capture != "scenarios" {
			continue
		}
		want := map[string]bool{}
		for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
			m := ptypeLine.FindStringSubmatch(strings.TrimSpace(line))
			switch {
			case i == 0: // the heading
			case m == nil:
				return fmt.Errorf("cannot read the line %q of /proc/net/ptype", line)
			case m[2] == "" || m[2] == device:
				want[strings.Replace("0x"+m[1], "0xALL", "all", 1)+" "+m[3]+" ["+m[4]+"]"] = true
			}
		}
		e, a, err := explain(c, device)
		if err != nil {
			return err
		}
		have := map[string]bool{}
		for _, h := range e.Handlers {
			have[h.Ethertype+" "+h.Func+" ["+h.Module+"]"] = true
		}
		if !maps.Equal(have, want) {
			return a.fail("%s: handlers %v, /proc/net/ptype has %v", device,
				slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want)))
		}
	}
	return nil
}
