package knet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// The files that a network namespace has for its protocols' counters.
const (
	SNMPFile    = "snmp"    // /proc/net/snmp: IPv4, ICMP, TCP and UDP, as RFCs name them
	SNMP6File   = "snmp6"   // /proc/net/snmp6: the same of IPv6
	NetstatFile = "netstat" // /proc/net/netstat: what Linux counts beside
)

// SNMPFiles are all of them, in the order in which they are shown.
var SNMPFiles = []string{SNMPFile, NetstatFile, SNMP6File}

// SNMP are the counters of a namespace's protocols, since the namespace was made.
type SNMP struct {
	Groups []SNMPGroup
	byID   map[string]SNMPCounter
}

// SNMPGroup is a pair of lines of /proc/net/snmp or /proc/net/netstat, or a piece of /proc/net/snmp6.
type SNMPGroup struct {
	File     string
	Name     string // before the colon: Ip, TcpExt; "" in snmp6, whose names are whole
	Counters []SNMPCounter
	Err      error // Counters are not all, for this
}

// SNMPCounter is one number.
type SNMPCounter struct {
	Name   string // as the file has it
	ID     string // as nstat has it, with the group: UdpRcvbufErrors
	Value  uint64
	Signed bool // Value is an int64: TcpMaxConn may be -1
}

// String is the number as the file has it.
func (c SNMPCounter) String() string {
	if c.Signed {
		return fmt.Sprint(int64(c.Value))
	}
	return fmt.Sprint(c.Value)
}

// Lookup finds a counter by nstat's name. A kernel does not have every one.
func (t *SNMP) Lookup(id string) (SNMPCounter, bool) {
	c, ok := t.byID[id]
	return c, ok
}

// Get is the value of a counter, and 0 where the kernel does not have it.
func (t *SNMP) Get(id string) uint64 { return t.byID[id].Value }

// Err is what could not be read, of all groups.
func (t *SNMP) Err() error {
	var errs []error
	for _, g := range t.Groups {
		if g.Err != nil {
			errs = append(errs, g.Err)
		}
	}
	return errors.Join(errs...)
}

// A snmpSource says where a group comes from: the kernel's own table of names and indices, and the
// per-CPU arrays of struct netns_mib that the indices are of (net/ipv4/proc.c, net/ipv6/proc.c,
// net/mptcp/mib.c). A group whose member or table the kernel does not have is not in its files.
type snmpSource struct {
	file, name string
	list       string // symbol of the table
	mib        string // member of struct netns_mib
	lazy       bool   // the arrays are made with the first socket; until then all counters are 0
	read       func(s *Stack, ns NetNS, mib value.Value) ([]SNMPCounter, error)
}

// snmpSources are in the order of the files.
var snmpSources = []snmpSource{
	{file: SNMPFile, name: "Ip", list: "snmp4_ipstats_list", mib: "ip_statistics", read: ipSettings},
	{file: SNMPFile, name: "Icmp", mib: "icmp_statistics", read: (*Stack).icmpCounters},
	{file: SNMPFile, name: "IcmpMsg", mib: "icmpmsg_statistics", read: icmpMessages},
	{file: SNMPFile, name: "Tcp", list: "snmp4_tcp_list", mib: "tcp_statistics"},
	{file: SNMPFile, name: "Udp", list: "snmp4_udp_list", mib: "udp_statistics"},
	{file: SNMPFile, name: "UdpLite", list: "snmp4_udp_list", mib: "udplite_statistics"}, // until 7.1
	{file: NetstatFile, name: "TcpExt", list: "snmp4_net_list", mib: "net_statistics"},
	{file: NetstatFile, name: "IpExt", list: "snmp4_ipextstats_list", mib: "ip_statistics"},
	{file: NetstatFile, name: "MPTcpExt", list: "mptcp_snmp_list", mib: "mptcp_statistics", lazy: true},
	{file: SNMP6File, list: "snmp6_ipstats_list", mib: "ipv6_statistics"},
	{file: SNMP6File, list: "snmp6_icmp6_list", mib: "icmpv6_statistics"},
	{file: SNMP6File, mib: "icmpv6msg_statistics", read: (*Stack).icmp6Messages},
	{file: SNMP6File, list: "snmp6_udp6_list", mib: "udp_stats_in6"},
	{file: SNMP6File, list: "snmp6_udplite6_list", mib: "udplite_stats_in6"},
}

