package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/knet"
)

// Live is what explain adds to its verdict from memory: the drops that were seen meanwhile, and whether they are what
// memory says. Its JSON form is stable.
type Live struct {
	Seconds  float64       `json:"seconds"`
	Drops    uint64        `json:"drops"`
	Rows     []DropRow     `json:"rows"`
	Counters []LiveCounter `json:"counters"`
	Agree    *bool         `json:"agree"` // with the verdict from memory; null where nothing was seen that could tell
	Notes    []string      `json:"notes"`

	ended  bool // the device went, or its counters began anew
	report *DropsReport
}

// LiveCounter is a counter that moved meanwhile.
type LiveCounter struct {
	Counter string     `json:"counter"`
	Moved   uint64     `json:"moved"`
	Own     *uint64    `json:"own"`
	Seen    uint64     `json:"seen"`
	Tie     string     `json:"tie"`
	Paths   []LivePath `json:"paths"`
}

// LivePath compares what was seen of a path with what memory says of it.
type LivePath struct {
	Path   string        `json:"path"`
	Seen   uint64        `json:"seen"`
	Least  uint64        `json:"least"`  // of these surely while memory was watched
	Memory check.Verdict `json:"memory"` // of what the counter moved by meanwhile
	Level  check.Level   `json:"level"`
	Agree  bool          `json:"agree"`
	Text   string        `json:"text"`
}

// NewLive compares the drops of a device with the verdicts on what its counters moved by.
func NewLive(n *Namer, rows []Drop, lost Missed, elapsed time.Duration, d *knet.Device, moved *check.WatchReport) *Live {
	r := NewDropsReport(n, rows, lost, elapsed, d, moved)
	l := &Live{
		Seconds: r.Summary.Seconds, Drops: r.Summary.Drops, Rows: r.Rows, Counters: []LiveCounter{}, Notes: r.Summary.Notes, report: r,
	}
	for _, c := range moved.Changes {
		l.ended = l.ended || c.Ends()
	}
	complete := lost.Rows == 0 && lost.Nested == 0
	for _, w := range moved.Devices {
		for _, c := range w.Counters {
			if c.Moved == nil || *c.Moved == 0 || c.Verdict == nil {
				continue
			}
			out := LiveCounter{Counter: c.Counter, Moved: *c.Moved, Own: c.Verdict.Own, Paths: []LivePath{}}
			seen, least := map[string]uint64{}, map[string]uint64{}
			alone := true // what was seen is of one path of one counter
			for _, t := range r.Summary.Ties {
				if t.Counter != c.Counter || t.Device != w.Device || t.NetNS != w.NetNS {
					continue
				}
				out.Seen, out.Tie, alone = t.Seen, t.Text, len(t.With) == 0
				for _, p := range t.Places {
					several := strings.Split(p.Path, pathOr)
					alone = alone && len(several) == 1
					for _, id := range several {
						seen[id] += p.Count
						least[id] += p.Least
					}
				}
			}
			for _, p := range c.Verdict.Paths {
				if path, ok := compareLive(p, least[p.ID], seen[p.ID], complete, alone); ok {
					out.Paths = append(out.Paths, path)
					agree := path.Agree && (l.Agree == nil || *l.Agree)
					l.Agree = &agree
				}
			}
			l.Counters = append(l.Counters, out)
		}
	}
	return l
}

// ownDevice are the functions that free an skb while its device is the one whose counter they raise. Others do it
// under another device's name (dev_forward_skb: the sender's), or raise the counter without a drop.
var ownDevice = []string{"__netif_receive_skb_core", "enqueue_to_backlog", "ip_rcv_core", "ip6_rcv_core"}

// wereSeen says how many drops were seen.
func wereSeen(n uint64) string {
	if n == 1 {
		return "1 drop was seen"
	}
	return fmt.Sprintf("%d drops were seen", n)
}

