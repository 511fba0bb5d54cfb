package check

import (
	"fmt"

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
	handlers  []knet.Handler
	missing   []string // what the answer lacks for it
	notes     []string // what could not be seen, and leaves the answer whole
}

// look reads the surroundings. What cannot be read is noted as missing, and the
// judges that need it cannot tell.
func look(s *knet.Stack, d knet.Device) (*scene, error) {
	sc := &scene{s: s, dev: d}
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
	if sc.softnet, err = s.Softnets(); err != nil {
		sc.softnet = nil
		sc.miss("the softnet backlog", err)
	}
	for _, c := range sc.softnet {
		sc.dropped += c.Dropped
	}
	if sc.handlers, err = s.Handlers(d); err != nil {
		sc.miss("the protocol handlers", err)
	}
	return sc, nil
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