// SNMP reads the counters of a namespace's protocols. What could not be read is told by its group.
func (s *Stack) SNMP(ns NetNS) (*SNMP, error) {
	mibs, err := ns.Value.Path("mib")
	if err != nil {
		return nil, err
	}
	t := &SNMP{byID: map[string]SNMPCounter{}}
	sums := map[string][]uint64{} // Ip and IpExt are of one array
	for _, src := range snmpSources {
		g, ok := s.snmpGroup(ns, mibs, src, sums)
		if !ok {
			continue
		}
		for i, c := range g.Counters {
			g.Counters[i].ID = g.Name + c.Name
			t.byID[g.Name+c.Name] = g.Counters[i]
		}
		t.Groups = append(t.Groups, g)
	}
	return t, nil
}

// snmpGroup reads one group. ok is false where the namespace does not have it.
func (s *Stack) snmpGroup(ns NetNS, mibs value.Value, src snmpSource, sums map[string][]uint64) (g SNMPGroup, ok bool) {
	g = SNMPGroup{File: src.file, Name: src.name}
	fail := func(err error) (SNMPGroup, bool) {
		what := "the counters of " + src.name
		if src.name == "" {
			what = "the counters of IPv6 from " + src.mib
		}
		g.Err = fmt.Errorf("%s: %w", what, err)
		return g, true
	}
	if !mibs.Has(src.mib) {
		return g, false
	}
	if src.list != "" {
		if _, ok := s.K.LookupSymbol(src.list); !ok {
			if src.lazy || src.file == SNMP6File {
				return g, false // built without
			}
			return fail(fmt.Errorf("%w: %s, which has their names", value.ErrNoSymbol, src.list))
		}
	}
	mib, err := mibs.Path(src.mib)
	if err != nil {
		return fail(err)
	}
	at, err := mib.Pointer()
	if err != nil {
		return fail(err)
	}
	switch {
	case at != 0 || src.lazy:
	case src.file == SNMP6File:
		return g, false // IPv6 is off since boot: ipv6.disable=1
	default:
		return fail(fmt.Errorf("netns_mib.%s is NULL", src.mib))
	}
	if src.read != nil {
		if g.Counters, err = src.read(s, ns, mib); err != nil {
			return fail(err)
		}
	}
	if src.list == "" {
		return g, true
	}
	sum := sums[src.mib]
	if sum == nil && at != 0 {
		if sum, err = s.mibSum(mib); err != nil {
			return fail(err)
		}
		sums[src.mib] = sum
	}
	list, bad := s.mibNames(src.list)
	for _, e := range list {
		c := SNMPCounter{Name: e.name, Signed: src.name == "Tcp" && e.name == "MaxConn"} // RFC 2012
		if at != 0 {
			if e.index >= len(sum) {
				return fail(fmt.Errorf("%s is number %d of netns_mib.%s, which has %d", e.name, e.index, src.mib, len(sum)))
			}
			c.Value = sum[e.index]
		}
		g.Counters = append(g.Counters, c)
	}
	if bad != nil {
		return fail(bad)
	}
	return g, true
}

