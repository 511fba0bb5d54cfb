package check

import (
	"encoding/json"
	"fmt"
	globs "path"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// SNMPReport is the answer of snmp for one network namespace: what its protocols counted, what that means,
// and where it leads. Its JSON form is stable, as that of [Report] is.
type SNMPReport struct {
	NetNS    string       `json:"netns"`
	Kernel   string       `json:"kernel"`
	Source   string       `json:"source"`
	Counters []SNMPRow    `json:"counters"`
	Details  []SNMPDetail `json:"details"`
	Missing  []string     `json:"missing"`
	zeros    int          // counters that are left out
}

// SNMPRow is a counter, by nstat's name. It counts since the namespace was made.
type SNMPRow struct {
	Name  string      `json:"name"`
	Value json.Number `json:"value"`
	Level string      `json:"level"` // "drop", "trouble" or ""; of the counter, not of its value
	Means string      `json:"means"` // "" where there is nothing to say
	Do    string      `json:"do"`
	zero  bool
}

// SNMPOptions choose what is shown.
type SNMPOptions struct {
	Names []string // nstat's names, with * and ?; a name that no counter has is the beginning of some
	All   bool     // zeros, too
}

// SNMPOf tells what a namespace's protocols counted.
func SNMPOf(s *knet.Stack, ns knet.NetNS, o SNMPOptions) (*SNMPReport, error) {
	t, err := s.SNMP(ns)
	if err != nil {
		return nil, err
	}
	r := &SNMPReport{
		NetNS: ns.String(), Kernel: s.K.Release(), Source: value.Printable(s.K.Image.Source()),
		Counters: []SNMPRow{}, Details: []SNMPDetail{}, Missing: []string{},
	}
	all, wanted, missing, err := countersIn(t, nil, o.Names)
	if err != nil {
		return nil, err
	}
	r.Missing = append(r.Missing, missing...)
	moved := map[string]bool{}
	for _, c := range all {
		exact, ok := wanted[c.ID]
		if len(o.Names) > 0 && !ok {
			continue
		}
		if c.Value == 0 && !o.All && !exact {
			r.zeros++
			continue
		}
		row := SNMPRow{Name: c.ID, Value: json.Number(c.String()), zero: c.Value == 0}
		if m := meaningOf[c.ID]; m != nil {
			row.Level, row.Means, row.Do = m.level, m.means, m.todo
		}
		r.Counters = append(r.Counters, row)
		moved[c.ID] = c.Value != 0
	}
	d := snmpDrill{s: s, ns: ns, t: t, r: r, moved: moved}
	d.all()
	return r, nil
}

// countersIn are the counters of some files, nil for all: those that there are, which of them the names name, as
// [chooseCounters] has it, and what could not be read.
func countersIn(t *knet.SNMP, files, names []string) (all []knet.SNMPCounter, wanted map[string]bool, missing []string, err error) {
	for _, g := range t.Groups {
		if files != nil && !slices.Contains(files, g.File) {
			continue
		}
		all = append(all, g.Counters...)
		if g.Err != nil {
			missing = append(missing, value.Printable(g.Err.Error()))
		}
	}
	if wanted, err = chooseCounters(all, names); err != nil && t.Err() != nil {
		err = nil // a name may be one of those that are missing
	}
	return all, wanted, missing, err
}

// chooseCounters finds those that the names name; the value is true where a name is one counter's.
func chooseCounters(all []knet.SNMPCounter, names []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		pattern := strings.ToLower(name)
		if _, err := globs.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%s is no pattern: * and ? stand for any letters, [ab] for a choice", value.Quote(name))
		}
		found := false
		match := func(hit func(id string) bool, exact bool) {
			for _, c := range all {
				if hit(strings.ToLower(c.ID)) {
					wanted[c.ID] = wanted[c.ID] || exact
					found = true
				}
			}
		}
		if strings.ContainsAny(name, "*?[") {
			match(func(id string) bool { ok, _ := globs.Match(pattern, id); return ok }, false)
		} else {
			match(func(id string) bool { return id == pattern }, true)
			if !found {
				match(func(id string) bool { return strings.HasPrefix(id, pattern) }, false)
			}
		}
		if !found {
			var ids []string
			for _, c := range all {
				ids = append(ids, c.ID)
			}
			hint := "nstat's names are wanted, such as UdpRcvbufErrors or TcpExtListen*; snmp --all lists them"
			if near := btf.Near(name, ids); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, ", ") + "?"
			}
			return wanted, fmt.Errorf("this kernel has no counter %s: %s", value.Quote(name), hint)
		}
	}
	return wanted, nil
}

// Drops reports whether a counter of what this host lost is not zero.
func (r *SNMPReport) Drops() bool {
	for _, c := range r.Counters {
		if c.Level == snmpDrop && !c.zero {
			return true
		}
	}
	return false
}

// Partial reports whether something could not be read.
func (r *SNMPReport) Partial() bool { return len(r.Missing) > 0 }

// Text prints the report for people.
func (r *SNMPReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("protocols' counters of %s, kernel %s (%s), since the namespace was made", r.NetNS, r.Kernel, r.Source)
	for _, section := range []struct{ level, title string }{
		{snmpDrop, "lost here:"}, {snmpTrouble, "trouble, elsewhere or in what came:"}, {snmpPlain, "traffic and work:"},
	} {
		title := section.title
		for _, c := range r.Counters {
			if c.Level != section.level {
				continue
			}
			if title != "" {
				w("")
				w("%s", title)
				title = ""
			}
			w("%s", strings.TrimRight(fmt.Sprintf("  %-32s %14s  %s", c.Name, c.Value, plainMeaning(c)), " "))
			if c.Level == snmpPlain || c.zero {
				continue
			}
			for _, l := range strings.Split(foldText(c.Means, "      ", 100), "\n") {
				w("%s", l)
			}
			if c.Do != "" {
				w("%s", foldText("→ "+c.Do, "      ", 100))
			}
		}
	}
	for _, d := range r.Details {
		w("")
		d.text(w)
	}
	if r.zeros > 0 {
		w("")
		w("%d counters are 0 (--all shows them)", r.zeros)
	}
	section(w, unseen, r.Missing)
	return b.String()
}

// plainMeaning stands in the counter's own line, where a longer one follows it.
func plainMeaning(c SNMPRow) string {
	if c.Level == snmpPlain || c.zero {
		return c.Means
	}
	return ""
}

// foldText breaks a text into lines of at most width columns.
func foldText(text, indent string, width int) string {
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
