package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// possibleOthers are the paths that others than the core count and that can be left possible; those of [driverPathTable]
// are proved by their number.
var possibleOthers = []string{"slaves", "driver"}

// TestTells: each path that can be left possible has the command that tells, on a live kernel and on a dump.
func TestTells(t *testing.T) {
	img := kernels.Open(t, "6.12")
	s := knet.New(value.New(img, img), host.None{})
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device("bond0", ns)
	if err != nil {
		t.Fatal(err)
	}
	sc := &scene{s: s, dev: d}
	ids := slices.Clone(possibleOthers)
	for _, p := range paths {
		ids = append(ids, p.id)
	}
	for _, id := range ids {
		tell, ok := tells[id]
		if !ok || !tell.advised && !tell.drops && tell.live == "" {
			t.Errorf("%s: nothing tells: %+v", id, tell)
			continue
		}
		got := whether(sc, []Counter{{Paths: []PathResult{{ID: id, Function: "a_function", Verdict: Possible}}}})
		if tell.advised != (len(got) == 0) {
			t.Errorf("%s: %q", id, got)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, "whether "+id) || strings.ContainsAny(line, "\n") || strings.Contains(line, "{dev}") || strings.Contains(line, "{kdev}") || strings.Contains(line, "{core}") {
				t.Errorf("%s: %q", id, line)
			}
			if view := splitNext(line); view.Command == "" || strings.Contains(view.Command, ": ") && !strings.HasPrefix(view.Command, "bpftrace") {
				t.Errorf("%s: the page has no command of its own: %q, %+v", id, line, view)
			}
			if tell.drops && strings.Contains(line, "kinspect drops") && !strings.Contains(line, "(a_function)") {
				t.Errorf("%s: drops without the function: %q", id, line)
			}
		}
	}
	for id := range tells {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is no path", id)
		}
	}
	if got := whether(sc, []Counter{{Paths: []PathResult{{ID: "tun", Verdict: RuledOut}, {ID: "tun", Verdict: Fired}}}}); len(got) > 0 {
		t.Errorf("nothing is possible: %q", got)
	}
}

// TestNextOfPossible: no device of the snapshots has a possible path without a command that tells.
func TestNextOfPossible(t *testing.T) {
	img := kernels.OpenScenarios(t)
	s := knet.New(value.New(img, img), host.None{})
	nss, err := s.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	advised := map[string]string{"inactive-slave": "tcpdump", "other-host": "tcpdump", "unknown-vlan": "tcpdump", "driver": "ethtool -S"}
	seen := map[string]bool{}
	for _, ns := range nss {
		devs, err := s.Devices(ns)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range devs {
			r, err := Explain(s, d)
			if err != nil {
				continue // not in the snapshot
			}
			for _, c := range r.Counters {
				for _, p := range c.Paths {
					if p.Verdict != Possible {
						continue
					}
					seen[p.ID] = true
					if !slices.ContainsFunc(r.Next, func(n string) bool {
						ids, _, _ := strings.Cut(strings.TrimPrefix(n, "whether "), ":")
						ids = strings.TrimSuffix(ids, ", when it happens again on the host")
						return slices.Contains(strings.Split(ids, ", "), p.ID) || tells[p.ID].advised && strings.Contains(n, advised[p.ID])
					}) {
						t.Errorf("%s, %s: nothing tells whether %s: %q", d.Name, c.Counter, p.ID, r.Next)
					}
				}
			}
		}
	}
	for _, id := range []string{"idle-queue", "unsendable", "no-queue", "backlog", "other-host"} {
		if !seen[id] {
			t.Errorf("no device with %s", id)
		}
	}
}

// TestTunnelSends: what vxlan and geneve count as lost when sending is said, and no function is named by nothing.
func TestTunnelSends(t *testing.T) {
	for _, c := range []struct{ kind, from, id, says string }{
		{"vxlan", "net_device.dstats->tx_drops over 2 CPUs", "vxlan-send", "nowhere to send the frame"},
		{"vxlan", "net_device.stats.tx_dropped", "vxlan-send", "the packet around the frame was not sent"},
		{"geneve", "net_device.stats.tx_dropped", "geneve-send", "without a tunnel's address"},
		{"geneve", "net_device.dstats->tx_drops over 2 CPUs", "geneve-send", "without a tunnel's address"},
		{"dummy", "net_device.stats.tx_dropped", "driver", "a counter that the core keeps for it"},
	} {
		counter := &Counter{Counter: "tx_dropped", Driver: num(10), Own: num(0), AtLeast: 10, Total: num(10), DriverParts: []CounterPart{{c.from, 10}}}
		got := driverPaths(counter, c.kind, "")
		if len(got) != 1 || got[0].ID != c.id || got[0].Level != Proved || !strings.Contains(got[0].Condition, c.says) || *got[0].Count != 10 || got[0].Do == "" {
			t.Errorf("%s: %+v", c.kind, got)
		}
		counter.Paths = got
		var text strings.Builder
		counter.pathText(func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) })
		if strings.Contains(text.String(), "\n      : ") {
			t.Errorf("%s: a function without a name:\n%s", c.kind, text.String())
		}
	}
}

// TestPastBacklog: what is said of the backlog and of a device that is down agrees for devices whose frames do not pass
// the backlog.
func TestPastBacklog(t *testing.T) {
	img := kernels.OpenScenarios(t)
	for _, kind := range []string{"tun", "bridge", "bond", "macvlan"} {
		sc, memory := scenery(t, img, "low0")
		queues, err := sc.dev.Value.Path("num_rx_queues")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := queues.Addr()
		memory.put(at, 0)
		sc.kind, sc.rxHandler, sc.dropped = kind, "", 7
		sc.softnet = []knet.Softnet{{Dropped: 7, FlowOn: true, FlowLimit: 2}}
		past := kind != "macvlan"
		for name, judge := range map[string]func(*scene) (finding, error){"backlog": judgeBacklog, "flow-limit": judgeFlowLimit} {
			f, err := judge(sc)
			if err != nil || f.out || past != strings.Contains(strings.Join(f.evidence, "; "), ownMulticast) {
				t.Errorf("%s, %s: %+v, %v", kind, name, f, err)
			}
		}
		if f, err := judgeDown(sc); err != nil || past && (!f.out || !strings.Contains(f.evidence[0], "hears itself")) {
			t.Errorf("%s, device-down: %+v, %v", kind, f, err)
		}
	}
}
