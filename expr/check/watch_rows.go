package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// Rows watches a list of numbers: which of them move, and how fast.
type Rows struct {
	stack *knet.Stack
	read  func(s *knet.Stack, r *RowsReport) ([]numberRow, error)
	all   bool // also those that stand still

	start   time.Time
	sample  int
	first   map[string]uint64
	last    map[string]uint64
	lastAt  time.Time
	changes []WatchChange
	lost    bool // a count of losses moved and began anew since
	whole   bool // nothing was missing at the start
	now     time.Time
	shown   *RowsReport // the last one with numbers
	gone    bool
}

// goneError says that what is watched is not there any more, now. The watch goes on: it may come again.
type goneError struct{ what string }

func (e *goneError) Error() string { return e.what + " has gone" }

// numberRow is a number with what is said of it.
type numberRow struct {
	name         string
	n            uint64
	gauge        bool // it goes up and down
	signed       bool
	narrow       bool // the kernel counts it in 32 bits
	level, means string
}

// RowsReport is a sample of [Rows]. Its JSON form is stable, as that of [Report] is.
type RowsReport struct {
	Watch   string  `json:"watch"` // "counters", "softnet", "snmp" or "netstat"
	Time    string  `json:"time"`
	Sample  int     `json:"sample"`  // 0 is the start
	Elapsed float64 `json:"elapsed"` // seconds since the start
	Final   bool    `json:"final"`
	Kernel  string  `json:"kernel"`
	Source  string  `json:"source"`
	Device  string  `json:"device"` // of counters
	NetNS   string  `json:"netns"`  // of all but softnet
	// Rows are the numbers that moved since the start, in the order of the command; with --all the others, too.
	Rows    []MovedRow    `json:"rows"`
	Still   int           `json:"still"` // numbers that did not move
	Moved   bool          `json:"moved"` // one of level "drop" moved since the start
	Changes []WatchChange `json:"changes"`
	Missing []string      `json:"missing"`
	Gone    bool          `json:"gone"` // what is watched has gone: the rows are the last that were seen
	// LastSeen is when they were, in elapsed seconds, and null of what is there.
	LastSeen *float64 `json:"last_seen"`
}

// MovedRow is a number in a watch.
type MovedRow struct {
	Name  string      `json:"name"`
	Value json.Number `json:"value"`
	Moved json.Number `json:"moved"` // since the start
	Rate  *float64    `json:"rate"`  // a second, since the sample before
	Level string      `json:"level"` // "drop", "trouble" or ""
	Means string      `json:"means"`
}

// Sample reads the numbers. The first ones are those that all others are compared with.
func (w *Rows) Sample(at time.Time) (*RowsReport, error) {
	w.stack = w.stack.Anew()
	r := &RowsReport{
		Kernel: w.stack.K.Release(), Source: value.Printable(w.stack.K.Image.Source()), Time: timeText(at),
		Rows: []MovedRow{}, Missing: []string{},
	}
	first := w.start.IsZero()
	if w.now = at; first {
		w.start = at
	} else {
		w.sample++
	}
	r.Sample, r.Elapsed = w.sample, inSeconds(at.Sub(w.start))
	if _, err := w.stack.K.ModulesAnew(); err != nil {
		r.Missing = append(r.Missing, modulesText(err))
	}
	rows, err := w.read(w.stack, r)
	var gone *goneError
	switch {
	case errors.As(err, &gone) && !first:
		return w.without(r, gone), nil
	case err != nil:
		return nil, err
	}
	if w.gone = false; w.first == nil {
		w.lastAt, w.first, w.last = at, map[string]uint64{}, map[string]uint64{}
		for _, row := range rows {
			w.first[row.name], w.last[row.name] = row.n, row.n
		}
		w.whole = len(r.Missing) == 0
	}
	elapsed := at.Sub(w.lastAt).Seconds()
	for _, row := range rows {
		w.add(r, row, elapsed)
		w.last[row.name] = row.n
	}
	w.lastAt = at
	w.shown = r
	r.Moved = r.Moved || w.lost
	r.Changes = append([]WatchChange{}, w.changes...)
	return r, nil
}

