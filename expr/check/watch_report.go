package check

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// WatchReport is a sample of a watch. Its JSON form is stable, as that of [Report] is.
type WatchReport struct {
	Watch   string  `json:"watch"` // "explain"
	Time    string  `json:"time"`
	Sample  int     `json:"sample"`  // 0 is the start
	Elapsed float64 `json:"elapsed"` // seconds since the start
	Final   bool    `json:"final"`   // the last one
	Kernel  string  `json:"kernel"`
	Source  string  `json:"source"`
	Seen    int     `json:"seen"` // devices looked at
	// Devices are the one that is watched, or all that show a drop: first those whose counters moved.
	Devices []WatchedDevice `json:"devices"`
	// Moved: a counter moved since the start, also one of a device that has gone or was made anew.
	Moved   bool          `json:"moved"`
	Changes []WatchChange `json:"changes"` // since the start, of what is not what it was
	Notes   []string      `json:"notes"`
	Next    []string      `json:"next"`
	Missing []string      `json:"missing"`
	one     bool
	at      time.Time
}

// WatchChange is something that changed during a watch.
type WatchChange struct {
	Elapsed float64 `json:"elapsed"`
	Device  string  `json:"device"`
	What    string  `json:"what"`
	kind    changeKind
}

// changeKind is what a change means to the differences of a device's counters.
type changeKind uint8

const (
	otherwise changeKind = iota
	endsHere             // they are not followed any more
	endsAnew             // they begin anew
	isAnother            // they are another device's from now on
)

// Ends reports whether the differences to the start end with the change.
func (c *WatchChange) Ends() bool { return c.kind != otherwise }

// Another reports whether another device has the name from now on.
func (c *WatchChange) Another() bool { return c.kind == isAnother }

// WatchedDevice is a device in a watch.
type WatchedDevice struct {
	Device string  `json:"device"`
	NetNS  string  `json:"netns"`
	Kind   string  `json:"kind"`
	Gone   bool    `json:"gone"`
	Since  float64 `json:"since"` // the elapsed seconds at which its differences begin
	// LastSeen is the elapsed seconds at which the counters were read, where that was before this sample: the device has
	// gone, or its differences began anew since, and then it stands here a second time. Else it is null.
	LastSeen *float64         `json:"last_seen"`
	Counters []WatchedCounter `json:"counters"`
	Been     []Place          `json:"-"` // at some time of the watch
}

// Place is what a device can be told by where frames pass: its namespace's inode number, and its ifindex there.
type Place struct {
	NetNS   uint64
	Ifindex int
}

// WatchState says what a counter does in a watch.
type WatchState string

// The states.
const (
	Clean     WatchState = "clean"     // it is 0
	OldWound  WatchState = "old wound" // it is not 0, and did not move
	Bleeding  WatchState = "bleeding"  // it moves
	Stopped   WatchState = "stopped"   // it moved, and does not any more: see [stoppedAfter]
	StateOpen WatchState = "cannot tell"
)

// A counter that moved has stopped when it stood still at this many samples in a row, and for this long. What is lost
// now and then, as with a group of frames every second, is not to change its word with each sample.
const (
	stoppedAfter = 3
	stoppedFor   = 3 * time.Second
)

// stopped reports whether a counter that moved stands still by now.
func (o *watchedDevice) stopped(counter string, at time.Time) bool {
	moved, ok := o.movedAt[counter]
	return ok && o.still[counter] >= stoppedAfter && at.Sub(moved) >= stoppedFor
}

// WatchedCounter is a counter in a watch.
type WatchedCounter struct {
	Counter   string     `json:"counter"`
	State     WatchState `json:"state"`
	Value     *uint64    `json:"value"`      // now; null where a part is not known
	Moved     *uint64    `json:"moved"`      // since the start
	Rate      *float64   `json:"rate"`       // a second, since the sample before
	LastMoved *float64   `json:"last_moved"` // the elapsed seconds at which it was seen to have moved
	// Verdict is what explain says of the counter, of what it moved by alone; null where it did not move.
	Verdict *Counter `json:"verdict"`
}

