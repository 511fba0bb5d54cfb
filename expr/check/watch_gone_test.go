package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/testdata/kernels"
)

// movingDevice is a device that a test renames, deletes and makes anew: another index makes it another one.
type movingDevice struct {
	k      *movingKernel
	d      knet.Device
	letter func(byte)
	index  func(uint64)
}

func (k *movingKernel) device(name string) *movingDevice {
	k.t.Helper()
	d := device(k.t, k.s, name)
	v, err := d.Value.Path("name")
	if err == nil {
		v, err = v.Index(0)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	index, err := d.Value.Path("ifindex")
	if err != nil {
		k.t.Fatal(err)
	}
	return &movingDevice{k, d, func(b byte) { k.put(v, uint64(b)) }, func(n uint64) { k.put(index, n) }}
}

// remove takes the device's name and index away, as if it had been deleted.
func (m *movingDevice) remove(n uint64) {
	m.letter('?')
	m.index(n)
}

func changed(r []check.WatchChange, what string) bool {
	return slices.ContainsFunc(r, func(c check.WatchChange) bool { return strings.Contains(c.What, what) })
}

// TestWatchGoneKeeps: what a device lost is told also when it has gone, and when there is another one of its name.
func TestWatchGoneKeeps(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	m := k.device("plain0")
	w := k.watch("plain0")
	k.drop("plain0", "rx_dropped", 20)
	k.sample(w, 4*time.Second)
	m.remove(7777)
	for range 3 { // the last sample is as good as the one at which it went
		r := k.sample(w, 2*time.Second)
		d := r.Devices[0]
		c := counterOf(t, r, "plain0", "rx_dropped")
		if !d.Gone || d.LastSeen == nil || *d.LastSeen != 4 || c.State != check.Stopped || *c.Moved != 20 || c.Rate != nil || !r.Moved || !r.Partial() {
			t.Errorf("%+v, %+v", d, c)
		}
		if p := verdictOn(t, c, "unhandled-protocol"); p.Verdict != check.Fired || *p.Count != 20 {
			t.Errorf("%+v", p)
		}
		if text := r.Text(); !strings.Contains(text, "it has gone; this is as it was last seen, 4.0 s into the watch") || !strings.Contains(text, "20: unhandled-protocol") {
			t.Errorf("the text:\n%s", text)
		}
	}
	m.letter('p')
	r := k.sample(w, 2*time.Second)
	if len(r.Devices) != 2 || r.Devices[0].Gone || r.Devices[0].LastSeen != nil || r.Devices[0].Since != 12 || r.Partial() || !r.Moved {
		t.Fatalf("made anew: %+v", r.Devices)
	}
	if d := r.Devices[1]; !d.Gone || *d.LastSeen != 4 || *d.Counters[0].Moved != 20 || d.Counters[0].Verdict == nil {
		t.Errorf("the one before: %+v", d)
	}
	if text := r.Text(); !strings.Contains(text, "20: unhandled-protocol") {
		t.Errorf("made anew:\n%s", text)
	}
}

// TestWatchNameAgain: a device that was renamed and has gone is looked for by the name that was asked for.
func TestWatchNameAgain(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	m := k.device("plain0")
	w := k.watch("plain0")
	m.letter('P')
	k.sample(w, time.Second)
	m.remove(7777)
	if r := k.sample(w, time.Second); !r.Devices[0].Gone || r.Devices[0].Device != "Plain0" {
		t.Fatalf("gone: %+v", r.Devices)
	}
	m.letter('p')
	r := k.sample(w, time.Second)
	if d := r.Devices[0]; d.Gone || d.Device != "plain0" || !changed(r.Changes, "it is another device of that name") {
		t.Errorf("made anew: %+v, %+v", d, r.Changes)
	}
}

// TestWatchAllGone: a device that has gone stays in the list of all with what it lost.
func TestWatchAllGone(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	m := k.device("plain0")
	w := k.watch("")
	k.drop("plain0", "rx_dropped", 9)
	k.sample(w, time.Second)
	m.remove(7777)
	k.sample(w, time.Second)
	r := k.sample(w, time.Second)
	c := counterOf(t, r, "plain0", "rx_dropped")
	if *c.Moved != 9 || c.State != check.Stopped || c.Verdict == nil || !r.Moved || !strings.Contains(r.Text(), "plain0 (init_net), gone") {
		t.Errorf("%+v\n%s", c, r.Text())
	}
}

// TestWatchCountersGone: counters of a device are followed as explain follows it, and a device that goes ends no watch.
func TestWatchCountersGone(t *testing.T) {
	k := newMoving(t, kernels.Open(t, "6.12"))
	m := k.device("bond0")
	w := check.WatchCounters(k.s, m.d)
	sample := func() *check.RowsReport {
		t.Helper()
		k.at = k.at.Add(time.Second)
		r, err := w.Sample(k.at)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	moved := func(r *check.RowsReport) string {
		for _, row := range r.Rows {
			if row.Name == "rx_nohandler" {
				return string(row.Moved)
			}
		}
		return ""
	}
	sample()
	k.drop("bond0", "rx_nohandler", 6)
	m.letter('B')
	r := sample()
	if r.Device != "Bond0" || moved(r) != "6" || len(r.Changes) != 1 || r.Changes[0].What != "it is called Bond0 now" {
		t.Errorf("renamed: %+v", r)
	}
	m.remove(7777)
	for range 2 {
		r = sample()
		if !r.Gone || moved(r) != "6" || !r.Moved || !r.Partial() || *r.LastSeen != 1 || len(r.Changes) != 2 || !changed(r.Changes, "it has gone") {
			t.Errorf("gone: %+v", r)
		}
	}
	if text := r.Text(); !strings.Contains(text, "as it was last seen, 1.0 s into the watch") {
		t.Errorf("gone:\n%s", text)
	}
	m.letter('b')
	r = sample()
	if r.Gone || r.LastSeen != nil || moved(r) != "" || !r.Moved || !changed(r.Changes, "another device of that name: differences begin anew; the one before had lost: rx_nohandler +6") {
		t.Errorf("made anew: %+v", r)
	}
	k.drop("bond0", "rx_nohandler", 2)
	if r = sample(); moved(r) != "2" {
		t.Errorf("it drops: %+v", r)
	}
}
