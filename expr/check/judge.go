package check

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// judge gives the verdicts on the paths of one counter, of which the core counted
// own frames on the device. The rule is the same for all counters: the frames must
// have taken some path; what the other paths cannot account for, within their
// bounds, the one must have. So a lone path that is not ruled out has fired for all
// of them, and of several each has fired for what exceeds the others' bounds.
func judge(sc *scene, counter string, own uint64) []PathResult {
	var results []PathResult
	var findings []finding
	for _, p := range paths {
		if p.counter != counter {
			continue
		}
		r := PathResult{ID: p.id, Function: p.function, Condition: p.condition, Verdict: Possible, Level: CannotTell}
		var f finding
		if own == 0 {
			f = ruledOut("the core counted 0 frames of %s on this device", counter)
		} else {
			var err error
			if f, err = p.judge(sc); err != nil {
				f = open("what would tell could not be read: %v", err)
				sc.miss("evidence on the path "+p.id, err)
			}
		}
		r.Evidence = f.evidence
		results = append(results, r)
		findings = append(findings, f)
	}
	for i, f := range findings {
		r := &results[i]
		if f.out || (f.max != nil && *f.max == 0) {
			r.Verdict, r.Level, r.Count, r.Max, r.Now = RuledOut, Proved, num(0), num(0), f.now
			continue
		}
		limit := own
		if f.max != nil {
			limit = min(limit, *f.max)
		}
		r.Max = num(limit)
		r.Min = leftFor(findings, i, own)
		if r.Min == 0 {
			continue
		}
		r.Verdict, r.Level = Fired, OnlyPathLeft
		if r.Min >= limit {
			r.Count = num(limit)
			r.Evidence = append(r.Evidence, "all other paths are ruled out"+byNow(results, findings))
		} else {
			r.Evidence = append(r.Evidence, fmt.Sprintf("the other paths account for %d frames at most", own-r.Min))
		}
	}
	return results
}

// byNow names the paths that the present set-up alone rules out.
func byNow(results []PathResult, findings []finding) string {
	var ids []string
	for i, f := range findings {
		if f.out && f.now {
			ids = append(ids, results[i].ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s as the host is set up now: if it was set up otherwise when frames were dropped, some may have gone there", strings.Join(ids, ", "))
}

// leftFor is how many of own frames must have taken path i, since the others
// cannot have taken more than their bounds.
func leftFor(findings []finding, i int, own uint64) uint64 {
	left := own
	joint := false
	for j, f := range findings {
		if j == i || f.out {
			continue
		}
		if f.joint && joint {
			continue // the bound that these paths share is taken off already
		}
		joint = joint || f.joint
		if f.max == nil || *f.max >= left {
			return 0
		}
		left -= *f.max
	}
	return left
}

// inherited adds the parts of a counter that the core did not count on this
// device: the slaves' and the driver's.
func inherited(c *Counter, isBond bool, driver string) {
	if isBond {
		r := PathResult{ID: "slaves", Function: "bond_get_stats", Condition: "a slave counted the frame, and the bond adds up its slaves' counters", Count: c.Slaves, Max: c.Slaves}
		switch {
		case c.Slaves == nil:
			r.Verdict, r.Level = Possible, CannotTell
			r.Evidence = []string{"what the slaves brought is not known in full"}
		case *c.Slaves == 0:
			r.Verdict, r.Level, r.Evidence = RuledOut, Proved, []string{"the slaves brought 0"}
		default:
			r.Verdict, r.Level, r.Min = Fired, Proved, *c.Slaves
			r.Evidence = slaveEvidence(c)
		}
		c.Paths = append(c.Paths, r)
		return
	}
	r := PathResult{ID: "driver", Function: driver, Condition: "the driver counted the frame itself", Count: c.Driver, Max: c.Driver}
	switch {
	case c.Driver == nil:
		r.Verdict, r.Level = Possible, CannotTell
		r.Evidence = []string{"the driver's part is made by " + orElse(driver, "the driver") + ", which cannot be called from here: `ip -s -s link` and `ethtool -S` show it on the live host"}
	case *c.Driver == 0:
		r.Verdict, r.Level, r.Evidence = RuledOut, Proved, []string{"the driver's part is 0"}
	default:
		r.Verdict, r.Level, r.Min = Fired, Proved, *c.Driver
		r.Evidence = []string{fmt.Sprintf("%s adds %d", orElse(driver, "net_device.stats"), *c.Driver)}
	}
	c.Paths = append(c.Paths, r)
}

func slaveEvidence(c *Counter) []string {
	sum, known := uint64(0), true
	var each string
	for i, s := range c.SlaveTotals {
		if i > 0 {
			each += ", "
		}
		each += s.Device + " " + text(s.Total)
		if s.Total == nil {
			known = false
			continue
		}
		sum += *s.Total
	}
	ev := []string{fmt.Sprintf("the bond's own sum for its slaves is %d; their totals now: %s", *c.Slaves, orElse(each, "it has no slaves"))}
	switch {
	case known && sum == *c.Slaves:
		ev = append(ev, "the totals add up: that is each slave's part")
	case known:
		ev = append(ev, fmt.Sprintf("the totals add up to %d instead: what a slave counted before it joined is not in the sum, and what slaves that left had brought is", sum))
	}
	return ev
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return value.Printable(s)
}
