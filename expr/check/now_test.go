package check_test

import (
	"strings"
	"testing"

	"kinspect/expr/check"
	"kinspect/testdata/kernels"
)

// TestNow: that a path is the only one left holds as the host is set up now wherever the set-up alone rules another
// one out, and the first line says so, as do the evidence and the JSON form.
func TestNow(t *testing.T) {
	for _, series := range kernels.Series {
		s := stack(t, series)
		r, err := check.Explain(s, device(t, s, "bond0"))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, c := range r.Counters {
			for _, p := range c.Paths {
				if p.Verdict == check.RuledOut && p.Now {
					out[p.ID] = true
				}
			}
		}
		p := path(t, r, "rx_dropped", "unhandled-protocol")
		if !out["broadcast-queue"] || !p.Now || !strings.Contains(strings.Join(p.Evidence, " "), "broadcast-queue") {
			t.Errorf("%s: ruled out now %v; %+v", series, out, p)
		}
		if b := path(t, r, "rx_dropped", "backlog"); b.Now {
			t.Errorf("%s: counters rule the backlog out, whatever the set-up: %+v", series, b)
		}
		text := r.Text()
		for _, want := range []string{
			"ethertype (only path left, as set up now)\n", "counters (proved)\n", "broadcast-queue: ruled out, as set up now: ", "backlog: ruled out, proved: ",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the text does not say %q:\n%s", series, want, text)
			}
		}
	}
}

// TestProgramsSinceBoot: that no BPF program handed frames over is certain only where none ever was loaded. The
// scenarios load one, for XDP.
func TestProgramsSinceBoot(t *testing.T) {
	for _, series := range kernels.Series {
		s := stack(t, series)
		r, err := check.Explain(s, device(t, s, "bond0"))
		if err != nil {
			t.Fatal(err)
		}
		if p := path(t, r, "rx_dropped", "forward"); p.Verdict != check.RuledOut || p.Now || !strings.Contains(p.Evidence[0], "nor was one since boot") {
			t.Errorf("%s: %+v", series, p)
		}
	}
	s := scenarios(t)
	r, err := check.Explain(s, device(t, s, "bond0"))
	if err != nil {
		t.Fatal(err)
	}
	if p := path(t, r, "rx_dropped", "forward"); p.Verdict != check.RuledOut || !p.Now || !strings.Contains(p.Evidence[0], "programs loaded since boot: ") {
		t.Errorf("after a program was loaded: %+v", p)
	}
}
