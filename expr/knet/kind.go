package knet

import (
	"kinspect/expr/value"
	"kinspect/kmem"
)

// Kind is the device's kind as `ip -d link` names it ("bond", "veth", "vlan" …),
// or "" for a device that no rtnl_link_ops made, as a network card's driver and
// the loopback device (include/net/rtnetlink.h: rtnl_link_ops.kind).
func (d Device) Kind() (string, error) {
	ops, err := d.Value.PointerPath("rtnl_link_ops")
	if err != nil || ops == 0 {
		return "", err
	}
	return d.Value.StringPath("rtnl_link_ops.kind")
}

// Flags of net_device.flags and state, include/uapi/linux/if.h and
// include/linux/netdevice.h; they are user interface or enum values that never
// moved.
const (
	iffUp          = 1 << 0
	iffLoopback    = 1 << 3
	linkStateStart = 1 << 0 // enum netdev_state_t: __LINK_STATE_START
)

// Running reports whether the device is up as netif_running sees it.
func (d Device) Running() (bool, error) {
	state, err := d.Value.UintPath("state")
	return state&linkStateStart != 0, err
}

// Loopback reports whether the device is a loopback device.
func (d Device) Loopback() (bool, error) {
	flags, err := d.Value.UintPath("flags")
	return flags&iffLoopback != 0, err
}

// RxHandler is the function that takes the device's frames before any protocol
// does, or 0 (net_device.rx_handler, set by bonding, bridge, macvlan, …).
func (d Device) RxHandler() (kmem.Addr, error) { return d.Value.PointerPath("rx_handler") }

// NetdevPriv is the address of the driver's private part, behind the struct:
// net_device.priv since 6.10 (include/linux/netdevice.h), before that the struct's
// size rounded up to NETDEV_ALIGN, 32.
func (d Device) NetdevPriv() (kmem.Addr, error) {
	base, _ := d.Value.Addr()
	if d.Value.Has("priv") {
		priv, err := d.Value.Path("priv")
		if err != nil {
			return 0, err
		}
		a, _ := priv.Addr()
		return a, nil
	}
	size, err := d.Value.Size()
	return base + kmem.Addr((size+31)&^31), err
}

// Priv is the driver's private part as the named struct of the driver's module.
func (s *Stack) Priv(d Device, structName, module string) (value.Value, error) {
	st, err := s.K.Struct(structName, module)
	if err != nil {
		return value.Value{}, err
	}
	a, err := d.NetdevPriv()
	return s.K.Ref(st, a), err
}

// Driver names the module that the device's netdev_ops lie in, or "" where they
// are built in or not set.
func (s *Stack) Driver(d Device) (string, error) {
	ops, err := d.Value.PointerPath("netdev_ops")
	if err != nil || ops == 0 {
		return "", err
	}
	sym, _, ok := s.K.SymbolAt(ops)
	if !ok {
		return "", nil
	}
	return sym.Module, nil
}
