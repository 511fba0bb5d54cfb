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
// of them, and of several each has fired for what exceeds the others' bounds. Where
// the present set-up alone rules others out, a way that was there once and has gone
// may have taken some: then the verdict holds as the host is set up now, and says so.
func judge(sc *scene, counter string, own uint64) []PathResult {
	var results []PathResult
	var findings []finding
	for _, p := range paths {
		if p.counter != counter {
			continue
		}
		r := PathResult{ID: p.id, Function: p.function, Condition: p.condition, Verdict: Possible, Level: CannotTell, DropReason: reasonsOf(sc, p.id), Do: pathNotes[p.id].do}
		var f finding
		if own == 0 {
			f = ruledOut("the core counted 0 frames of %s on this device%s", counter, sc.span())
		} else {
			f = sc.find(p)
		}
		r.Evidence = f.evidence
		results = append(results, r)
		findings = append(findings, f)
	}
	all := mostOfOthers(findings, -1, own)
	for i := range findings {
		f, r := &findings[i], &results[i]
		limit := f.limit(own)
		if limit == 0 {
			r.Verdict, r.Level, r.Count, r.Max, r.Now = RuledOut, Proved, num(0), num(0), f.now
			continue
		}
		if addUpTo(all, min(sc.onTheWay, own), own) < own {
			// Something counts that is not known here: then the bounds prove nothing.
			r.Evidence = append(r.Evidence, fmt.Sprintf("the bounds of all paths together account for %d of %d frames only: what is left cannot be told", all, own))
			continue
		}
		r.Min = leftFor(findings, i, own)
		if r.Min < own { // it takes the others' bounds, which are other counters
			r.Min -= min(r.Min, sc.onTheWay)
		}
		limit = addUpTo(limit, min(sc.onTheWay, own), own)
		r.Max = num(limit)
		if r.Min == 0 {
			continue
		}
		now := byNow(sc, counter, results, findings, i)
		r.Verdict, r.Level, r.Now = Fired, OnlyPathLeft, now != "" || f.now
		if r.Min == limit {
			r.Count = num(limit)
		}
		if r.Min == own { // the others can have taken none
			r.Evidence = append(r.Evidence, "all other paths are ruled out"+now)
		} else {
			r.Evidence = append(r.Evidence, fmt.Sprintf("the other paths account for %d frames at most%s%s", own-r.Min, sc.counting(), now))
		}
	}
	return results
}

// counting says that numbers may be of different moments.
func (sc *scene) counting() string {
	if sc.onTheWay == 0 {
		return ""
	}
	return fmt.Sprintf(" (with %d that may have been counted in part, as the CPUs were handling frames when the dump was made)", sc.onTheWay)
}

// find is what a path's judge says. In a watch it holds for all of it.
func (sc *scene) find(p path) finding {
	f, err := p.judge(sc)
	if err != nil {
		f = open("what would tell could not be read: %v", err)
		sc.miss("evidence on the path "+p.id, err)
	}
	if sc.watched != nil {
		f = sc.watched.hold(p.id, f)
	}
	return f
}

// byNow names the paths, beside path i, that the present set-up alone rules out or bounds.
func byNow(sc *scene, counter string, results []PathResult, findings []finding, i int) string {
	var ids []string
	for j := range findings {
		if f := &findings[j]; j != i && f.now && (f.out || f.bounded()) {
			ids = append(ids, results[j].ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	if w := sc.watched; w != nil {
		return fmt.Sprintf("; %s as the host was set up each time that the watch looked (%d): if it was set up otherwise in between, some may have gone there", strings.Join(ids, ", "), w.looks[counter])
	}
	return fmt.Sprintf("; %s as the host is set up now: if it was set up otherwise when frames were dropped, some may have gone there", strings.Join(ids, ", "))
}

// slavesPath is the part of a bond's counter that its slaves counted.
func slavesPath(c *Counter) PathResult {
	r := PathResult{ID: "slaves", Function: "bond_get_stats", Condition: "a slave counted the frame, and the bond adds up its slaves' counters", Do: "explain the slaves", Count: c.Slaves, Max: c.Slaves}
	switch {
	case c.Slaves == nil:
		r.Verdict, r.Level = Possible, CannotTell
		r.Evidence = []string{"what the slaves brought is not known in full"}
	case *c.Slaves == 0:
		r.Verdict, r.Level, r.Evidence = RuledOut, Proved, []string{"the slaves brought 0" + c.span}
	default:
		r.Verdict, r.Level, r.Min = Fired, Proved, *c.Slaves
		r.Evidence = slaveEvidence(c)
	}
	return r
}

func slaveEvidence(c *Counter) []string {
	var each string
	for i, s := range c.SlaveTotals {
		if i > 0 {
			each += ", "
		}
		each += s.Device + " " + text(s.Total)
	}
	if c.span != "" {
		return []string{fmt.Sprintf("the bond's sum for its slaves rose by %d%s; theirs by: %s", *c.Slaves, c.span, orElse(each, "it has no slaves"))}
	}
	ev := []string{fmt.Sprintf("the bond's own sum for its slaves is %d; their totals now: %s", *c.Slaves, orElse(each, "it has no slaves"))}
	sum, known := c.slaveSum()
	switch {
	case c.addsUp():
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
