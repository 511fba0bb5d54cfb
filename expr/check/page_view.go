package check

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"kinspect/expr/knet"
)

// deviceView is a device's section of a page.
type deviceView struct {
	ID       string
	Level    int // of its sections' headings
	Device   string
	NetNS    string
	What     string
	Summary  string
	Counters []counterView // that are not 0
	Zeros    string
	Drawings []drawingView
	Lines    string // the receive path as text
	Softnet  string
	CPUs     []CPU
	MoreCPUs int
	Handlers []HandlerInfo
	More     int // handlers that are left out
	None     []EthertypeInfo
	Notes    []string
	Missing  []string
	Next     []nextView

	report   *Report
	received map[string]*uint64 // frames, by lane; "" is the device
	origin   string
	vlans    []string
}

// drawingView is a drawing, for wide and for narrow screens.
type drawingView struct {
	Title, ID    string
	Wide, Narrow template.HTML
}

// counterView is a counter that is not 0.
type counterView struct {
	Name, Total string
	Headline    string
	Parts       []partView
	Paths       []pathView
	Untaken     []string // ids that are ruled out as the core counted nothing
}

// partView is a part of a counter.
type partView struct{ Name, Frames, From string }

// pathView is a row of the evidence.
type pathView struct {
	Mark, Class    string // of the verdict: not by its colour alone
	ID, Function   string
	Condition      string
	Verdict, Level string
	Frames         string
	Evidence       []string
	Reason, Do     string // the kernel's name for the drop, what to do
}

// nextView is something to do: what for, and the command.
type nextView struct{ What, Command, Note string }

func newDeviceView(s *knet.Stack, r *Report, id string, level int) *deviceView {
	v := &deviceView{
		ID: id, Level: level, Device: r.Device, NetNS: r.NetNS, What: r.Kind,
		Counters: countersView(r), Notes: short(r.Notes), Missing: short(r.Missing), Lines: strings.Join(short(r.Path), "\n"),
		report: r,
	}
	v.complete(s)
	if r.drawing != nil {
		v.What = r.drawing.what
	}
	v.summarize()
	if send := v.sendStages(); send != nil {
		v.draw("How a frame leaves", "send", send)
	}
	if receive := v.receiveStages(); receive != nil {
		v.draw("How a frame gets here", "receive", receive)
	}
	if len(v.Drawings) == 2 && slices.ContainsFunc(r.Counters, func(c Counter) bool { return !c.quiet() && strings.HasPrefix(c.Counter, "rx_") }) {
		slices.Reverse(v.Drawings) // that of what was lost comes first
	}
	v.Softnet = r.Softnet.line()
	if r.Softnet.Dropped != nil {
		v.Softnet = fmt.Sprintf("%d frames dropped on all CPUs, for all devices together; limit %s frames a CPU (net.core.netdev_max_backlog).", *r.Softnet.Dropped, text(r.Softnet.MaxBacklog))
	}
	v.CPUs = r.Softnet.PerCPU[:min(len(r.Softnet.PerCPU), maxPageRows)]
	v.MoreCPUs = len(r.Softnet.PerCPU) - len(v.CPUs)
	v.Handlers = r.Handlers[:min(len(r.Handlers), maxPageRows)]
	v.More = len(r.Handlers) - len(v.Handlers)
	if len(r.Counters) > 0 && r.Counters[0].AtLeast > 0 {
		v.None = r.NoHandler[:min(len(r.NoHandler), maxPageRows)]
	}
	for _, n := range short(r.Next) {
		v.Next = append(v.Next, splitNext(n))
	}
	return v
}

// summarize fills in the sentence at the top, and the counters that are 0.
func (v *deviceView) summarize() {
	var lost, zeros []string
	said := true
	for i := range v.report.Counters {
		c := &v.report.Counters[i]
		if !c.quiet() {
			lost = append(lost, fmt.Sprintf("%s %s: %s", c.Counter, c.total(), c.short()))
			continue
		}
		zeros = append(zeros, c.Counter)
		said = said && c.KernelTotal != nil
	}
	v.Summary = strings.Join(lost, ". ")
	if len(lost) == 0 {
		v.Summary = "No losses: all of its counters are 0"
	}
	if len(zeros) > 0 {
		v.Zeros = strings.Join(zeros, ", ")
		if said {
			v.Zeros += " (the kernel’s netlink says so too)"
		}
	}
}

