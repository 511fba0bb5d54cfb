package check

import (
	"fmt"
	"slices"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// scene is what the judges of paths look at: one device and its surroundings,
// read once.
type scene struct {
	s         *knet.Stack
	dev       knet.Device
	kind      string
	driver    string // module of its netdev_ops
	rxHandler string // function name, "" for none
	running   bool
	bond      *knet.Bond // the device is a bond
	slaveOf   *knet.Bond // the device is in a bond
	softnet   []knet.Softnet
	dropped   uint64 // over all CPUs' backlogs
	limited   uint64 // of those, for the flow limit: read before dropped was
	onTheWay  uint64 // frames of which a dump may have one counter and not the other
	handlers  []knet.Handler
	owners    *socketOwners
	counted   map[string]reading // see [scene.count]
	watched   *watched           // nil but in a watch
	missing   []string           // what the answer lacks for it
	notes     []string           // what could not be seen, and leaves the answer whole
}

// look reads the surroundings. What cannot be read is noted as missing, and the
// judges that need it cannot tell.
func look(s *knet.Stack, d knet.Device, owners *socketOwners) (*scene, error) {
	sc := &scene{s: s, dev: d, owners: owners}
	var err error
	if sc.kind, err = d.Kind(); err != nil {
		return nil, err
	}
	if sc.running, err = d.Running(); err != nil {
		return nil, err
	}
	f, err := d.RxHandler()
	if err != nil {
		return nil, err
	}
	if f != 0 {
		if sc.rxHandler = s.K.FuncName(f); sc.rxHandler == "" {
			sc.rxHandler = f.String()
		}
	}
	if sc.kind == "bond" {
		if sc.bond, err = s.Bond(d); err != nil {
			sc.miss("the bond's slaves", err)
		} else if sc.bond.TypesErr != nil {
			sc.notes = append(sc.notes, fmt.Sprintf("which slaves are active and the bond's mode cannot be seen: %v", sc.bond.TypesErr))
		}
	}
	if sc.slaveOf, err = s.BondOf(d); err != nil {
		sc.miss("the device's master", err)
	}
	if sc.driver, err = s.Driver(d); err != nil {
		sc.miss("the device's driver", err)
	}
	sc.readBacklog()
	sc.onTheWay = uint64(s.Handling())
	if sc.handlers, err = s.Handlers(d); err != nil {
		sc.miss("the protocol handlers", err)
	}
	return sc, nil
}

// readBacklog reads the CPUs' backlog counters. They bound a device's counter only if they are read after it: live,
// all of them move. The flow limit's part, which is taken off, has to be the older one.
func (sc *scene) readBacklog() {
	sc.dropped, sc.limited = 0, 0
	for _, c := range sc.softnet {
		sc.limited += c.FlowLimit
	}
	list, err := sc.s.Softnets()
	if err != nil {
		sc.softnet = nil
		if text := fmt.Sprintf("the softnet backlog could not be read: %v", err); !slices.Contains(sc.missing, text) {
			sc.missing = append(sc.missing, text)
		}
		return
	}
	sc.softnet = list
	for _, c := range list {
		sc.dropped += c.Dropped
	}
}

// hasUppers reports whether macvlans or ipvlans are on top of the device.
func (sc *scene) hasUppers() bool {
	return sc.rxHandler == "macvlan_handle_frame" || sc.rxHandler == "ipvlan_handle_frame"
}

func (sc *scene) miss(what string, err error) {
	sc.missing = append(sc.missing, fmt.Sprintf("%s could not be read: %v", what, err))
}

// name is the device's name, safe to print.
func (sc *scene) name() string { return value.Printable(sc.dev.Name) }

// inactive reports whether the device is a bond's inactive slave, as far as that is
// known.
func (sc *scene) inactive() bool {
	if sc.slaveOf == nil || sc.slaveOf.TypesErr != nil {
		return false
	}
	sl, ok := sc.slaveOf.Slave(sc.dev)
	return ok && sl.Inactive
}
