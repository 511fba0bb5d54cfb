package knet

import "kinspect/expr/value"

// BridgePort is a device in a bridge, as far as it decides which frames the bridge
// leaves to the port (net/bridge/br_private.h: struct net_bridge_port).
type BridgePort struct {
	Bridge   Device
	STP      bool   // the bridge runs STP, in the kernel or outside
	Required uint16 // link-local groups that the bridge has to forward
	OfPort   uint16 // those that the port forwards
	OfBridge uint16 // those that the bridge forwards
	State    uint8  // include/uapi/linux/if_bridge.h: BR_STATE_*
}

// The states of a port in which the bridge takes frames.
const (
	brStateLearning   = 2
	brStateForwarding = 3
)

// Takes reports whether the bridge takes frames of the port at all: STP may keep it
// from that, and the frames are then dropped, which no counter of the device shows.
func (p *BridgePort) Takes() bool { return p.State == brStateLearning || p.State == brStateForwarding }

// BridgePort reads the bridge's view of a port, a device whose rx_handler is
// br_handle_frame. The error wraps [value.ErrNoModuleBTF] where bridge has no BTF.
func (s *Stack) BridgePort(d Device) (*BridgePort, error) {
	st, err := s.K.Struct("net_bridge_port", "bridge")
	if err != nil {
		return nil, err
	}
	data, err := d.Value.PointerPath("rx_handler_data")
	if err != nil {
		return nil, err
	}
	port := s.K.Ref(st, data)
	br, err := port.Path("br.dev")
	if err != nil {
		return nil, err
	}
	p := &BridgePort{}
	if p.Bridge, err = s.DeviceAt(br); err != nil {
		return nil, err
	}
	stp, err := port.UintPath("br.stp_enabled")
	if err != nil {
		return nil, err
	}
	p.STP = stp != 0 // enum: BR_NO_STP is 0
	state, err := port.UintPath("state")
	if err != nil {
		return nil, err
	}
	p.State = uint8(state)
	for path, to := range map[string]*uint16{
		"br.group_fwd_mask_required": &p.Required, "group_fwd_mask": &p.OfPort, "br.group_fwd_mask": &p.OfBridge,
	} {
		n, err := port.UintPath(path)
		if err != nil {
			return nil, err
		}
		*to = uint16(n)
	}
	return p, nil
}

// Keeps reports whether link-local frames to 01:80:c2:00:00:0G stay with the port
// and meet its own handlers, rather than being forwarded
// (net/bridge/br_input.c: br_handle_frame). Pause frames, group 1, are dropped.
func (p *BridgePort) Keeps(group byte) bool {
	mask := p.Required | p.OfPort
	if group == 0 {
		return p.STP && mask&1 == 0
	}
	return (mask|p.OfBridge)>>group&1 == 0
}

// VLAN is a VLAN device's tag (include/linux/if_vlan.h: struct vlan_dev_priv).
type VLAN struct {
	Device Device
	Proto  Ethertype // 0x8100 or 0x88a8; 0 where it cannot be seen
	ID     uint16
	Err    error // why Proto and ID are not known
}

// VLANs lists the VLAN devices directly above d.
func (s *Stack) VLANs(d Device) ([]VLAN, error) {
	up, err := s.Upper(d)
	if err != nil {
		return nil, err
	}
	var out []VLAN
	for _, a := range up {
		kind, err := a.Device.Kind()
		if err != nil {
			return out, err
		}
		if kind != "vlan" {
			continue
		}
		v := VLAN{Device: a.Device}
		v.Err = s.vlanTag(&v)
		out = append(out, v)
	}
	return out, nil
}

func (s *Stack) vlanTag(v *VLAN) error {
	priv, err := s.Priv(v.Device, "vlan_dev_priv", "8021q")
	if err != nil {
		return err
	}
	proto, err := priv.UintPath("vlan_proto")
	if err != nil {
		return err
	}
	id, err := priv.UintPath("vlan_id")
	v.Proto, v.ID = Ethertype(value.Swap(proto, 16)), uint16(id)
	return err
}