// SNMPCounter is one counter by nstat's name, for a question that needs no other. ok is false where the
// kernel, or the namespace, does not have it.
func (s *Stack) SNMPCounter(ns NetNS, id string) (n uint64, ok bool, err error) {
	mibs, err := ns.Value.Path("mib")
	if err != nil {
		return 0, false, err
	}
	for _, src := range snmpSources {
		name, found := strings.CutPrefix(id, src.name)
		if !found || src.list == "" || !mibs.Has(src.mib) {
			continue
		}
		if _, found := s.K.LookupSymbol(src.list); !found {
			continue
		}
		list, err := s.mibNames(src.list)
		for _, e := range list {
			if e.name != name {
				continue
			}
			mib, err := mibs.Path(src.mib)
			if err != nil {
				return 0, false, err
			}
			if at, err := mib.Pointer(); err != nil || at == 0 {
				return 0, src.lazy, err
			}
			n, err := s.mibOne(mib, e.index)
			return n, err == nil, err
		}
		if err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// mibSum adds up the possible CPUs' arrays of counters. They are unsigned longs, and of IP u64 on every
// machine (include/net/snmp.h).
func (s *Stack) mibSum(mib value.Value) ([]uint64, error) {
	var sum []uint64
	err := s.K.EachCPU(mib, func(_ int, v value.Value) error {
		n, err := words64(v)
		if err != nil {
			return err
		}
		if sum == nil {
			sum = make([]uint64, len(n))
		}
		for i := range n {
			sum[i] += n[i]
		}
		return nil
	})
	return sum, err
}

// mibOne adds up one counter.
func (s *Stack) mibOne(mib value.Value, index int) (sum uint64, err error) {
	err = s.K.EachCPU(mib, func(_ int, v value.Value) error {
		m, err := v.Path("mibs")
		if err != nil {
			return err
		}
		e, err := m.Index(int64(index))
		if err != nil {
			return err
		}
		n, err := e.Uint()
		sum += n
		return err
	})
	return sum, err
}

// words64 are the numbers in the member mibs of a struct.
func words64(v value.Value) ([]uint64, error) {
	m, err := v.Path("mibs")
	if err != nil {
		return nil, err
	}
	raw, err := m.Bytes()
	if err != nil {
		return nil, err
	}
	n, ok := m.Len()
	if !ok || 8*n != len(raw) {
		return nil, fmt.Errorf("%s is not an array of 64-bit counters", m.Type())
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out, nil
}

// A mibName is a row of a table of the kernel's: a counter's name and its index.
type mibName struct {
	name  string
	index int
}

// maxMIBNames bounds such a table, and maxMIBIndex its indices.
const (
	maxMIBNames = 1024
	maxMIBIndex = 4096
	maxMIBName  = 64
)

// mibNames reads a table of struct snmp_mib, once. It ends with a NULL name, and since 6.18 where the next
// symbol begins (include/net/snmp.h: SNMP_MIB_SENTINEL went). What comes before a row that makes no sense is
// given with the error.
func (s *Stack) mibNames(symbol string) ([]mibName, error) {
	if t, ok := s.mibs[symbol]; ok {
		return t.names, t.err
	}
	names, err := s.readMIBNames(symbol)
	if s.mibs == nil {
		s.mibs = map[string]mibTable{}
	}
	s.mibs[symbol] = mibTable{names, err}
	return names, err
}

type mibTable struct {
	names []mibName
	err   error
}

func (s *Stack) readMIBNames(symbol string) ([]mibName, error) {
	sym, ok := s.K.LookupSymbol(symbol)
	if !ok {
		return nil, fmt.Errorf("%w: %s", value.ErrNoSymbol, symbol)
	}
	const size = 16 // {const char *name; int entry;}, in icmpmibmap, too, which has no name for its type
	var names []mibName
	for i := range maxMIBNames {
		at := sym.Addr + kmem.Addr(size*i)
		if in, _, ok := s.K.SymbolAt(at); !ok || in.Addr != sym.Addr {
			return names, nil
		}
		var raw [size]byte
		if err := s.K.ReadMem(at, raw[:]); err != nil {
			return names, err
		}
		name := kmem.Addr(binary.LittleEndian.Uint64(raw[:]))
		if name == 0 {
			return names, nil
		}
		index := binary.LittleEndian.Uint32(raw[8:])
		if !name.IsKernel() || index >= maxMIBIndex {
			return names, fmt.Errorf("row %d of %s at %s is no counter: its name is at %s, its index is %d", i, symbol, at, name, index)
		}
		text, whole, err := kmem.ReadCString(s.K, name, maxMIBName)
		if err != nil {
			return names, err
		}
		if !whole || text == "" || strings.Trim(text, counterLetters) != "" {
			return names, fmt.Errorf("row %d of %s at %s is no counter: its name is %s", i, symbol, at, value.Quote(text))
		}
		names = append(names, mibName{text, int(index)})
	}
	return names, fmt.Errorf("%s has more than %d rows", symbol, maxMIBNames)
}

const counterLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
