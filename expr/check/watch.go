package check

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// Watch explains what the drop counters of a live kernel do from a time on: the verdicts are those of [Explain]
// on what was counted since, so that an old wound is told from a bleeding one. Nobody else may use the stack
// meanwhile.
type Watch struct {
	stack *knet.Stack
	facts *linkFacts
	nss   func(*knet.Stack) ([]knet.NetNS, error)
	one   *watchedDevice // nil: all devices of the namespaces
	asked knet.Device    // as one was when the watch began
	all   map[deviceKey]*watchedDevice
	order []deviceKey

	// Settle is called between what a counter and what its bounds are read of, so that a frame which one of
	// them has counted already is in both.
	Settle func()

	start   time.Time
	sample  int
	changes []WatchChange
	bled    bool // something moved that differences do not have any more
	missing []string
	past    []WatchedDevice // what moved until differences began anew, or the device went
	older   int             // how many more there were
}

// deviceKey tells a device from another one in the same place or with the same name.
type deviceKey struct {
	addr    uint64
	ifindex int
}

func keyOf(d knet.Device) deviceKey { return deviceKey{d.Addr(), d.Ifindex} }

// watchedDevice is a device and what it counted at two times.
type watchedDevice struct {
	dev         knet.Device
	been        []Place
	kind        string
	since       time.Time // when differences begin
	first, last map[string]*knet.Total
	lastAt      time.Time
	movedAt     map[string]time.Time
	still       map[string]int // samples since then at which it stood still
	rates       map[string]float64
	totals      map[string]*knet.Total // now
	w           watched
	owners      *socketOwners
	taps        string // that owners were read for
	gone        bool
	err         error
	shown       *WatchedDevice // as it was last told
}

// settle is how long a frame may take between two counters that a kernel raises for it.
const settle = 2 * time.Millisecond

// maxChanges bounds the list of what changed.
const maxChanges = 200

// maxPlaces bounds what is kept of where a device was.
const maxPlaces = 16

// maxPast bounds what is kept of devices that have gone: containers come and go.
const maxPast = 50

// NewWatch makes a watch of a device, or of all devices of some namespaces where d is nil.
func NewWatch(s *knet.Stack, d *knet.Device, nss func(*knet.Stack) ([]knet.NetNS, error)) *Watch {
	w := &Watch{
		facts: &linkFacts{Facts: s.Facts}, nss: nss, all: map[deviceKey]*watchedDevice{},
		Settle: func() { time.Sleep(settle) },
	}
	w.stack = s.Anew()
	w.stack.Facts = w.facts
	if d != nil {
		w.one, w.asked = &watchedDevice{dev: *d}, *d
	}
	return w
}

// Sample looks at the kernel. The first one is the start, which all others are compared with.
func (w *Watch) Sample(at time.Time) (*WatchReport, error) {
	w.stack, w.missing = w.stack.Anew(), nil
	w.facts.forget()
	if _, err := w.stack.K.ModulesAnew(); err != nil {
		w.missing = append(w.missing, modulesText(err))
	}
	first := w.start.IsZero()
	if first {
		w.start = at
	} else {
		w.sample++
	}
	var err error
	switch {
	case w.one == nil:
		err = w.sampleAll(at)
	case first:
		if err = w.begin(at, w.one); err == nil {
			err = w.one.err
		}
	default:
		w.sampleOne(at)
	}
	if err != nil {
		return nil, err
	}
	return w.report(at), nil
}

// modulesText says that a watch may not know of modules that were loaded or unloaded meanwhile.
func modulesText(err error) string { return fmt.Sprintf("modules that came or went: %v", err) }

// sampleOne follows the device, by what it is rather than by its name.
func (w *Watch) sampleOne(at time.Time) {
	o := w.one
	d, ok, err := findDevice(w.stack, o.dev, w.asked)
	switch {
	case err != nil:
		o.err = err
		return
	case !ok && !o.gone:
		o.gone = true
		w.bled = w.bled || o.bleeds()
		w.change(at, o.dev, endsHere, "it has gone")
		return
	case !ok:
		return
	case o.gone || keyOf(d) != keyOf(o.dev):
		w.keep(o, true)
		w.change(at, d, isAnother, "it is another device of that name: differences begin anew")
		o.dev, o.gone = d, false
		_ = w.begin(at, o)
		return
	}
	w.follow(at, o, d)
	w.count(at, o)
	w.Settle()
}

