package check

import (
	"fmt"
	"slices"
	"strings"
)

// stage is a station on a frame's way in the kernel, which the page draws: what it is, and what may get lost there.
type stage struct {
	key    string
	title  string
	device string // the device below that it is, or ""
	code   string // the kernel's function, or ""
	lines  []string
	// taken is how many frames came here from the one before, nil where nothing counts them.
	taken    *uint64
	branches []branch
	lane     bool // a device below, beside others
	stops    bool // nothing of it goes on
	unsure   bool // whether something of it goes on is not known
	aside    bool // beside the way: a sum over devices below, which no frames come through
}

// branch is where frames leave the way.
type branch struct {
	counter string // or several, with commas between
	path    PathResult
}

// The stages, by the key that [stageOf] gives.
const (
	stageLanes     = "lanes"
	stageSlaves    = "slaves" // all of a bond's together
	stageEntry     = "entry"
	stageBacklog   = "backlog"
	stageCore      = "core"
	stageVLAN      = "vlan"
	stageRxHandler = "rx_handler"
	stageProtocols = "protocols"
	stageIP        = "ip"
	stageQueue     = "queue"
	stageTransmit  = "transmit"
)

// pathStages says where on the way a path leaves it. What a driver counts is at [stageEntry] or [stageTransmit].
var pathStages = map[string]string{
	"slaves":  stageSlaves,
	"forward": stageEntry, "gro-cells": stageEntry, "tun": stageEntry, "tunnel-receive": stageEntry,
	"backlog": stageBacklog, "flow-limit": stageBacklog, "device-down": stageBacklog,
	"pfmemalloc": stageCore, "orphan-frags": stageProtocols,
	"unknown-vlan":    stageVLAN,
	"broadcast-queue": stageRxHandler, "inactive-slave": stageRxHandler, "rmnet": stageRxHandler,
	"unhandled-protocol": stageProtocols,
	"other-host":         stageIP, "gre-receive": stageIP, "gre-version": stageIP,
	"no-queue": stageQueue, "direct": stageQueue, "unsendable": stageQueue, "xdp-generic": stageQueue, "bpf-neighbour": stageQueue, "idle-queue": stageQueue,
	"no-slave": stageTransmit, "tun-queue": stageTransmit, "netkit": stageTransmit, "failover": stageTransmit, "hsr": stageTransmit, "card": stageTransmit,
}

// stageOf is the stage that a path of a counter leaves the way at.
func stageOf(counter string, p PathResult) string {
	sends := strings.HasPrefix(counter, "tx_")
	if key, ok := pathStages[p.ID]; ok && (key == stageSlaves || sends == (key == stageQueue || key == stageTransmit)) {
		return key
	}
	counted := p.ID == "driver" || slices.ContainsFunc(driverPathTable, func(row driverPath) bool { return row.id == p.ID })
	switch {
	case sends && counted:
		return stageTransmit
	case sends:
		return stageQueue
	case counted:
		return stageEntry
	case strings.HasPrefix(p.Function, "enqueue_to_backlog"):
		return stageBacklog
	}
	return stageCore
}

// receiveStages are the stations of a frame that the device receives, as far as they have to do with it.
func (v *deviceView) receiveStages() []stage {
	r, d := v.report, v.report.drawing
	if d == nil {
		return nil
	}
	var out []stage
	for _, l := range v.lanes() {
		out = append(out, v.laneStage(l))
	}
	if more := d.more + max(len(d.lanes)-maxDrawn, 0); more > 0 {
		out = append(out, stage{key: stageLanes, lane: true, title: fmt.Sprintf("%d more devices", more)})
	}
	if lines, before := v.sums(); len(lines) > 0 {
		title := "brought by its slaves together"
		if before {
			title = "brought by slaves, now and before"
		}
		out = append(out, stage{key: stageSlaves, lane: true, aside: true, title: title, lines: lines})
	}
	if len(d.lanes) == 0 && v.origin != "" {
		out = append(out, stage{key: "origin", title: v.origin})
	}
	state := "up"
	if !d.up {
		state = "down"
	}
	entry := stage{key: stageEntry, title: d.device, lines: []string{d.what + ", " + state + ", in " + r.NetNS}, taken: v.received[""]}
	if own := drawnText(r.ownFigures()); own != "" {
		entry.lines = append(entry.lines, "of its own:"+own)
	}
	out = append(
		out, entry,
		stage{key: stageBacklog, title: "a CPU's backlog queue, for RPS or without NAPI", code: "enqueue_to_backlog", lines: []string{"dropped for all devices: " + text(r.Softnet.Dropped) + ", limit " + text(r.Softnet.MaxBacklog)}},
		stage{key: stageCore, title: "into the network stack", code: "__netif_receive_skb_core", lines: []string{"taps: " + orNone(few(d.taps))}},
		stage{key: stageVLAN, title: "VLAN devices above", lines: []string{orNone(v.vlans)}},
		stage{key: stageRxHandler, title: "rx_handler", lines: []string{orName(d.rxHandler, "none")}},
		stage{key: stageProtocols, title: "protocol handlers", lines: protocolLines(d)},
		stage{key: stageIP, title: "IP, and GRE in it", code: "ip_rcv_core, ip6_rcv_core, gre_rcv"},
	)
	out = v.hang(out, false)
	return slices.DeleteFunc(out, func(s stage) bool {
		open := slices.ContainsFunc(s.branches, func(b branch) bool { return b.path.Verdict != RuledOut })
		switch s.key {
		case stageBacklog:
			_, above := aboveOthers[r.Kind]
			return above && !open
		case stageVLAN:
			return len(v.vlans) == 0 && !open
		case stageIP:
			return !open
		}
		return false
	})
}

