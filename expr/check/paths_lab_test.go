package check

import (
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// sceneryOf is [scenery] of a dump of the lab, after all of its scenarios.
func sceneryOf(t *testing.T, file, name string) (*scene, *patched) {
	t.Helper()
	img, err := kmem.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return scenery(t, img, name)
}

// TestLabOrphanFrags: whether the core copies zero-copy frames is read off the code of each kernel; up to 6.12 it does
// (net/core/dev.c).
func TestLabOrphanFrags(t *testing.T) {
	copies := map[string]bool{"5.10": true, "6.1": true, "6.12": true, "7.3": false}
	for _, file := range results.Find(t, "incident.elf") {
		want, known := copies[results.Series(file)]
		if !known {
			continue
		}
		sc, _ := sceneryOf(t, file, "veth1")
		sc.counted = map[string]reading{reclaims: {n: 1}} // memory was short
		f, err := judgeOrphanFrags(sc)
		if err != nil || f.out == want || f.now {
			t.Errorf("%s: %+v, %v", file, f, err)
		}
	}
}

// TestLabVethNAPI: frames that NAPI took off a veth's ring go to the backlog for RPS alone.
func TestLabVethNAPI(t *testing.T) {
	for _, file := range results.Find(t, "scenarios.elf") {
		for _, rps := range []bool{false, true} {
			sc, memory := sceneryOf(t, file, "mixed0")
			priv, err := sc.s.Priv(sc.dev, "veth_priv", "veth")
			if err != nil {
				continue // 5.10 brings no types of modules
			}
			memory.put(at(t, priv, "rq.xdp_napi.poll"), 0x1000)
			if rps {
				rx, err := sc.dev.Value.Path("_rx")
				if err != nil {
					t.Fatal(err)
				}
				memory.put(at(t, rx, "rps_map"), 0x1000)
			}
			total, err := sc.s.Total(sc.dev, "rx_dropped")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range judge(sc, "rx_dropped", total.Own.N) {
				if p.ID == "unhandled-protocol" && (p.Min == 17) == rps {
					t.Errorf("%s, RPS %v: %+v", file, rps, p)
				}
			}
		}
	}
}

// TestLabOnTheWay: on a dump that was made while a CPU handled frames, numbers of other counters may be one short for it.
func TestLabOnTheWay(t *testing.T) {
	for _, file := range results.Find(t, "scenarios.elf") {
		if results.Series(file) == "5.10" {
			continue // its BTF does not have the variable
		}
		sc, memory := sceneryOf(t, file, "mixed0")
		if n := sc.s.Handling(); n != 0 {
			t.Errorf("%s: %d CPUs of a guest at rest handle frames", file, n)
		}
		name := "__preempt_count"
		if sc.s.K.HasMember("pcpu_hot", "preempt_count") {
			name = "pcpu_hot"
		}
		v, err := sc.s.K.Global(name)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = sc.s.K.PerCPU(v, 1); err == nil && name == "pcpu_hot" {
			v, err = v.Path("preempt_count")
		}
		if err != nil {
			t.Fatal(err)
		}
		where, _ := v.Addr()
		memory.put(where, 0x80000101)
		if n := sc.s.Handling(); n != 1 {
			t.Errorf("%s: %d CPUs handle frames, want 1", file, n)
		}
		total, err := sc.s.Total(sc.dev, "rx_dropped")
		if err != nil {
			t.Fatal(err)
		}
		sc.onTheWay = 1
		for _, p := range judge(sc, "rx_dropped", total.Own.N) {
			if p.ID == "unhandled-protocol" && (p.Verdict != Fired || p.Min != 16) {
				t.Errorf("%s: %+v", file, p)
			}
		}
	}
}
