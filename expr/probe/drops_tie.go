package probe

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/check"
)

// A Tie says which drops a counter that moved has counted. Its JSON form is stable.
type Tie struct {
	Device  string    `json:"device"`
	NetNS   string    `json:"netns"`
	Counter string    `json:"counter"`
	Moved   uint64    `json:"moved"` // during the run, a bond's slaves included
	Own     *uint64   `json:"own"`   // the device's own part; null where it is not known
	Seen    uint64    `json:"seen"`  // drops at places that raise the counter
	Least   uint64    `json:"least"` // of these surely between the two times at which the counter was read
	Places  []TieDrop `json:"places"`
	With    []string  `json:"with"`  // other counters of the device that are raised at the same places
	Agree   bool      `json:"agree"` // the own part, with that of those counters, lies between least and seen
	Text    string    `json:"text"`
	others  uint64    // the own parts of these
	brought string    // who counted what is not the device's own
}

// TieDrop is one place of a tie.
type TieDrop struct {
	Path      string `json:"path"` // as explain calls it; several with " or " between where the place does not tell them apart
	Count     uint64 `json:"count"`
	Least     uint64 `json:"least"`
	Function  string `json:"function"`
	Reason    string `json:"reason"`
	Ethertype string `json:"ethertype"`
	protocol  string
}

// tie compares the drops with what the counters of their devices moved by, counter by counter: a drop is a counter's
// where explain's table has its function, or its reason, among the places that raise the counter. Where two counters of a
// device have the same place, rx_dropped and rx_nohandler of a bond's slave, they are compared with it together.
func tie(rows []DropRow, w *check.WatchReport) []Tie {
	out := []Tie{}
	for _, d := range w.Devices {
		owners := map[int][]int{} // of a row: ties of this device
		first := len(out)
		for _, c := range d.Counters {
			if c.Moved == nil || *c.Moved == 0 || c.Verdict == nil {
				continue
			}
			t := Tie{Device: d.Device, NetNS: d.NetNS, Counter: c.Counter, Moved: *c.Moved, Own: c.Verdict.Own, Places: []TieDrop{}, With: []string{}}
			for i, row := range rows {
				if t.none() {
					break
				}
				if !slices.Contains(d.Been, check.Place{NetNS: uint64(row.key.NetNS), Ifindex: row.key.Ifindex}) {
					continue
				}
				if path := pathOf(row, c.Verdict.Paths); path != "" {
					t.Places = append(t.Places, TieDrop{path, row.Count, row.least, row.Function, row.Reason, row.Ethertype, row.Protocol})
					t.Seen += row.Count
					t.Least += row.least
					owners[i] = append(owners[i], len(out))
				}
			}
			t.parts(c.Verdict)
			out = append(out, t)
		}
		share(out, owners)
		for i := first; i < len(out); i++ {
			out[i].finish()
		}
	}
	return out
}

// share tells ties of each other where they have a row in common.
func share(ties []Tie, owners map[int][]int) {
	for _, list := range owners {
		for _, i := range list {
			for _, j := range list {
				if i != j && !slices.Contains(ties[i].With, ties[j].Counter) {
					ties[i].With = append(ties[i].With, ties[j].Counter)
					ties[i].others += ties[j].own()
				}
			}
		}
	}
}

// own is the device's own part, or all where that is not known.
func (t *Tie) own() uint64 {
	if t.Own != nil {
		return *t.Own
	}
	return t.Moved
}

// none reports whether the device itself counted nothing: then no drop is this counter's.
func (t *Tie) none() bool { return t.Own != nil && *t.Own == 0 }

// parts keeps whose the part is that is not the device's own.
func (t *Tie) parts(v *check.Counter) {
	var whose []string
	for _, p := range []struct {
		n    *uint64
		name string
	}{{v.Slaves, "slaves'"}, {v.Driver, "driver's"}} {
		if p.n != nil && *p.n > 0 {
			whose = append(whose, p.name)
		}
	}
	if len(whose) > 0 {
		t.brought = "its " + strings.Join(whose, " and its ")
	}
}

