package main

import (
	"errors"
	"fmt"
	"strings"
)

// checkIncident is the question that kinspect was born from.
func checkIncident(c *subjectContext) error {
	e, a, err := explain(c, "bond0")
	if err != nil {
		return err
	}
	var errs []error
	if a.exit != 1 {
		errs = append(errs, a.fail("exit %d, want 1: there are drops", a.exit))
	}
	for _, counter := range e.Counters {
		if counter.Counter != "rx_dropped" {
			continue
		}
		for _, v := range []struct {
			what string
			have *uint64
			want uint64
		}{
			{"total", counter.Total, stpActive + lldpActive + stpBackup},
			{"own", counter.Own, stpActive + lldpActive},
			{"slaves", counter.Slaves, stpBackup},
		} {
			if v.have == nil || *v.have != v.want {
				errs = append(errs, a.fail("%s is %s, want %d", v.what, number(v.have), v.want))
			}
		}
		if c.live() && (counter.KernelTotal == nil || *counter.KernelTotal != stpActive+lldpActive+stpBackup) {
			errs = append(errs, a.fail("kernel_total is %s", number(counter.KernelTotal)))
		}
		for _, p := range counter.Paths {
			switch {
			case p.ID == "unhandled-protocol" && (p.Verdict != "fired" || p.Level != "only path left"):
				errs = append(errs, a.fail("unhandled-protocol is %q, %q", p.Verdict, p.Level))
			case p.ID == "backlog" && p.Verdict != "ruled out":
				errs = append(errs, a.fail("backlog is %q", p.Verdict))
			case p.ID != "unhandled-protocol" && p.Verdict == "fired":
				errs = append(errs, a.fail("%s is %q", p.ID, p.Verdict))
			}
		}
		return errors.Join(errs...)
	}
	return a.fail("no counter rx_dropped")
}

// checkTruth explains every device that a scenario says something of. It asks
// for less than checkIncident: where two paths are possible memory may not
// tell them apart, but what happened must not be ruled out, and what did not
// happen must not be proved.
func checkTruth(c *subjectContext) error {
	var errs []error
	for _, s := range c.truth.Scenarios {
		for _, want := range s.Expect {
			args := []string{want.Device}
			if want.NetNS != "" {
				ns, err := readFact(c.facts, "net/"+want.NetNS+"/inum")
				if err != nil {
					return err
				}
				args = append(args, "--netns", strings.TrimSpace(ns))
			}
			e, a, err := explain(c, args...)
			if err == nil {
				err = want.compare(c, e, a)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("scenario %s, %s: %w", s.Name, want.Device, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (want expect) compare(c *subjectContext, e explanation, a answer) error {
	var errs []error
	seen := map[string]bool{}
	for _, counter := range e.Counters {
		seen[counter.Counter] = true
		switch counter.Counter {
		case "rx_dropped":
			errs = append(errs,
				same(a, "total", counter.Total, want.ShownDropped),
				same(a, "own", counter.Own, want.OwnDropped))
			if want.AtLeast != nil && (counter.Own == nil || *counter.Own < *want.AtLeast) {
				errs = append(errs, a.fail("own is %s, want at least %d", number(counter.Own), *want.AtLeast))
			}
			for _, p := range counter.Paths {
				happened := contains(want.Paths, p.ID)
				if happened && p.Verdict == "ruled out" {
					errs = append(errs, a.fail("%s happened and is ruled out", p.ID))
				}
				if !happened && p.Verdict == "fired" && p.Level == "proved" {
					errs = append(errs, a.fail("%s did not happen and is proved", p.ID))
				}
			}
		case "rx_nohandler":
			errs = append(errs, same(a, "rx_nohandler", counter.Total, want.RxNohandler))
		}
	}
	if !seen["rx_dropped"] {
		errs = append(errs, a.fail("no counter rx_dropped"))
	}
	if want.RxNohandler != nil && *want.RxNohandler != 0 && !seen["rx_nohandler"] {
		errs = append(errs, a.fail("no counter rx_nohandler"))
	}
	zero := want.ShownDropped != nil && *want.ShownDropped == 0 && (want.RxNohandler == nil || *want.RxNohandler == 0)
	if exit := map[bool]int{true: 0, false: 1}[zero]; a.exit != exit {
		errs = append(errs, a.fail("exit %d, want %d", a.exit, exit))
	}
	return errors.Join(errs...)
}

// same compares two numbers where the second is known.
func same(a answer, what string, have, want *uint64) error {
	if want == nil || have != nil && *have == *want {
		return nil
	}
	return a.fail("%s is %s, want %d", what, number(have), *want)
}

func number(v *uint64) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}

// checkOverview: `explain` alone lists every device that shows a drop, in
// every namespace, and no other.
func checkOverview(c *subjectContext) error {
	a, err := c.ask("explain")
	if err != nil {
		return err
	}
	errs := []error{a.check(1, nil, nil)}
	for _, ns := range []string{"init", "blue", "switch"} {
		links, err := readLinks(c.facts, ns)
		if err != nil {
			return err
		}
		for name, l := range links {
			// The core's part alone makes a device worth a line; a veth's
			// tx_dropped is its driver's.
			drops := l.Stats.RX.Dropped > 0 || l.Stats.RX.Nohandler > 0
			if listed := mentions(a.stdout, name); drops && !listed {
				errs = append(errs, a.fail("%s (%s) has drops and no line", name, ns))
			}
		}
	}
	return errors.Join(errs...)
}

// mentions looks for a word, not for a part of one: veth0 is not veth0p.
func mentions(text, word string) bool {
	for _, f := range strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(" \t\n:,()[]'\"", r)
	}) {
		if f == word {
			return true
		}
	}
	return false
}
