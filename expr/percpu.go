package expr

import (
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/expr/value"
)

// perCPUMembers are the members that the kernel's sources declare __percpu, of
// the structs that people look into most. BTF records __percpu only where the
// compiler could write type tags (clang since 5.17, gcc since 16). Without this
// table such a pointer would be followed as any other; before 6.15 that is a
// fault, as they are small offsets, but since then they lie in the kernel image,
// and what is there is something else.
var perCPUMembers = map[string][]string{
	// include/linux/netdevice.h
	"net_device": {"core_stats", "lstats", "tstats", "dstats", "pcpu_refcnt"},
	// include/net/netns/core.h
	"netns_core": {"prot_inuse", "sock_inuse"},
	// include/net/netns/mib.h
	"netns_mib": {
		"ip_statistics", "ipv6_statistics", "tcp_statistics", "net_statistics", "udp_statistics",
		"udp_stats_in6", "udplite_statistics", "udplite_stats_in6", "xfrm_statistics", "tls_statistics",
		"mptcp_statistics", "icmp_statistics", "icmpv6_statistics",
	},
	// include/net/netns/conntrack.h
	"netns_ct": {"stat"},
	// include/net/netns/xfrm.h
	"netns_xfrm": {"state_cache_input"},
	// include/net/sch_generic.h
	"Qdisc": {"cpu_bstats", "cpu_qstats"},
	// include/net/ip_fib.h
	"fib_nh_common": {"nhc_pcpu_rth_output"},
	// include/net/ip6_fib.h
	"fib6_nh": {"rt6i_pcpu"},
	// include/net/dst_ops.h
	"dst_ops": {"pcpuc_entries"},
	// include/net/neighbour.h
	"neigh_table": {"stats"},
	// include/net/bonding.h
	"bonding": {"rr_tx_counter"},
	// include/net/gro_cells.h
	"gro_cells": {"cells"},
	// net/bridge/br_private.h
	"net_bridge_vlan": {"stats"},
	"net_bridge":      {"mcast_stats"},
	// include/linux/if_vlan.h
	"vlan_dev_priv": {"vlan_pcpu_stats"},
	// include/linux/if_macvlan.h
	"macvlan_dev": {"pcpu_stats"},
	// include/linux/percpu_counter.h
	"percpu_counter": {"counters"},
	// include/linux/percpu-rwsem.h
	"percpu_rw_semaphore": {"read_count"},
	// include/linux/bpf.h
	"bpf_prog": {"stats", "active"},
	// mm/slab.h
	"kmem_cache": {"cpu_slab", "cpu_sheaves"},
	// include/linux/mmzone.h
	"zone":        {"per_cpu_pageset", "per_cpu_zonestats"},
	"pglist_data": {"per_cpu_nodestats"},
	// include/linux/memcontrol.h
	"mem_cgroup": {"vmstats_percpu"},
	// kernel/workqueue.c
	"workqueue_struct": {"cpu_pwq"},
	// fs/mount.h
	"mount": {"mnt_pcp"},
	// include/linux/module.h
	"module": {"percpu"},
	// include/linux/trace_events.h
	"trace_event_call": {"perf_events"},
}

// perCPUNote marks a value that is a per-CPU pointer by the table above.
const perCPUNote = "a per-CPU pointer: per_cpu(…, CPU) is one CPU's"

// markPerCPU adds the note to a member that the table has.
func markPerCPU(st *btf.Struct, name string, m value.Value) value.Value {
	if isPerCPUMember(st, name) {
		if _, ok := btf.Underlying(m.Type()).(*btf.Pointer); ok {
			return m.WithNote(perCPUNote)
		}
	}
	return m
}

func isPerCPUMember(st *btf.Struct, name string) bool {
	return slices.Contains(perCPUMembers[st.Name], name)
}

// isPerCPUType reports whether a pointer's target carries __percpu.
func isPerCPUType(t btf.Type) bool {
	for range 16 {
		switch u := t.(type) {
		case *btf.TypeTag:
			if u.Value == "percpu" {
				return true
			}
			t = u.Target()
		case *btf.Qualifier:
			t = u.Target()
		default:
			return false
		}
	}
	return false
}

// follow reads a pointer that is about to be followed, once, and refuses what
// could not be right: per-CPU pointers, and addresses that are not the kernel's.
// What is no pointer is passed on.
func follow(v value.Value) (value.Value, error) {
	p, ok := btf.Underlying(v.Type()).(*btf.Pointer)
	if !ok || v.IsPerCPU() {
		return v, nil
	}
	if v.Note() == perCPUNote || isPerCPUType(p.Target()) {
		return v, fmt.Errorf("the %s is a per-CPU pointer: per_cpu(…, CPU) is what one CPU has behind it", v.Type())
	}
	v, err := v.Load()
	if err != nil {
		return v, err
	}
	a, err := v.Pointer()
	if err == nil && a != 0 && !a.IsKernel() {
		err = fmt.Errorf("the %s is %s, which is no kernel address; if it is a per-CPU pointer, say per_cpu(…, CPU)", v.Type(), a)
	}
	return v, err
}