// pathOf is the path of a counter that a row belongs to, or "". Where the reason does not tell it, and a function has
// several paths, it is what memory leaves of them: all of these with or between.
func pathOf(row DropRow, paths []check.PathResult) string {
	var left, out []string
	for _, p := range paths {
		switch {
		case unspecified[row.Reason] || p.DropReason == "":
			if !slices.Contains(strings.Split(p.Function, ", "), baseName(row.Function)) {
				continue
			}
			if p.Verdict == check.RuledOut {
				out = append(out, p.ID)
			} else {
				left = append(left, p.ID)
			}
		case slices.Contains(strings.Split(p.DropReason, " or "), "SKB_DROP_REASON_"+row.Reason):
			return p.ID
		}
	}
	if len(left) == 0 {
		left = out
	}
	return strings.Join(left, pathOr)
}

// pathOr is between paths that a place does not tell apart.
const pathOr = " or "

func (t *Tie) finish() {
	own := t.own()
	want := own + t.others
	t.Agree = t.Least <= want && want <= t.Seen
	text := fmt.Sprintf("%s of %s rose by %d", t.Counter, t.Device, t.Moved)
	if t.none() {
		t.Agree = true
		t.Text = text + ", none of it its own"
		if t.brought != "" {
			t.Text = text + ", all of it " + t.brought
		}
		return
	}
	if own < t.Moved {
		text += fmt.Sprintf(", %d of it its own", own)
	}
	if len(t.With) > 0 {
		text += fmt.Sprintf(" (%s, raised at the same place, by %d)", strings.Join(t.With, ", "), t.others)
	}
	seen := t.seen()
	switch {
	case len(seen) == 0:
		text += "; no drop was seen at a place that raises it: it was counted without freeing an skb there, or by a driver"
	case t.Seen < want:
		text += "; " + strings.Join(seen, "; ") + fmt.Sprintf("; of %d no drop was seen", want-t.Seen)
	case t.Least > want:
		text += "; " + strings.Join(seen, "; ") + fmt.Sprintf("; at least %d more than it counted: another place in the function dropped them", t.Least-want)
	case t.Seen > want:
		text += "; " + strings.Join(seen, "; ") + fmt.Sprintf("; %d of these passed before the counter was read first or after it was read last", t.Seen-want)
	default:
		text += "; " + strings.Join(seen, "; ")
	}
	t.Text = text
}

// maxTypes bounds the ethertypes that are told of a place.
const maxTypes = 5

// seen tells the drops, place by place, with the ethertypes of each.
func (t *Tie) seen() (out []string) {
	type at struct{ function, reason string }
	var order []at
	rows := map[at][]TieDrop{}
	for _, p := range t.Places {
		key := at{p.Function, p.Reason}
		if rows[key] == nil {
			order = append(order, key)
		}
		rows[key] = append(rows[key], p)
	}
	for _, key := range order {
		// A device that moved has a row in each namespace.
		n, counts := uint64(0), map[string]uint64{}
		var names, types []string
		for _, p := range rows[key] {
			n += p.Count
			name := strings.TrimSpace(p.Ethertype + " " + p.protocol)
			if _, ok := counts[name]; !ok {
				names = append(names, name)
			}
			counts[name] += p.Count
		}
		for i, name := range names {
			if len(names) > 1 {
				name += fmt.Sprintf(": %d", counts[name])
			}
			switch {
			case i < maxTypes:
				types = append(types, name)
			case i == len(names)-1:
				types = append(types, fmt.Sprintf("and %d more", len(names)-maxTypes))
			}
		}
		text := plural(n, "drop") + " at " + key.function
		if key.reason != "" {
			text += ", " + key.reason
		}
		if len(types) > 1 {
			out = append(out, text+" ("+strings.Join(types, ", ")+")")
		} else {
			out = append(out, text+", "+types[0])
		}
	}
	return out
}
