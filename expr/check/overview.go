package check

import (
	"fmt"
	"sort"

	"kinspect/expr/knet"
)

// Overview is the answer of explain without a device: all that show a drop, most
// drops first.
type Overview struct {
	Kernel  string    `json:"kernel"`
	Source  string    `json:"source"`
	Seen    int       `json:"seen"`    // devices looked at
	Devices []*Report `json:"devices"` // that show a drop, or whose drops could not be told
	Missing []string  `json:"missing"`
}

// ExplainAll explains every device of the given namespaces that shows a drop.
func ExplainAll(s *knet.Stack, nss []knet.NetNS) (*Overview, error) {
	o := &Overview{Kernel: s.K.Release(), Source: s.K.Image.Source(), Devices: []*Report{}, Missing: []string{}}
	owners := &socketOwners{}
	for _, ns := range nss {
		devs, err := s.Devices(ns)
		if err != nil {
			o.Missing = append(o.Missing, err.Error())
		}
		for _, d := range devs {
			o.Seen++
			r, err := quietOrExplained(s, d, owners)
			if err != nil {
				o.Missing = append(o.Missing, fmt.Sprintf("%s: %v", d.Label(), err))
				continue
			}
			if r != nil {
				o.Devices = append(o.Devices, r)
			}
		}
	}
	sort.SliceStable(o.Devices, func(i, j int) bool { return drops(o.Devices[i]) > drops(o.Devices[j]) })
	return o, nil
}

// quietOrExplained explains a device, or returns nil where all its counters are
// known to be zero, which is cheap to see.
func quietOrExplained(s *knet.Stack, d knet.Device, owners *socketOwners) (*Report, error) {
	for _, name := range countersOf(s, d) {
		t, err := s.Total(d, name)
		if err != nil {
			return nil, err
		}
		if sum := t.Sum(); !sum.Known() || sum.N > 0 {
			return explain(s, d, owners)
		}
	}
	return nil, nil
}

func drops(r *Report) uint64 {
	var n uint64
	for _, c := range r.Counters {
		n += c.AtLeast
	}
	return n
}

// Partial reports whether the answer could be given only in part.
func (o *Overview) Partial() bool {
	for _, r := range o.Devices {
		if r.Partial() {
			return true
		}
	}
	return len(o.Missing) > 0
}

// Drops reports whether a device shows a drop.
func (o *Overview) Drops() bool {
	for _, r := range o.Devices {
		if r.Drops() {
			return true
		}
	}
	return false
}
