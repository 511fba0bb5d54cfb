package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shownChecks is the JSON of `kinspect check`, as far as it is compared.
type shownChecks struct {
	Checks []shownCheck `json:"checks"`
}

type shownCheck struct {
	Check    string `json:"check"`
	Status   string `json:"status"`
	Answered bool   `json:"answered"`
	Reason   string `json:"reason"`
	Rows     []struct {
		Labels map[string]string `json:"labels"`
		Value  any               `json:"value"`
		Max    *float64          `json:"max"`
		Min    *float64          `json:"min"`
		Status string            `json:"status"`
	} `json:"rows"`
}

// unknownBare are the checks that a dump of a kernel whose modules bring no types cannot answer, or not in full.
var unknownBare = []string{"bond-active", "bond-drops", "bond-lacp", "device-drops", "slave-drops"}

// unknownLive are those of them that such a kernel does not answer live either.
var unknownLive = []string{"bond-active", "bond-lacp", "slave-drops"}

// growingShares are the checks whose counters go on after the facts of the scenarios: segments and requests for
// connections are sent again.
var growingShares = []string{"listen-overflows", "tcp-retransmits"}

// checkRunbook runs every built-in check. What each measured has to be what the guest says of itself, and it has a
// finding where that is out of bounds, and nowhere else. The facts are those of their own moment: where there are none, what
// the lab did tells.
func checkRunbook(c *subjectContext) error {
	a, err := c.ask("--json", "check", "all")
	if err != nil {
		return err
	}
	var shown shownChecks
	if err := json.Unmarshal([]byte(a.stdout), &shown); err != nil {
		return a.fail("stdout is not check's JSON: %v", err)
	}
	truths, inFacts, numbers, err := c.runbookTruths()
	if err != nil {
		return err
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, a.fail(format, args...)) }
	open, found := false, false
	for _, k := range shown.Checks {
		open, found = open || !k.Answered, found || k.Status == "finding"
		if !k.Answered {
			bare := c.kernel.series == bareModules && (contains(unknownLive, k.Check) || !c.live() && contains(unknownBare, k.Check))
			if !bare || k.Reason == "" {
				fail("%s is not answered: %s", k.Check, k.Reason)
			}
			continue
		}
		want, known := truths[k.Check]
		delete(truths, k.Check)
		if !known {
			if k.Status != "fine" && k.Status != "nothing" {
				fail("%s is %q, and nothing is wrong here", k.Check, k.Status)
			}
			continue
		}
		for _, row := range k.Rows {
			// A live host knows names of namespaces, a dump their numbers alone.
			if inum, named := numbers[row.Labels["netns"]]; named {
				row.Labels["netns"] = inum
			} else if c.live() && inFacts[row.Labels["netns"]] && row.Labels["netns"] != "init_net" {
				fail("%s: the namespace %s has a name", k.Check, row.Labels["netns"])
			}
			key := rowKey(k.Check, row.Labels)
			n, ok := want[key]
			delete(want, key)
			if ns := row.Labels["netns"]; ns != "" && !inFacts[ns] {
				continue // a namespace without a name, of which there are no facts
			}
			if !ok {
				fail("%s: the guest knows no %s", k.Check, key)
				continue
			}
			have, _ := row.Value.(float64)
			if truth, is := row.Value.(bool); is && truth {
				have = 1
			}
			// What is counted goes on where the guest does, and a share of little moves fast.
			near := 0.05*math.Abs(n) + 0.02
			if k.Check == "conntrack" {
				near++ // connections end meanwhile
			}
			if c.capture == "scenarios" && have > n && contains(growingShares, k.Check) {
				continue
			}
			if math.Abs(have-n) > near && !(row.Max != nil && n > 50 && have > 50 && n <= 100) {
				fail("%s: %s is %v, the guest says %v", k.Check, key, have, n)
			}
			bad := row.Max != nil && n > *row.Max || row.Min != nil && n < *row.Min || row.Max == nil && row.Min == nil && n == 0
			if bad != (row.Status == "finding") {
				fail("%s: %s is %q, and the guest says %v", k.Check, key, row.Status, n)
			}
		}
		if len(want) > 0 && k.Check != "slave-drops" { // of which active ones alone are looked at
			fail("%s does not look at %v", k.Check, slices.Sorted(maps.Keys(want)))
		}
	}
	if len(shown.Checks) < 20 {
		fail("%d checks", len(shown.Checks))
	}
	exit := 0
	switch {
	case open:
		exit = 2
	case found:
		exit = 1
	}
	if a.exit != exit {
		fail("exit %d, want %d", a.exit, exit)
	}
	return errors.Join(errs...)
}

// rowKey is what a row is found by: its labels, but for those that facts spell otherwise.
func rowKey(check string, labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if check == "listen-queues" && name == "address" {
			continue
		}
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, " ")
}

