package knet

import "kinspect/expr/value"

// FromWire reports whether all frames of a device come off a network card: it is
// one, or a bond, team or VLAN over nothing else. Frames of other devices may come
// from senders on this host.
func (s *Stack) FromWire(d Device) (bool, error) { return s.fromWire(d, 0) }

// maxStacked bounds how deep devices are stacked; the kernel's own limit is 8.
const maxStacked = 16

func (s *Stack) fromWire(d Device, depth int) (bool, error) {
	kind, err := d.Kind()
	if err != nil || depth > maxStacked {
		return false, err
	}
	switch kind {
	case "":
		lo, err := d.Loopback()
		if err != nil || lo {
			return false, err
		}
		driver, err := s.Driver(d)
		return err == nil && driver != "xen_netback" && driver != "tun", err
	case "bond", "team", "vlan":
		lower, err := s.Lower(d)
		if err != nil || len(lower) == 0 {
			return false, err
		}
		for _, l := range lower {
			if wire, err := s.fromWire(l.Device, depth+1); err != nil || !wire {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// Reclaims is how often the kernel had to reclaim memory in the background since
// boot: an atomic allocation that fails wakes kswapd first, which counts a
// PAGEOUTRUN (mm/page_alloc.c, mm/vmscan.c: balance_pgdat).
func (s *Stack) Reclaims() (uint64, error) {
	item, err := s.K.Enumerator("PAGEOUTRUN")
	if err != nil {
		return 0, err
	}
	events, err := s.K.Global("vm_event_states")
	if err != nil {
		return 0, err
	}
	var runs uint64
	err = s.K.EachCPU(events, func(_ int, v value.Value) error {
		list, err := v.Path("event")
		if err != nil {
			return err
		}
		e, err := list.Index(int64(item))
		if err != nil {
			return err
		}
		n, err := e.Uint()
		runs += n
		return err
	})
	return runs, err
}
