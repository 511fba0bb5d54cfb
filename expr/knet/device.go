package knet

import (
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxDevices bounds the walk over a namespace's devices.
const maxDevices = 1 << 20

// Device is a struct net_device.
type Device struct {
	Value   value.Value // struct net_device
	NS      NetNS
	Name    string
	Ifindex int
}

// Label names the device for people, with its namespace where that is not
// init_net.
func (d Device) Label() string {
	if d.NS.Init || !d.NS.Value.Valid() {
		return value.Printable(d.Name)
	}
	return value.Printable(d.Name) + " (netns " + d.NS.String() + ")"
}

// Addr is the device's address.
func (d Device) Addr() uint64 {
	a, _ := d.Value.Addr()
	return uint64(a)
}

// NoDeviceError says that a namespace has no device of that name, and where one
// is, or which names are near.
type NoDeviceError struct {
	Name      string
	NS        NetNS
	Near      []string // names in the same namespace that look alike
	Elsewhere []NetNS  // other namespaces that have a device of that name
}

// Error names the other namespaces, or the near names.
func (e *NoDeviceError) Error() string {
	s := fmt.Sprintf("no device %s in network namespace %s", value.Quote(e.Name), e.NS)
	switch {
	case len(e.Elsewhere) == 1:
		s += fmt.Sprintf(": it is in %s (--netns %d)", e.Elsewhere[0], e.Elsewhere[0].Inum)
	case len(e.Elsewhere) > 1:
		s += ": it is in " + nsList(e.Elsewhere) + " (--netns NUMBER)"
	case len(e.Near) > 0:
		near := make([]string, len(e.Near))
		for i, n := range e.Near {
			near[i] = value.Printable(n)
		}
		s += ": did you mean " + strings.Join(near, ", ") + "?"
	}
	return s
}

// EachDevice calls visit with every device of a namespace, in the order of
// ifconfig and ip. Where visit returns [value.Stop] the walk ends.
func (s *Stack) EachDevice(ns NetNS, visit func(Device) error) error {
	st, err := s.K.Struct("net_device")
	if err != nil {
		return err
	}
	return s.EachDeviceAddr(ns, func(a kmem.Addr) error {
		d, err := s.device(s.K.Ref(st, a), ns)
		if err != nil {
			return err
		}
		return visit(d)
	})
}

// EachDeviceAddr is [Stack.EachDevice] with the address of each struct net_device, which is
// not read.
func (s *Stack) EachDeviceAddr(ns NetNS, visit func(kmem.Addr) error) error {
	off, err := s.offset("net_device", "dev_list")
	if err != nil {
		return err
	}
	head, err := ns.Value.Path("dev_base_head")
	if err != nil {
		return err
	}
	err = value.EachLink(head, false, maxDevices, func(a kmem.Addr) error { return visit(a - off) })
	if err != nil {
		return fmt.Errorf("walking the devices of %s: %w", ns, err)
	}
	return nil
}

func (s *Stack) device(v value.Value, ns NetNS) (Device, error) {
	name, err := v.StringPath("name")
	if err != nil {
		return Device{}, err
	}
	index, err := v.UintPath("ifindex")
	return Device{v, ns, name, int(int32(index))}, err
}

// DeviceAt is the device that a struct net_device value (or a pointer to one)
// is, with its namespace.
func (s *Stack) DeviceAt(v value.Value) (Device, error) {
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		var err error
		if v, err = v.Deref(); err != nil {
			return Device{}, err
		}
	}
	ns, err := s.namespaceOf(v)
	if err != nil {
		return Device{}, err
	}
	return s.device(v, ns)
}

func (s *Stack) namespaceOf(dev value.Value) (NetNS, error) {
	a, err := dev.PointerPath("nd_net.net")
	if err != nil {
		return NetNS{}, err
	}
	all, nserr := s.Namespaces()
	for _, ns := range all {
		if na, _ := ns.Value.Addr(); na == a {
			return ns, nil
		}
	}
	if nserr != nil {
		return NetNS{}, nserr
	}
	return NetNS{}, fmt.Errorf("the device's network namespace, at %s, is not among this kernel's", a)
}

// Devices lists the devices of a namespace.
func (s *Stack) Devices(ns NetNS) ([]Device, error) {
	var out []Device
	err := s.EachDevice(ns, func(d Device) error { out = append(out, d); return nil })
	return out, err
}

// Device finds a device by name. The error is a [*NoDeviceError] where the
// namespace has none.
func (s *Stack) Device(name string, ns NetNS) (Device, error) {
	var found, printed Device
	var names []string
	err := s.EachDevice(ns, func(d Device) error {
		switch {
		case d.Name == name:
			found = d
			return value.Stop()
		case value.Printable(d.Name) == name: // of one name alone: two never print alike
			printed = d
		}
		names = append(names, d.Name)
		return nil
	})
	switch {
	case err != nil || found.Value.Valid():
		return found, err
	case printed.Value.Valid():
		return printed, nil
	}
	e := &NoDeviceError{Name: name, NS: ns, Near: btf.Near(name, names)}
	all, err := s.Namespaces()
	if err != nil {
		return Device{}, fmt.Errorf("%w (and other namespaces could not be searched: %w)", e, err)
	}
	for _, other := range all {
		if other.Inum == ns.Inum {
			continue
		}
		err := s.EachDevice(other, func(d Device) error {
			if d.Name == name {
				e.Elsewhere = append(e.Elsewhere, other)
				return value.Stop()
			}
			return nil
		})
		if err != nil {
			continue // one broken namespace must not hide the answer for this one
		}
	}
	return Device{}, e
}