// worst is the most that can have been lost of what came, in percent, unless few were: dropped frames may be in the
// packets or not, missed ones are not.
func worst(dropped, missed, packets, least float64) float64 {
	if dropped+missed < least {
		return 0
	}
	return 100 * (dropped + missed) / max(1, dropped+missed, packets+missed)
}

// share is what checks measure: lost of all in percent, unless few were lost.
func share(lost, rest float64, least float64) float64 {
	if lost < least {
		return 0
	}
	return 100 * lost / (lost + rest)
}

// runbookTruths says what checks have to measure, by the facts, which namespaces these are of, and the numbers of those
// that have names.
func (c *subjectContext) runbookTruths() (out map[string]map[string]float64, inFacts map[string]bool, numbers map[string]string, err error) {
	out, inFacts, numbers = map[string]map[string]float64{}, map[string]bool{}, map[string]string{}
	set := func(check, key string, n float64) {
		if out[check] == nil {
			out[check] = map[string]float64{}
		}
		out[check][key] = n
	}
	names, err := c.namespaces()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, ns := range names {
		label := "init_net"
		if ns != "init" {
			inum, err := readFact(c.facts, "net/"+ns+"/inum")
			if err != nil {
				return nil, nil, nil, err
			}
			label = strings.TrimSpace(inum)
			numbers[ns] = label
		}
		inFacts[label] = true
		for _, read := range []func(ns, label string, set func(check, key string, n float64)) error{
			c.linkTruths, c.socketTruths, c.snmpTruths, c.qdiscTruths,
		} {
			if err := read(ns, label, set); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	return out, inFacts, numbers, errors.Join(c.softnetTruths(set), c.logTruths(set), c.liveTruths(set))
}

func (c *subjectContext) linkTruths(ns, label string, set func(check, key string, n float64)) error {
	var list []struct {
		link
		Flags []string `json:"flags"`
	}
	text, err := readFact(c.facts, "net/"+ns+"/link-stats.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("link-stats.json of %s: %w", ns, err)
	}
	for _, l := range list {
		key := "device=" + l.Name + " netns=" + label
		up := 0.0
		if contains(l.Flags, "LOWER_UP") {
			up = 1
		}
		dropped, missed, packets := float64(l.Stats.RX.Dropped), float64(l.Stats.RX.Missed), float64(l.Stats.RX.Packets)
		switch {
		case l.Info.Kind == "bond":
			set("bond-drops", key, float64(l.Stats.RX.Dropped))
			if contains(l.Flags, "UP") {
				set("bond-active", key, up)
			}
		case contains(l.Flags, "SLAVE"):
			set("bond-slaves", key, up)
			set("slave-drops", key, worst(dropped, missed, packets, 100))
		case contains(l.Flags, "UP"):
			set("device-drops", key, worst(dropped, missed, packets, 1000))
		}
	}
	return nil
}

func (c *subjectContext) socketTruths(ns, label string, set func(check, key string, n float64)) error {
	packet, err := readFact(c.facts, "net/"+ns+"/packet")
	if err != nil {
		return err
	}
	taps := 0
	for _, line := range strings.Split(packet, "\n") {
		if f := strings.Fields(line); len(f) > 5 && f[3] == "0003" && f[5] == "1" {
			taps++
		}
	}
	set("taps", "netns="+label, float64(taps))
	waiting := 0
	for _, file := range []string{"tcp", "tcp6"} {
		text, err := readFact(c.facts, "net/"+ns+"/"+file)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(text, "\n") {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "08" {
				waiting++
			}
		}
	}
	set("close-wait", "netns="+label, float64(waiting))
	text, err := readFact(c.facts, "net/"+ns+"/ss-inet")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] != "tcp" || f[1] != "LISTEN" {
			continue
		}
		queue, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return err
		}
		most, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			return err
		}
		set("listen-queues", "netns="+label+" port="+f[4][strings.LastIndex(f[4], ":")+1:], 100*queue/max(1, most))
	}
	return nil
}

func (c *subjectContext) snmpTruths(ns, label string, set func(check, key string, n float64)) error {
	n := map[string]float64{}
	for _, file := range snmpFiles {
		text, err := readFact(c.facts, "net/"+ns+"/"+file)
		if err != nil {
			if file == "snmp6" {
				continue
			}
			return err
		}
		counters, err := snmpCounters(file, text)
		if err != nil {
			return err
		}
		for name, v := range counters {
			n[name], _ = v.Float64()
		}
	}
	key := "netns=" + label
	set("udp-buffers", key, share(n["UdpRcvbufErrors"]+n["Udp6RcvbufErrors"], n["UdpInDatagrams"]+n["Udp6InDatagrams"], 10))
	set("listen-overflows", key, share(n["TcpExtListenDrops"], n["TcpPassiveOpens"], 5))
	set("tcp-retransmits", key, share(n["TcpRetransSegs"], n["TcpOutSegs"], 100))
	return nil
}

