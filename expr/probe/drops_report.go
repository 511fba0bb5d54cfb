package probe

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/debuginfo"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// DropRow is a row of the table for people and programs. Its JSON form is stable.
type DropRow struct {
	Kind      string `json:"kind"` // "drop"
	Count     uint64 `json:"count"`
	Reason    string `json:"reason"`   // without SKB_DROP_REASON_; "" where the kernel tells none
	Location  string `json:"location"` // symbol+offset [module]
	Function  string `json:"function"` // the symbol alone
	Module    string `json:"module"`
	Address   string `json:"address"`
	Source    string `json:"source"` // file:line, with --vmlinux
	Device    string `json:"device"` // "" without one
	Ifindex   int    `json:"ifindex"`
	NetNS     string `json:"netns"` // "" without a device
	Ethertype string `json:"ethertype"`
	Protocol  string `json:"protocol"` // the ethertype's name, or ""
	Loss      Loss   `json:"loss"`
	Why       string `json:"why"` // where it is none, or may be none

	key   DropKey
	least uint64 // see Drop
}

// DropsSummary is the end of a run. Its JSON form is stable.
type DropsSummary struct {
	Kind     string   `json:"kind"` // "summary"
	Kernel   string   `json:"kernel"`
	Source   string   `json:"source"`
	Device   string   `json:"device"` // that was asked for, "" for all
	NetNS    string   `json:"netns"`
	Seconds  float64  `json:"seconds"`
	Drops    uint64   `json:"drops"`   // of all rows
	NoLoss   uint64   `json:"no_loss"` // of these, what nobody lost
	Rows     int      `json:"rows"`
	LostRows uint64   `json:"lost_rows"` // drops that are in no row: the table was full
	Nested   uint64   `json:"nested"`    // drops that came while another one was counted on the CPU
	Frames   int      `json:"frames"`    // that were kept
	Samples  uint64   `json:"lost_frames"`
	NoDevice uint64   `json:"no_device"` // drops of the rows without a device whose skb->dev held something else
	Ties     []Tie    `json:"ties"`
	Notes    []string `json:"notes"`
}

// DropsReport is what a run has seen so far.
type DropsReport struct {
	Rows    []DropRow
	Summary DropsSummary
	tied    bool // they were compared with counters, of devices that are still there
}

// Namer gives names to what the tables have: symbols, reasons, namespaces, ethertypes.
type Namer struct {
	k       *value.Kernel
	stack   *knet.Stack
	reasons *Reasons
	spaces  map[uint32]string
	places  map[kmem.Addr]place
}

// place is an address of code by its names.
type place struct{ text, function, module, source string }

// NewNamer makes a namer for a kernel.
func NewNamer(s *knet.Stack) (*Namer, error) {
	r, err := NewReasons(s.K)
	if err != nil {
		return nil, err
	}
	return &Namer{k: s.K, stack: s, reasons: r, spaces: map[uint32]string{}, places: map[kmem.Addr]place{}}, nil
}

// place names where an skb was freed. The address is what a call returns to, inside the function that called, or the
// start of a function that says so of itself, net_tx_action: it is never the end of the one before.
func (n *Namer) place(a kmem.Addr) place {
	if p, ok := n.places[a]; ok {
		return p
	}
	p := place{text: a.String()}
	if s, off, ok := n.k.SymbolAt(a); ok {
		p.text, p.function, p.module = value.SymbolText(s, off), value.Printable(s.Name), value.Printable(s.Module)
		if n.k.Vmlinux() != "" {
			at := a
			if off > 0 {
				at-- // the call, not what stands behind it
			}
			if frames, err := n.k.Frames(at); err == nil && len(frames) > 0 {
				p.source = sourceOf(frames[0])
			}
		}
	}
	n.places[a] = p
	return p
}

func sourceOf(f debuginfo.Frame) string {
	if f.File == "" {
		return ""
	}
	return value.Printable(f.Place())
}

// netNS names a namespace by its inode number.
func (n *Namer) netNS(inum uint32) string {
	if inum == 0 {
		return ""
	}
	if s, ok := n.spaces[inum]; ok {
		return s
	}
	name := fmt.Sprint(inum)
	if nss, err := n.stack.Anew().ResolveNS("all"); err == nil {
		for _, ns := range nss {
			if uint32(ns.Inum) == inum {
				name = ns.String()
			}
		}
	}
	n.spaces[inum] = name
	return name
}

// row names a row.
func (n *Namer) row(d Drop) DropRow {
	p := n.place(d.Location)
	r := DropRow{
		Kind: "drop", Count: d.Count, Reason: n.reasons.Name(d.Reason), Location: p.text, Function: p.function, Module: p.module,
		Address: d.Location.String(), Source: p.source, Device: value.Printable(d.Device), Ifindex: d.Ifindex, NetNS: n.netNS(d.NetNS),
		Ethertype: fmt.Sprintf("0x%04x", uint16(d.Ethertype)), Protocol: d.Ethertype.Name(), key: d.DropKey, least: d.Least,
	}
	r.Loss, r.Why = lossOf(ofBTF{n.k}, baseName(p.function), r.Reason, d.Ethertype)
	return r
}

// baseName is a function's name without what the compiler put behind it: .constprop.0, .isra.0, .cold.
func baseName(symbol string) string {
	name, _, _ := strings.Cut(symbol, ".")
	return name
}

