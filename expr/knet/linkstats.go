package knet

import (
	"fmt"
	"slices"

	"kinspect/expr/host"
	"kinspect/expr/value"
)

// LinkPart is one number of the kernel that goes into a [LinkField].
type LinkPart struct {
	From string // the member of the kernel that holds it
	N    uint64
}

// LinkField is one counter of a device as user space sees it, with what makes it up.
type LinkField struct {
	Name string // one of [host.LinkFields]
	// Parts are what is known, in the order in which dev_get_stats adds them; a part that is 0 is among them.
	Parts []LinkPart
	// Err is why a part is not known, or nil: the driver's, or a slave's.
	Err error
	// Kernel is what the kernel's own netlink says, live.
	Kernel Part
}

// Sum is the whole of what is known: exact where Err is nil.
func (f *LinkField) Sum() Part {
	sum := Part{Err: f.Err}
	for _, p := range f.Parts {
		sum.N += p.N
	}
	return sum
}

// LinkStats makes up all counters of a device, as dev_get_stats (net/core/dev.c) does: what the driver
// counts first, the core's own counters last. Fields that this kernel does not have are left out.
func (s *Stack) LinkStats(d Device) ([]LinkField, error) {
	own, err := s.driverFields(d, nil)
	if err != nil {
		return nil, err
	}
	kernel, kernelErr := s.Facts.LinkStats(d.NS.Inum, d.Ifindex)
	for i := range own {
		f := &own[i]
		if err := s.addCore(d, f); err != nil {
			return nil, err
		}
		f.Kernel = netlinkPart(kernel, kernelErr, f.Name)
	}
	return own, nil
}

// addCore adds the core's own counter, where it has one of that name.
func (s *Stack) addCore(d Device, f *LinkField) error {
	if !IsCoreCounter(f.Name) {
		return nil
	}
	v, err := s.CoreCounter(d.Value, f.Name)
	if err != nil {
		return err
	}
	n, err := v.Uint()
	from := "net_device." + f.Name
	if d.Value.Has("core_stats") {
		from = "net_device.core_stats." + f.Name
	}
	f.Parts = append(f.Parts, LinkPart{from, n})
	return err
}

// linkFields are the fields of this kernel.
func (s *Stack) linkFields(d Device) []string {
	return slices.DeleteFunc(slices.Clone(host.LinkFields), func(name string) bool { return !s.HasCounter(d, name) })
}

// driverFields is the driver's part of each field that is wanted, nil for all; of a bond it is what its slaves
// brought.
func (s *Stack) driverFields(d Device, want map[string]bool) ([]LinkField, error) {
	bond, err := IsBond(d)
	if err != nil {
		return nil, err
	}
	fields := make([]LinkField, 0, len(host.LinkFields))
	for _, name := range s.linkFields(d) {
		if want == nil || want[name] {
			fields = append(fields, LinkField{Name: name})
		}
	}
	if bond {
		return fields, s.bondFields(d, fields)
	}
	sources, err := s.statsSources(d)
	for i := range fields {
		fields[i].Err = err
	}
	for _, src := range sources {
		err := src.add(s, d, &tally{want, func(field, from string, n uint64) {
			for i := range fields {
				if fields[i].Name == field {
					fields[i].Parts = append(fields[i].Parts, LinkPart{from, n})
				}
			}
		}})
		if err == nil {
			continue
		}
		for i := range fields {
			if src.counts(fields[i].Name) {
				fields[i].Parts, fields[i].Err = nil, fmt.Errorf("%w: %w", errDriverUnknown, err)
			}
		}
	}
	return fields, nil
}

// bondFields is what [Stack.Total] has as the slaves' part, of all fields.
func (s *Stack) bondFields(d Device, fields []LinkField) error {
	b, err := s.Bond(d)
	if err != nil {
		return err
	}
	for i := range fields {
		f := &fields[i]
		saved, err := b.saved(f.Name)
		if err != nil {
			return err
		}
		if f.Err = saved.Err; saved.Known() {
			f.Parts = append(f.Parts, LinkPart{"bonding.bond_stats." + f.Name + " (saved at the last read)", saved.N})
		}
	}
	if b.TypesErr != nil {
		return nil
	}
	for _, sl := range b.Slaves {
		now, err := s.LinkStats(sl.Device)
		if err != nil {
			return err
		}
		for i := range fields {
			f := &fields[i]
			since, err := b.since(sl, f.Name, now[i].Sum().orElse(now[i].Kernel))
			switch {
			case err != nil:
				return err
			case !since.Known():
				f.Err = since.Err
			default:
				f.Parts = append(f.Parts, LinkPart{"slave " + value.Printable(sl.Device.Name) + ", the change since then", since.N})
			}
		}
	}
	return nil
}
