package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kinspect/expr/value"
)

// tell is the command that tells whether a path was taken which memory leaves possible. A note says what to look for.
type tell struct {
	drops      bool   // kinspect drops names the path's function, or its reason
	live, note string // another one, on the running host
	dump, says string // what a dump holds of it beside
	advised    bool   // [advise] names one by itself
}

const (
	idleQueueProbe  = "bpftrace -e 'kprobe:noop_enqueue { @[str(((struct sk_buff *)arg0)->dev->name), comm] = count(); }'"
	directProbe     = "bpftrace -e 'kretprobe:*dev_direct_xmit /retval == 1/ { @[comm, pid] = count(); }'"
	noQueueMessages = `{core} eval "dmesg() | filter(.text contains 'asks to queue packet' or .text contains 'Dead loop on virtual device')"`
	noPageMessages  = `{core} eval "dmesg() | filter(.text contains 'page allocation failure')"`
)

// kinspectDevice is {kdev}, or {kdev --flag value}.
var kinspectDevice = regexp.MustCompile(`\{kdev[^}]*\}`)

// tells are the commands for each path of [paths], and for what others than the core count. In them {dev} is the
// device for other tools, {kdev} for kinspect, with flags behind it as {kdev --for 60s}, {bond} an expression, and {core} is
// kinspect on the dump.
var tells = map[string]tell{
	"backlog":            {drops: true, dump: "{core} softnet"},
	"flow-limit":         {drops: true, live: "kinspect softnet --watch 2s", note: "flow_limit moves", dump: "{core} softnet"},
	"device-down":        {drops: true, dump: "{core} counters {kdev}", says: "carrier_changes"},
	"pfmemalloc":         {drops: true},
	"orphan-frags":       {live: "dmesg | grep 'page allocation failure'", dump: noPageMessages},
	"gro-cells":          {drops: true},
	"forward":            {drops: true},
	"broadcast-queue":    {drops: true},
	"tun":                {live: "kinspect drops --for 60s", note: "a row at tun_get_user; the program's write fails, too"},
	"tunnel-receive":     {live: "kinspect drops --for 60s", note: "a row at vxlan_rcv"},
	"gre-receive":        {live: "tcpdump -p -n -c 20 -i {dev} ip proto 47"},
	"unhandled-protocol": {drops: true},

	"inactive-slave": {advised: true},
	"rmnet":          {drops: true},
	"gre-version":    {live: "tcpdump -p -n -c 20 -i {dev} ip proto 47"},

	"other-host":   {advised: true},
	"unknown-vlan": {advised: true},

	"no-slave":      {live: "kinspect explain {kdev --watch 1s}", note: "it moves while /proc/net/bonding/{dev} has no slave that is up, or none that is active", dump: "{core} eval {bond}"},
	"no-queue":      {drops: true, dump: noQueueMessages},
	"idle-queue":    {live: idleQueueProbe, dump: "{core} counters {kdev}", says: "carrier_changes: how often the carrier came and went"},
	"direct":        {live: directProbe, dump: `{core} eval "ss(['packet', 'xdp'])"`, says: "who could send so"},
	"unsendable":    {drops: true},
	"xdp-generic":   {drops: true},
	"bpf-neighbour": {drops: true},
	"tun-queue":     {drops: true},
	"netkit":        {drops: true},
	"failover":      {live: "kinspect explain {kdev --watch 1s}", note: "it moves while neither device below is up: ip monitor link"},
	"hsr":           {live: "ip link show type hsr", note: "whether its ports are there"},
	"card":          {live: "ethtool -S {dev}"},

	"slaves": {live: "ip -s link show master {dev}"},
	"driver": {advised: true},
}

// whether are the commands that tell which of the possible paths were taken, those of several paths in one line.
func whether(sc *scene, counters []Counter) []string {
	img := sc.s.K.Image
	live, core := img != nil && img.Live(), "FILE"
	if img != nil {
		core = shell(img.Source())
	}
	words := strings.NewReplacer(
		"{dev}", shell(sc.dev.Name), "{core}", "kinspect --core "+core,
		"{bond}", value.ShellWord(fmt.Sprintf("bond(%s)", value.Quote(sc.dev.Name))),
	)
	fill := func(text string) string {
		return words.Replace(kinspectDevice.ReplaceAllStringFunc(text, func(m string) string {
			return asked(sc, sc.dev.Name, strings.Trim(m, "{}")[len("kdev"):])
		}))
	}
	type line struct {
		again   bool
		command string
	}
	var order []line
	ids, notes := map[line][]string{}, map[line][]string{}
	add := func(id, command, note string, again bool) {
		l := line{again, fill(command)}
		if ids[l] == nil {
			order = append(order, l)
		}
		if !slices.Contains(ids[l], id) {
			ids[l] = append(ids[l], id)
		}
		if note = fill(note); note != "" && !slices.Contains(notes[l], note) {
			notes[l] = append(notes[l], note)
		}
	}
	for _, c := range counters {
		for _, p := range c.Paths {
			t := tells[p.ID]
			if p.Verdict != Possible || t.advised {
				continue
			}
			if t.dump != "" && !live {
				add(p.ID, t.dump, t.says, false)
			}
			if t.drops {
				add(p.ID, "kinspect drops {kdev --for 60s}", p.Function, !live)
			}
			if t.live != "" {
				add(p.ID, t.live, t.note, !live)
			}
		}
	}
	out := make([]string, len(order))
	for i, l := range order {
		when := ""
		if l.again {
			when = ", when it happens again on the host"
		}
		out[i] = fmt.Sprintf("whether %s%s: %s", strings.Join(ids[l], ", "), when, l.command)
		if len(notes[l]) > 0 {
			out[i] += " (" + strings.Join(notes[l], ", ") + ")"
		}
	}
	return out
}