// compareLive compares a path's verdict with the drops that were seen there; ok is false where neither has anything to
// say. complete: every drop was seen. alone: what was seen is of one path of this counter.
func compareLive(p check.PathResult, least, seen uint64, complete, alone bool) (LivePath, bool) {
	out := LivePath{Path: p.ID, Seen: seen, Least: least, Memory: p.Verdict, Level: p.Level, Agree: true}
	for _, f := range strings.Split(p.Function, ", ") {
		complete = complete && slices.Contains(ownDevice, f)
	}
	were := wereSeen(seen) + " there"
	if least != seen {
		were = fmt.Sprintf("%d to %d drops were seen there", least, seen)
	}
	switch {
	case !alone && seen > 0 && p.Verdict != check.RuledOut:
		out.Text = fmt.Sprintf("%s: %s at its place, which is that of others too", p.ID, wereSeen(seen))
	case p.Verdict == check.RuledOut && least == 0:
		return out, false
	case p.Verdict == check.RuledOut:
		out.Agree = false
		out.Text = fmt.Sprintf("%s: memory rules it out, and %s", p.ID, were)
	case p.Verdict == check.Fired && seen == 0 && !complete:
		return out, false
	case p.Verdict == check.Fired && seen == 0:
		out.Agree = false
		out.Text = fmt.Sprintf("%s: memory says it dropped frames (%s), and no drop was seen there", p.ID, p.Level)
	case p.Verdict == check.Fired && p.Count != nil && *p.Count == seen && least == seen:
		out.Text = fmt.Sprintf("%s: %d by memory (%s), and %s: proved", p.ID, seen, p.Level, were)
	case seen < p.Min && complete:
		out.Agree = false
		out.Text = fmt.Sprintf("%s: memory says at least %d, and %s", p.ID, p.Min, were)
	case p.Max != nil && least > *p.Max:
		out.Agree = false
		out.Text = fmt.Sprintf("%s: memory says at most %d, and %s", p.ID, *p.Max, were)
	case seen == 0:
		return out, false
	case p.Verdict == check.Fired && p.Count != nil:
		out.Text = fmt.Sprintf("%s: %d by memory (%s), and %s", p.ID, *p.Count, p.Level, were)
	case p.Verdict == check.Fired:
		out.Text = fmt.Sprintf("%s: memory says so (%s), and %s", p.ID, p.Level, were)
	default:
		out.Text = fmt.Sprintf("%s: memory cannot tell, and %s", p.ID, were)
	}
	return out, true
}

// Disagrees reports whether what was seen is not what memory says.
func (l *Live) Disagrees() bool { return l.Agree != nil && !*l.Agree }

// Text is what stands behind explain's own.
func (l *Live) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nlive, %.1f s: ", l.Seconds)
	switch {
	case l.Disagrees():
		b.WriteString("the drops seen and the verdict from memory DISAGREE\n")
	case l.Agree != nil:
		b.WriteString("the drops seen are those that the verdict from memory names\n")
	case l.Drops > 0 && l.ended:
		fmt.Fprintf(&b, "%s, and what the device's counters moved by is not known\n", plural(l.Drops, "drop"))
	case l.ended:
		b.WriteString("no drop was seen, and what the device's counters moved by is not known\n")
	case l.Drops > 0:
		fmt.Fprintf(&b, "%s, and no counter of the device moved by it\n", plural(l.Drops, "drop"))
	case len(l.Counters) > 0:
		b.WriteString("no drop was seen, though a counter moved\n")
	default:
		b.WriteString("nothing was dropped: what counted before does not now. A longer --live sees rarer ones\n")
	}
	for _, c := range l.Counters {
		fmt.Fprintf(&b, "  %s\n", c.Tie)
		for _, p := range c.Paths {
			fmt.Fprintf(&b, "    %s\n", p.Text)
		}
	}
	if len(l.Rows) > 0 {
		b.WriteString("\n")
		l.report.table(&b)
	}
	for i, n := range l.Notes {
		if i == 0 {
			b.WriteString("\nnote:\n")
		}
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String()
}
