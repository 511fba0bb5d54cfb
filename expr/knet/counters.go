package knet

import (
	"fmt"

	"kinspect/expr/value"
)

// CoreCounters are the counters that the core of the network stack keeps for
// each device, apart from the driver's own, in frames. They are members of
// struct net_device_core_stats since 5.18 and of struct net_device before.
var CoreCounters = []string{"rx_dropped", "tx_dropped", "rx_nohandler", "rx_otherhost_dropped"}

// IsCoreCounter reports whether a member name of struct net_device is one of
// [CoreCounters].
func IsCoreCounter(name string) bool {
	for _, c := range CoreCounters {
		if c == name {
			return true
		}
	}
	return false
}

// HasCounter reports whether this kernel has a counter of [host.LinkFields]:
// rx_otherhost_dropped came with 5.19.
func (s *Stack) HasCounter(d Device, name string) bool {
	if name != "rx_otherhost_dropped" {
		return true
	}
	if d.Value.Has("core_stats") {
		// A fourth member of another name is damage, which reading the counter tells.
		st, err := s.K.Struct("net_device_core_stats")
		return err != nil || st.NumMembers() > 3
	}
	return d.Value.Has(name)
}

// CoreCounter is one of [CoreCounters] of a device, as u64, on every kernel:
//
//   - an atomic_long_t in struct net_device, up to 5.17;
//   - since 5.18 (include/linux/netdevice.h, 625788b58445) the sum over the
//     possible CPUs of net_device.core_stats, a per-CPU pointer that is NULL
//     until the first drop.
//
// The value's note says which. A counter that the kernel does not have (
// rx_otherhost_dropped before 5.19) is an error.
func (s *Stack) CoreCounter(dev value.Value, name string) (value.Value, error) {
	if !dev.Has("core_stats") {
		if !dev.Has(name) {
			return value.Value{}, fmt.Errorf("this kernel has no %s: struct net_device has neither core_stats nor a member of that name", name)
		}
		u, err := dev.UintPath(name + ".counter")
		return s.K.U64(u, "net_device."+name+", an atomic_long_t"), err
	}
	stats, err := dev.Path("core_stats")
	if err != nil {
		return value.Value{}, err
	}
	if !stats.Has(name) {
		return value.Value{}, fmt.Errorf("this kernel has no %s: it is not a member of struct net_device_core_stats", name)
	}
	p, err := stats.Pointer()
	if err != nil {
		return value.Value{}, err
	}
	if p == 0 {
		return s.K.U64(0, "core_stats is NULL: no drop was ever counted"), nil
	}
	var sum uint64
	cpus := 0
	err = s.K.EachCPU(stats, func(_ int, v value.Value) error {
		u, err := v.UintPath(name)
		sum += u
		cpus++
		return err
	})
	return s.K.U64(sum, fmt.Sprintf("sum of core_stats over %d possible CPUs", cpus)), err
}