func (w *Watch) report(at time.Time) *WatchReport {
	r := &WatchReport{
		Watch: "explain", Time: timeText(at), Sample: w.sample, Elapsed: inSeconds(at.Sub(w.start)),
		Kernel: w.stack.K.Release(), Source: value.Printable(w.stack.K.Image.Source()), Moved: w.bled,
		Devices: []WatchedDevice{}, Notes: []string{}, Next: []string{}, Missing: []string{}, one: w.one != nil, at: at,
	}
	for _, m := range w.missing {
		r.miss("%s", m)
	}
	devices := []*watchedDevice{w.one}
	if w.one == nil {
		devices = nil
		for _, key := range w.order {
			devices = append(devices, w.all[key])
		}
	}
	for _, o := range devices {
		r.Seen++
		d := w.device(r, o, at)
		if w.one != nil || d.worth() {
			r.Devices = append(r.Devices, d)
		}
		r.Moved = r.Moved || d.moved() > 0
	}
	r.Devices = append(r.Devices, w.past...)
	if w.older > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d devices more lost frames before they went: what is kept is of the last %d", w.older, maxPast))
	}
	if w.one == nil {
		sort.SliceStable(r.Devices, func(i, j int) bool {
			a, b := &r.Devices[i], &r.Devices[j]
			if a.bleeds() != b.bleeds() {
				return a.bleeds()
			}
			return a.moved() > b.moved()
		})
	}
	r.Changes = append([]WatchChange{}, w.changes...)
	return r
}

// inSeconds are seconds to a thousandth.
func inSeconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// perSecond is a rate to a thousandth.
func perSecond(n, seconds float64) float64 { return math.Round(n/seconds*1000) / 1000 }

func (r *WatchReport) miss(format string, args ...any) {
	r.Missing = append(r.Missing, fmt.Sprintf(format, args...))
}

// device tells how a device does, and judges what moved.
func (w *Watch) device(r *WatchReport, o *watchedDevice, at time.Time) WatchedDevice {
	d := WatchedDevice{
		Device: value.Printable(o.dev.Name), NetNS: o.dev.NS.String(), Kind: value.Printable(o.kind), Gone: o.gone,
		Since: inSeconds(o.since.Sub(w.start)), Counters: []WatchedCounter{}, Been: o.been,
	}
	if o.gone {
		r.miss("%s has gone", o.dev.Label())
		if o.shown != nil {
			return o.shown.ended(true)
		}
		return d
	}
	if o.err != nil {
		r.miss("%s: %v", o.dev.Label(), o.err)
		return d
	}
	var moved []*knet.Total
	for _, name := range countersOf(w.stack, o.dev) {
		now, then := o.totals[name], o.first[name]
		if now == nil || then == nil {
			continue
		}
		diff := risen(now, then)
		c := WatchedCounter{Counter: name, Value: known(now.Sum()), Moved: known(diff.Sum())}
		if rate, ok := o.rates[name]; ok {
			c.Rate = &rate
		}
		if t, ok := o.movedAt[name]; ok {
			last := inSeconds(t.Sub(w.start))
			c.LastMoved = &last
		}
		switch {
		case diff.AtLeast() > 0:
			if c.State = Bleeding; o.stopped(name, at) {
				c.State = Stopped
			}
			moved = append(moved, diff)
		case c.Moved == nil:
			c.State = StateOpen
			r.miss("%s of %s: %v", name, o.dev.Label(), diff.Sum().Err)
		case now.AtLeast() > 0:
			c.State = OldWound
		default:
			c.State = Clean
		}
		d.Counters = append(d.Counters, c)
	}
	if len(moved) > 0 || w.one != nil {
		if err := w.judge(r, o, &d, moved, at); err != nil {
			r.miss("%s: %v", o.dev.Label(), err)
		}
	}
	shown := d
	elapsed := r.Elapsed
	shown.LastSeen = &elapsed
	o.shown = &shown
	return d
}

