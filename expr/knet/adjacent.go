package knet

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Adjacent is one entry of a device's list of neighbours above or below it
// (net/core/dev.c: struct netdev_adjacent).
type Adjacent struct {
	Device  Device
	Master  bool      // the device above is the master of the one below
	Private kmem.Addr // what the master's driver hung to the link: a struct slave, for a bond
}

// Lower lists the devices directly below d: a bond's slaves, a VLAN's real device.
func (s *Stack) Lower(d Device) ([]Adjacent, error) { return s.adjacent(d, "lower") }

// Upper lists the devices directly above d: its master, VLANs, macvlans.
func (s *Stack) Upper(d Device) ([]Adjacent, error) { return s.adjacent(d, "upper") }

func (s *Stack) adjacent(d Device, side string) ([]Adjacent, error) {
	head, err := d.Value.Path("adj_list." + side)
	if err != nil {
		return nil, err
	}
	st, err := s.K.Struct("netdev_adjacent")
	if err != nil {
		return nil, err
	}
	var out []Adjacent
	err = value.EachEntry(head, st, "list", maxDevices, func(v value.Value) error {
		p, err := v.Path("dev")
		if err != nil {
			return err
		}
		dev, err := s.DeviceAt(p)
		if err != nil {
			return err
		}
		master, err := v.UintPath("master")
		if err != nil {
			return err
		}
		private, err := v.PointerPath("private")
		out = append(out, Adjacent{dev, master != 0, private})
		return err
	})
	if err != nil {
		return out, fmt.Errorf("walking the devices %s of %s: %w", map[string]string{"lower": "below", "upper": "above"}[side], value.Printable(d.Name), err)
	}
	return out, nil
}

// Master is the device that d is enslaved to; ok is false where there is none.
func (s *Stack) Master(d Device) (Device, bool, error) {
	up, err := s.Upper(d)
	for _, a := range up {
		if a.Master {
			return a.Device, true, nil
		}
	}
	return Device{}, false, err
}