// without is a sample while what is watched is not there: the numbers are those that were last seen.
func (w *Rows) without(r *RowsReport, gone *goneError) *RowsReport {
	if !w.gone {
		w.gone = true
		w.change(gone.what, "it has gone")
	}
	was := w.shown
	r.Watch, r.Device, r.NetNS, r.Still, r.Rows = was.Watch, was.Device, was.NetNS, was.Still, slices.Clone(was.Rows)
	for i := range r.Rows {
		r.Rows[i].Rate = nil
	}
	r.Gone, r.LastSeen, r.Moved = true, &was.Elapsed, was.Moved || w.lost
	r.Missing = append(r.Missing, gone.Error())
	r.Changes = append([]WatchChange{}, w.changes...)
	return r
}

// change notes that something is not what it was.
func (w *Rows) change(who, what string) {
	if len(w.changes) < maxChanges {
		w.changes = append(w.changes, WatchChange{w.now.Sub(w.start).Seconds(), who, what, otherwise})
	}
}

// anew lets differences begin anew, for another device. What the one before lost is told by the change.
func (w *Rows) anew(who, what string) {
	var losses []string
	for _, row := range w.shown.Rows {
		if row.Level == snmpDrop && row.Moved != "0" {
			losses = append(losses, fmt.Sprintf("%s +%s", row.Name, row.Moved))
		}
	}
	if len(losses) > 0 {
		what += "; the one before had lost: " + strings.Join(losses, ", ")
	}
	w.change(who, what)
	w.lost, w.first = w.lost || w.shown.Moved, nil
}

// add tells how a number does.
func (w *Rows) add(r *RowsReport, row numberRow, elapsed float64) {
	first, ok := w.first[row.name]
	if !ok {
		// Messages by type and the like are listed from their first on, and were 0 before.
		if !w.whole {
			first = row.n
		}
		w.first[row.name], w.last[row.name] = first, first
	}
	diff := func(then uint64) (n uint64, err error) {
		switch {
		case row.gauge:
			return row.n - then, nil
		case row.narrow:
			return rise32(row.n, then), nil
		}
		return rise(row.n, then)
	}
	moved, err := diff(first)
	if err != nil {
		w.lost = w.lost || row.level == snmpDrop && w.last[row.name] > first
		w.change(r.Device, fmt.Sprintf("%s: %v: its difference begins anew", row.name, err))
		w.first[row.name], w.last[row.name], moved = row.n, row.n, 0
	}
	if moved == 0 && !w.all {
		r.Still++
		return
	}
	out := MovedRow{Name: row.name, Value: number(row.n, row.signed), Moved: number(moved, row.gauge), Level: row.level, Means: row.means}
	if n, err := diff(w.last[row.name]); err == nil && elapsed > 0 {
		change := float64(n)
		if row.gauge {
			change = float64(int64(n))
		}
		speed := perSecond(change, elapsed)
		out.Rate = &speed
	}
	if moved == 0 {
		r.Still++
	}
	r.Moved = r.Moved || moved > 0 && row.level == snmpDrop
	r.Rows = append(r.Rows, out)
}

func number(n uint64, signed bool) json.Number {
	if signed {
		return json.Number(fmt.Sprint(int64(n)))
	}
	return json.Number(fmt.Sprint(n))
}