// findDevice looks for a device that there was before: the same one, or else one that has the name by which it was
// asked for, or its last name, where it had it.
func findDevice(s *knet.Stack, was, asked knet.Device) (d knet.Device, ok bool, err error) {
	all, err := s.Namespaces()
	if err != nil {
		return d, false, err
	}
	all = slices.Clone(all)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Inum == was.NS.Inum && all[j].Inum != was.NS.Inum })
	var again, named knet.Device
	for _, ns := range all {
		err := s.EachDevice(ns, func(n knet.Device) error {
			if keyOf(n) == keyOf(was) {
				d, ok = n, true
				return value.Stop()
			}
			if n.Name == asked.Name && ns.Inum == asked.NS.Inum {
				again = n
			}
			if n.Name == was.Name && ns.Inum == was.NS.Inum {
				named = n
			}
			return nil
		})
		switch {
		case err != nil && ns.Inum == was.NS.Inum:
			return d, false, err
		case ok:
			return d, true, nil
		}
	}
	if again.Value.Valid() {
		named = again
	}
	return named, named.Value.Valid(), nil
}

// follow notes that a device is called otherwise, or is elsewhere.
func (w *Watch) follow(at time.Time, o *watchedDevice, d knet.Device) {
	for _, what := range moves(o.dev, d) {
		w.change(at, o.dev, otherwise, what)
	}
	o.dev = d
	o.beenThere()
}

// beenThere keeps where the device is now.
func (o *watchedDevice) beenThere() {
	if p := (Place{o.dev.NS.Inum, o.dev.Ifindex}); !slices.Contains(o.been, p) && len(o.been) < maxPlaces {
		o.been = append(o.been, p)
	}
}

// moves tells how a device is called otherwise, or is elsewhere.
func moves(was, d knet.Device) (out []string) {
	if d.Name != was.Name {
		out = append(out, "it is called "+value.Printable(d.Name)+" now")
	}
	if d.NS.Inum != was.NS.Inum {
		out = append(out, "it is in "+d.NS.String()+" now")
	}
	return out
}

// keep keeps what is known of a device whose differences end.
func (w *Watch) keep(o *watchedDevice, gone bool) {
	if !o.bleeds() {
		return
	}
	w.bled = true
	if o.shown == nil {
		return
	}
	if w.past = append(w.past, o.shown.ended(gone)); len(w.past) > maxPast {
		w.past, w.older = w.past[1:], w.older+1
	}
}

// sampleAll looks at every device.
func (w *Watch) sampleAll(at time.Time) error {
	nss, err := w.nss(w.stack)
	if err != nil {
		return err
	}
	seen := map[deviceKey]bool{}
	var fresh []*watchedDevice
	broken := false
	for _, ns := range nss {
		devs, err := w.stack.Devices(ns)
		if err != nil {
			w.missing, broken = append(w.missing, err.Error()), true
		}
		for _, d := range devs {
			key := keyOf(d)
			if seen[key] {
				continue
			}
			seen[key] = true
			o := w.all[key]
			if o == nil {
				o = &watchedDevice{dev: d}
				w.all[key], w.order = o, append(w.order, key)
				if fresh = append(fresh, o); !at.Equal(w.start) {
					w.change(at, d, otherwise, "it is new: differences begin now")
				}
				continue
			}
			w.follow(at, o, d)
			w.count(at, o)
		}
	}
	if !broken {
		w.forget(at, seen)
	}
	if err := w.begin(at, fresh...); err != nil {
		return err
	}
	w.Settle()
	return nil
}

// forget drops devices that have gone.
func (w *Watch) forget(at time.Time, seen map[deviceKey]bool) {
	var order []deviceKey
	for _, key := range w.order {
		if seen[key] {
			order = append(order, key)
			continue
		}
		w.keep(w.all[key], true)
		w.change(at, w.all[key].dev, endsHere, "it has gone")
		delete(w.all, key)
	}
	w.order = order
}