// NewDropsReport names a table. The watch's last report, where there is one, ties it to counters.
func NewDropsReport(n *Namer, rows []Drop, lost Missed, elapsed time.Duration, d *knet.Device, moved *check.WatchReport) *DropsReport {
	r := &DropsReport{Rows: []DropRow{}, Summary: DropsSummary{
		Kind: "summary", Kernel: n.k.Release(), Source: value.Printable(n.k.Image.Source()), Seconds: float64(elapsed.Milliseconds()) / 1000,
		Rows: len(rows), LostRows: lost.Rows, Nested: lost.Nested, Samples: lost.Samples, NoDevice: lost.Devices, Ties: []Tie{}, Notes: []string{},
	}}
	if d != nil {
		r.Summary.Device, r.Summary.NetNS = value.Printable(d.Name), d.NS.String()
	}
	for _, row := range rows {
		named := n.row(row)
		r.Rows = append(r.Rows, named)
		r.Summary.Drops += row.Count
		if named.Loss == NoLoss {
			r.Summary.NoLoss += row.Count
		}
	}
	if !n.reasons.Known() {
		r.note("this kernel tells no drop reasons (they came with 5.17)")
	}
	if moved != nil {
		r.Summary.Ties = tie(r.Rows, moved)
		r.tied = !slices.ContainsFunc(moved.Changes, func(c check.WatchChange) bool { return c.Ends() })
		r.changes(moved, d != nil)
	}
	if lost.Rows > 0 {
		r.note("not in any row, as the table holds %d: %s", len(rows), plural(lost.Rows, "drop"))
	}
	if lost.Nested > 0 {
		r.note("not seen, as a CPU was counting another one: %s", plural(lost.Nested, "drop"))
	}
	if lost.Devices > 0 {
		r.note("of an unknown device, as skb->dev held something else, as it does while a socket, a qdisc or IP's reassembly keeps an skb: %s", plural(lost.Devices, "drop"))
	}
	if lost.Samples > 0 {
		r.note("%d frames were not kept: they came faster than they were read", lost.Samples)
	}
	return r
}

// maxChanges bounds the notes on what became of devices meanwhile.
const maxChanges = 20

// changes notes what became of devices meanwhile. A device that has gone took its counters with it. Where one device
// was asked for, the program looks at that alone, whatever takes its name.
func (r *DropsReport) changes(moved *check.WatchReport, one bool) {
	for i, c := range moved.Changes {
		switch text := c.Device + ": " + c.What; {
		case i == maxChanges:
			r.note("and %d changes of devices more", len(moved.Changes)-i)
			return
		case c.Another() && one:
			r.note("%s; the drops are those of the one before, and are compared with no counter", text)
		case c.Ends():
			r.note("%s; drops until then are compared with no counter", text)
		default:
			r.note("%s", text)
		}
	}
}

func (r *DropsReport) note(format string, args ...any) {
	r.Summary.Notes = append(r.Summary.Notes, fmt.Sprintf(format, args...))
}

// Kept says how many frames were kept, and how many were not since there were too many.
func (r *DropsReport) Kept(n int, cut uint64) {
	r.Summary.Frames = n
	if cut > 0 {
		r.note("%d frames more were not kept: %d is the most", cut, n)
	}
}

// Found reports whether something was lost.
func (r *DropsReport) Found() bool {
	s := &r.Summary
	return s.Drops > s.NoLoss || s.LostRows > 0 || s.Nested > 0
}

// Text is the table, the most frequent rows first, and what it says of the counters.
func (r *DropsReport) Text() string {
	var b strings.Builder
	s := &r.Summary
	where := "all devices"
	if s.Device != "" {
		where = s.Device + " in " + s.NetNS
	}
	fmt.Fprintf(&b, "drops on %s, kernel %s, %.1f s: %d", where, s.Kernel, s.Seconds, s.Drops)
	if s.NoLoss > 0 {
		fmt.Fprintf(&b, ", %d of them no loss", s.NoLoss)
	}
	b.WriteString("\n")
	if len(r.Rows) > 0 {
		b.WriteString("\n")
		r.table(&b)
	}
	why := map[string]bool{}
	for _, row := range r.Rows {
		if row.Why != "" && !why[row.Function] {
			why[row.Function] = true
			fmt.Fprintf(&b, "%s: %s: %s\n", row.Function, row.Loss, row.Why)
		}
	}
	if r.tied && len(s.Ties) == 0 && len(r.Rows) > 0 {
		b.WriteString("\nno drop counter of a device moved between its two readings\n")
	}
	for i, t := range s.Ties {
		if i == 0 {
			b.WriteString("\ncounters that moved:\n")
		}
		fmt.Fprintf(&b, "  %s\n", t.Text)
	}
	for i, n := range s.Notes {
		if i == 0 {
			b.WriteString("\nnote:\n")
		}
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String()
}

func (r *DropsReport) table(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	spaces, sources := false, false
	for _, row := range r.Rows {
		spaces = spaces || row.NetNS != "" && row.NetNS != "init_net"
		sources = sources || row.Source != ""
	}
	head := "COUNT\tREASON\tLOCATION\tDEVICE\tETHERTYPE"
	if spaces {
		head += "\tNETNS"
	}
	if sources {
		head += "\tSOURCE"
	}
	fmt.Fprintln(w, head)
	for _, row := range r.Rows {
		reason := row.Reason
		if reason == "" {
			reason = "-"
		}
		if row.Loss != Lost {
			reason += " (" + string(row.Loss) + ")"
		}
		device := row.Device
		switch {
		case row.Ifindex == 0:
			device = "-"
		case device == "":
			device = fmt.Sprintf("ifindex %d", row.Ifindex)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s", row.Count, reason, row.Location, device, strings.TrimSpace(row.Ethertype+" "+row.Protocol))
		if spaces {
			fmt.Fprintf(w, "\t%s", row.NetNS)
		}
		if sources {
			fmt.Fprintf(w, "\t%s", row.Source)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}
