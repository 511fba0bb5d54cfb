package check

import (
	"fmt"
	"strings"
)

// Text prints the sample for people.
func (r *WatchReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.one {
		w("%s, kernel %s, watched %s", r.Devices[0].place(), r.Kernel, watchedFor(r.Sample, r.Elapsed))
		for i := range r.Devices {
			if i > 0 {
				w("")
				w("%s", r.Devices[i].place())
			}
			r.Devices[i].text(w, r)
		}
	} else {
		r.table(w)
	}
	changesText(w, r.Changes)
	if r.Final || r.one {
		section(w, "note:", r.Notes)
	}
	section(w, unseen, r.Missing)
	if r.Final {
		section(w, "next:", r.Next)
	}
	return b.String()
}

// changesText tells what changed.
func changesText(w func(string, ...any), changes []WatchChange) {
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%s s: %s: %s", seconds(c.Elapsed), c.Device, c.What))
	}
	section(w, "changed during the watch:", lines)
}

// watchedFor says how long a watch is.
func watchedFor(sample int, elapsed float64) string {
	if sample == 0 {
		return "from now on"
	}
	return fmt.Sprintf("for %s s, %s", seconds(elapsed), times(sample, "sample"))
}

func times(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func seconds(s float64) string { return fmt.Sprintf("%.1f", s) }

func (d *WatchedDevice) text(w func(string, ...any), r *WatchReport) {
	if d.Since > 0 {
		w("differences since %s s into the watch", seconds(d.Since))
	}
	elapsed := r.Elapsed
	switch {
	case d.LastSeen == nil && d.Gone:
		w("")
		w("it has gone")
		return
	case d.LastSeen != nil:
		elapsed = *d.LastSeen
		what := "its differences began anew since"
		if d.Gone {
			what = "it has gone"
		}
		w("%s; this is as it was last seen, %s s into the watch", what, seconds(elapsed))
	}
	w("")
	w("%s", columns("", "now", "moved", "a second"))
	var clean []string
	for i := range d.Counters {
		c := &d.Counters[i]
		if c.State == Clean {
			clean = append(clean, c.Counter)
			continue
		}
		w("%s  %s", c.line(), c.State)
		if text := c.says(elapsed, d.Since); text != "" {
			w("    %s", text)
		}
		if c.Verdict != nil {
			for _, v := range c.Verdict.verdicts(d.Device) {
				w("    %s", v)
			}
		}
	}
	if len(clean) > 0 {
		w("0: %s", strings.Join(clean, ", "))
	}
	for i := range d.Counters {
		if v := d.Counters[i].Verdict; v != nil && v.Own != nil {
			v.watchedPaths(w)
		}
	}
}

// columns is a line of the table.
func columns(counter, now, moved, rate string) string {
	return fmt.Sprintf("%-20s %12s %10s %9s", counter, now, moved, rate)
}

// line is a counter's line in the table.
func (c *WatchedCounter) line() string {
	moved := "?"
	switch {
	case c.Moved != nil:
		moved = fmt.Sprintf("+%d", *c.Moved)
	case c.Verdict != nil:
		moved = fmt.Sprintf(">=%d", c.Verdict.AtLeast)
	}
	return columns(c.Counter, text(c.Value), moved, rate(c.Rate))
}

func rate(r *float64) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *r)
}

// says is more of what the counter does.
func (c *WatchedCounter) says(elapsed, since float64) string {
	switch {
	case c.State == OldWound && elapsed <= since:
		return "or one that bleeds: the next samples tell"
	case c.State == OldWound:
		return fmt.Sprintf("it did not move in %s s", seconds(elapsed-since))
	case c.State == Bleeding && c.LastMoved != nil && *c.LastMoved < elapsed:
		return fmt.Sprintf("not in the last %s s", seconds(elapsed-*c.LastMoved))
	case c.State == Stopped && c.LastMoved != nil:
		if elapsed <= *c.LastMoved { // and has gone
			return ""
		}
		return fmt.Sprintf("it last moved %s s into the watch, %s s ago", seconds(*c.LastMoved), seconds(elapsed-*c.LastMoved))
	}
	return ""
}

// watchedPaths prints what a verdict on a difference rests on: the paths that fired or may have, and in one line
// those that are ruled out.
func (c *Counter) watchedPaths(w func(string, ...any)) {
	w("")
	w("what %s moved by, %s: the paths", c.Counter, atLeast(c))
	var out []string
	for _, v := range []Verdict{Fired, Possible, RuledOut} {
		for _, p := range c.Paths {
			switch {
			case p.Verdict != v:
			case v == RuledOut:
				out = append(out, p.ID)
			default:
				w("  %s: %s", p.ID, p.verdictText())
				for _, e := range p.Evidence {
					w("%s", foldText(e, "      ", 100))
				}
			}
		}
	}
	if len(out) > 0 {
		w("  ruled out (--json tells by what):")
		w("%s", wrap(out, "    ", 96))
	}
}

func atLeast(c *Counter) string {
	if c.Total == nil {
		return fmt.Sprintf("%d or more", c.AtLeast)
	}
	return fmt.Sprint(*c.Total)
}

// table lists the devices: those that bleed, and those with old wounds.
func (r *WatchReport) table(w func(string, ...any)) {
	w("%d devices, kernel %s, watched %s", r.Seen, r.Kernel, watchedFor(r.Sample, r.Elapsed))
	width, any := len("device"), false
	for i := range r.Devices {
		width = max(width, len([]rune(r.Devices[i].label())))
	}
	for _, s := range []struct {
		state WatchState
		title string
	}{{Bleeding, "bleeding:"}, {Stopped, "stopped:"}, {OldWound, "old wounds:"}, {StateOpen, "cannot tell:"}} {
		title := s.title
		for i := range r.Devices {
			d := &r.Devices[i]
			for j := range d.Counters {
				c := &d.Counters[j]
				if c.State != s.state {
					continue
				}
				any = true
				if title != "" {
					w("")
					w("%-*s  %s", width+2, title, columns("", "now", "moved", "a second"))
					title = ""
				}
				w("  %-*s  %s", width, d.label(), c.line())
				if c.Verdict != nil {
					w("  %-*s      %s", width, "", c.Verdict.short())
				}
			}
		}
	}
	if !any {
		w("")
		w("no drops: %s are 0 on all of them", strings.Join(ExplainedCounters, ", "))
	}
}

func (d *WatchedDevice) label() string {
	s := d.Device + " (" + d.NetNS + ")"
	switch {
	case d.Gone:
		return s + ", gone"
	case d.LastSeen != nil:
		return s + ", until " + seconds(*d.LastSeen) + " s"
	}
	return s
}

func (d *WatchedDevice) place() string { return d.Device + " in " + d.NetNS }
