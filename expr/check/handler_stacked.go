package check

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// linkLocalGroup is the last byte of the link-local address 01:80:c2:00:00:0x that
// frames of an ethertype are usually sent to.
var linkLocalGroup = map[knet.Ethertype]byte{knet.Eth8022: 0x00, knet.EthSlow: 0x02, knet.EthEAPOL: 0x03, knet.EthLLDP: 0x0e}

// keptByPort answers for a bridge port where the bridge does not take the frame: it
// leaves those to link-local addresses that it does not forward to the port's own
// handlers, and takes none where STP keeps it from that. It reports whether that is
// the answer.
func keptByPort(sc *scene, r *HandlerReport, e knet.Ethertype) (bool, error) {
	group, linkLocal := linkLocalGroup[e]
	port, err := sc.s.BridgePort(sc.dev)
	address := fmt.Sprintf("01:80:c2:00:00:%02x", group)
	switch {
	case errors.Is(err, value.ErrNoModuleBTF) && linkLocal:
		r.Missing = append(r.Missing, fmt.Sprintf("whether the bridge forwards frames to %s or leaves them to %s: %v", address, sc.name(), err))
		r.Verdict, r.Summary = "unknown", fmt.Sprintf("cannot tell whether the bridge forwards frames of %s to link-local addresses", e)
		return true, nil
	case errors.Is(err, value.ErrNoModuleBTF):
		return false, nil
	case err != nil:
		return false, err
	case linkLocal && port.Keeps(group):
	case !port.Takes():
		r.Verdict, r.Counted, r.Taken = "none", "no counter", false
		r.Summary = fmt.Sprintf("none: the bridge takes no frames of %s in its present STP state (%d): they are dropped, and counted nowhere", sc.name(), port.State)
		return true, nil
	case linkLocal:
		r.Notes = append(r.Notes, fmt.Sprintf("the bridge forwards frames to %s like all others (STP %s, group_fwd_mask)", address, onOff(port.STP)))
		return false, nil
	default:
		return false, nil
	}
	bridge := value.Printable(port.Bridge.Name)
	r.Notes = append(r.Notes, fmt.Sprintf("frames of %s to other addresses than link-local ones go to %s", e, bridge))
	if r.Taken {
		r.Verdict = "handled"
		r.Summary = fmt.Sprintf("%s takes %s to %s on %s: %s leaves such frames to its port", r.funcs(), e, address, sc.name(), bridge)
		return true, nil
	}
	r.Verdict, r.Counted = "none", sc.name()+"'s rx_dropped"
	r.Summary = fmt.Sprintf("none: such a frame to %s on %s, which %s leaves to its port, is dropped and counted in %s", address, sc.name(), bridge, r.Counted)
	return true, nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// pastMacvlans answers for a device with macvlans or ipvlans on top: they take the
// frames for their addresses, all others meet the device's own handlers.
func pastMacvlans(sc *scene, r *HandlerReport, e knet.Ethertype, hops int) error {
	r.conclude(e, sc.name(), sc.name()+"'s rx_dropped", false)
	r.Summary = fmt.Sprintf("frames for %s itself: %s", sc.name(), r.Summary)
	return aboveMacvlans(sc, r, e, hops)
}

// aboveMacvlans adds what takes the frames on the macvlans and ipvlans on top.
func aboveMacvlans(sc *scene, r *HandlerReport, e knet.Ethertype, hops int) error {
	up, err := sc.s.Upper(sc.dev)
	if err != nil {
		return err
	}
	for _, a := range up {
		kind, err := a.Device.Kind()
		if err != nil {
			return err
		}
		if kind != "macvlan" && kind != "macvtap" && kind != "ipvlan" && kind != "ipvtap" || hops >= maxHops {
			continue
		}
		on, err := handlerOn(sc.s, e, a.Device, nil, hops+1)
		if err != nil {
			return err
		}
		r.Notes = append(r.Notes, fmt.Sprintf("on %s above, for its own address: %s", on.Device, on.Summary))
		r.Taken = r.Taken || on.Taken
		r.Missing = append(r.Missing, on.Missing...)
	}
	return nil
}

// handedTo is the device that the rx_handler hands all its frames to: its master, where that has put the rx_handler there.
// (A device in a VRF has a master too, which takes no frame here. Open vSwitch sends them where its flows say.)
func (sc *scene) handedTo() (master knet.Device, has bool, err error) {
	switch sc.rxHandler {
	case "bond_handle_frame", "br_handle_frame", "team_handle_frame":
		return sc.s.Master(sc.dev)
	}
	return knet.Device{}, false, nil
}

// vlanTagged answers for the ethertypes of VLAN tags, which are taken off before
// any protocol handler is looked for (net/core/dev.c: skb_vlan_untag,
// vlan_do_receive): first the VLAN devices above the device have their turn, then,
// with the tag still there, its rx_handler.
func vlanTagged(sc *scene, r *HandlerReport, e knet.Ethertype, hops int) error {
	for _, h := range sc.handlers {
		if h.Tap() {
			r.Taps = append(r.Taps, handlerInfo(h))
		}
	}
	vlans, err := sc.s.VLANs(sc.dev)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range vlans {
		if v.Err != nil {
			r.Missing = append(r.Missing, fmt.Sprintf("the tag of %s: %v", v.Device.Label(), v.Err))
		}
		if v.Err != nil || v.Proto == e {
			names = append(names, vlanLabel(v))
		}
	}
	if len(names) > 0 {
		r.Verdict, r.Taken = "handled", true
		r.Summary = fmt.Sprintf("%s on %s: VLAN devices take the frames of their ids: %s", e, sc.name(), strings.Join(names, ", "))
	}
	if sc.rxHandler != "" {
		f, _ := sc.dev.RxHandler()
		r.RxHandler = sc.s.K.Symbolize(f)
	}
	master, has, err := sc.handedTo()
	if err != nil {
		return err
	}
	if has && hops < maxHops {
		if r.Then, err = handlerOn(sc.s, e, master, nil, hops+1); err != nil {
			return err
		}
		r.Missing = append(r.Missing, r.Then.Missing...)
		if !r.Taken {
			r.Verdict, r.Taken = "rx_handler", r.Then.Taken
			r.Summary = fmt.Sprintf("no VLAN device of %s is above %s itself, and its rx_handler %s comes next; on %s: %s", e, sc.name(), r.RxHandler, r.Then.Device, r.Then.Summary)
		}
		return nil
	}
	if sc.rxHandler != "" && !sc.hasUppers() {
		does, known := handlerFuncs[sc.rxHandler]
		if !known {
			r.Missing = append(r.Missing, fmt.Sprintf("what the rx_handler %s does with the frame is not known here", r.RxHandler))
			does = "takes the frame next"
		}
		if !r.Taken {
			r.Verdict, r.Taken = "rx_handler", known
			r.Summary = fmt.Sprintf("no VLAN device of %s is above %s, and its rx_handler %s %s", e, sc.name(), r.RxHandler, does)
		}
		return nil
	}
	if r.Taken {
		r.Notes = append(r.Notes, "a frame of another id goes on as one for another host, one of id 0 (priority alone) as one without a tag")
	} else {
		r.Verdict = "none"
		r.Summary = fmt.Sprintf("none: no VLAN device of %s is above %s; a frame with an id goes on as one for another host, one of id 0 (priority alone) as one without a tag", e, sc.name())
	}
	if sc.hasUppers() {
		return aboveMacvlans(sc, r, e, hops)
	}
	return nil
}

func vlanLabel(v knet.VLAN) string {
	if v.Err != nil {
		return v.Device.Label()
	}
	return fmt.Sprintf("%s (%s id %d)", v.Device.Label(), v.Proto.Name(), v.ID)
}

// isLinkLocal reports whether frames of an ethertype are usually sent to link-local
// addresses.
func isLinkLocal(e knet.Ethertype) bool {
	_, ok := linkLocalGroup[e]
	return ok
}