// begin takes what differences of devices are to. What bounds a counter is read before it, so that no frame can be
// in the counter's difference and not in that of its bound; see [Watch.count] for the other end.
func (w *Watch) begin(at time.Time, devices ...*watchedDevice) error {
	if len(devices) == 0 {
		return nil
	}
	softnet, softnetErr := w.stack.Softnets()
	start := map[int]backlog{}
	for _, c := range softnet {
		start[c.CPU] = backlog{c.Processed, c.Dropped, c.FlowLimit, c.FlowOn}
	}
	var wide map[string]reading
	for _, o := range devices {
		*o = watchedDevice{
			dev: o.dev, since: at, lastAt: at, movedAt: map[string]time.Time{}, still: map[string]int{}, rates: map[string]float64{}, owners: &socketOwners{},
			w: watched{softnet: start, err: softnetErr, held: map[string]held{}, looks: map[string]int{}},
		}
		o.beenThere()
		if o.kind, o.err = o.dev.Kind(); o.err != nil {
			continue
		}
		sc := &scene{s: w.stack, dev: o.dev, kind: o.kind, counted: map[string]reading{}}
		for name, r := range wide {
			sc.counted[name] = r
		}
		o.w.start = sc.readCounts()
		if wide == nil { // what the kernel as a whole counts is read once
			wide = map[string]reading{}
			for name, r := range o.w.start {
				if counts[name].kinds == nil {
					wide[name] = r
				}
			}
		}
	}
	w.Settle()
	for _, o := range devices {
		if o.err == nil {
			o.first, o.err = readTotals(w.stack, w.facts, o.dev)
			o.last, o.totals = o.first, o.first
		}
	}
	return nil
}

// count reads what a device counts now. What bounds it is read later.
func (w *Watch) count(at time.Time, o *watchedDevice) {
	if o.first == nil { // it could not be read when the watch began
		_ = w.begin(at, o)
		return
	}
	totals, err := readTotals(w.stack, w.facts, o.dev)
	if err == nil && resetSince(totals, o.first) != "" {
		totals, err = readTotals(w.stack, w.facts, o.dev) // a bond may have added up its slaves meanwhile
	}
	if o.err = err; err != nil {
		return
	}
	if why := resetSince(totals, o.first); why != "" {
		w.keep(o, false)
		w.change(at, o.dev, endsAnew, why+": differences begin anew")
		_ = w.begin(at, o)
		return
	}
	seconds := at.Sub(o.lastAt).Seconds()
	for name, t := range totals {
		then, ok := o.last[name]
		delete(o.rates, name)
		if !ok {
			continue
		}
		if n := risen(t, then).Sum(); n.Known() && seconds > 0 {
			o.rates[name] = perSecond(float64(n.N), seconds)
			if o.still[name]++; n.N > 0 {
				o.movedAt[name], o.still[name] = at, 0
			}
		}
	}
	for _, name := range countersOf(w.stack, o.dev)[:1] {
		for _, text := range slaveChanges(totals[name], o.totals[name]) {
			w.change(at, o.dev, otherwise, text)
		}
	}
	o.last, o.lastAt, o.totals = totals, at, totals
}

// resetSince tells which counter is less than it was, or is empty.
func resetSince(now, then map[string]*knet.Total) string {
	for _, name := range ExplainedCounters {
		a, b := now[name], then[name]
		if a == nil || b == nil {
			continue
		}
		if err := reset(risen(a, b)); err != nil {
			return fmt.Sprintf("%s: %v", name, err)
		}
	}
	return ""
}

// bleeds reports whether a counter of the device moved.
func (o *watchedDevice) bleeds() bool {
	for name, t := range o.totals {
		if then := o.first[name]; then != nil {
			if d := risen(t, then); d.AtLeast() > 0 {
				return true
			}
		}
	}
	return false
}

// change notes that something is not what it was.
func (w *Watch) change(at time.Time, d knet.Device, kind changeKind, what string) {
	if len(w.changes) < maxChanges {
		w.changes = append(w.changes, WatchChange{at.Sub(w.start).Seconds(), d.Label(), what, kind})
	}
}