func (c *subjectContext) qdiscTruths(ns, label string, set func(check, key string, n float64)) error {
	var list []struct {
		Kind    string  `json:"kind"`
		Handle  string  `json:"handle"`
		Device  string  `json:"dev"`
		Packets float64 `json:"packets"`
		Drops   float64 `json:"drops"`
	}
	if err := netJSON(c, ns, "qdisc.json", &list); err != nil {
		return err
	}
	same := map[string]int{}
	key := func(i int) string {
		q := list[i]
		return fmt.Sprintf("device=%s handle=%s kind=%s netns=%s", q.Device, q.Handle, q.Kind, label)
	}
	for i := range list {
		same[key(i)]++
	}
	for i, q := range list {
		if same[key(i)] == 1 { // those of a device's queues are alike, and numbered
			sent := q.Packets
			if q.Kind == "ingress" || q.Kind == "clsact" {
				sent = max(0, sent-q.Drops) // they count all that they see
			}
			set("qdisc-drops", key(i), share(q.Drops, sent, 100))
			continue
		}
		for row := range same[key(i)] {
			set("qdisc-drops", fmt.Sprintf("device=%s handle=%s kind=%s netns=%s row=%d", q.Device, q.Handle, q.Kind, label, row), 0)
		}
	}
	return nil
}

// softnetStat is the fact, or what a live guest says now: in the minutes of the checks it handles frames.
func (c *subjectContext) softnetStat() (string, error) {
	if !c.live() {
		return readFact(c.facts, "softnet_stat")
	}
	out, err := c.guest.run("cat /proc/net/softnet_stat")
	return string(out), err
}

func (c *subjectContext) softnetTruths(set func(check, key string, n float64)) error {
	text, err := c.softnetStat()
	if err != nil {
		return err
	}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var n [3]float64
		for column := range n {
			v, err := strconv.ParseUint(strings.Fields(line)[column], 16, 64)
			if err != nil {
				return err
			}
			n[column] = float64(v)
		}
		set("backlog-drops", "cpu="+strconv.Itoa(i), share(n[1], n[0], 10))
	}
	return nil
}

var troubleLine = regexp.MustCompile(`Oops|BUG:|Kernel panic|Out of memory|oom-kill|lockup|blocked for more than`)

func (c *subjectContext) logTruths(set func(check, key string, n float64)) error {
	text, err := readFact(c.facts, "sys/dmesg")
	if err != nil {
		return err
	}
	n := len(troubleLine.FindAllString(text, -1))
	if c.capture == "vmcore" && !c.live() {
		n++ // the facts are from before the panic
	}
	set("kernel-log", "", float64(n))
	return nil
}

// liveTruths are what the guest says now, of what is in no facts.
func (c *subjectContext) liveTruths(set func(check, key string, n float64)) error {
	if !c.live() {
		return nil
	}
	out, err := c.guest.run(`
cat /proc/sys/kernel/tainted /proc/sys/net/core/netdev_max_backlog
grep -h . /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null || echo 0
for ns in $(ip netns list | cut -d' ' -f1); do echo $ns $(ip netns exec $ns cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null); done
echo init $(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null)
`)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 4 {
		return fmt.Errorf("the guest said %q", out)
	}
	number := func(s string) float64 {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return math.NaN()
		}
		return n
	}
	if number(lines[0]) == 0 {
		set("taint", "", 0)
	}
	set("backlog-limit", "", number(lines[1]))
	most := number(lines[2])
	for _, line := range lines[3:] {
		f := strings.Fields(line)
		if most == 0 || len(f) < 2 {
			continue
		}
		label := "init_net"
		if f[0] != "init" {
			inum, err := readFact(c.facts, "net/"+f[0]+"/inum")
			if err != nil {
				continue // made since the facts were taken
			}
			label = strings.TrimSpace(inum)
		}
		set("conntrack", "netns="+label, 100*number(f[1])/most)
	}
	return nil
}

// checkRunbookFile has the metrics written where node_exporter would read them: what is there is whole, and of the
// checks that were asked for.
func checkRunbookFile(c *subjectContext) error {
	a, err := c.ask("check", "--metrics", "-o", "/tmp/kinspect.prom", "backlog-limit", "bond-drops")
	if err != nil {
		return err
	}
	if err := a.check(1, nil, nil); err != nil {
		return err
	}
	out, err := c.guest.run("cat /tmp/kinspect.prom; ls -la /tmp | grep prom; rm /tmp/kinspect.prom")
	if err != nil {
		return err
	}
	for _, want := range []string{
		"kinspect_check_ok{check=\"backlog-limit\"} 1\n", "kinspect_check_ok{check=\"bond-drops\"} 0\n",
		"kinspect_check_value{check=\"bond-drops\",device=\"bond0\",netns=\"init_net\"} 53\n", "\n# EOF\n-rw-r--r--",
	} {
		if !strings.Contains(string(out), want) {
			return fmt.Errorf("the file of metrics does not have %q:\n%s", want, out)
		}
	}
	if strings.Count(string(out), "prom\n") != 1 {
		return fmt.Errorf("there is more than the file:\n%s", out)
	}
	return nil
}
