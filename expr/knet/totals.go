package knet

import (
	"errors"
	"fmt"

	"kinspect/expr/value"
)

// Part is a number that may not be known.
type Part struct {
	N    uint64
	Err  error  // why N is not known, or nil
	From string // where N comes from
}

// Known reports whether the number is known.
func (p Part) Known() bool { return p.Err == nil }

// plus adds up parts; the sum is not known where one is not.
func (p Part) plus(q Part) Part {
	p.N += q.N
	if p.Err == nil {
		p.Err = q.Err
	}
	return p
}

// Total is what makes up a device's rx_dropped or rx_nohandler as user space
// sees it. dev_get_stats (net/core/dev.c) asks the driver first, and adds the
// core's counters last; a bond's driver part is what its slaves brought.
type Total struct {
	Counter string
	Own     Part // the core's own counter: exact
	Driver  Part // the driver's part; 0 for a bond
	Slaves  Part // the slaves' part; 0 for anything but a bond
	// SlavesSaved is the part of Slaves that the bond has saved already, at the
	// last read: no more can be said where a slave's own total is not known.
	SlavesSaved uint64
	EachSlave   []SlaveTotal
	// Kernel is what the kernel's own netlink says, live; not known on a dump.
	Kernel Part
}

// SlaveTotal is a slave's own total of a counter, now.
type SlaveTotal struct {
	Slave Slave
	Total Part
	// Since is what the bond will add for this slave at its next read: the
	// change since it read last.
	Since Part
}

// Sum is the whole, as `ip -s link` shows it.
func (t *Total) Sum() Part {
	sum := t.Own.plus(t.Driver).plus(t.Slaves)
	sum.From = ""
	return sum
}

// AtLeast is what is certain of the whole.
func (t *Total) AtLeast() uint64 {
	n := uint64(0)
	if t.Own.Known() {
		n = t.Own.N
	}
	if t.Driver.Known() {
		n += t.Driver.N
	}
	if t.Slaves.Known() {
		return n + t.Slaves.N
	}
	return n + t.SlavesSaved
}

// linkField is the member of struct rtnl_link_stats64, and of struct
// net_device_stats where it has one, that holds a counter.
var linkField = map[string]string{"rx_dropped": "rx_dropped", "tx_dropped": "tx_dropped", "rx_nohandler": "rx_nohandler", "rx_otherhost_dropped": "rx_otherhost_dropped"}

// Total makes up a counter of a device.
func (s *Stack) Total(d Device, counter string) (*Total, error) {
	t := &Total{Counter: counter}
	t.Own = s.ownPart(d, counter)
	t.Kernel = s.kernelTotal(d, counter)
	bond, err := IsBond(d)
	if err != nil {
		return nil, err
	}
	if bond {
		if err := s.slavesPart(t, d); err != nil {
			t.Slaves.Err = err
		}
	} else {
		t.Driver = s.driverPart(d, counter)
	}
	s.derive(t, bond)
	return t, nil
}

func (s *Stack) ownPart(d Device, counter string) Part {
	v, err := s.CoreCounter(d.Value, counter)
	if err != nil {
		return Part{Err: fmt.Errorf("the core's counter of %s: %w", value.Printable(d.Name), err)}
	}
	n, err := v.Uint()
	return Part{N: n, Err: err, From: v.Note()}
}

// derive fills a part that memory cannot tell from the kernel's own total, which
// holds all parts.
func (s *Stack) derive(t *Total, bond bool) {
	if !t.Kernel.Known() || !t.Own.Known() || t.Kernel.N < t.Own.N {
		return
	}
	rest := Part{N: t.Kernel.N - t.Own.N, From: "the kernel's own total less the core's part"}
	switch {
	case bond && !t.Slaves.Known():
		t.Slaves = rest
	case !bond && !t.Driver.Known():
		t.Driver = rest
	}
}

func (s *Stack) kernelTotal(d Device, counter string) Part {
	stats, err := s.Facts.LinkStats(d.NS.Inum, d.Ifindex)
	if err != nil {
		return Part{Err: err}
	}
	p := Part{From: "netlink"}
	switch counter {
	case "rx_dropped":
		p.N = stats.RxDropped
	case "tx_dropped":
		p.N = stats.TxDropped
	case "rx_nohandler":
		p.N = stats.RxNoHandler
	case "rx_otherhost_dropped":
		p.N = stats.RxOtherHostDropped
	default:
		p.Err = fmt.Errorf("netlink has no %s", counter)
	}
	return p
}

// slavesPart is bond_get_stats (drivers/net/bonding/bond_main.c) without its side
// effect: what was saved at the last read, plus each slave's change since then.
func (s *Stack) slavesPart(t *Total, d Device) error {
	b, err := s.Bond(d)
	if err != nil {
		return err
	}
	if b.TypesErr != nil {
		t.Slaves.Err = fmt.Errorf("what the bond saved of its slaves is not known: %w", b.TypesErr)
	} else {
		if t.SlavesSaved, err = b.Value.UintPath("bond_stats." + linkField[t.Counter]); err != nil {
			return err
		}
		t.Slaves = Part{N: t.SlavesSaved, From: "bond_stats and the slaves' change since it was last read"}
	}
	for _, sl := range b.Slaves {
		st := SlaveTotal{Slave: sl}
		own, err := s.Total(sl.Device, t.Counter)
		if err != nil {
			return err
		}
		st.Total = own.Sum()
		if !st.Total.Known() && own.Kernel.Known() {
			st.Total = own.Kernel
		}
		switch {
		case b.TypesErr != nil:
			st.Since.Err = b.TypesErr
		case !st.Total.Known():
			st.Since.Err = st.Total.Err
			t.Slaves.Err = fmt.Errorf("the total of slave %s: %w", value.Printable(sl.Device.Name), st.Total.Err)
		default:
			old, err := sl.Value.UintPath("slave_stats." + linkField[t.Counter])
			if err != nil {
				return err
			}
			st.Since.N = foldDelta(st.Total.N, old)
			t.Slaves.N += st.Since.N
		}
		t.EachSlave = append(t.EachSlave, st)
	}
	return nil
}

// foldDelta is bond_fold_stats: counters of drivers that are 32 bits wide may
// wrap, and one that went backwards counts as no change.
func foldDelta(now, old uint64) uint64 {
	delta := int64(now - old)
	if (now|old)>>32 == 0 {
		delta = int64(int32(uint32(now) - uint32(old)))
	}
	if delta < 0 {
		return 0
	}
	return uint64(delta)
}

// errDriverUnknown is wrapped by the error of a driver part that cannot be told.
var errDriverUnknown = errors.New("the driver's own part cannot be told from memory")
