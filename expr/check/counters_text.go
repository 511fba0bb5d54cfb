package check

import (
	"fmt"
	"strings"
)

// Text prints the report for people.
func (r *CountersReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("%s in %s, kernel %s (%s)", r.Device, r.NetNS, r.Kernel, r.Source)
	by := "counted by the core for its driver"
	if r.StatsFrom != "" {
		by = "counted by its driver's " + r.StatsFrom
	}
	w("%s, and drops by the core on top", by)
	w("")
	var zeros, unknown []string
	for _, f := range r.Fields {
		switch {
		case f.Value == nil && f.AtLeast == 0:
			unknown = append(unknown, f.Field)
		case f.Value == nil:
			w("%-20s %12s  %s", f.Field, fmt.Sprint(f.AtLeast, " or more"), f.made())
		case *f.Value == 0:
			zeros = append(zeros, f.Field)
		default:
			w("%-20s %12d  %s", f.Field, *f.Value, f.made())
		}
	}
	for _, few := range []struct {
		title  string
		fields []string
	}{{"zero:", zeros}, {"not known (see below):", unknown}} {
		if len(few.fields) > 0 {
			w("%s", few.title)
			w("%s", wrap(few.fields, "  ", 96))
		}
	}
	w("")
	w("what tools show (? is not known):")
	r.toolText(w)
	if r.Ethtool != nil {
		w("")
		w("ethtool -S %s (the driver's own names):", r.Device)
		zeros = zeros[:0]
		for _, s := range r.Ethtool {
			if s.Value == 0 {
				zeros = append(zeros, s.Name)
				continue
			}
			w("  %-34s %12d", s.Name, s.Value)
		}
		if len(zeros) > 0 {
			w("  zero:")
			w("%s", wrap(zeros, "    ", 96))
		}
	}
	section(w, "note:", r.Notes)
	section(w, unseen, r.Missing)
	return b.String()
}

// made is "48 net_device.core_stats.rx_dropped + 5 …", without parts that are 0.
func (f *CounterField) made() string {
	var parts []string
	for _, p := range f.Parts {
		if p.Value > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.Value, p.From))
		}
	}
	if f.Value == nil {
		parts = append(parts, "what is not known")
	}
	return strings.Join(parts, " + ")
}

// toolText prints a line or more for each direction of each tool.
func (r *CountersReport) toolText(w func(string, ...any)) {
	values := r.values()
	for i := 0; i < len(r.Tools); {
		tool, way := r.Tools[i].Tool, r.Tools[i].way()
		var items []string
		for ; i < len(r.Tools) && r.Tools[i].Tool == tool && r.Tools[i].way() == way; i++ {
			t := r.Tools[i]
			item := strings.TrimPrefix(t.Column, way+" ") + " " + text(t.Value)
			if len(t.Fields) > 1 && t.Value != nil && *t.Value > 0 {
				item += " (" + sumOf(t.Fields, values) + ")"
			}
			items = append(items, item)
		}
		lines := strings.Split(wrap(items, strings.Repeat(" ", 25), 100), "\n")
		w("  %-13s %-8s %s", tool, strings.TrimSuffix(way, ":"), strings.TrimSpace(lines[0]))
		for _, l := range lines[1:] {
			w("%s", l)
		}
	}
}

// way is the direction that a column is in.
func (t *ToolFigure) way() string {
	if way, _, ok := strings.Cut(t.Column, " "); ok {
		return way
	}
	return t.Column[:2]
}

// sumOf is "rx_dropped 48 + rx_missed_errors 5"; of more than two fields those that are 0 are left out.
func sumOf(fields []string, values map[string]*uint64) string {
	var parts []string
	for _, name := range fields {
		if n := values[name]; n != nil && (*n > 0 || len(fields) == 2) {
			parts = append(parts, fmt.Sprintf("%s %d", name, *n))
		}
	}
	return strings.Join(parts, " + ")
}
