package check

import (
	"fmt"
	"strings"
)

// Text prints the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("%s in %s, kernel %s (%s)", r.Device, r.NetNS, r.Kernel, r.Source)
	w("")
	var zeros []string
	said := 0
	for i, c := range r.Counters {
		if c.quiet() && i > 0 { // rx_dropped has its line
			zeros = append(zeros, c.Counter)
			if c.KernelTotal != nil && *c.KernelTotal == 0 {
				said++
			}
			continue
		}
		w("%s", c.headline())
		for _, v := range c.verdicts(r.Device) {
			w("  %s", v)
		}
	}
	if len(zeros) > 0 {
		says := ""
		if said == len(zeros) {
			says = "   (the kernel's netlink says so too)"
		}
		w("0: %s%s", strings.Join(zeros, ", "), says)
	}
	w("")
	w("how a frame gets here:")
	for _, l := range r.Path {
		w("  %s", l)
	}
	for _, c := range r.Counters {
		if c.Own == nil || c.quiet() {
			continue
		}
		c.pathText(w)
	}
	w("")
	w("softnet backlog: %s", r.Softnet.line())
	if len(r.NoHandler) > 0 && len(r.Counters) > 0 && r.Counters[0].AtLeast > 0 {
		w("")
		w("ethertypes without a handler on %s (candidates; memory does not record which were dropped):", r.Device)
		w("%s", wrap(r.candidates(), "  ", 96))
	}
	section(w, "note:", r.Notes)
	section(w, unseen, r.Missing)
	section(w, "next:", r.Next)
	return b.String()
}

// unseen is the title of what an answer lacks.
const unseen = "what could not be seen:"

// section prints lines under a title, where there are any.
func section(w func(string, ...any), title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	w("")
	w("%s", title)
	for _, l := range lines {
		w("  %s", l)
	}
}

// quiet reports whether the counter is known to be 0, and the kernel says nothing else.
func (c *Counter) quiet() bool {
	return c.AtLeast == 0 && c.Total != nil && (c.KernelTotal == nil || *c.KernelTotal == 0)
}

// headline is "rx_dropped 53 = 48 counted on bond0 itself + 5 from its slaves".
func (c *Counter) headline() string {
	total := text(c.Total)
	if c.Total == nil {
		total = fmt.Sprintf("at least %d", c.AtLeast)
	}
	s := fmt.Sprintf("%s %s", c.Counter, total)
	if c.AtLeast == 0 && c.Total != nil {
		return s + kernelSays(c)
	}
	var parts []string
	parts = append(parts, text(c.Own)+" of its own (core)")
	isBond := c.Slaves == nil || *c.Slaves > 0 || len(c.SlaveTotals) > 0
	if isBond {
		parts = append(parts, text(c.Slaves)+" from its slaves")
	} else {
		parts = append(parts, text(c.Driver)+" from its driver")
	}
	return s + " = " + strings.Join(parts, " + ") + kernelSays(c)
}

func kernelSays(c *Counter) string {
	switch {
	case c.KernelTotal == nil:
		return ""
	case c.Total != nil && *c.Total == *c.KernelTotal:
		return fmt.Sprintf("   (the kernel's netlink says %d too)", *c.KernelTotal)
	}
	return fmt.Sprintf("   (the kernel's netlink says %d)", *c.KernelTotal)
}

// verdicts are the lines under a counter: what fired, or what is possible.
func (c *Counter) verdicts(dev string) []string {
	var out, open []string
	for _, p := range c.Paths {
		switch p.Verdict {
		case Fired:
			out = append(out, fmt.Sprintf("%s: %s - %s (%s)", amount(p), p.ID, p.Condition, p.sure()))
		case Possible:
			open = append(open, p.ID)
		}
	}
	if len(open) > 0 && c.AtLeast > 0 || c.Total == nil {
		if len(open) > 0 {
			out = append(out, "cannot tell from memory alone whether: "+strings.Join(open, ", "))
		}
	}
	return out
}

// pathText prints the paths of a counter: first those that fired, then those that
// may have, then, a line each, those that are ruled out.
func (c *Counter) pathText(w func(string, ...any)) {
	w("")
	w("the paths that raise %s:", c.Counter)
	for _, v := range []Verdict{Fired, Possible} {
		for _, p := range c.Paths {
			if p.Verdict != v {
				continue
			}
			w("  %s: %s", p.ID, p.verdictText())
			w("      %s", strings.TrimPrefix(p.where()+": "+p.Condition, ": "))
			for _, e := range p.Evidence {
				w("      %s", e)
			}
			if p.Do != "" {
				w("      do: %s", p.Do)
			}
		}
	}
	var untaken []string
	for _, p := range c.Paths {
		if p.Verdict == RuledOut && c.Own != nil && *c.Own == 0 && !c.inherits(p.ID) {
			untaken = append(untaken, p.ID)
			continue
		}
		if p.Verdict == RuledOut {
			w("  %s: %s, %s: %s", p.ID, p.Verdict, p.sure(), strings.Join(p.Evidence, "; "))
		}
	}
	if len(untaken) > 0 {
		w("  ruled out, proved, as the core counted 0 frames of it on this device:")
		w("%s", wrap(untaken, "    ", 96))
	}
}

