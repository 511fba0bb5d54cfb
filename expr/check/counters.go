package check

import (
	"fmt"
	"strings"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// CountersReport is the answer of counters for one device: every number that tools show, and what in the
// kernel makes it up. Its JSON form is stable, as that of [Report] is.
type CountersReport struct {
	Device    string         `json:"device"`
	NetNS     string         `json:"netns"`
	Kernel    string         `json:"kernel"`
	Source    string         `json:"source"`
	Kind      string         `json:"kind"`
	StatsFrom string         `json:"stats_from"` // the driver's statistics function, "" where the core counts for it
	Fields    []CounterField `json:"fields"`
	Tools     []ToolFigure   `json:"tools"`
	// Ethtool is what `ethtool -S` shows; null where the driver cannot be asked, as on a dump.
	Ethtool []host.EthtoolStat `json:"ethtool"`
	Notes   []string           `json:"notes"`
	Missing []string           `json:"missing"`
}

// CounterField is a field of struct rtnl_link_stats64.
type CounterField struct {
	Field       string        `json:"field"`
	Value       *uint64       `json:"value"`    // null where a part is not known
	AtLeast     uint64        `json:"at_least"` // what is certain of it
	Parts       []CounterPart `json:"parts"`
	KernelTotal *uint64       `json:"kernel_total"` // what netlink says; null on a dump
}

// CounterPart is a number of the kernel that goes into a field.
type CounterPart struct {
	From  string `json:"from"`
	Value uint64 `json:"value"`
}

// ToolFigure is a number that a tool shows.
type ToolFigure struct {
	Tool   string   `json:"tool"`
	Column string   `json:"column"`
	Fields []string `json:"fields"` // that it adds up
	Value  *uint64  `json:"value"`
}

// Counters tells what every counter of a device is made of, and which tool shows it where.
func Counters(s *knet.Stack, d knet.Device) (*CountersReport, error) {
	kind, err := d.Kind()
	if err != nil {
		return nil, err
	}
	from, err := s.DriverStatsFunc(d)
	if err != nil {
		return nil, err
	}
	r := &CountersReport{
		Device: value.Printable(d.Name), NetNS: d.NS.String(), Kernel: s.K.Release(), Source: value.Printable(s.K.Image.Source()),
		Kind: value.Printable(kind), StatsFrom: value.Printable(from),
		Fields: []CounterField{}, Tools: []ToolFigure{}, Notes: []string{}, Missing: []string{},
	}
	if err := r.fill(s, d); err != nil {
		return nil, err
	}
	changes, err := carriers(d)
	if err != nil {
		return nil, err
	}
	r.Fields = append(r.Fields, CounterField{
		Field: carrierChanges, Value: num(changes), AtLeast: changes,
		Parts: []CounterPart{{"net_device.carrier_up_count + .carrier_down_count", changes}},
	})
	r.figures()
	stats, err := s.Facts.EthtoolStats(d.NS.Inum, d.Name)
	if err == nil {
		r.Ethtool = []host.EthtoolStat{}
		for _, st := range stats {
			r.Ethtool = append(r.Ethtool, host.EthtoolStat{Name: value.Printable(st.Name), Value: st.Value})
		}
	}
	r.explainDifferences()
	return r, nil
}

// carriers is what netlink calls IFLA_CARRIER_CHANGES (net/core/rtnetlink.c).
func carriers(d knet.Device) (uint64, error) {
	up, err := d.Value.UintPath("carrier_up_count.counter")
	if err != nil {
		return 0, err
	}
	down, err := d.Value.UintPath("carrier_down_count.counter")
	return up + down, err
}

// fill reads the fields. On a live kernel, where memory and netlink are read one after the other, a field that
// moves makes them differ: then they are read again, and what difference stays is told.
func (r *CountersReport) fill(s *knet.Stack, d knet.Device) error {
	var differs []string
	for range tries {
		fields, err := s.LinkStats(d)
		if err != nil {
			return err
		}
		r.Fields, r.Missing, differs = r.Fields[:0], r.Missing[:0], differs[:0]
		unknown := map[string][]string{}
		for _, f := range fields {
			out := CounterField{Field: f.Name, Parts: []CounterPart{}, KernelTotal: known(f.Kernel)}
			for _, p := range f.Parts {
				out.Parts = append(out.Parts, CounterPart{value.Printable(p.From), p.N})
				out.AtLeast += p.N
			}
			switch sum := f.Sum(); {
			case sum.Known():
				out.Value = num(sum.N)
				if f.Kernel.Known() && f.Kernel.N != sum.N {
					differs = append(differs, moving(f.Name, sum.N, f.Kernel.N))
				}
			case f.Kernel.Known() && f.Kernel.N >= out.AtLeast:
				out.Parts = append(out.Parts, CounterPart{"the driver's part: the kernel's own total less the rest", f.Kernel.N - out.AtLeast})
				out.Value, out.AtLeast = num(f.Kernel.N), f.Kernel.N
			default:
				unknown[f.Err.Error()] = append(unknown[f.Err.Error()], f.Name)
			}
			r.Fields = append(r.Fields, out)
		}
		for _, f := range fields { // in order, each reason once
			if names := unknown[errText(f.Err)]; len(names) > 0 && names[0] == f.Name {
				r.Missing = append(r.Missing, missingFields(names, len(fields))+": "+value.Printable(f.Err.Error()))
			}
		}
		if len(differs) == 0 {
			break
		}
	}
	r.Notes = append(r.Notes, differs...)
	return nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func missingFields(names []string, all int) string {
	switch {
	case len(names) == all:
		return "the driver's part of all fields"
	case len(names) > 4:
		return fmt.Sprintf("%s and %d other fields", names[0], len(names)-1)
	}
	return strings.Join(names, ", ")
}

// values are the fields that this kernel has; nil is not known.
func (r *CountersReport) values() map[string]*uint64 {
	values := map[string]*uint64{}
	for _, f := range r.Fields {
		values[f.Field] = f.Value
	}
	return values
}

// figures fills in what tools show.
func (r *CountersReport) figures() {
	values := r.values()
	for _, f := range figures {
		t := ToolFigure{Tool: f.tool, Column: f.column, Fields: []string{}}
		sum := uint64(0)
		known := true
		for _, name := range f.fields {
			n, ok := values[name]
			if !ok {
				continue // this kernel does not have it
			}
			t.Fields = append(t.Fields, name)
			if known = known && n != nil; known {
				sum += *n
			}
		}
		if len(t.Fields) == 0 {
			continue
		}
		if known {
			t.Value = num(sum)
		}
		r.Tools = append(r.Tools, t)
	}
}

// explainDifferences says where tools show different numbers under one name.
func (r *CountersReport) explainDifferences() {
	values := r.values()
	if missed, dropped := values["rx_missed_errors"], values["rx_dropped"]; missed != nil && dropped != nil && *missed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("netstat -i, ifconfig and /proc/net/dev show %d dropped: they add rx_missed_errors (%d) to rx_dropped (%d); ip shows the two apart", *missed+*dropped, *missed, *dropped))
	}
	for _, name := range []string{"rx_nohandler", "rx_otherhost_dropped"} {
		if n := values[name]; n != nil && *n > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("the %d frames of %s are in no number of netstat -i, ifconfig and /proc/net/dev", *n, name))
		}
	}
}

// Partial reports whether a field is not known.
func (r *CountersReport) Partial() bool { return len(r.Missing) > 0 }
