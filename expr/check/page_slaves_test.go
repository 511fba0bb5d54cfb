package check

import (
	"slices"
	"strings"
	"testing"

	"kinspect/testdata/kernels"
)

// stageWith is the stage of a key or, of a device below, of its name.
func stageWith(stages []stage, key string) (stage, bool) {
	i := slices.IndexFunc(stages, func(s stage) bool { return s.key == key || key != "" && s.device == key })
	if i < 0 {
		return stage{}, false
	}
	return stages[i], true
}

// slaveBranches are the stages that the path "slaves" leaves the way at, with the counters: "slaves rx_dropped".
func slaveBranches(stages []stage) []string {
	var out []string
	for _, s := range stages {
		for _, b := range s.branches {
			if b.path.ID == "slaves" && b.path.Verdict != RuledOut {
				at := s.key
				if s.device != "" {
					at = s.device
				}
				out = append(out, at+" "+b.counter)
			}
		}
	}
	return out
}

// TestSlavesBranch: a bond's number for its slaves hangs on a slave only where it is that one's alone.
func TestSlavesBranch(t *testing.T) {
	n := num
	for _, c := range []struct {
		name    string
		slaves  *uint64 // what the bond keeps as theirs
		totals  []SlaveTotal
		branch  []string
		aside   string // a part of the sum's line, "" for no such box
		lines   map[string]string
		verdict Verdict
	}{
		{
			"one brought all", n(5),
			[]SlaveTotal{{Device: "v1", Total: n(0)}, {Device: "v2", Total: n(5)}},
			[]string{"v2 rx_dropped"},
			"",
			map[string]string{"v1": "", "v2": "lost here: rx_dropped 5"},
			Fired,
		},
		{
			"several", n(11),
			[]SlaveTotal{{Device: "v1", Total: n(2)}, {Device: "v2", Total: n(9)}},
			[]string{"slaves rx_dropped"},
			"rx_dropped 11: what its slaves count now adds up to it",
			map[string]string{"v1": "lost here: rx_dropped 2", "v2": "lost here: rx_dropped 9"},
			Fired,
		},
		{
			"one left", n(11),
			[]SlaveTotal{{Device: "v1", Total: n(2)}},
			[]string{"slaves rx_dropped"},
			"adds up to 2: some have left",
			map[string]string{"v1": "rx_dropped 2; how much of it is in that of bond9 is not known"},
			Fired,
		},
		{
			"all left", n(11), nil,
			[]string{"slaves rx_dropped"},
			"adds up to 0: some have left", nil, Fired,
		},
		{
			"all counted before they joined", n(0),
			[]SlaveTotal{{Device: "v1", Total: n(2)}},
			nil, "",
			map[string]string{"v1": "rx_dropped 2, none of it in that of bond9"},
			RuledOut,
		},
		{
			"not known", nil,
			[]SlaveTotal{{Device: "v1", Total: nil}, {Device: "v2", Total: n(3)}, {Device: "v3", Total: n(0)}},
			[]string{"slaves rx_dropped"},
			"rx_dropped: how many is not known",
			map[string]string{"v1": "rx_dropped is not known", "v2": "rx_dropped 3; how much of it is in that of bond9 is not known", "v3": ""},
			Possible,
		},
		{
			"the sum alone is known", n(7),
			[]SlaveTotal{{Device: "v1", Total: nil}, {Device: "v2", Total: n(7)}},
			[]string{"slaves rx_dropped"},
			"rx_dropped 7; what all its slaves count now is not known",
			map[string]string{"v1": "rx_dropped is not known", "v2": "rx_dropped 7; how much of it is in that of bond9 is not known"},
			Fired,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			counter := Counter{Counter: "rx_dropped", AtLeast: 20, Own: n(20), Slaves: c.slaves, SlaveTotals: c.totals}
			if c.slaves != nil {
				counter.Total = n(20 + *c.slaves)
			}
			p := slavesPath(&counter)
			if p.Verdict != c.verdict {
				t.Fatalf("the path is %s", p.Verdict)
			}
			counter.Paths = []PathResult{p}
			d := &drawing{device: "bond9", what: "bond", up: true}
			for _, s := range c.totals {
				d.lanes = append(d.lanes, lane{name: s.Device, state: "active slave", how: "bond_handle_frame+0x0 [bonding]"})
			}
			v := &deviceView{report: &Report{Device: "bond9", Kind: "bond", Counters: []Counter{counter}, drawing: d}}
			stages := v.receiveStages()
			if got := slaveBranches(stages); !slices.Equal(got, c.branch) {
				t.Errorf("the branch is at %q", got)
			}
			sum, ok := stageWith(stages, stageSlaves)
			if ok != (c.aside != "") || !strings.Contains(strings.Join(sum.lines, "; "), c.aside) || ok && !sum.aside {
				t.Errorf("aside of the way: %v %+v", ok, sum)
			}
			for name, want := range c.lines {
				s, ok := stageWith(stages, name)
				if !ok {
					t.Fatalf("%s is not drawn", name)
				}
				if got := strings.Join(s.lines[1:], "; "); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

// TestBondPage: what the lab did to these bonds is in testdata/lab/scenario_bond.go and scenario_stacked.go.
func TestBondPage(t *testing.T) {
	s := pageStack(kernels.OpenScenarios(t))
	for bond, want := range map[string][]string{
		"bond1": {"slaves rx_dropped"}, // 4 of hist1, 6 of hist2, which has left
		"bond3": {"idle1 rx_nohandler"},
	} {
		v := newDeviceView(s, reportOn(t, s, bond), "d1", 2)
		stages := v.receiveStages()
		if got := slaveBranches(stages); !slices.Equal(got, want) {
			t.Errorf("%s: the branch is at %q", bond, got)
		}
		if text := describe(stages); bond == "bond1" &&
			(strings.Contains(text, "lost here") || !strings.Contains(text, "Aside: brought by slaves, now and before (rx_dropped 10; what its slaves count now adds up to 11") ||
				!strings.Contains(text, ". Beside it: hist1, inactive slave")) {
			t.Errorf("%s: %s", bond, text)
		}
	}
}

// TestUnknownSlave: where the bond's types cannot be seen, no slave's arrow is one of frames that go on for certain.
func TestUnknownSlave(t *testing.T) {
	l := lane{name: "st0", state: "slave", how: "bond_handle_frame+0x0 [bonding]", unsure: true, note: "if the slave is active, which cannot be seen"}
	d := &drawing{device: "bond4", what: "bond", up: true, lanes: []lane{l}}
	r := &Report{Device: "bond4", Kind: "bond", drawing: d}
	stages := (&deviceView{report: r}).receiveStages()
	want := "rx_handler bond_handle_frame+0x0 [bonding] → bond4, if the slave is active, which cannot be seen"
	if !stages[0].unsure || stages[0].lines[0] != want {
		t.Errorf("%+v", stages[0])
	}
	if text := strings.Join(d.lines(r), "\n"); !strings.Contains(text, want) {
		t.Errorf("%s", text)
	}
	for _, shape := range []drawingShape{wideDrawing, narrowDrawing} {
		if svg := string(drawSVG("x", "x", stages, shape)); !strings.Contains(svg, `class="flow unsure"`) {
			t.Errorf("drawn as certain: %s", svg)
		}
	}
}
