package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// What feeds a device is the way its frames come: the rx_handler of a device below only where that function hands
// frames to devices of this kind. The core links a device to one below for other reasons as well, as a tunnel to what
// it sends by.

// rxHandlers are the functions that hand frames of the device below to one above, with the kinds of those, or the
// driver where a device has no kind (the callers of netdev_rx_handler_register of 5.10 to 7.3).
var rxHandlers = map[string]map[string]bool{
	"bond_handle_frame":         set("bond"),
	"team_handle_frame":         set("team"),
	"br_handle_frame":           set("bridge"),
	"macvlan_handle_frame":      set("macvlan", "macvtap"),
	"ipvlan_handle_frame":       set("ipvlan", "ipvtap"),
	"macsec_handle_frame":       set("macsec"),
	"netdev_frame_hook":         set("openvswitch"),
	"rmnet_rx_handler":          set("rmnet"),
	"hsr_handle_frame":          set("hsr"),
	"virt_wifi_rx_handler":      set("virt_wifi"),
	"net_failover_handle_frame": set("net_failover"),
	"netvsc_vf_handle_frame":    set("hv_netvsc"),
}

// handedByStack are the kinds that get frames of the device below otherwise: by what, and by which function.
var handedByStack = map[string]struct{ by, function string }{
	"vlan":   {"VLAN tag", "vlan_do_receive"},
	"vrf":    {"IP, which hands it what its devices get", "vrf_l3_rcv"}, // drivers/net/vrf.c: vrf_l3mdev_ops
	"dsa":    {"the switch's tag", "dsa_switch_rcv"},
	"batadv": {"ethertype 0x4305", "batadv_batman_skb_recv"},
}

// feeders are where this device's frames come from, but for a bond's slaves.
func feeders(sc *scene) (lanes []lane, more int) {
	lower, err := sc.s.Lower(sc.dev)
	if err != nil {
		sc.miss("the devices below", err)
		lower = nil
	}
	if inputs, ok := sc.s.TunnelInputs(sc.dev, sc.kind); ok {
		return tunnelLanes(sc, inputs, lower), 0
	}
	for i, l := range lower {
		if i == maxDrawn {
			return lanes, len(lower) - i
		}
		lanes = append(lanes, feeder(sc, l.Device))
	}
	return lanes, 0
}

// tunnelLanes are where a tunnel's packets come in: by whatever device IP gets them (but for VXLAN between link-local
// addresses of IPv6, which asks for the one below).
func tunnelLanes(sc *scene, inputs []knet.TunnelInput, lower []knet.Adjacent) []lane {
	var by []string
	for i, l := range lower {
		if i == maxDrawn {
			by = append(by, fmt.Sprintf("%d more", len(lower)-i))
			break
		}
		by = append(by, value.Printable(l.Device.Name))
	}
	var lanes []lane
	for _, in := range inputs {
		l := lane{name: in.Name, input: true}
		switch {
		case in.Closed && strings.HasPrefix(in.Name, "UDP"):
			l.stops, l.how = true, "no socket is open"
		case in.Closed:
			l.stops, l.how = true, "nothing takes it"
		case in.Handler != 0:
			l.how = sc.s.K.Symbolize(in.Handler)
		}
		if len(by) > 0 && !l.stops {
			l.note = "what it sends leaves by " + strings.Join(by, ", ")
		}
		lanes = append(lanes, l)
	}
	return lanes
}

// feeder is how the frames of a device below get to this one.
func feeder(sc *scene, d knet.Device) lane {
	l := lane{dev: d, name: value.Printable(d.Name)}
	if way, ok := handedByStack[sc.kind]; ok {
		l.how = way.by
		if sc.kind == "vlan" {
			l.how = tagOf(sc, d)
		}
		if sym, ok := sc.s.K.LookupSymbol(way.function); ok {
			l.how += ", " + sc.s.K.Symbolize(sym.Addr)
		}
		return l
	}
	takes := takesAs(sc.s, sc.dev)
	known := slices.ContainsFunc(handlerKinds(), func(kinds map[string]bool) bool { return kinds[takes] })
	f, err := d.RxHandler()
	switch {
	case !known:
		l.how, l.unsure, l.note = "a way that is not known here", true, "if it takes frames from there at all"
	case err != nil:
		l.how, l.unsure, l.note = "rx_handler", true, "as far as can be seen"
	case f == 0:
		l.how, l.stops, l.note = "no rx_handler", true, "it hands on no frames"
	case rxHandlers[sc.s.K.FuncName(f)][takes]:
		l.how = "rx_handler " + sc.s.K.Symbolize(f)
		l.throughPort(sc)
	default:
		l.how, l.unsure, l.note = "rx_handler "+sc.s.K.Symbolize(f), true, "if that function hands it frames"
	}
	return l
}

// takesAs is what [rxHandlers] knows a device by, "" where that cannot be read.
func takesAs(s *knet.Stack, d knet.Device) string {
	kind, err := d.Kind()
	if err != nil || kind != "" {
		return kind
	}
	driver, _ := s.Driver(d)
	return driver
}

func handlerKinds() []map[string]bool {
	var out []map[string]bool
	for _, kinds := range rxHandlers {
		out = append(out, kinds)
	}
	return out
}

// throughPort says where STP keeps a bridge from taking a port's frames.
func (l *lane) throughPort(sc *scene) {
	if sc.kind != "bridge" {
		return
	}
	port, err := sc.s.BridgePort(l.dev)
	switch {
	case errors.Is(err, value.ErrNoModuleBTF):
		l.unsure, l.note = true, "if the port's STP state lets it: that cannot be seen"
	case err != nil:
		l.unsure, l.note = true, "if the port's STP state lets it"
		sc.miss("the bridge's port "+l.name, err)
	case !port.Takes():
		l.stops, l.note = true, fmt.Sprintf("the port's STP state (%d) lets no frames through", port.State)
	}
}

// tagOf is the tag that this VLAN device takes of the device below.
func tagOf(sc *scene, d knet.Device) string {
	vlans, err := sc.s.VLANs(d)
	if err != nil {
		return "VLAN tag"
	}
	for _, v := range vlans {
		if v.Device.Addr() == sc.dev.Addr() && v.Err == nil {
			return fmt.Sprintf("%s tag, id %d", v.Proto.Name(), v.ID)
		}
	}
	return "VLAN tag"
}
