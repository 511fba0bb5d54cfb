package check

import (
	"fmt"
	"strings"
)

// lines draws the receive path as text, from the devices that frames come in by down to the protocol handlers,
// with the counters on the way.
func (d *drawing) lines(r *Report) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	indent := ""
	for _, l := range d.lanes {
		if l.state == "" {
			add("%s%s", l.name, l.upward(d.device))
		} else {
			add("%s (%s)%s", l.name, l.state, drawnText(r.ofSlave(l.name)))
			add("  └─ rx_handler %s", l.onward(d.device))
		}
		indent = "       "
	}
	if d.more > 0 {
		add("… %d more", d.more)
	}
	state := "up"
	if !d.up {
		state = "down"
	}
	add("%s%s (%s, %s)%s of its own", indent, d.device, d.what, state, drawnText(r.ownFigures()))
	if len(d.taps) > 0 {
		add("%s  ├─ taps that see every frame: %s", indent, strings.Join(d.taps, ", "))
	}
	if d.rxHandler != "" {
		add("%s  ├─ rx_handler %s", indent, d.rxHandler)
	} else {
		add("%s  ├─ rx_handler: none", indent)
	}
	add("%s  ├─ protocol handlers: %s", indent, d.protocolNames())
	add("%s  └─ no handler → dropped%s", indent, unhandledCount(r))
	return out
}

// upward says where the frames of a device below go, or of another way in.
func (l *lane) upward(device string) string {
	out := ""
	if l.how != "" {
		out = " → " + l.how
	}
	if !l.stops {
		out += " → " + device
	}
	switch {
	case l.note == "":
		return out
	case l.stops:
		return out + ": " + l.note
	case l.input:
		return out + " (" + l.note + ")"
	}
	return out + ", " + l.note
}

// onward says where a slave's frames go.
func (l *lane) onward(bond string) string {
	switch {
	case l.stops && l.note != "":
		return l.how + ": " + l.note
	case l.unicast:
		return fmt.Sprintf("%s → %s for unicast frames; the slave is inactive for all others", l.how, bond)
	case l.stops:
		return l.how + ": the slave is inactive, its frames stop here"
	case l.probe != "":
		return fmt.Sprintf("%s → %s, after its recv_probe %s%s", l.how, bond, l.probe, l.doubt())
	}
	return l.how + " → " + bond + l.doubt()
}

// doubt is what keeps a slave's frames from going on for certain.
func (l *lane) doubt() string {
	if l.note == "" {
		return ""
	}
	return ", " + l.note
}

// drawnCounter is a number in the drawing.
type drawnCounter struct {
	counter string
	n       *uint64
}

func drawnText(fs []drawnCounter) string {
	s := ""
	for _, f := range fs {
		s += fmt.Sprintf("  %s %s", f.counter, text(f.n))
	}
	return s
}

// ofSlave are the counters of a bond's slave that the drawing shows.
func (r *Report) ofSlave(name string) []drawnCounter {
	var out []drawnCounter
	for _, c := range r.Counters {
		for _, t := range c.SlaveTotals {
			if t.Device == name && c.drawn(t.Total) {
				out = append(out, drawnCounter{c.Counter, t.Total})
			}
		}
	}
	return out
}

// ownFigures are the device's own that it shows.
func (r *Report) ownFigures() []drawnCounter {
	var out []drawnCounter
	for _, c := range r.Counters {
		if c.drawn(c.Own) {
			out = append(out, drawnCounter{c.Counter, c.Own})
		}
	}
	return out
}

// drawn reports whether a counter stands in the picture with that number: those of the path that is drawn, and
// others that are not 0.
func (c *Counter) drawn(n *uint64) bool {
	return c.Counter == "rx_dropped" || c.Counter == "rx_nohandler" || n != nil && *n > 0
}

func (d *drawing) protocolNames() string {
	names := make([]string, len(d.protocols))
	for i, p := range d.protocols {
		names[i] = p.ethertype + " " + p.label
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func unhandledCount(r *Report) string {
	for _, c := range r.Counters {
		for _, p := range c.Paths {
			if p.ID == "unhandled-protocol" && p.Verdict == Fired {
				return fmt.Sprintf(", %s in rx_dropped", amount(p))
			}
		}
	}
	return ""
}

// amount prints how many frames a path took, as far as that is known.
func amount(p PathResult) string {
	switch {
	case p.Count != nil:
		return fmt.Sprint(*p.Count)
	case p.Max != nil:
		return fmt.Sprintf("%d to %d", p.Min, *p.Max)
	}
	return fmt.Sprintf("at least %d", p.Min)
}
