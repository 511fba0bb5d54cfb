package knet

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// DriverStatsFunc names the function that the device's driver part comes from:
// ndo_get_stats64, else ndo_get_stats, else "".
func (s *Stack) DriverStatsFunc(d Device) (string, error) {
	ops, err := d.Value.PointerPath("netdev_ops")
	if err != nil || ops == 0 {
		return "", err
	}
	for _, m := range []string{"ndo_get_stats64", "ndo_get_stats"} {
		f, err := d.Value.PointerPath("netdev_ops." + m)
		if err != nil {
			return "", err
		}
		if f == 0 {
			continue
		}
		if name := s.K.FuncName(f); name != "" {
			return name, nil
		}
		return s.K.Symbolize(f), nil
	}
	return "", nil
}

// driverPart is the driver's part of a counter, if memory can tell, and the numbers that make it up.
func (s *Stack) driverPart(d Device, counter string) (Part, []LinkPart) {
	fields, err := s.driverFields(d, map[string]bool{counter: true})
	if err != nil || len(fields) == 0 {
		return Part{Err: err}, nil
	}
	f := fields[0]
	part := f.Sum()
	var from []string
	for _, p := range f.Parts {
		if p.N > 0 {
			from = append(from, p.From)
		}
	}
	if part.From = strings.Join(from, " + "); part.From == "" && part.Known() {
		part.From = "drivers of this kind do not count it"
	}
	return part, f.Parts
}

// VethPeer is the other end of a veth pair, in whatever namespace it is; ok is
// false where it has gone.
func (s *Stack) VethPeer(d Device) (peer Device, ok bool, err error) {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return Device{}, false, err
	}
	p, err := priv.Path("peer")
	if err != nil {
		return Device{}, false, err
	}
	if a, err := p.Pointer(); err != nil || a == 0 {
		return Device{}, false, err
	}
	peer, err = s.DeviceAt(p)
	return peer, err == nil, err
}

// VethSendDrops is how many frames sent through this end of a veth pair the other
// end did not take (veth_priv.dropped, part of this end's tx_dropped).
func (s *Stack) VethSendDrops(d Device) (uint64, error) {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return 0, err
	}
	return priv.UintPath("dropped.counter")
}

// maxQueues bounds the receive queues that a device claims.
const maxQueues = 1 << 16

// eachVethQueue calls visit with each struct veth_rq of the device.
func (s *Stack) eachVethQueue(d Device, visit func(value.Value) error) error {
	priv, err := s.Priv(d, "veth_priv", "veth")
	if err != nil {
		return err
	}
	n, err := d.Value.UintPath("num_rx_queues")
	if err != nil {
		return err
	}
	if n > maxQueues {
		return fmt.Errorf("%s claims %d receive queues", value.Printable(d.Name), n)
	}
	rq, err := priv.Path("rq")
	if err != nil {
		return err
	}
	for i := range int64(n) {
		q, err := rq.Index(i)
		if err != nil {
			return err
		}
		if err := visit(q); err != nil {
			return err
		}
	}
	return nil
}
