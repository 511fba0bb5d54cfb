package knet

import (
	"errors"
	"fmt"

	"kinspect/expr/host"
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

// Total is what makes up a counter of a device as user space sees it. dev_get_stats (net/core/dev.c) asks the driver first, and adds the
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
	// DriverParts are the numbers that make up Driver, where it is known.
	DriverParts []LinkPart
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
		t.Driver, t.DriverParts = s.driverPart(d, counter)
	}
	s.derive(t, bond)
	return t, nil
}

func (s *Stack) ownPart(d Device, counter string) Part {
	if !IsCoreCounter(counter) {
		return Part{From: "the core does not count it"}
	}
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
	return netlinkPart(stats, err, counter)
}

// netlinkPart is a counter of what netlink said of a device.
func netlinkPart(stats host.LinkStats, err error, counter string) Part {
	n, ok := stats[counter]
	if err == nil && !ok {
		err = fmt.Errorf("netlink has no %s", counter)
	}
	return Part{N: n, Err: err, From: "netlink"}
}

// slavesPart is bond_get_stats (drivers/net/bonding/bond_main.c) without its side
// effect: what was saved at the last read, plus each slave's change since then.
func (s *Stack) slavesPart(t *Total, d Device) error {
	b, err := s.Bond(d)
	if err != nil {
		return err
	}
	saved, err := b.saved(t.Counter)
	if err != nil {
		return err
	}
	t.SlavesSaved, t.Slaves = saved.N, saved
	if saved.Known() {
		t.Slaves.From = "bond_stats and the slaves' change since it was last read"
	}
	for _, sl := range b.Slaves {
		st := SlaveTotal{Slave: sl}
		own, err := s.Total(sl.Device, t.Counter)
		if err != nil {
			return err
		}
		st.Total = own.Sum().orElse(own.Kernel)
		if st.Since, err = b.since(sl, t.Counter, st.Total); err != nil {
			return err
		}
		if st.Since.Known() {
			t.Slaves.N += st.Since.N
		} else if b.TypesErr == nil {
			t.Slaves.Err = st.Since.Err
		}
		t.EachSlave = append(t.EachSlave, st)
	}
	return nil
}

// orElse is the part, or where it is not known another one that is.
func (p Part) orElse(q Part) Part {
	if !p.Known() && q.Known() {
		return q
	}
	return p
}

// saved is what a bond saved of its slaves' counter at its last read.
func (b *Bond) saved(counter string) (Part, error) {
	if b.TypesErr != nil {
		return Part{Err: fmt.Errorf("what the bond saved of its slaves is not known: %w", b.TypesErr)}, nil
	}
	n, err := b.Value.UintPath("bond_stats." + counter)
	return Part{N: n}, err
}

// since is what the bond will add for a slave at its next read, of which the slave's total is known or not.
func (b *Bond) since(sl Slave, counter string, total Part) (Part, error) {
	if b.TypesErr != nil {
		return Part{Err: b.TypesErr}, nil
	}
	if !total.Known() {
		return Part{Err: fmt.Errorf("the total of slave %s: %w", value.Printable(sl.Device.Name), total.Err)}, nil
	}
	old, err := sl.Value.UintPath("slave_stats." + counter)
	return Part{N: foldDelta(total.N, old)}, err
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
