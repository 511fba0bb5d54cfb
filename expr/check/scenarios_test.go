package check_test

import (
	"slices"
	"strings"
	"testing"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

func scenarios(t *testing.T) *knet.Stack {
	img := kernels.OpenScenarios(t)
	return knet.New(value.New(img, img), host.None{})
}

// TestHandlerScenarios: what the lab sent there, and where the kernel counted it,
// is in testdata/lab/scenario_*.go.
func TestHandlerScenarios(t *testing.T) {
	s := scenarios(t)
	for _, c := range []struct {
		dev     string
		e       knet.Ethertype
		verdict string
		taken   bool
		counted string
		says    string
	}{
		// port0 in br0, which runs STP and forwards no link-local group.
		{"port0", knet.EthLLDP, "none", false, "port0's rx_dropped", "which br0 leaves to its port"},
		{"port0", knet.Eth8022, "handled", true, "", "llc_rcv [llc] takes 0x0004 (802.2) to 01:80:c2:00:00:00 on port0"},
		{"port0", 0x88b5, "rx_handler", false, "br0's rx_dropped", "hands the frame to the bridge; there, none"},
		// mv0, a macvlan over low0.
		{"low0", 0x88b5, "none", false, "low0's rx_dropped", "frames for low0 itself: none"},
		// bond2, 802.3ad over lag0 and lag1.
		{"bond2", knet.EthSlow, "handled", true, "", "bond_3ad_lacpdu_recv+0x0 [bonding]"},
		{"lag0", knet.EthSlow, "rx_handler", true, "", "bond_3ad_lacpdu_recv+0x0 [bonding]"},
		// vl0.5, 802.1Q over vl0.
		{"vl0", knet.EthVLAN, "handled", true, "", "vl0.5 (VLAN id 5)"},
		{"vl0", knet.EthQinQ, "none", false, "", "no VLAN device of 0x88a8 (802.1ad) is above vl0"},
		{"veth0", knet.EthVLAN, "rx_handler", false, "", "its rx_handler bond_handle_frame+0x0 [bonding] comes next; on bond0: none"},
		// A socket on ETH_P_ALL is open on tapped0.
		{"tapped0", 0x88b5, "tap", true, "", "only a tap sees 0x88b5 on tapped0 (packet_rcv)"},
		// idle1, bond3's inactive slave.
		{"idle1", knet.EthIPv4, "none", false, "idle1's rx_nohandler", "an inactive slave of bond3"},
		{"idle1", knet.EthLLDP, "none", false, "idle1's rx_nohandler, or its rx_dropped for link-local frames", "an inactive slave of bond3"},
	} {
		r, err := check.Handler(s, c.e, device(t, s, c.dev))
		if err != nil {
			t.Errorf("%v on %s: %v", c.e, c.dev, err)
			continue
		}
		if r.Verdict != c.verdict || r.Taken != c.taken || r.Counted != c.counted || !strings.Contains(r.Summary, c.says) {
			t.Errorf("%v on %s: %s, taken %v, counted in %q: %s", c.e, c.dev, r.Verdict, r.Taken, r.Counted, r.Summary)
		}
	}
}

func TestHandlerAnywhere(t *testing.T) {
	s := scenarios(t)
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	for e, want := range map[knet.Ethertype]struct {
		verdict string
		taken   bool
		says    string
	}{
		knet.EthSlow: {"handled", true, "but on some: on the slaves of bond2"},
		knet.EthVLAN: {"handled", true, "but on some: on vl0 its VLAN device vl0.5 (VLAN id 5)"},
		knet.EthIPv4: {"handled", true, "ip_rcv takes 0x0800 (IPv4) on any device of init_net"},
		0x88b5:       {"none", false, "nothing takes 0x88b5 on any device"},
	} {
		r, err := check.HandlerAnywhere(s, e, ns)
		if err != nil || r.Verdict != want.verdict || r.Taken != want.taken || !strings.Contains(r.Summary, want.says) {
			t.Errorf("%v: %+v, %v", e, r, err)
		}
	}
	for _, e := range []knet.Ethertype{0, 3, 1500, 0x05ff} {
		if r, err := check.HandlerAnywhere(s, e, ns); err == nil {
			t.Errorf("0x%04x is a length on Ethernet, and answered: %s", uint16(e), r.Summary)
		}
	}
}

// path finds the verdict on one path of a counter.
func path(t *testing.T, r *check.Report, counter, id string) check.PathResult {
	t.Helper()
	for _, c := range r.Counters {
		for _, p := range c.Paths {
			if c.Counter == counter && p.ID == id {
				return p
			}
		}
	}
	t.Fatalf("%s has no path %s of %s", r.Device, id, counter)
	return check.PathResult{}
}

func TestExplainScenarios(t *testing.T) {
	s := scenarios(t)
	explain := func(name string) *check.Report {
		t.Helper()
		r, err := check.Explain(s, device(t, s, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Missing) > 0 {
			t.Errorf("%s: missing %q", name, r.Missing)
		}
		return r
	}

	// 17 frames that nothing handles, and a flood that the backlog dropped.
	r := explain("mixed0")
	p := path(t, r, "rx_dropped", "unhandled-protocol")
	if p.Verdict != check.Fired || p.Level != check.OnlyPathLeft || p.Min != 17 || p.Count != nil {
		t.Errorf("mixed0, unhandled-protocol: %+v", p)
	}
	if b := path(t, r, "rx_dropped", "backlog"); b.Verdict != check.Possible || *b.Max != *r.Counters[0].Own-17 {
		t.Errorf("mixed0, backlog: %+v", b)
	}
	// The flood alone: no cause may be stated.
	for _, p := range explain("flood0").Counters[0].Paths {
		if p.Verdict == check.Fired {
			t.Errorf("flood0: %s is stated as the cause", p.ID)
		}
	}
	// Frames that do not fit into the receiver's MTU.
	if p := path(t, explain("long0"), "rx_dropped", "forward"); p.Verdict == check.RuledOut {
		t.Errorf("long0, forward: %+v", p)
	}
	// A slave with drops from before it joined, and one that left.
	r = explain("bond1")
	if c := r.Counters[0]; *c.Total != 20 || *c.Own != 10 || *c.Slaves != 10 {
		t.Errorf("bond1: %+v", c)
	}
	if p := path(t, r, "rx_dropped", "slaves"); p.Level != check.Proved || !strings.Contains(strings.Join(p.Evidence, " "), "instead") {
		t.Errorf("bond1, slaves: %+v", p)
	}
	// Multicast on an inactive slave.
	r = explain("idle1")
	if p := path(t, r, "rx_nohandler", "inactive-slave"); p.Verdict != check.Fired || *p.Count != 12 {
		t.Errorf("idle1: %+v", p)
	}
	// Only link-local frames can be a bridge port's drops.
	r = explain("port0")
	if i := slices.IndexFunc(r.NoHandler, func(e check.EthertypeInfo) bool { return e.Ethertype == "0x88f7" }); i >= 0 {
		t.Error("port0: PTP is a candidate, and is the bridge's")
	}
	// A tap that hides drops, and the command that would be one.
	r = explain("tapped0")
	if !strings.Contains(strings.Join(r.Notes, " "), "a tap is open now") {
		t.Errorf("tapped0: %q", r.Notes)
	}
}
