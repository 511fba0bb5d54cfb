package knet

import (
	"encoding/binary"
	"errors"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Bond is a bonding device with its slaves.
type Bond struct {
	Device Device
	// Value is the struct bonding; it is not valid where bonding has no BTF
	// (Debian's 5.10), and then TypesErr says so, Mode and the slaves' Inactive are
	// not known, and RecvProbe is known only where it is not 0.
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
		if b.RecvProbe, err = s.findProbe(d); err != nil {
			return nil, err
		}
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

// probeNames are the functions that recv_probe has pointed to from 5.10 to 7.3.
var probeNames = []string{"bond_3ad_lacpdu_recv", "bond_arp_rcv", "bond_rcv_validate", "rlb_arp_recv"}

// probeReach is how far into struct bonding recv_probe can be: it is among the
// first members in all kernels, below 128 bytes.
const probeReach = 256

// findProbe looks for recv_probe without knowing struct bonding: no other member
// can hold the address of one of these functions. It is 0 where none was found.
func (s *Stack) findProbe(d Device) (kmem.Addr, error) {
	at, err := d.NetdevPriv()
	if err != nil {
		return 0, err
	}
	raw := make([]byte, probeReach)
	if err := s.K.ReadMem(at, raw); err != nil {
		return 0, err
	}
	for _, name := range probeNames {
		sym, ok := s.K.LookupSymbol(name)
		if !ok {
			continue
		}
		for i := 0; i < len(raw); i += 8 {
			if kmem.Addr(binary.LittleEndian.Uint64(raw[i:])) == sym.Addr {
				return sym.Addr, nil
			}
		}
	}
	return 0, nil
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
