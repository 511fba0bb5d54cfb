package check

import (
	"fmt"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// drawing is a device's receive path: what the lines of [Report.Path] and the page's SVG are both made of.
// Strings in it are safe to print.
type drawing struct {
	lanes     []lane // the devices that frames come in by
	more      int    // lanes that are left out
	device    string
	what      string // "bond, active-backup"
	up        bool
	taps      []string
	rxHandler string // with where it leads to, "" for none
	protocols []protocol
	dev       knet.Device
}

// lane is a device below, and how its frames come up; or a tunnel's way in, which is of no device.
type lane struct {
	dev     knet.Device // not of an input
	name    string
	input   bool   // "UDP port 4789"
	state   string // "active slave"; "" where it is no slave
	how     string // "VLAN tag", "rx_handler macvlan_handle_frame+0x0 [macvlan]"; of a slave the function alone
	note    string // what else there is to say of it
	probe   string // what looks at a slave's frames before the bond
	stops   bool   // an inactive slave and its like: its frames go no further
	unsure  bool   // whether its frames go on is not known
	unicast bool   // an inactive slave whose unicast frames alone go on
}

// protocol is a protocol handler.
type protocol struct {
	ethertype, name string // "0x0800", "IPv4"
	label           string // the function, with whose packet socket it is
}

// draw looks up what the drawing shows.
func draw(sc *scene) *drawing {
	d := &drawing{device: sc.name(), what: describeKind(sc), up: sc.running, dev: sc.dev}
	if sc.bond != nil {
		for _, sl := range sc.bond.Slaves {
			d.lanes = append(d.lanes, slaveLane(sc, sl))
		}
	} else {
		d.lanes, d.more = feeders(sc)
	}
	for _, h := range sc.handlers {
		label := h.Label() + owner(h)
		if h.Tap() {
			d.taps = append(d.taps, label+sc.openedBy(h))
			continue
		}
		d.protocols = append(d.protocols, protocol{fmt.Sprintf("0x%04x", uint16(h.Type)), h.Type.Name(), label})
	}
	if sc.rxHandler != "" {
		d.rxHandler = leadsTo(sc)
	}
	return d
}

// leadsTo is the device's rx_handler, and which device it hands frames to.
func leadsTo(sc *scene) string {
	f, _ := sc.dev.RxHandler()
	handler := sc.s.K.Symbolize(f)
	master, ok, err := sc.s.Master(sc.dev)
	if err != nil || !ok || !rxHandlers[sc.rxHandler][takesAs(sc.s, master)] {
		return handler // as that of macvlans, on a device that is in a VRF
	}
	name := value.Printable(master.Name)
	switch {
	case sc.inactive():
		return handler + ": an inactive slave of " + name
	case sc.slaveOf != nil && sc.slaveOf.TypesErr != nil:
		return handler + " → " + name + ", if it is an active slave, which cannot be seen"
	case sc.rxHandler == "br_handle_frame":
		return handler + throughBridge(sc, name)
	}
	return handler + " → " + name
}

// throughBridge says whether the bridge that the device is in takes its frames.
func throughBridge(sc *scene, bridge string) string {
	port, err := sc.s.BridgePort(sc.dev)
	switch {
	case err != nil:
		return " → " + bridge + ", if the port's STP state lets it"
	case !port.Takes():
		return fmt.Sprintf(": the port's STP state (%d) lets no frames through to %s", port.State, bridge)
	}
	return " → " + bridge
}

func slaveLane(sc *scene, sl knet.Slave) lane {
	l := lane{dev: sl.Device, name: value.Printable(sl.Device.Name), state: slaveState(sc.bond, sl)}
	switch f, err := sl.Device.RxHandler(); {
	case err != nil:
		l.how, l.unsure, l.note = "(not known)", true, "as far as can be seen"
	case f == 0:
		l.how, l.stops, l.note = "(none)", true, "the bond takes no frames of it"
		return l
	default:
		l.how = sc.s.K.Symbolize(f)
	}
	if sc.bond.TypesErr != nil {
		l.unsure, l.note = true, "if the slave is active, which cannot be seen"
	}
	if sc.bond.TypesErr == nil && sl.Inactive {
		l.unicast = sc.bond.ModeName() == "balance-alb"
		l.stops = !l.unicast
		return l
	}
	if sc.bond.RecvProbe != 0 {
		l.probe = sc.s.K.Symbolize(sc.bond.RecvProbe)
	}
	return l
}

func slaveState(b *knet.Bond, sl knet.Slave) string {
	switch {
	case b.TypesErr != nil:
		return "slave"
	case sl.Inactive:
		return "inactive slave"
	}
	return "active slave"
}

// maxDrawn bounds the devices below that are drawn.
const maxDrawn = 16

func describeKind(sc *scene) string {
	switch {
	case sc.bond != nil && sc.bond.ModeName() != "":
		return "bond, " + sc.bond.ModeName()
	case sc.kind != "":
		return value.Printable(sc.kind)
	case sc.driver != "":
		return "driver " + value.Printable(sc.driver)
	}
	return "device"
}

// owner says whose packet socket a handler is, where it is one.
func owner(h knet.Handler) string {
	if h.NetNS.Value.Valid() {
		return " (packet socket of " + h.NetNS.String() + ")"
	}
	return ""
}