// WatchCounters watches all counters of a device, with those of its driver.
func WatchCounters(s *knet.Stack, d knet.Device) *Rows {
	w, asked := &Rows{stack: s}, d
	w.read = func(s *knet.Stack, r *RowsReport) ([]numberRow, error) {
		r.Watch = "counters"
		now, ok, err := findDevice(s, d, asked)
		switch {
		case err != nil:
			return nil, err
		case !ok, keyOf(now) != keyOf(d) && w.shown == nil:
			return nil, &goneError{d.Label()}
		case keyOf(now) != keyOf(d):
			w.anew(now.Label(), "it is another device of that name: differences begin anew")
		default:
			for _, what := range moves(d, now) {
				w.change(d.Label(), what)
			}
		}
		d = now
		r.Device, r.NetNS = value.Printable(now.Name), now.NS.String()
		c := &CountersReport{Fields: []CounterField{}, Missing: []string{}, Notes: []string{}}
		if err := c.fill(s, now); err != nil {
			return nil, err
		}
		r.Missing = append(r.Missing, c.Missing...)
		changes, err := carriers(now)
		if err != nil {
			return nil, err
		}
		var rows []numberRow
		for _, f := range c.Fields {
			if f.Value != nil {
				rows = append(rows, numberRow{name: f.Field, n: *f.Value, level: fieldLevel(f.Field)})
			}
		}
		rows = append(rows, numberRow{name: carrierChanges, n: changes, level: snmpTrouble, narrow: true})
		stats, err := s.Facts.EthtoolStats(now.NS.Inum, now.Name)
		if err == nil {
			for _, st := range stats {
				rows = append(rows, numberRow{name: "ethtool " + value.Printable(st.Name), n: st.Value})
			}
		}
		return rows, nil
	}
	return w
}

// fieldLevel says what a field of struct rtnl_link_stats64 counts.
func fieldLevel(name string) string {
	switch {
	case strings.HasSuffix(name, "dropped"), name == "rx_missed_errors", name == "rx_nohandler":
		return snmpDrop
	case strings.HasSuffix(name, "errors"), name == "collisions":
		return snmpTrouble
	}
	return snmpPlain
}

// WatchSoftnet watches the CPUs' backlogs.
func WatchSoftnet(s *knet.Stack) *Rows {
	return &Rows{stack: s, read: func(s *knet.Stack, r *RowsReport) ([]numberRow, error) {
		r.Watch = "softnet"
		queues, err := s.SoftnetQueues()
		if err != nil {
			return nil, err
		}
		var rows []numberRow
		for _, q := range queues {
			for _, c := range []numberRow{
				{name: "processed", n: q.Processed, narrow: true},
				{name: "dropped", n: q.Dropped, narrow: true, level: snmpDrop, means: "the backlog was full, net.core.netdev_max_backlog"},
				{name: "time_squeeze", n: q.TimeSqueeze, narrow: true, level: snmpTrouble, means: "polling ended with work left; nothing is lost by that"},
				{name: "received_rps", n: q.ReceivedRPS, narrow: true},
				{name: "flow_limit", n: q.FlowLimit, level: snmpDrop, means: "one flow filled the backlog"},
				{name: "waiting", n: q.Input, gauge: true, means: "frames in the backlog"},
				{name: "taken", n: q.Process, gauge: true},
			} {
				c.name = fmt.Sprintf("CPU %d %s", q.CPU, c.name)
				rows = append(rows, c)
			}
		}
		return rows, nil
	}}
}

// gauges are the numbers of the protocols' files that do not count.
var gauges = set("IpForwarding", "IpDefaultTTL", "TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab", "MPTcpExtMPCurrEstab")

// WatchSNMP watches what a namespace's protocols count: those that names choose, of some of [knet.SNMPFiles]; nil
// is all. what is the command.
func WatchSNMP(s *knet.Stack, ns knet.NetNS, what string, files []string, o SNMPOptions) *Rows {
	return &Rows{stack: s, all: o.All, read: func(s *knet.Stack, r *RowsReport) ([]numberRow, error) {
		r.Watch, r.NetNS = what, ns.String()
		if err := stillThere(s, ns); err != nil {
			return nil, err
		}
		t, err := s.SNMP(ns)
		if err != nil {
			return nil, err
		}
		all, wanted, missing, err := countersIn(t, files, o.Names)
		if err != nil {
			return nil, err
		}
		r.Missing = append(r.Missing, missing...)
		var rows []numberRow
		for _, c := range all {
			if _, ok := wanted[c.ID]; len(o.Names) > 0 && !ok {
				continue
			}
			row := numberRow{name: c.ID, n: c.Value, signed: c.Signed, gauge: c.Signed || gauges[c.ID]}
			if m := meaningOf[c.ID]; m != nil {
				row.level, row.means = m.level, m.means
			}
			rows = append(rows, row)
		}
		return rows, nil
	}}
}

