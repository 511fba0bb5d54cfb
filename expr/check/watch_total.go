package check

import (
	"errors"
	"fmt"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// errNotThere is the error of a part that there was none of when the watch began.
var errNotThere = errors.New("it was not there when the watch began")

// readTotals reads the explained counters of a device, for a difference. On a live kernel, where memory and
// netlink are read one after the other, a counter that moves makes them differ: then it is read again. A driver's
// part that is what netlink says less the core's is right only where the core's counter stood still meanwhile.
func readTotals(s *knet.Stack, facts *linkFacts, d knet.Device) (map[string]*knet.Total, error) {
	out := map[string]*knet.Total{}
	for _, name := range countersOf(s, d) {
		for range tries {
			t, err := s.Total(d, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = t
			if !t.Kernel.Known() {
				break
			}
			sum := t.Sum()
			if sum.Known() && sum.N == t.Kernel.N && stoodStill(s, d, t) {
				break
			}
			facts.forget()
		}
	}
	return out, nil
}

// stoodStill reports whether the core's counter is what it was.
func stoodStill(s *knet.Stack, d knet.Device, t *knet.Total) bool {
	if !knet.IsCoreCounter(t.Counter) {
		return true
	}
	v, err := s.CoreCounter(d.Value, t.Counter)
	if err != nil {
		return false
	}
	n, err := v.Uint()
	return err == nil && n == t.Own.N
}

// linkFacts asks netlink once for all counters of a device.
type linkFacts struct {
	host.Facts
	known map[linkOf]linkAnswer
}

type linkOf struct {
	netns   uint64
	ifindex int
}

type linkAnswer struct {
	stats host.LinkStats
	err   error
}

// LinkStats implements [host.Facts].
func (f *linkFacts) LinkStats(netns uint64, ifindex int) (host.LinkStats, error) {
	key := linkOf{netns, ifindex}
	a, ok := f.known[key]
	if !ok {
		a.stats, a.err = f.Facts.LinkStats(netns, ifindex)
		if f.known == nil {
			f.known = map[linkOf]linkAnswer{}
		}
		f.known[key] = a
	}
	return a.stats, a.err
}

// forget makes the next question one to the kernel.
func (f *linkFacts) forget() { f.known = nil }

// risen is the difference of two totals of one counter, which is a total, too: of what was counted in between.
func risen(now, then *knet.Total) *knet.Total {
	t := &knet.Total{
		Counter: now.Counter, Own: risenPart(now.Own, then.Own), Driver: risenPart(now.Driver, then.Driver), Slaves: risenPart(now.Slaves, then.Slaves),
		Kernel: knet.Part{Err: errors.New("differences are of memory")},
	}
	parts := map[string]uint64{}
	for _, p := range then.DriverParts {
		parts[p.From] = p.N
	}
	for _, p := range now.DriverParts {
		start, ok := parts[p.From]
		if n, err := rise(p.N, start); ok && err == nil {
			t.DriverParts = append(t.DriverParts, knet.LinkPart{From: p.From, N: n})
		}
	}
	slaves := map[deviceKey]knet.Part{}
	for _, s := range then.EachSlave {
		slaves[keyOf(s.Slave.Device)] = s.Total
	}
	for _, s := range now.EachSlave {
		start, ok := slaves[keyOf(s.Slave.Device)]
		if !ok {
			start.Err = errNotThere
		}
		t.EachSlave = append(t.EachSlave, knet.SlaveTotal{Slave: s.Slave, Total: risenPart(s.Total, start)})
	}
	return t
}

func risenPart(now, then knet.Part) knet.Part {
	out := knet.Part{From: now.From, Err: now.Err}
	if out.Err == nil && then.Err != nil {
		out.Err = fmt.Errorf("when the watch began: %w", then.Err)
	}
	if out.Err == nil {
		out.N, out.Err = rise(now.N, then.N)
	}
	return out
}

// reset is why a total cannot be the same counter's as before, or nil.
func reset(t *knet.Total) error {
	for _, p := range []knet.Part{t.Own, t.Driver, t.Slaves} {
		if back := (*wentBack)(nil); errors.As(p.Err, &back) {
			return p.Err
		}
	}
	return nil
}

// slaveChanges tells which slaves of a bond joined, left or changed their state between two readings.
func slaveChanges(now, then *knet.Total) []string {
	var out []string
	before := map[deviceKey]knet.Slave{}
	for _, s := range then.EachSlave {
		before[keyOf(s.Slave.Device)] = s.Slave
	}
	for _, s := range now.EachSlave {
		name := value.Printable(s.Slave.Device.Name)
		old, ok := before[keyOf(s.Slave.Device)]
		delete(before, keyOf(s.Slave.Device))
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("slave %s joined: what it counted before is not in the bond's counters", name))
		case s.Slave.Inactive && !old.Inactive:
			out = append(out, fmt.Sprintf("slave %s became inactive", name))
		case !s.Slave.Inactive && old.Inactive:
			out = append(out, fmt.Sprintf("slave %s became active", name))
		}
	}
	for _, s := range then.EachSlave {
		if _, left := before[keyOf(s.Slave.Device)]; left {
			out = append(out, fmt.Sprintf("slave %s left: what it brought stays in the bond's counters", value.Printable(s.Slave.Device.Name)))
		}
	}
	return out
}