// lanes are the devices below that are drawn: where there are too many, those that lost frames first.
func (v *deviceView) lanes() []lane {
	lanes := v.report.drawing.lanes
	if len(lanes) <= maxDrawn {
		return lanes
	}
	lost := map[string]bool{}
	for _, c := range v.report.Counters {
		for _, t := range c.SlaveTotals {
			lost[t.Device] = lost[t.Device] || t.Total != nil && *t.Total > 0
		}
	}
	lanes = slices.Clone(lanes)
	slices.SortStableFunc(lanes, func(a, b lane) int {
		switch {
		case lost[a.name] == lost[b.name]:
			return 0
		case lost[a.name]:
			return -1
		}
		return 1
	})
	return lanes[:maxDrawn]
}

// laneStage is a device below, and what becomes of its frames.
func (v *deviceView) laneStage(l lane) stage {
	s := stage{key: stageLanes, lane: true, title: l.name, device: l.name, stops: l.stops, unsure: l.unsure}
	if !l.input {
		s.taken = v.received[l.name]
	}
	if l.state == "" {
		if l.how != "" {
			s.lines = append(s.lines, l.how)
		}
		if l.note != "" {
			s.lines = append(s.lines, l.note)
		}
		return s
	}
	s.title += ", " + l.state
	s.lines = append(s.lines, "rx_handler "+l.onward(v.report.Device))
	for i := range v.report.Counters {
		c := &v.report.Counters[i]
		if strings.HasPrefix(c.Counter, "tx_") {
			continue
		}
		at := slices.IndexFunc(c.SlaveTotals, func(t SlaveTotal) bool { return t.Device == l.name })
		if at < 0 {
			continue
		}
		if line := c.ofSlave(c.SlaveTotals[at].Total, v.report.Device); line != "" {
			s.lines = append(s.lines, line)
		}
	}
	return s
}

// protocolLines lists the handlers, as many as a drawing has room for.
func protocolLines(d *drawing) []string {
	var out []string
	for _, p := range d.protocols {
		out = append(out, strings.TrimSpace(p.ethertype+" "+p.name)+": "+p.label)
	}
	if len(out) == 0 {
		return []string{"none"}
	}
	return few(out)
}

// few are as many names as a stage has room for.
func few(names []string) []string {
	const most = 8
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more, listed below", len(names)-most))
}

// sendStages are the stations of a frame that the device sends; none where it lost none.
func (v *deviceView) sendStages() []stage {
	lost := slices.ContainsFunc(v.report.Counters, func(c Counter) bool { return strings.HasPrefix(c.Counter, "tx_") && !c.quiet() })
	if !lost || v.report.drawing == nil {
		return nil
	}
	d := v.report.drawing
	return v.hang([]stage{
		{key: "origin", title: "this host, or what it forwards"},
		{key: stageQueue, title: "to the device's queue", code: "__dev_queue_xmit"},
		{key: stageTransmit, title: d.device + " sends", lines: []string{d.what}},
	}, true)
}

// hang hangs the paths of the counters that are not 0 to the stages that they leave the way at.
func (v *deviceView) hang(stages []stage, sends bool) []stage {
	for _, c := range v.report.Counters {
		if c.quiet() || strings.HasPrefix(c.Counter, "tx_") != sends {
			continue
		}
		for _, p := range c.Paths {
			key := stageOf(c.Counter, p)
			i := slices.IndexFunc(stages, func(s stage) bool { return s.key == key })
			if name := c.loneSlave(); key == stageSlaves && (name != "" || p.Verdict == RuledOut) {
				i = slices.IndexFunc(stages, func(s stage) bool { return s.device != "" && s.device == name })
			}
			if i < 0 {
				i = slices.IndexFunc(stages, func(s stage) bool { return s.key == stageEntry || s.key == stageTransmit })
			}
			stages[i].add(branch{c.Counter, p})
		}
	}
	return stages
}

// add adds a branch. Where a path is as open for several counters, such as what slaves brought, it is one branch.
func (s *stage) add(b branch) {
	for i := range s.branches {
		o := &s.branches[i]
		if b.path.Verdict == Possible && o.path.Verdict == Possible && o.path.ID == b.path.ID && frames(o.path) == frames(b.path) {
			o.counter += ", " + b.counter
			return
		}
	}
	s.branches = append(s.branches, b)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
