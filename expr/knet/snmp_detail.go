package knet

import (
	"errors"
	"fmt"

	"kinspect/expr/value"
)

// FragMemory is what a namespace's fragments of one family may take, and take (include/net/inet_frag.h:
// struct fqdir).
type FragMemory struct {
	HighThresh uint64 // bytes: net.ipv4.ipfrag_high_thresh, net.ipv6.ip6frag_high_thresh
	Used       uint64 // bytes now
	Queues     uint64 // packets whose fragments are not all here, now
}

// Fragments are the limits of IPv4's fragments, or of IPv6's.
func (s *Stack) Fragments(ns NetNS, family string) (f FragMemory, err error) {
	dir := family + ".fqdir" // ipv4 or ipv6, a pointer since 5.3
	for _, m := range []struct {
		path string
		to   *uint64
	}{{"high_thresh", &f.HighThresh}, {"mem.counter", &f.Used}, {"rhashtable.nelems.counter", &f.Queues}} {
		if *m.to, err = ns.Value.UintPath(dir + "." + m.path); err != nil {
			return f, err
		}
	}
	f.Queues = uint64(uint32(f.Queues))
	return f, nil
}

// DeviceIPv6 is a device's share of the counters of /proc/net/snmp6, as /proc/net/dev_snmp6/DEV has it.
type DeviceIPv6 struct {
	Device   Device
	Off      bool // disable_ipv6 is set for it
	Counters map[string]uint64
}

// DeviceIPv6 reads the IPv6 counters of the device. ok is false where it has no IPv6 at all.
func (s *Stack) DeviceIPv6(d Device) (c DeviceIPv6, ok bool, err error) {
	c = DeviceIPv6{Device: d, Counters: map[string]uint64{}}
	if _, found := s.K.LookupSymbol("snmp6_ipstats_list"); !found || !d.Value.Has("ip6_ptr") {
		return c, false, nil
	}
	idev, err := d.Value.Path("ip6_ptr")
	if err != nil {
		return c, false, err
	}
	if p, err := idev.Pointer(); err != nil || p == 0 {
		return c, false, err
	}
	off, err := idev.UintPath("cnf.disable_ipv6")
	if err != nil {
		return c, false, err
	}
	c.Off = off != 0
	mib, err := idev.Path("stats.ipv6")
	if err != nil {
		return c, false, err
	}
	sum, err := s.mibSum(mib)
	if err != nil {
		return c, false, err
	}
	names, err := s.mibNames("snmp6_ipstats_list")
	for _, n := range names {
		if n.index < len(sum) {
			c.Counters[n.name] = sum[n.index]
		}
	}
	return c, true, err
}

// Retransmits is what a TCP socket sent again since its connection began, and what of it is on its way.
// ok is false for sockets that send nothing, as listening ones.
func (s *Stack) Retransmits(k Socket) (all, out uint64, ok bool, err error) {
	if k.Kind != "tcp" || k.State == socketStates[tcpListen] {
		return 0, 0, false, nil
	}
	if st, isStruct := k.Value.StructType(); isStruct && st.Name == "request_sock" {
		all, err = k.Value.UintPath("num_retrans") // SYN-ACKs
		return all, 0, err == nil, err
	}
	if !k.Full() {
		return 0, 0, false, nil // in TIME_WAIT
	}
	st, err := s.K.Struct("tcp_sock")
	if err != nil {
		return 0, 0, false, err
	}
	tp := s.K.Ref(st, k.Addr())
	if all, err = tp.UintPath("total_retrans"); err != nil {
		return 0, 0, false, err
	}
	out, err = tp.UintPath("retrans_out")
	return all, out, err == nil, err
}

// Buffers are the limits of a socket's queues in bytes, as the kernel counts them: with the overhead of each
// packet (SO_RCVBUF and SO_SNDBUF are half of that).
func (k Socket) Buffers() (receive, send uint64, err error) {
	if !k.Full() {
		return 0, 0, errors.New("this socket has no buffers")
	}
	r, err := k.Value.UintPath("sk_rcvbuf")
	if err != nil {
		return 0, 0, err
	}
	w, err := k.Value.UintPath("sk_sndbuf")
	return r, w, err
}

// NetSettings are the settings that counters of drops hang on, by their names in sysctl. Those that the
// kernel does not have are left out.
func (s *Stack) NetSettings(ns NetNS) map[string]string {
	out := map[string]string{}
	number := func(name string, v value.Value, err error) {
		if err != nil {
			return
		}
		if n, ok := v.Len(); ok {
			text := ""
			for i := range n {
				e, err := v.Index(int64(i))
				if err != nil {
					return
				}
				u, err := e.Uint()
				if err != nil {
					return
				}
				if text != "" {
					text += " "
				}
				text += fmt.Sprint(u)
			}
			out[name] = text
			return
		}
		if u, err := v.Uint(); err == nil {
			out[name] = fmt.Sprint(u)
		}
	}
	for name, path := range map[string]string{
		"net.core.somaxconn":             "core.sysctl_somaxconn",
		"net.ipv4.tcp_max_syn_backlog":   "ipv4.sysctl_max_syn_backlog",
		"net.ipv4.tcp_syncookies":        "ipv4.sysctl_tcp_syncookies",
		"net.ipv4.tcp_abort_on_overflow": "ipv4.sysctl_tcp_abort_on_overflow",
		"net.ipv4.tcp_rmem":              "ipv4.sysctl_tcp_rmem",
		"net.ipv4.icmp_ratelimit":        "ipv4.sysctl_icmp_ratelimit",
		"net.ipv4.conf.all.forwarding":   "ipv4.devconf_all.data",
	} {
		v, err := ns.Value.Path(path)
		if err == nil && path == "ipv4.devconf_all.data" {
			v, err = v.Index(0) // IPV4_DEVCONF_FORWARDING less 1
		}
		number(name, v, err)
	}
	for name, global := range map[string]string{
		"net.core.rmem_max": "sysctl_rmem_max", "net.core.rmem_default": "sysctl_rmem_default", "net.ipv4.udp_mem": "sysctl_udp_mem",
	} {
		v, err := s.K.Global(global)
		number(name, v, err)
	}
	return out
}