// ended is what is kept of a device that is not looked at any more.
func (d *WatchedDevice) ended(gone bool) WatchedDevice {
	out := *d
	out.Gone, out.Counters = gone, slices.Clone(d.Counters)
	for i := range out.Counters {
		c := &out.Counters[i]
		if c.Rate = nil; c.State == Bleeding {
			c.State = Stopped
		}
	}
	return out
}

// judge gives verdicts on differences. Of a device that is watched alone the set-up is looked at with every
// sample, as far as counters that are not 0 go, of others when they moved.
func (w *Watch) judge(r *WatchReport, o *watchedDevice, d *WatchedDevice, moved []*knet.Total, at time.Time) error {
	sc, err := look(w.stack, o.dev, o.owners)
	if err != nil {
		return err
	}
	o.w.elapsed = fmt.Sprintf("%.1f s", at.Sub(w.start).Seconds())
	sc.since(&o.w)
	looked, judged := map[string]bool{}, map[string]bool{}
	full := &Report{Counters: []Counter{}, Softnet: softnetOf(sc)}
	for i := range d.Counters {
		if c := &d.Counters[i]; c.State == Bleeding || c.State == Stopped || w.one != nil && c.State != Clean {
			o.w.looks[c.Counter]++
			looked[c.Counter] = true
		}
	}
	for _, diff := range moved {
		c, err := explainCounter(sc, full, diff)
		if err != nil {
			return err
		}
		if diff.Own.Known() && diff.Own.N > 0 {
			judged[diff.Counter] = true
		}
		full.Counters = append(full.Counters, *c)
		for i := range d.Counters {
			if d.Counters[i].Counter == diff.Counter {
				d.Counters[i].Verdict = c
			}
		}
	}
	missing := sc.missing
	for _, p := range paths { // what is said now counts when the counter moves
		if looked[p.counter] && !judged[p.counter] {
			sc.find(p)
		}
	}
	sc.missing = missing
	if w.one != nil {
		w.advise(r, o, sc, full)
	}
	r.Missing = append(r.Missing, sc.missing...)
	return nil
}

// advise adds what explain notes of a device, and what to do where it bleeds.
func (w *Watch) advise(r *WatchReport, o *watchedDevice, sc *scene, full *Report) {
	taps := ""
	for _, h := range sc.handlers {
		if h.Tap() {
			taps += fmt.Sprintf(" %x", h.Sock)
		}
	}
	if taps != o.taps { // whose they are is looked for once
		o.taps, o.owners = taps, &socketOwners{}
		sc.owners = o.owners
	}
	advise(sc, full)
	r.Notes = append(append(r.Notes, full.Notes...), sc.notes...)
	r.Next = append(r.Next, full.Next...)
}

// worth reports whether the device belongs to a list of those with drops.
func (d *WatchedDevice) worth() bool {
	for _, c := range d.Counters {
		if c.State != Clean {
			return true
		}
	}
	return false
}

// bleeds reports whether a counter of the device moves.
func (d *WatchedDevice) bleeds() bool {
	return slices.ContainsFunc(d.Counters, func(c WatchedCounter) bool { return c.State == Bleeding })
}

// moved is by how much the device's counters moved, all together.
func (d *WatchedDevice) moved() (n uint64) {
	for _, c := range d.Counters {
		if c.Verdict != nil {
			n += c.Verdict.AtLeast
		} else if c.Moved != nil {
			n += *c.Moved
		}
	}
	return n
}

// End marks the last sample.
func (r *WatchReport) End() { r.Final = true }

// Drops reports whether a counter moved.
func (r *WatchReport) Drops() bool { return r.Moved }

// Partial reports whether something could not be told.
func (r *WatchReport) Partial() bool { return len(r.Missing) > 0 }
