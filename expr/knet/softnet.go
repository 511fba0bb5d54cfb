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

// softirqBits are the part of a CPU's preempt_count that counts softirqs, and code that runs with them off
// (include/linux/preempt.h: SOFTIRQ_MASK).
const softirqBits = 0xff00

// Handling is on how many CPUs softirqs were handled, or off, as a dump was made: there frames may have been on their way,
// with some of their counters raised and others not yet. It is 0 on a live kernel, and where it is not known.
func (s *Stack) Handling() (cpus int) {
	if s.K.Image.Live() || s.K.Image.Snapshot() != nil {
		return 0
	}
	name, member := "__preempt_count", ""
	if s.K.HasMember("pcpu_hot", "preempt_count") { // from 6.2 to 6.14
		name, member = "pcpu_hot", "preempt_count"
	}
	v, err := s.K.Global(name)
	if err != nil {
		return 0
	}
	err = s.K.EachCPU(v, func(_ int, v value.Value) error {
		if member != "" {
			m, err := v.Path(member)
			if err != nil {
				return err
			}
			v = m
		}
		n, err := v.Uint()
		if n&softirqBits != 0 {
			cpus++
		}
		return err
	})
	if err != nil {
		return 0
	}
	return cpus
}

// MaxBacklog is the backlog's limit in frames, net.core.netdev_max_backlog.
func (s *Stack) MaxBacklog() (uint64, error) {
	return s.netSetting("max_backlog", "netdev_max_backlog")
}

// netSetting is one of net.core's numbers: a global, and since 6.9 a member of
// net_hotdata (include/net/hotdata.h).
func (s *Stack) netSetting(member, global string) (uint64, error) {
	if s.K.HasMember("net_hotdata", member) {
		hot, err := s.K.Global("net_hotdata")
		if err != nil {
			return 0, err
		}
		return hot.UintPath(member)
	}
	v, err := s.K.Global(global)
	if err != nil {
		return 0, err
	}
	return v.Uint()
}

// PfmemallocPossible reports whether sockets may use the emergency reserves of
// memory (swap over the network, and WireGuard's sockets): only then are frames marked pfmemalloc dropped
// (net/core/sock.c: memalloc_socks_key).
func (s *Stack) PfmemallocPossible() (bool, error) {
	v, err := s.K.Global("memalloc_socks_key")
	if err != nil {
		return false, err
	}
	n, err := v.UintPath("key.enabled.counter")
	return n != 0, err
}