// stillThere reports that a namespace has gone.
func stillThere(s *knet.Stack, ns knet.NetNS) error {
	all, err := s.Namespaces()
	if err != nil {
		return err
	}
	a, _ := ns.Value.Addr()
	for _, n := range all {
		if b, _ := n.Value.Addr(); a == b && n.Inum == ns.Inum {
			return nil
		}
	}
	return &goneError{"the network namespace " + ns.String()}
}

// timeText is a time as the reports of a watch have it.
func timeText(at time.Time) string { return at.Format("2006-01-02T15:04:05.000Z07:00") }

// Text prints the sample for people.
func (r *RowsReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	what := r.Watch
	if r.Device != "" {
		what += " of " + r.Device
	}
	if r.NetNS != "" {
		what += " in " + r.NetNS
	}
	w("%s, kernel %s, watched %s", what, r.Kernel, watchedFor(r.Sample, r.Elapsed))
	if r.LastSeen != nil {
		w("it has gone; this is as it was last seen, %s s into the watch", seconds(*r.LastSeen))
	}
	r.table(w)
	w("")
	w("%s moved, %d stand still", times(len(r.Rows)-r.shownStill(), "number"), r.Still)
	changesText(w, r.Changes)
	section(w, unseen, r.Missing)
	return b.String()
}

// table prints the rows, losses first: a terminal shows what it has room for. Columns are as narrow as they can be.
func (r *RowsReport) table(w func(string, ...any)) {
	if len(r.Rows) == 0 {
		return
	}
	rows := slices.Clone(r.Rows)
	slices.SortStableFunc(rows, func(a, b MovedRow) int { return a.rank() - b.rank() })
	lines := [][4]string{{"", "now", "moved", "a second"}}
	for _, row := range rows {
		moved := string(row.Moved)
		if !strings.HasPrefix(moved, "-") {
			moved = "+" + moved
		}
		lines = append(lines, [4]string{row.Name, string(row.Value), moved, rate(row.Rate)})
	}
	var width [4]int
	for _, l := range lines {
		for i, text := range l {
			width[i] = max(width[i], len([]rune(text)))
		}
	}
	w("")
	for i, l := range lines {
		mark := ""
		if i > 0 {
			mark = rows[i-1].mark()
		}
		w("%s", strings.TrimRight(fmt.Sprintf("%-*s  %*s  %*s  %*s  %s", width[0], l[0], width[1], l[1], width[2], l[2], width[3], l[3], mark), " "))
	}
}

// rank orders rows: what is lost, what is a trouble, and the rest.
func (m *MovedRow) rank() int {
	switch {
	case m.Moved == "0":
		return 2
	case m.Level == snmpDrop:
		return 0
	case m.Level == snmpTrouble:
		return 1
	}
	return 2
}

func (r *RowsReport) shownStill() (n int) {
	for _, row := range r.Rows {
		if row.Moved == "0" {
			n++
		}
	}
	return n
}

// mark is what stands behind a row that is not traffic.
func (m *MovedRow) mark() string {
	switch {
	case m.Level == snmpPlain || m.Moved == "0":
		return m.Means
	case m.Means == "":
		return m.Level
	}
	return m.Level + ": " + m.Means
}

// End marks the last sample.
func (r *RowsReport) End() { r.Final = true }

// Drops reports whether a count of losses moved.
func (r *RowsReport) Drops() bool { return r.Moved }

// Partial reports whether something could not be told.
func (r *RowsReport) Partial() bool { return len(r.Missing) > 0 }
