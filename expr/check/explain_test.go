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

func stack(t *testing.T, series string) *knet.Stack {
	img := kernels.Open(t, series)
	return knet.New(value.New(img, img), host.None{})
}

func device(t *testing.T, s *knet.Stack, name string) knet.Device {
	t.Helper()
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device(name, ns)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestIncident: the lab sent 37 STP and 11 LLDP frames into the active slave and 5
// STP frames into the other.
func TestIncident(t *testing.T) {
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) {
			s := stack(t, series)
			r, err := check.Explain(s, device(t, s, "bond0"))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Missing) > 0 || r.Partial() || !r.Drops() {
				t.Errorf("missing %q, partial %v, drops %v", r.Missing, r.Partial(), r.Drops())
			}
			c := r.Counters[0]
			if c.Counter != "rx_dropped" || c.Total == nil || *c.Total != 53 || *c.Own != 48 || c.Slaves == nil || *c.Slaves != 5 {
				t.Errorf("rx_dropped: %+v", c)
			}
			want := map[string]check.PathResult{
				"unhandled-protocol": {Verdict: check.Fired, Level: check.OnlyPathLeft},
				"slaves":             {Verdict: check.Fired, Level: check.Proved},
			}
			for _, p := range c.Paths {
				w, ok := want[p.ID]
				if !ok {
					w = check.PathResult{Verdict: check.RuledOut, Level: check.Proved}
				}
				if p.Verdict != w.Verdict || p.Level != w.Level || len(p.Evidence) == 0 {
					t.Errorf("path %s: %+v", p.ID, p)
				}
			}
			if n := r.Counters[1]; n.Counter != "rx_nohandler" || n.Total == nil || *n.Total != 0 {
				t.Errorf("rx_nohandler: %+v", n)
			}
			none := func(e string) bool {
				return slices.ContainsFunc(r.NoHandler, func(i check.EthertypeInfo) bool { return i.Ethertype == e })
			}
			if !none("0x0004") || !none("0x88cc") || none("0x0800") || none("0x86dd") {
				t.Errorf("without a handler: %+v", r.NoHandler)
			}
			if len(r.Next) == 0 || !strings.Contains(r.Next[0], "tcpdump -p -e -n -c 20 -i veth0 ") {
				t.Errorf("next: %q", r.Next)
			}
		})
	}
}

func TestHandler(t *testing.T) {
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) {
			s := stack(t, series)
			bond, slave := device(t, s, "bond0"), device(t, s, "veth0")
			r, err := check.Handler(s, knet.Eth8022, bond)
			if err != nil || r.Taken || r.Verdict != "none" || r.Summary != "none: such a frame on bond0 is dropped and counted in bond0's rx_dropped" {
				t.Errorf("0x0004 on bond0: %+v, %v", r, err)
			}
			r, err = check.Handler(s, knet.EthIPv4, bond)
			if err != nil || !r.Taken || len(r.Entries) != 1 || r.Entries[0].Func != "ip_rcv" {
				t.Errorf("0x0800 on bond0: %+v, %v", r, err)
			}
			r, err = check.Handler(s, knet.Eth8022, slave)
			if err != nil || r.Taken || r.Then == nil || r.Then.Device != "bond0" || r.Counted != "bond0's rx_dropped" {
				t.Errorf("0x0004 on veth0: %+v, %v", r, err)
			}
		})
	}
}
