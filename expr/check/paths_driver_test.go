package check

import (
	"slices"
	"testing"

	"kinspect/expr/host"
)

// TestDriverPaths: each number of a driver is a path of its own where it is known what it stands for, and the
// rest of the driver's part is "driver".
func TestDriverPaths(t *testing.T) {
	counter := func(name string, total uint64, parts ...CounterPart) *Counter {
		return &Counter{Counter: name, Driver: num(total), DriverParts: parts}
	}
	for _, tt := range []struct {
		name string
		c    *Counter
		kind string
		want map[string]uint64 // by id, of those that fired
	}{
		{"a veth's peer refused", counter("tx_dropped", 16, CounterPart{"veth_priv.dropped (what the peer did not take)", 16}, CounterPart{"veth_rq.stats.vs.xdp_tx_err", 0}), "veth", map[string]uint64{"peer-refused": 16}},
		{"two of a veth's", counter("rx_dropped", 5, CounterPart{"veth_rq.stats.vs.rx_drops", 3}, CounterPart{"veth_rq.stats.vs.xdp_tx_err of its peer veth0p", 2}), "veth", map[string]uint64{"xdp-error": 3, "xdp-tx": 2}},
		{"what is not known", counter("rx_dropped", 9, CounterPart{"net_device.stats.rx_dropped", 9}), "", map[string]uint64{"driver": 9}},
		{"a part of it", counter("tx_dropped", 9, CounterPart{"vlan_dev_priv.vlan_pcpu_stats->tx_dropped over 2 CPUs", 4}, CounterPart{"net_device.stats.tx_dropped", 5}), "vlan", map[string]uint64{"lower-refused": 4, "driver": 5}},
		{"the same number on another kind", counter("tx_dropped", 2, CounterPart{"net_device.stats.tx_dropped", 2}), "bridge", map[string]uint64{"copy-failed": 2}},
		{"derived from netlink, without parts", counter("rx_dropped", 7), "", map[string]uint64{"driver": 7}},
		{"more than the whole", counter("tx_dropped", 1, CounterPart{"veth_priv.dropped", 16}), "veth", map[string]uint64{"driver": 1}},
	} {
		got := map[string]uint64{}
		for _, p := range driverPaths(tt.c, tt.kind, "x_get_stats64") {
			if p.Verdict != Fired || p.Level != Proved {
				t.Errorf("%s: %+v", tt.name, p)
			}
			got[p.ID] = *p.Count
		}
		for id, n := range tt.want {
			if got[id] != n {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if p := driverPaths(&Counter{Counter: "rx_dropped"}, "", "e1000_get_stats64"); len(p) != 1 || p[0].Verdict != Possible || p[0].Level != CannotTell {
		t.Errorf("a driver that is not known: %+v", p)
	}
	if p := driverPaths(counter("rx_dropped", 0), "veth", "veth_get_stats64"); len(p) != 1 || p[0].Verdict != RuledOut {
		t.Errorf("a driver that counted nothing: %+v", p)
	}
}

// TestBesides: a path is told once, by whoever counts it.
func TestBesides(t *testing.T) {
	core := func() []PathResult {
		return []PathResult{{ID: "tun", Verdict: RuledOut}, {ID: "backlog", Verdict: RuledOut}}
	}
	for _, tt := range []struct {
		own  []PathResult
		want int
	}{
		{[]PathResult{{ID: "tun", Verdict: Fired}}, 1},
		{[]PathResult{{ID: "driver", Verdict: Fired}}, 2},
		{[]PathResult{{ID: "tun", Verdict: RuledOut}}, 2},
	} {
		if got := besides(core(), tt.own); len(got) != tt.want || got[len(got)-1].ID != "backlog" {
			t.Errorf("%+v: %+v", tt.own, got)
		}
	}
	both := []PathResult{{ID: "tun", Verdict: Fired}}
	if got := besides(both, []PathResult{{ID: "tun", Verdict: Fired}}); len(got) != 1 {
		t.Errorf("both count: %+v", got)
	}
}

// TestFigures: tools add up fields that there are, and show no column twice.
func TestFigures(t *testing.T) {
	seen := map[string]bool{}
	used := map[string]bool{}
	for _, f := range figures {
		if key := f.tool + f.column; seen[key] {
			t.Errorf("%s shows %s twice", f.tool, f.column)
		} else {
			seen[key] = true
		}
		for _, field := range f.fields {
			used[field] = true
			if field != carrierChanges && !slices.Contains(host.LinkFields, field) {
				t.Errorf("%s, %s: no field %s", f.tool, f.column, field)
			}
		}
	}
	for _, field := range host.LinkFields {
		if !used[field] {
			t.Errorf("no tool shows %s", field)
		}
	}
}
