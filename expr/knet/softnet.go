package knet

import (
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// Softnet is one CPU's struct softnet_data, in frames since boot.
type Softnet struct {
	CPU       int
	Processed uint64
	Dropped   uint64 // did not fit into the backlog, column 2 of /proc/net/softnet_stat
	FlowLimit uint64 // of those, for the flow limit; 0 where it is off
	FlowOn    bool   // the flow limit is on for this CPU
}

// Softnets reads every possible CPU's softnet_data.
func (s *Stack) Softnets() ([]Softnet, error) {
	sd, err := s.K.Global("softnet_data")
	if err != nil {
		return nil, err
	}
	var out []Softnet
	err = s.K.EachCPU(sd, func(cpu int, v value.Value) error {
		n := Softnet{CPU: cpu}
		processed, err := v.UintPath("processed")
		if err != nil {
			return err
		}
		n.Processed = processed
		if n.Dropped, err = s.softnetDropped(v); err != nil {
			return err
		}
		if v.Has("flow_limit") {
			fl, err := v.PointerPath("flow_limit")
			if err != nil {
				return err
			}
			if n.FlowOn = fl != 0; n.FlowOn {
				if n.FlowLimit, err = v.UintPath("flow_limit.count"); err != nil {
					return err
				}
			}
		}
		out = append(out, n)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("reading softnet_data: %w", err)
	}
	return out, nil
}

// softnetDropped reads the backlog's drop counter, which was an unsigned int, an
// atomic_t (6.10) and then two atomics for the NUMA nodes, drop_counters (6.18:
// include/linux/netdevice.h, struct softnet_data).
func (s *Stack) softnetDropped(sd value.Value) (uint64, error) {
	if !sd.Has("drop_counters") {
		v, err := sd.Path("dropped")
		if err != nil {
			return 0, err
		}
		if v.Has("counter") {
			n, err := v.UintPath("counter")
			return n & 0xffffffff, err
		}
		return v.Uint()
	}
	v, err := sd.Path("drop_counters")
	if err != nil {
		return 0, err
	}
	st, ok := v.StructType()
	if !ok {
		return 0, fmt.Errorf("softnet_data.drop_counters is %s, which is not known", v.Type())
	}
	var sum uint64
	for _, m := range st.Members() {
		if !strings.HasPrefix(m.Name, "drops") {
			continue
		}
		n, err := v.UintPath(m.Name + ".counter")
		if err != nil {
			return 0, err
		}
		sum += n & 0xffffffff
	}
	return sum, nil
}

// CountsDownDevices reports whether the backlog's drop counter also rises for
// frames of a device that is not running. It did as long as the counter was a
// plain integer; when it became atomic (6.10, net/core/dev.c: enqueue_to_backlog)
// that case went another way.
func (s *Stack) CountsDownDevices() (bool, error) {
	st, err := s.K.Struct("softnet_data")
	if err != nil {
		return false, err
	}
	f, err := st.FindMember("dropped")
	if err != nil {
		return false, nil // drop_counters: the newest form
	}
	_, plain := btf.Underlying(f.Type).(*btf.Int)
	return plain, nil
}

// MaxBacklog is the backlog's limit in frames, net.core.netdev_max_backlog: a
// global, and since 6.9 a member of net_hotdata.
func (s *Stack) MaxBacklog() (uint64, error) {
	if s.K.HasMember("net_hotdata", "max_backlog") {
		hot, err := s.K.Global("net_hotdata")
		if err != nil {
			return 0, err
		}
		return hot.UintPath("max_backlog")
	}
	v, err := s.K.Global("netdev_max_backlog")
	if err != nil {
		return 0, err
	}
	return v.Uint()
}

// PfmemallocPossible reports whether sockets may use the emergency reserves of
// memory (swap over the network): only then are frames marked pfmemalloc dropped
// (net/core/sock.c: memalloc_socks_key).
func (s *Stack) PfmemallocPossible() (bool, error) {
	v, err := s.K.Global("memalloc_socks_key")
	if err != nil {
		return false, err
	}
	n, err := v.UintPath("key.enabled.counter")
	return n != 0, err
}
