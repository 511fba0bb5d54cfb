package knet

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// linkFlags are IFF_* (include/uapi/linux/if.h) in the order in which `ip link` names them.
var linkFlags = []struct {
	bit  uint64
	name string
}{
	{1 << 3, "LOOPBACK"},
	{1 << 1, "BROADCAST"},
	{1 << 4, "POINTOPOINT"},
	{1 << 12, "MULTICAST"},
	{1 << 7, "NOARP"},
	{1 << 9, "ALLMULTI"},
	{1 << 8, "PROMISC"},
	{1 << 10, "MASTER"},
	{1 << 11, "SLAVE"},
	{1 << 2, "DEBUG"},
	{1 << 15, "DYNAMIC"},
	{1 << 14, "AUTOMEDIA"},
	{1 << 13, "PORTSEL"},
	{1 << 5, "NOTRAILERS"},
	{1 << 0, "UP"},
	{1 << 16, "LOWER_UP"},
	{1 << 17, "DORMANT"},
	{1 << 18, "ECHO"},
}

const (
	iffRunning  = 1 << 6
	iffPromisc  = 1 << 8
	iffAllmulti = 1 << 9
	iffLowerUp  = 1 << 16
	iffDormant  = 1 << 17

	linkStateNoCarrier = 1 << 2 // enum netdev_state_t: __LINK_STATE_NOCARRIER
	linkStateDormant   = 1 << 4 // __LINK_STATE_DORMANT
	operUnknown        = 0      // include/uapi/linux/if.h: IF_OPER_UNKNOWN
	operUp             = 6      // IF_OPER_UP
)

// Flags are the device's flags as `ip link` names them: those that were set, with what its state adds
// (net/core/dev.c: dev_get_flags).
func (d Device) Flags() ([]string, error) {
	var n [4]uint64
	for i, m := range []string{"flags", "gflags", "state", "operstate"} {
		var err error
		if n[i], err = d.Value.UintPath(m); err != nil {
			return nil, err
		}
	}
	flags, gflags, state, oper := n[0]&0xffffffff, n[1], n[2], n[3]
	flags &^= iffPromisc | iffAllmulti | iffRunning | iffLowerUp | iffDormant
	flags |= gflags & (iffPromisc | iffAllmulti)
	if state&linkStateStart != 0 {
		if oper == operUp || oper == operUnknown {
			flags |= iffRunning
		}
		if state&linkStateNoCarrier == 0 {
			flags |= iffLowerUp
		}
		if state&linkStateDormant != 0 {
			flags |= iffDormant
		}
	}
	out := []string{}
	if flags&iffUp != 0 && flags&iffRunning == 0 {
		out = append(out, "NO-CARRIER")
	}
	flags &^= iffRunning
	for _, f := range linkFlags {
		if flags&f.bit != 0 {
			out = append(out, f.name)
			flags &^= f.bit
		}
	}
	if flags != 0 {
		out = append(out, fmt.Sprintf("%#x", flags))
	}
	return out, nil
}

// operNames are IF_OPER_* as `ip link` prints them.
var operNames = []string{"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"}

// Oper is the device's operational state as `ip link` prints it. One that is not up is down, whatever it
// was before (net/core/rtnetlink.c: rtnl_fill_ifinfo).
func (d Device) Oper() (string, error) {
	n, err := d.Value.UintPath("operstate")
	if err != nil {
		return "", err
	}
	up, err := d.Running()
	switch {
	case err != nil:
		return "", err
	case !up:
		return "DOWN", nil
	case n < uint64(len(operNames)):
		return operNames[n], nil
	}
	return fmt.Sprint(n), nil
}

// MAC is the device's link-layer address, or "" of one that has none.
func (d Device) MAC() (string, error) { return d.hardware(d.Value, "dev_addr") }

// HardwareAddr is an address that a device receives frames for beside its own (include/linux/netdevice.h:
// struct netdev_hw_addr).
type HardwareAddr struct {
	Addr  string
	Count uint64 // how many asked for it
}

