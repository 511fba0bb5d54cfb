package knet

import (
	"errors"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Bond is a bonding device with its slaves.
type Bond struct {
	Device Device
	// Value is the struct bonding; it is not valid where bonding has no BTF
	// (Debian's 5.10), and then TypesErr says so and Mode, RecvProbe and the
	// slaves' Inactive are not known.
	Value     value.Value
	TypesErr  error
	Mode      int
	RecvProbe kmem.Addr
	Slaves    []Slave
}

// Slave is a device in a bond.
type Slave struct {
	Device   Device
	Value    value.Value // struct slave, not valid without bonding's BTF
	Inactive bool        // the bond takes exact-match traffic alone from it
}

// bondModes are the modes by number, include/uapi/linux/if_bonding.h.
var bondModes = []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}

// ModeName is the bond's mode as `ip -d link` names it, "" where it is not known.
func (b *Bond) ModeName() string {
	if b.TypesErr != nil || b.Mode < 0 || b.Mode >= len(bondModes) {
		return ""
	}
	return bondModes[b.Mode]
}

// IsBond reports whether d is a bonding device.
func IsBond(d Device) (bool, error) {
	kind, err := d.Kind()
	return kind == "bond", err
}

// Bond reads a bonding device. Slaves come from the device's list of lower
// devices, which the core keeps on every kernel; each entry's private pointer is
// the struct slave (drivers/net/bonding/bonding.h).
func (s *Stack) Bond(d Device) (*Bond, error) {
	b := &Bond{Device: d}
	b.Value, b.TypesErr = s.Priv(d, "bonding", "bonding")
	slave, err := s.K.Struct("slave", "bonding")
	if b.TypesErr == nil {
		b.TypesErr = err
	}
	if b.TypesErr == nil {
		mode, err := b.Value.Path("params.mode")
		if err != nil {
			return nil, err
		}
		m, err := mode.Int()
		if err != nil {
			return nil, err
		}
		b.Mode = int(m)
		if b.RecvProbe, err = b.Value.PointerPath("recv_probe"); err != nil {
			return nil, err
		}
	} else if kmem.AsFault(b.TypesErr) != nil {
		return nil, b.TypesErr
	} else {
		b.Value = value.Value{}
	}
	lower, err := s.Lower(d)
	if err != nil {
		return nil, err
	}
	for _, a := range lower {
		sl := Slave{Device: a.Device}
		if b.TypesErr == nil {
			if a.Private == 0 {
				return nil, errors.New("a device below the bond has no struct slave: the bond is being changed, or the dump is damaged")
			}
			sl.Value = s.K.Ref(slave, a.Private)
			inactive, err := sl.Value.UintPath("inactive")
			if err != nil {
				return nil, err
			}
			sl.Inactive = inactive != 0
		}
		b.Slaves = append(b.Slaves, sl)
	}
	return b, nil
}

// BondOf is the bond that d is a slave of; nil where d is not in a bond.
func (s *Stack) BondOf(d Device) (*Bond, error) {
	m, ok, err := s.Master(d)
	if err != nil || !ok {
		return nil, err
	}
	if is, err := IsBond(m); err != nil || !is {
		return nil, err
	}
	return s.Bond(m)
}

// Slave finds the slave of that address in the bond.
func (b *Bond) Slave(d Device) (Slave, bool) {
	for _, s := range b.Slaves {
		if s.Device.Addr() == d.Addr() {
			return s, true
		}
	}
	return Slave{}, false
}
