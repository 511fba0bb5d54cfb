package check

import "fmt"

// Verdict is what is said of a path.
type Verdict string

// The verdicts.
const (
	Fired    Verdict = "fired"
	RuledOut Verdict = "ruled out"
	Possible Verdict = "possible"
)

// Level is how sure a verdict is.
type Level string

// The levels.
const (
	Proved       Level = "proved"
	OnlyPathLeft Level = "only path left"
	CannotTell   Level = "cannot tell"
)

// Report is the answer of explain for one device. Its JSON form is stable: fields
// are added, never renamed. Counts are in frames; null is "not known"; strings
// that come from the kernel are escaped for a terminal.
type Report struct {
	Device   string    `json:"device"`
	NetNS    string    `json:"netns"`
	Kernel   string    `json:"kernel"`
	Source   string    `json:"source"`
	Kind     string    `json:"kind"` // as `ip -d link` names it, "" for a card's driver
	Counters []Counter `json:"counters"`
	Softnet  Softnet   `json:"softnet"`
	// Path is the receive path, as text that is drawn line by line.
	Path []string `json:"path"`
	// Handlers are what frames on this device can meet, taps included; NoHandler
	// the ethertypes of networks that nothing there handles: candidates.
	Handlers  []HandlerInfo   `json:"handlers"`
	NoHandler []EthertypeInfo `json:"no_handler"`
	Notes     []string        `json:"notes"`
	Next      []string        `json:"next"`
	// Missing says what could not be read; the answer is then one in part.
	Missing []string `json:"missing"`

	drawing *drawing // what Path is made of
}

// Counter is one counter of the device and what made it up.
type Counter struct {
	Counter     string        `json:"counter"`
	Total       *uint64       `json:"total"`        // as `ip -s link` shows it; null where a part is not known
	AtLeast     uint64        `json:"at_least"`     // what is certain of the total
	Own         *uint64       `json:"own"`          // the core's own counter of this device
	Slaves      *uint64       `json:"slaves"`       // what a bond's slaves brought; 0 for other devices
	Driver      *uint64       `json:"driver"`       // the driver's part
	KernelTotal *uint64       `json:"kernel_total"` // what netlink says; null on a dump
	DriverParts []CounterPart `json:"driver_parts"` // the numbers of the kernel that make up the driver's part
	OwnFrom     string        `json:"own_from"`     // how own was read
	SlaveTotals []SlaveTotal  `json:"slave_totals"`
	Paths       []PathResult  `json:"paths"`
	span        string        // of a difference: " during the watch"
}

// SlaveTotal is a slave's own total of the counter, now: its part in the bond's
// number is that only where it was never dropped before it joined.
type SlaveTotal struct {
	Device string  `json:"device"`
	Total  *uint64 `json:"total"`

	name string // as the kernel has it
}

// PathResult is the verdict on one path.
type PathResult struct {
	ID        string   `json:"id"`
	Function  string   `json:"function"`
	Condition string   `json:"condition"`
	Verdict   Verdict  `json:"verdict"`
	Level     Level    `json:"level"`
	Count     *uint64  `json:"count"` // exact, or null
	Min       uint64   `json:"min"`   // at least this many frames
	Max       *uint64  `json:"max"`   // at most this many; null where nothing bounds it
	Now       bool     `json:"now"`   // the verdict holds as the host is set up now: it, or what rules others out
	Evidence  []string `json:"evidence"`
	// DropReason is what this kernel's tracepoints and drop monitor call it, SKB_DROP_REASON_…, several joined by
	// " or "; "" where it gives none.
	DropReason string `json:"drop_reason"`
	Do         string `json:"do"` // what to do about it, in short
}

// Softnet is the backlog of the CPUs.
type Softnet struct {
	Dropped    *uint64 `json:"dropped"` // over all CPUs
	MaxBacklog *uint64 `json:"max_backlog"`
	PerCPU     []CPU   `json:"per_cpu"`
}

// CPU is one CPU's share.
type CPU struct {
	CPU       int    `json:"cpu"`
	Processed uint64 `json:"processed"`
	Dropped   uint64 `json:"dropped"`
}

// HandlerInfo is one protocol handler.
type HandlerInfo struct {
	Ethertype string `json:"ethertype"` // "0x0800", or "all" for a tap
	Name      string `json:"name"`
	List      string `json:"list"`
	Func      string `json:"func"`
	Module    string `json:"module"`
	Address   string `json:"address"`
	NetNS     string `json:"netns"`  // of a packet socket, "" where it serves every namespace
	Device    string `json:"device"` // that it is bound to, or ""
	Tap       bool   `json:"tap"`
}

// EthertypeInfo is an ethertype that networks carry.
type EthertypeInfo struct {
	Ethertype string `json:"ethertype"`
	Name      string `json:"name"`
	From      string `json:"from"`
}

// Partial reports whether the answer could be given only in part.
func (r *Report) Partial() bool {
	for _, c := range r.Counters {
		if c.Total == nil {
			return true
		}
	}
	return len(r.Missing) > 0
}

// Drops reports whether a counter is not zero.
func (r *Report) Drops() bool {
	for _, c := range r.Counters {
		if c.AtLeast > 0 {
			return true
		}
	}
	return false
}

// sure is how sure a verdict is, in words. What the present set-up alone tells is never called proved.
func (p *PathResult) sure() string {
	switch {
	case p.Now && p.Level == Proved:
		return "as set up now"
	case p.Now:
		return string(p.Level) + ", as set up now"
	}
	return string(p.Level)
}

func num(n uint64) *uint64 { return &n }

// text prints a number that may not be known.
func text(n *uint64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}