// inherits reports whether a path is of what others than the core counted.
func (c *Counter) inherits(id string) bool { return id == "slaves" || id == "driver" }

// where is the function, with the drop reason that it gives.
func (p *PathResult) where() string {
	if p.DropReason == "" {
		return p.Function
	}
	return p.Function + " [" + shortReason(p.DropReason) + "]"
}

func (p *PathResult) verdictText() string {
	s := string(p.Verdict)
	switch {
	case p.Verdict == Fired:
		s += fmt.Sprintf(" %s times", amount(*p))
	case p.Max != nil:
		s += fmt.Sprintf(", at most %d times", *p.Max)
	}
	return s + ", " + p.sure()
}

func (s Softnet) line() string {
	if s.Dropped == nil {
		return "could not be read"
	}
	each := make([]string, len(s.PerCPU))
	for i, c := range s.PerCPU {
		each[i] = fmt.Sprintf("CPU %d: %d", c.CPU, c.Dropped)
	}
	return fmt.Sprintf("%d frames dropped (%s), limit %s frames a CPU", *s.Dropped, strings.Join(each, ", "), text(s.MaxBacklog))
}

func (r *Report) candidates() []string {
	out := make([]string, len(r.NoHandler))
	for i, e := range r.NoHandler {
		out[i] = e.Ethertype + " " + e.Name
	}
	return out
}

// wrap joins items by commas into lines of at most width columns.
func wrap(items []string, indent string, width int) string {
	var b strings.Builder
	col := 0
	for i, s := range items {
		if i < len(items)-1 {
			s += ","
		}
		if col > 0 && col+1+len(s) > width {
			b.WriteString("\n")
			col = 0
		}
		if col == 0 {
			b.WriteString(indent)
			col = len(indent)
		} else {
			b.WriteString(" ")
			col++
		}
		b.WriteString(s)
		col += len(s)
	}
	return b.String()
}

// Line is the device's line in an overview: its counters, each with its verdict.
func (r *Report) Line() string {
	var parts []string
	for _, c := range r.Counters {
		if c.AtLeast == 0 && c.Total != nil {
			continue
		}
		total := text(c.Total)
		if c.Total == nil {
			total = fmt.Sprintf("at least %d", c.AtLeast)
		}
		parts = append(parts, fmt.Sprintf("%s %s: %s", c.Counter, total, c.short()))
	}
	return strings.Join(parts, "; ")
}

func (c *Counter) short() string {
	var fired, open []string
	for _, p := range c.Paths {
		switch p.Verdict {
		case Fired:
			fired = append(fired, fmt.Sprintf("%s %s (%s)", p.ID, amount(p), p.sure()))
		case Possible:
			open = append(open, p.ID)
		}
	}
	if len(open) > 0 {
		fired = append(fired, "cannot tell: "+strings.Join(open, " or "))
	}
	return strings.Join(fired, ", ")
}

// Text prints the overview for people.
func (o *Overview) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if len(o.Devices) == 0 {
		w("no drops: %s are 0 on all %d devices", strings.Join(ExplainedCounters, ", "), o.Seen)
	}
	width := 0
	label := func(r *Report) string { return r.Device + " (" + r.NetNS + ")" }
	for _, r := range o.Devices {
		width = max(width, len(label(r)))
	}
	for _, r := range o.Devices {
		w("%-*s  %s", width, label(r), r.Line())
	}
	for _, m := range o.Missing {
		w("could not be seen: %s", m)
	}
	return b.String()
}

// Text prints the answer for people.
func (r *HandlerReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := r.Ethertype
	if r.Name != "" {
		name += " (" + r.Name + ")"
	}
	where := r.Device
	if where == "" {
		where = "any device"
	}
	w("%s on %s in %s, kernel %s", name, where, r.NetNS, r.Kernel)
	w("%s", r.Summary)
	for at := r; at != nil; at = at.Then {
		at.details(w)
	}
	return b.String()
}

func (r *HandlerReport) details(w func(string, ...any)) {
	on := r.Device
	if on == "" {
		on = "any device"
	}
	if r.RxHandler != "" {
		w("  on %s first: rx_handler %s", on, r.RxHandler)
	}
	for _, e := range r.Entries {
		where := e.List
		if e.Device != "" {
			where += " of " + e.Device
		}
		who := e.Func
		if e.Module != "" {
			who += " [" + e.Module + "]"
		}
		if e.NetNS != "" {
			who += ", packet socket of " + e.NetNS
		}
		w("  on %s: %s %s (%s, %s)", on, e.Ethertype, who, where, e.Address)
	}
	for _, e := range r.Taps {
		who := e.Func
		if e.NetNS != "" {
			who += ", packet socket of " + e.NetNS
		}
		w("  on %s: a tap sees it too: %s (%s)", on, who, e.List)
	}
	if r.SAPs != nil {
		open := strings.Join(r.SAPs, "; ")
		if open == "" {
			open = "none"
		}
		w("  LLC SAPs that are open: %s", open)
	}
	for _, n := range r.Notes {
		w("  note: %s", n)
	}
	for _, m := range r.Missing {
		w("  could not be seen: %s", m)
	}
}