// total is the counter's number, as far as it is known.
func (c *Counter) total() string {
	if c.Total == nil {
		return fmt.Sprintf("at least %d", c.AtLeast)
	}
	return fmt.Sprint(*c.Total)
}

func countersView(r *Report) []counterView {
	var out []counterView
	for i := range r.Counters {
		c := &r.Counters[i]
		if c.quiet() {
			continue
		}
		v := counterView{Name: c.Counter, Total: c.total(), Headline: strings.TrimPrefix(c.headline(), c.Counter+" ")}
		v.parts(c)
		for _, verdict := range []Verdict{Fired, Possible, RuledOut} {
			for _, p := range c.Paths {
				switch {
				case p.Verdict != verdict:
				case verdict == RuledOut && c.Own != nil && *c.Own == 0 && !c.inherits(p.ID):
					v.Untaken = append(v.Untaken, p.ID)
				default:
					v.Paths = append(v.Paths, newPathView(p))
				}
			}
		}
		out = append(out, v)
	}
	return out
}

// parts lists what makes the counter up.
func (v *counterView) parts(c *Counter) {
	add := func(name string, n *uint64, from string) {
		v.Parts = append(v.Parts, partView{name, text(n), from})
	}
	add("its own (core)", c.Own, c.OwnFrom)
	if isBond := c.Slaves == nil || *c.Slaves > 0 || len(c.SlaveTotals) > 0; isBond {
		var each []string
		for _, s := range c.SlaveTotals {
			each = append(each, s.Device+" "+text(s.Total))
		}
		add("its slaves", c.Slaves, "their totals now: "+orNone(short(each)))
	} else {
		var each []string
		for _, p := range c.DriverParts {
			each = append(each, fmt.Sprintf("%s %d", p.From, p.Value))
		}
		add("its driver", c.Driver, strings.Join(each, " + "))
	}
	add("together", c.Total, "as ip -s link shows it")
	if c.Total == nil {
		v.Parts[len(v.Parts)-1].Frames = v.Total
	}
	if c.KernelTotal != nil {
		add("the kernel’s netlink", c.KernelTotal, "asked at the same time")
	}
}

func newPathView(p PathResult) pathView {
	return pathView{
		ID: p.ID, Function: p.Function, Condition: p.Condition,
		Verdict: string(p.Verdict), Level: p.sure(), Evidence: short(p.Evidence),
		Class: class(p.Verdict), Mark: mark(p.Verdict), Frames: frames(p), Reason: p.DropReason, Do: p.Do,
	}
}

// class and mark are what a verdict looks like.
func class(v Verdict) string {
	return map[Verdict]string{Fired: "lost", Possible: "maybe", RuledOut: "out"}[v]
}

func mark(v Verdict) string {
	return map[Verdict]string{Fired: "✕", Possible: "?", RuledOut: "–"}[v]
}

// frames is how many frames took a path.
func frames(p PathResult) string {
	switch {
	case p.Verdict == Fired:
		return amount(p)
	case p.Verdict == RuledOut:
		return "0"
	case p.Max != nil:
		return fmt.Sprintf("at most %d", *p.Max)
	}
	return "not known"
}

// nextCommands are how the commands begin that answers advise.
var nextCommands = []string{"tcpdump ", "kinspect ", "ip ", "ethtool ", "bpftrace ", "dmesg "}

// splitNext parts "what for: command (remark)", where that is what it is.
func splitNext(s string) nextView {
	what, command, ok := strings.Cut(s, ": ")
	if !ok || !slices.ContainsFunc(nextCommands, func(c string) bool { return strings.HasPrefix(command, c) }) {
		return nextView{What: s}
	}
	note := ""
	if i := strings.LastIndex(command, " ("); i > 0 && strings.HasSuffix(command, ")") {
		command, note = command[:i], command[i+1:]
	}
	return nextView{what, command, note}
}

// draw adds a drawing to the section.
func (v *deviceView) draw(title, id string, stages []stage) {
	v.Drawings = append(v.Drawings, drawingView{
		title, id,
		drawSVG(v.ID+"-"+id+"-wide", title+": "+v.Device, stages, wideDrawing),
		drawSVG(v.ID+"-"+id+"-narrow", title+": "+v.Device, stages, narrowDrawing),
	})
}
