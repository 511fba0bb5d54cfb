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
// the core's: a bond adds its slaves, a veth counts in tx_dropped what the
// other end refused, and others count in rx_dropped themselves.
func checkCounters(c *subjectContext, ns string, args []string) error {
	var errs []error
	links, err := readLinks(c.facts, ns)
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
		if l.Info.Kind == "veth" || c.countsItself(l.Info.Kind) {
			want[2] = row[2]
		}
		if contains([]string{"macvlan", "macsec", "ifb"}, l.Info.Kind) || c.countsItself(l.Info.Kind) {
			want[1] = row[1]
		}
		if fmt.Sprint(row) != fmt.Sprint(want) {
			errs = append(errs, a.fail("%s: %v, netlink says %v", name, row, want))
		}
	}
	return errors.Join(errs...)
}

// countsItself tells whether a kind of device keeps all its drops in numbers of its own: a tun of 5.10, whose types
// are not there to read them.
func (c *subjectContext) countsItself(kind string) bool {
	return kind == "tun" && c.kernel.series == bareModules
}

// checkSoftnet compares the backlogs with /proc/net/softnet_stat, which has a line for each CPU that is online.
func checkSoftnet(c *subjectContext) error {
	text, err := readFact(c.facts, "softnet_stat")
	if err != nil {
		return err
	}
	a, err := c.ask("--json", "softnet")
	if err != nil {
		return err
	}
	var r struct {
		PerCPU []map[string]any `json:"per_cpu"`
	}
	if err := json.Unmarshal([]byte(a.stdout), &r); err != nil {
		return a.fail("stdout is not softnet's JSON: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(r.PerCPU) != len(lines) {
		return a.fail("%d CPUs, softnet_stat has %d", len(r.PerCPU), len(lines))
	}
	var errs []error
	found := 0
	for i, line := range lines {
		columns := strings.Fields(line)
		for name, column := range map[string]int{
			"processed": 0, "dropped": 1, "time_squeeze": 2, "received_rps": 9, "flow_limit": 10, "cpu": 12, "input_queue": 13, "process_queue": 14,
		} {
			if column >= len(columns) {
				continue // kernels before 6.4 have fewer
			}
			want, err := strconv.ParseUint(columns[column], 16, 64)
			if err != nil {
				return err
			}
			have, _ := r.PerCPU[i][name].(float64)
			// What is received and sent by then is counted on a live guest, and by what never falls silent there.
			grown := name == "processed" || name == "received_rps" || name == "time_squeeze"
			if uint64(have) != want && !(grown && uint64(have) > want && (c.live() || c.capture == "scenarios")) {
				errs = append(errs, a.fail("CPU %d: %s is %v, softnet_stat says %d", i, name, r.PerCPU[i][name], want))
			}
			if name == "dropped" && want > 0 {
				found = 1
			}
		}
	}
	if a.exit != found {
		errs = append(errs, a.fail("exit %d, want %d", a.exit, found))
	}
	e, a, err := explain(c, "bond0")
	if err != nil {
		return err
	}
	for i, have := range e.Softnet.PerCPU {
		if fmt.Sprint(have.Dropped) != fmt.Sprint(r.PerCPU[i]["dropped"]) {
			errs = append(errs, a.fail("CPU %d: %d drops of the backlog, softnet says %v", have.CPU, have.Dropped, r.PerCPU[i]["dropped"]))
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
