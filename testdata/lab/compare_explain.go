package main

import (
	"encoding/json"
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
	if want := c.exit(1); a.exit != want {
		errs = append(errs, a.fail("exit %d, want %d: there are drops", a.exit, want))
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
			if c.inPart() && v.what != "own" {
				if v.have != nil {
					errs = append(errs, a.fail("%s is %s, and cannot be known", v.what, number(v.have)))
				}
				continue
			}
			if v.have == nil || *v.have != v.want {
				errs = append(errs, a.fail("%s is %s, want %d", v.what, number(v.have), v.want))
			}
		}
		if c.inPart() && (counter.AtLeast == nil || *counter.AtLeast != stpActive+lldpActive) {
			errs = append(errs, a.fail("at_least is %s", number(counter.AtLeast)))
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
			case p.ID == "slaves" && c.inPart():
				if p.Verdict != "possible" {
					errs = append(errs, a.fail("slaves is %q, and cannot be known", p.Verdict))
				}
			case p.ID == "slaves" && (p.Verdict != "fired" || p.Count == nil || *p.Count != stpBackup):
				errs = append(errs, a.fail("slaves is %q, count %s", p.Verdict, number(p.Count)))
			case p.ID != "unhandled-protocol" && p.ID != "slaves" && p.Verdict == "fired":
				errs = append(errs, a.fail("%s is %q", p.ID, p.Verdict))
			}
		}
		return errors.Join(errs...)
	}
	return a.fail("no counter rx_dropped")
}

// checkTruth explains every device that a scenario says something of. It asks
// for less than checkIncident: where two paths are possible memory may not
// tell them apart, but no verdict may contradict what happened. How much each
// tells goes to the matrix.
func checkTruth(c *subjectContext) error {
	var errs []error
	names, err := c.namespaces()
	if err != nil {
		return err
	}
	for _, ns := range names {
		var wanted []expect
		var titles, devices []string
		for _, s := range c.truth.Scenarios {
			for _, want := range s.Expect {
				if want.NetNS == ns || want.NetNS == "" && ns == "init" {
					wanted, titles, devices = append(wanted, want), append(titles, s.Title), append(devices, want.Device)
				}
			}
		}
		if len(wanted) == 0 {
			continue
		}
		in, err := c.inNamespace(ns)
		if err != nil {
			return err
		}
		explanations, err := explainAll(c, in, devices)
		if err != nil {
			return err
		}
		for i, want := range wanted {
			err := want.compare(explanations[i], c.inPart())
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", want.Device, err))
			}
			c.matrix.add(c, titles[i], want, explanations[i], err != nil)
		}
	}
	return errors.Join(errs...)
}

