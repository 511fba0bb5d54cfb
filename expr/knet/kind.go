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
	linkNoCarrier  = 1 << 2 // __LINK_STATE_NOCARRIER
)

// Running reports whether the device is up as netif_running sees it.
func (d Device) Running() (bool, error) {
	state, err := d.Value.UintPath("state")
	return state&linkStateStart != 0, err
}

// Carrier reports whether the device has a carrier as netif_carrier_ok sees it.
func (d Device) Carrier() (bool, error) {
	state, err := d.Value.UintPath("state")
	return state&linkNoCarrier == 0, err
}

// Loopback reports whether the device is a loopback device.
func (d Device) Loopback() (bool, error) {
	flags, err := d.Value.UintPath("flags")
	return flags&iffLoopback != 0, err
}

// The types of devices with Ethernet frames (include/uapi/linux/if_arp.h).
const (
	arphrdEther    = 1
	arphrdLoopback = 772
)

// Ethernet reports whether the device carries Ethernet frames.
func (d Device) Ethernet() (bool, error) {
	t, err := d.Value.UintPath("type")
	return t == arphrdEther || t == arphrdLoopback, err
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

// RPSQueues is how many of the device's receive queues spread frames over the CPUs'
// backlogs now (netdev_rx_queue.rps_map, /sys/class/net/DEV/queues/rx-*/rps_cpus).
func (d Device) RPSQueues() (on, queues int, err error) {
	err = d.eachRxQueue(func(_ int, _ value.Value, rpsMap uint64) error {
		queues++
		if rpsMap != 0 {
			on++
		}
		return nil
	})
	return on, queues, err
}

// eachRxQueue calls visit with every receive queue (struct netdev_rx_queue) and the address of its rps_map, which is
// 0 where RPS is off or the kernel has none (CONFIG_RPS).
func (d Device) eachRxQueue(visit func(i int, q value.Value, rpsMap uint64) error) error {
	n, err := d.Value.UintPath("num_rx_queues")
	if err != nil {
		return err
	}
	rx, err := d.Value.Path("_rx")
	if err != nil {
		return err
	}
	for i := range int(min(n, maxQueues)) {
		q, err := rx.Index(int64(i))
		if err != nil {
			return err
		}
		rpsMap := uint64(0)
		if q.Has("rps_map") {
			if rpsMap, err = q.UintPath("rps_map"); err != nil {
				return err
			}
		}
		if err := visit(i, q, rpsMap); err != nil {
			return err
		}
	}
	return nil
}

// HasNAPI reports whether the driver has NAPI instances: then its frames reach the
// stack without the backlog, but for RPS.
func (d Device) HasNAPI() (bool, error) {
	list, err := d.Value.Path("napi_list")
	if err != nil {
		return false, err
	}
	empty, err := value.ListEmpty(list)
	return !empty, err
}

// taintOutOfTree is the bit of tainted_mask for modules that are not the kernel's
// own (include/linux/panic.h: TAINT_OOT_MODULE).
const taintOutOfTree = 12

// OutOfTree reports whether a module that is not the kernel's own was loaded.
func (s *Stack) OutOfTree() (bool, error) {
	v, err := s.K.Global("tainted_mask")
	if err != nil {
		return false, err
	}
	mask, err := v.Uint()
	return mask>>taintOutOfTree&1 == 1, err
}