// HardwareAddrs lists the device's "uc" (unicast) or "mc" (multicast) filter.
func (s *Stack) HardwareAddrs(d Device, list string) ([]HardwareAddr, error) {
	st, err := s.K.Struct("netdev_hw_addr")
	if err != nil {
		return nil, err
	}
	head, err := d.Value.Path(list + ".list")
	if err != nil {
		return nil, err
	}
	out := []HardwareAddr{}
	err = value.EachEntry(head, st, "list", maxAddresses, func(v value.Value) error {
		a, err := d.hardware(v, "addr")
		if err != nil {
			return err
		}
		n, err := v.UintPath("refcount")
		out = append(out, HardwareAddr{a, n})
		return err
	})
	if err != nil {
		return out, fmt.Errorf("the addresses in %s.%s: %w", value.Printable(d.Name), list, err)
	}
	return out, nil
}

// DriverName is the name of the driver of the device's parent, as a bus has it ("virtio_net"), else the
// kind of a virtual device, else the module of its operations, or "".
func (s *Stack) DriverName(d Device) (string, error) {
	for _, step := range []string{"dev.parent", "dev.parent.driver"} {
		p, err := d.Value.PointerPath(step)
		if err != nil {
			return "", err
		}
		if p == 0 {
			kind, err := d.Kind()
			if err != nil || kind != "" {
				return kind, err
			}
			return s.Driver(d)
		}
	}
	return d.Value.StringPath("dev.parent.driver.name")
}

// NAPI is a struct napi_struct.
type NAPI struct {
	Value  value.Value
	ID     uint64
	Poll   string // the function, with its module
	Weight uint64
	State  []string // NAPI_STATE_* without that
	IRQ    int64    // 0 where the driver does not tell
}

// maxNAPI bounds the NAPI instances of a device.
const maxNAPI = 1 << 16

// NAPIs lists the device's NAPI instances (net_device.napi_list).
func (s *Stack) NAPIs(d Device) ([]NAPI, error) {
	st, err := s.K.Struct("napi_struct")
	if err != nil {
		return nil, err
	}
	head, err := d.Value.Path("napi_list")
	if err != nil {
		return nil, err
	}
	states, err := s.stateBits("NAPI_STATE_")
	if err != nil {
		return nil, err
	}
	out := []NAPI{}
	err = value.EachEntry(head, st, "dev_list", maxNAPI, func(v value.Value) error {
		n := NAPI{Value: v}
		poll, err := v.PointerPath("poll")
		if err != nil {
			return err
		}
		n.Poll = s.functionName(poll)
		if n.Weight, err = v.UintPath("weight"); err != nil {
			return err
		}
		if n.ID, err = v.UintPath("napi_id"); err != nil {
			return err
		}
		if v.Has("irq") { // since 6.9
			irq, err := v.UintPath("irq")
			if err != nil {
				return err
			}
			n.IRQ = int64(int32(irq))
		}
		state, err := v.UintPath("state")
		n.State = bitNames(state, states)
		out = append(out, n)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("the NAPI instances of %s: %w", value.Printable(d.Name), err)
	}
	return out, nil
}

// stateBits are the names of the bits that an enum of this kernel numbers, without their prefix: the
// enum that has PREFIX + "SCHED".
func (s *Stack) stateBits(prefix string) ([]string, error) {
	types, err := s.K.Types()
	if err != nil {
		return nil, err
	}
	_, e, ok := types.Enumerator(prefix + "SCHED")
	if !ok {
		return nil, fmt.Errorf("this kernel's types have no %sSCHED", prefix)
	}
	var out []string
	for _, v := range e.Values() {
		name, ok := strings.CutPrefix(v.Name, prefix)
		if !ok || v.Value > 63 {
			continue
		}
		for uint64(len(out)) <= v.Value {
			out = append(out, "")
		}
		out[v.Value] = name
	}
	return out, nil
}

// Queues are a device's queues.
type Queues struct {
	Tx, RealTx, Rx, RealRx uint64
}

// Queues counts them: those that there are, and those in use.
func (d Device) Queues() (q Queues, err error) {
	for m, to := range map[string]*uint64{
		"num_tx_queues": &q.Tx, "real_num_tx_queues": &q.RealTx, "num_rx_queues": &q.Rx, "real_num_rx_queues": &q.RealRx,
	} {
		if *to, err = d.Value.UintPath(m); err != nil {
			return q, err
		}
	}
	return q, nil
}