// explainAll explains several devices of a namespace in one process: under
// emulation a process for each would take minutes.
func explainAll(s subject, in, devices []string) ([]explanation, error) {
	args := append([]string{"eval", "--json"}, in...)
	for _, d := range devices {
		args = append(args, "explain('"+d+"')")
	}
	a, err := s.ask(args...)
	if err != nil {
		return nil, err
	}
	if a.exit != 0 {
		return nil, a.fail("exit %d, want 0", a.exit)
	}
	var list []explanation
	for line := range strings.Lines(a.stdout) {
		var object struct {
			Value explanation `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			return nil, a.fail("stdout is not eval's JSON: %v", err)
		}
		list = append(list, object.Value)
	}
	if len(list) != len(devices) {
		return nil, a.fail("%d answers to %d questions", len(list), len(devices))
	}
	return list, nil
}

// compare returns what an explanation has wrong. In one that is given in part
// a total may be missing, but not be above the truth.
func (want expect) compare(e explanation, inPart bool) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	same := func(what string, have, want *uint64) {
		if want != nil && (have == nil || *have != *want) {
			wrong("%s is %s, want %d", what, number(have), *want)
		}
	}
	total := func(what string, have, atLeast, want *uint64) {
		if inPart && have == nil && want != nil && atLeast != nil && *atLeast <= *want {
			return
		}
		same(what, have, want)
	}
	seen := map[string]bool{}
	for _, counter := range e.Counters {
		seen[counter.Counter] = true
		if causes := want.causesOf(counter.Counter); len(causes) > 0 || counter.Counter == "rx_dropped" {
			for _, p := range counter.Paths {
				if want.Changed && p.Now {
					continue
				}
				if err := p.contradicts(causes); err != nil {
					wrong("%s: %w", counter.Counter, err)
				}
			}
		}
		switch counter.Counter {
		case "rx_dropped":
			total("total", counter.Total, counter.AtLeast, want.ShownDropped)
			same("own", counter.Own, want.OwnDropped)
			if want.AtLeast != nil && (counter.Own == nil || *counter.Own < *want.AtLeast) {
				wrong("own is %s, want at least %d", number(counter.Own), *want.AtLeast)
			}
			if counter.KernelTotal != nil {
				same("kernel_total", counter.KernelTotal, want.ShownDropped)
			}
		case "rx_nohandler":
			total("rx_nohandler", counter.Total, counter.AtLeast, want.RxNohandler)
		}
	}
	if !seen["rx_dropped"] {
		wrong("no counter rx_dropped")
	}
	if want.RxNohandler != nil && *want.RxNohandler != 0 && !seen["rx_nohandler"] {
		wrong("no counter rx_nohandler")
	}
	path := strings.Join(e.Path, "\n")
	for _, words := range want.Path {
		if !strings.Contains(path, words) {
			wrong("the path does not have %q, it is:\n%s", words, path)
		}
	}
	notes := strings.Join(e.Notes, "\n")
	for _, words := range want.Says {
		if !strings.Contains(notes, words) {
			wrong("no note says %q, they are:\n%s", words, notes)
		}
	}
	return errors.Join(errs...)
}

// causesOf are the causes of one counter, by path.
func (want expect) causesOf(counter string) map[string]cause {
	causes := map[string]cause{}
	for _, c := range want.Causes {
		if c.Counter == counter {
			causes[c.Path] = c
		}
	}
	return causes
}

// contradicts says what a verdict on a path has wrong: the number of frames that took it is within what the verdict
// allows, however sure it is.
func (p causePath) contradicts(causes map[string]cause) error {
	c := causes[p.ID] // of a path that no frame took it says 0
	switch {
	case c.Frames > 0 && p.Verdict == "ruled out":
		return fmt.Errorf("%d frames took %s, which is ruled out: %v", c.Frames, p.ID, p.Evidence)
	case p.Verdict == "fired" && c.Frames == 0:
		return fmt.Errorf("no frame took %s, which has fired (%s): %v", p.ID, p.Level, p.Evidence)
	case p.Max != nil && *p.Max < c.Frames:
		return fmt.Errorf("%d frames took %s, and no more than %d are said to: %v", c.Frames, p.ID, *p.Max, p.Evidence)
	case c.AtLeast:
	case p.Min > c.Frames:
		return fmt.Errorf("%d frames took %s, and at least %d are said to: %v", c.Frames, p.ID, p.Min, p.Evidence)
	case p.Count != nil && *p.Count != c.Frames:
		return fmt.Errorf("%d frames took %s, not %d: %v", c.Frames, p.ID, *p.Count, p.Evidence)
	}
	return nil
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
	errs := []error{a.check(c.exit(1), nil, nil)}
	names, err := c.namespaces()
	if err != nil {
		return err
	}
	for _, ns := range names {
		links, err := readLinks(c.facts, ns)
		if err != nil {
			return err
		}
		for name, l := range links {
			// The core's part alone makes a device worth a line; a veth's
			// tx_dropped is its driver's.
			drops := l.Stats.RX.Dropped > 0 || l.Stats.RX.Nohandler > 0
			if c.inPart() && c.countsItself(l.Info.Kind) {
				continue
			}
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
