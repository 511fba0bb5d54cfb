package knet

import (
	"fmt"

	"kinspect/expr/value"
)

// SocketSummary is how many sockets there are: what /proc/net/sockstat and `ss -s` show. Pairs are IPv4
// and IPv6.
type SocketSummary struct {
	Used uint64 // sockets of every family
	TCP  TCPSummary
	UDP  [2]uint64
	Raw  [2]uint64
}

// TCPSummary is that of TCP.
type TCPSummary struct {
	Hashed      [2]uint64 // sockets that are in a table
	Allocated   uint64    // in all namespaces
	Established uint64    // with those that the other side has closed, as the counter CurrEstab has it
	Listening   uint64
	Orphaned    uint64 // whose file is closed
	Requests    uint64
	TimeWait    uint64 // stand-ins for closed connections
}

// Closed is how many are in no table, as `ss -s` computes it.
func (t TCPSummary) Closed() uint64 {
	hashed := t.Hashed[0] + t.Hashed[1]
	if hashed > t.Allocated+t.TimeWait {
		return 0
	}
	return t.Allocated + t.TimeWait - hashed
}

// SocketSummary counts the sockets of a namespace.
func (s *Stack) SocketSummary(ns NetNS) (SocketSummary, error) {
	var out SocketSummary
	var err error
	if out.Used, err = s.socketsUsed(ns); err != nil {
		return out, fmt.Errorf("the count of sockets: %w", err)
	}
	if out.TCP.Allocated, err = s.tcpAllocated(); err != nil {
		return out, fmt.Errorf("the count of TCP sockets: %w", err)
	}
	count := map[string]*[2]uint64{"tcp": &out.TCP.Hashed, "udp": &out.UDP, "raw": &out.Raw}
	for _, kind := range []string{"tcp", "udp", "raw"} {
		err := s.EachSocket(kind, []NetNS{ns}, func(k Socket) error {
			if !k.Full() {
				out.TCP.standIn(k)
				return nil
			}
			i := 0
			if k.Family == afInet6 {
				i = 1
			}
			count[kind][i]++
			if kind == "tcp" {
				return out.TCP.full(k)
			}
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (t *TCPSummary) standIn(k Socket) {
	if st, ok := k.Value.StructType(); ok && st.Name == "request_sock" {
		t.Requests++
	} else {
		t.TimeWait++
	}
}

func (t *TCPSummary) full(k Socket) error {
	switch k.State {
	case "ESTABLISHED", "CLOSE_WAIT":
		t.Established++
	case "LISTEN":
		t.Listening++
	}
	// SOCK_DEAD of enum sock_flags, the first one (include/net/sock.h).
	flags, err := k.Value.UintPath("__sk_common.skc_flags")
	if flags&1 == 1 {
		t.Orphaned++
	}
	return err
}

// socketsUsed is a per-CPU count (net/core/sock.c: sock_inuse_get): a number of its own up to 5.16, then
// a member of struct prot_inuse.
func (s *Stack) socketsUsed(ns NetNS) (uint64, error) {
	path, member := "core.prot_inuse", "all"
	if s.K.HasMember("netns_core", "sock_inuse") {
		path, member = "core.sock_inuse", ""
	}
	p, err := ns.Value.Path(path)
	if err != nil {
		return 0, err
	}
	var sum int64
	err = s.K.EachCPU(p, func(_ int, v value.Value) error {
		if member != "" {
			var err error
			if v, err = v.Path(member); err != nil {
				return err
			}
		}
		n, err := v.Int()
		sum += n
		return err
	})
	return uint64(max(sum, 0)), err
}

// tcpAllocated is a struct percpu_counter that all namespaces share (tcp_prot.sockets_allocated).
func (s *Stack) tcpAllocated() (uint64, error) {
	v, err := s.K.Global("tcp_prot")
	if err != nil {
		return 0, err
	}
	if v, err = v.Path("sockets_allocated"); err != nil {
		return 0, err
	}
	count, err := v.UintPath("count")
	if err != nil {
		return 0, err
	}
	p, err := v.Path("counters")
	if err != nil {
		return 0, err
	}
	sum := int64(count)
	err = s.K.EachCPU(p, func(_ int, v value.Value) error {
		n, err := v.Int()
		sum += n
		return err
	})
	return uint64(max(sum, 0)), err
}
