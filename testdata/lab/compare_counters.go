package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// shownCounters is what kinspect's counters says of a device.
type shownCounters struct {
	Device string `json:"device"`
	Fields []struct {
		Field string  `json:"field"`
		Value *uint64 `json:"value"`
	} `json:"fields"`
	Tools []struct {
		Tool   string  `json:"tool"`
		Column string  `json:"column"`
		Value  *uint64 `json:"value"`
	} `json:"tools"`
	Ethtool []struct {
		Name  string `json:"name"`
		Value uint64 `json:"value"`
	} `json:"ethtool"`
}

// netlinkNames are the names in `ip -j -s -s link` that differ from those of struct rtnl_link_stats64, by
// direction.
var netlinkNames = map[string]string{
	"rx/multicast": "multicast", "tx/collisions": "collisions", "tx/carrier_changes": "carrier_changes",
	"rx/nohandler": "rx_nohandler", "rx/otherhost": "rx_otherhost_dropped",
}

// netlinkCounters are all counters of all devices of a namespace, by the kernel's names.
func netlinkCounters(facts, ns string) (map[string]map[string]uint64, error) {
	content, err := os.ReadFile(filepath.Join(facts, "net", ns, "link-stats.json"))
	if err != nil {
		return nil, err
	}
	var list []struct {
		Name  string                       `json:"ifname"`
		Stats map[string]map[string]uint64 `json:"stats64"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, err
	}
	all := map[string]map[string]uint64{}
	for _, l := range list {
		fields := map[string]uint64{}
		for way, stats := range l.Stats {
			for name, n := range stats {
				field, ok := netlinkNames[way+"/"+name]
				if !ok {
					field = way + "_" + name
				}
				fields[field] = n
			}
		}
		all[l.Name] = fields
	}
	return all, nil
}

// toolColumns reads what /proc/net/dev, netstat and ifconfig printed: numbers by device, tool and column.
func toolColumns(facts, ns string) (map[string]map[string]uint64, error) {
	all := map[string]map[string]uint64{}
	set := func(dev, tool, column, n string) error {
		v, err := strconv.ParseUint(n, 10, 64)
		if all[dev] == nil {
			all[dev] = map[string]uint64{}
		}
		all[dev][tool+" "+column] = v
		return err
	}
	text, err := readFact(facts, "net/"+ns+"/dev")
	if err != nil {
		return nil, err
	}
	columns := strings.Fields("receive_bytes receive_packets receive_errs receive_drop receive_fifo receive_frame receive_compressed receive_multicast " +
		"transmit_bytes transmit_packets transmit_errs transmit_drop transmit_fifo transmit_colls transmit_carrier transmit_compressed")
	for line := range strings.Lines(text) {
		dev, numbers, ok := strings.Cut(strings.TrimSpace(line), ":")
		if fields := strings.Fields(numbers); ok && len(fields) == len(columns) {
			for i, n := range fields {
				if err := set(dev, "/proc/net/dev", strings.Replace(columns[i], "_", " ", 1), n); err != nil {
					return nil, err
				}
			}
		}
	}
	if text, err = readFact(facts, "net/"+ns+"/netstat-i"); err != nil {
		return nil, err
	}
	var head []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 0 && fields[0] == "Iface":
			head = fields
		case len(head) > 0 && len(fields) >= len(head)-1:
			for i := 2; i < len(head)-1; i++ { // between the MTU and the flags
				if err := set(fields[0], "netstat -i", head[i], fields[i]); err != nil {
					return nil, fmt.Errorf("netstat: %w", err)
				}
			}
		}
	}
	if text, err = readFact(facts, "net/"+ns+"/ifconfig"); err != nil {
		return nil, err
	}
	dev := ""
	for line := range strings.Lines(text) {
		if m := ifconfigDevice.FindStringSubmatch(line); m != nil {
			dev = m[1]
		}
		for _, way := range []string{"RX", "TX"} {
			rest, ok := strings.CutPrefix(strings.TrimSpace(line), way+" ")
			if !ok {
				continue
			}
			for _, m := range ifconfigNumber.FindAllStringSubmatch(rest, -1) {
				if err := set(dev, "ifconfig", way+" "+m[1], m[2]); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

var (
	ifconfigDevice = regexp.MustCompile(`^([^ \t]+): flags`)
	ifconfigNumber = regexp.MustCompile(`([a-z]+) ([0-9]+)`)
)

// mayGrow tells whether a number may have grown since the facts: in the boot of the scenarios two bonds speak
// LACP and a bridge STP, which are no drops.
func (c *subjectContext) mayGrow(field string) bool {
	return c.capture == "scenarios" && (strings.Contains(field, "packets") || strings.Contains(field, "bytes") ||
		strings.Contains(field, "multicast") || strings.HasSuffix(field, "X-OK") || strings.HasSuffix(field, "mcast"))
}

// checkAllCounters compares every counter of every device with netlink, and every number that it says a tool
// shows with what that tool printed.
func checkAllCounters(c *subjectContext, ns string, args []string) error {
	var errs []error
	var got []shownCounters
	a, err := evaluate(c, &got, append(args, "netdevs() | map(counters(#))")...)
	if err != nil {
		return err
	}
	want, err := netlinkCounters(c.facts, ns)
	if err != nil {
		return err
	}
	tools, err := toolColumns(c.facts, ns)
	if err != nil {
		return err
	}
	compared := 0
	for _, d := range got {
		fields := map[string]*uint64{}
		for _, f := range d.Fields {
			fields[f.Field] = f.Value
		}
		differs := func(what string, got *uint64, want uint64) {
			switch {
			case got == nil && c.inPart():
			case got == nil:
				errs = append(errs, a.fail("%s: %s is not known, it is %d", d.Device, what, want))
			case *got != want && !(c.mayGrow(what) && *got > want):
				errs = append(errs, a.fail("%s: %s is %d, not %d", d.Device, what, *got, want))
			default:
				compared++
			}
		}
		for field, n := range want[d.Device] {
			differs(field, fields[field], n)
		}
		for _, t := range d.Tools {
			if strings.HasPrefix(t.Tool, "ip ") {
				continue // what JSON has, compared above
			}
			n, ok := tools[d.Device][t.Tool+" "+t.Column]
			if !ok {
				errs = append(errs, a.fail("%s: %s shows no %s", d.Device, t.Tool, t.Column))
				continue
			}
			differs(t.Tool+" "+t.Column, t.Value, n)
		}
	}
	if len(got) != len(want) || compared < len(got) {
		errs = append(errs, a.fail("%d devices of %d, %d numbers compared", len(got), len(want), compared))
	}
	return errors.Join(errs...)
}

// checkEthtool compares with `ethtool -S`, live.
func checkEthtool(c *subjectContext) error {
	text, err := readFact(c.facts, "net/init/ethtool")
	if err != nil {
		return err
	}
	want := map[string]map[string]string{}
	dev := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "== "); ok {
			dev, want[name] = name, map[string]string{}
		} else if name, n, ok := strings.Cut(line, ": "); ok {
			want[dev][name] = n
		}
	}
	var got []shownCounters
	a, err := evaluate(c, &got, "netdevs() | map(counters(#))")
	if err != nil {
		return err
	}
	names := 0
	for _, d := range got {
		for _, s := range d.Ethtool {
			names++
			if want[d.Device][s.Name] != fmt.Sprint(s.Value) {
				return a.fail("%s: %s is %d, ethtool says %q", d.Device, s.Name, s.Value, want[d.Device][s.Name])
			}
		}
		if len(d.Ethtool) != len(want[d.Device]) {
			return a.fail("%s: %d of ethtool's %d statistics", d.Device, len(d.Ethtool), len(want[d.Device]))
		}
	}
	if names == 0 {
		return a.fail("no device has statistics of its own")
	}
	return nil
}
