package knet

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// ipSettings are the first two columns of Ip, which are no counters: whether the namespace forwards (1) or
// not (2), and the time to live of what it sends (net/ipv4/proc.c: snmp_seq_show_ipstats).
func ipSettings(_ *Stack, ns NetNS, _ value.Value) ([]SNMPCounter, error) {
	const forwarding = 0 // IPV4_DEVCONF_FORWARDING less 1, user interface
	data, err := ns.Value.Path("ipv4.devconf_all.data")
	if err != nil {
		return nil, err
	}
	v, err := data.Index(forwarding)
	if err != nil {
		return nil, err
	}
	on, err := v.Uint()
	if err != nil {
		return nil, err
	}
	ttl, err := ns.Value.Path("ipv4.sysctl_ip_default_ttl")
	if err != nil {
		return nil, err
	}
	n, err := ttl.Int()
	if err != nil {
		return nil, err
	}
	f := uint64(2)
	if on != 0 {
		f = 1
	}
	return []SNMPCounter{{Name: "Forwarding", Value: f}, {Name: "DefaultTTL", Value: uint64(n), Signed: true}}, nil
}

// icmpCounters are those of Icmp: totals per CPU, and between them the messages of the types in icmpmibmap,
// which all CPUs count in one array (net/ipv4/proc.c: icmp_put).
func (s *Stack) icmpCounters(ns NetNS, mib value.Value) ([]SNMPCounter, error) {
	sum, err := s.mibSum(mib)
	if err != nil {
		return nil, err
	}
	types, err := s.mibNames("icmpmibmap")
	if err != nil {
		return nil, err
	}
	messages, err := ns.Value.Path("mib.icmpmsg_statistics")
	if err != nil {
		return nil, err
	}
	counts, err := words64(messages)
	if err != nil {
		return nil, err
	}
	var out []SNMPCounter
	total := func(name, enumerator string) error {
		i, err := s.K.Enumerator(enumerator)
		if err != nil {
			return err
		}
		if i >= uint64(len(sum)) {
			return fmt.Errorf("%s is number %d of %d", enumerator, i, len(sum))
		}
		out = append(out, SNMPCounter{Name: name, Value: sum[i]})
		return nil
	}
	byType := func(way string, bit int) error {
		for _, t := range types {
			i := t.index | bit
			if i >= len(counts) {
				return fmt.Errorf("%s is number %d of %d", t.name, i, len(counts))
			}
			out = append(out, SNMPCounter{Name: way + t.name, Value: counts[i]})
		}
		return nil
	}
	rows := [][2]string{{"InMsgs", "ICMP_MIB_INMSGS"}, {"InErrors", "ICMP_MIB_INERRORS"}, {"InCsumErrors", "ICMP_MIB_CSUMERRORS"}}
	for _, r := range rows {
		if err := total(r[0], r[1]); err != nil {
			return out, err
		}
	}
	if err := byType("In", 0); err != nil {
		return out, err
	}
	rows = [][2]string{{"OutMsgs", "ICMP_MIB_OUTMSGS"}, {"OutErrors", "ICMP_MIB_OUTERRORS"}}
	spec, err := s.K.Types()
	if err != nil {
		return out, err
	}
	// Since 6.0; they came together.
	if _, _, ok := spec.Enumerator("ICMP_MIB_RATELIMITGLOBAL"); ok {
		rows = append(rows, [2]string{"OutRateLimitGlobal", "ICMP_MIB_RATELIMITGLOBAL"}, [2]string{"OutRateLimitHost", "ICMP_MIB_RATELIMITHOST"})
	}
	for _, r := range rows {
		if err := total(r[0], r[1]); err != nil {
			return out, err
		}
	}
	return out, byType("Out", outMessage)
}

// outMessage is set in the indices of messages that were sent.
const outMessage = 0x100

// icmpMessages are the types of ICMP messages that were seen at all.
func icmpMessages(_ *Stack, _ NetNS, mib value.Value) ([]SNMPCounter, error) {
	counts, err := words64(mib)
	if err != nil {
		return nil, err
	}
	return messagesByNumber("", counts), nil
}

func messagesByNumber(prefix string, counts []uint64) []SNMPCounter {
	var out []SNMPCounter
	for i, n := range counts {
		if n != 0 {
			out = append(out, SNMPCounter{Name: fmt.Sprintf("%s%sType%d", prefix, wayOf(i), i&0xff), Value: n})
		}
	}
	return out
}

func wayOf(index int) string {
	if index&outMessage != 0 {
		return "Out"
	}
	return "In"
}

// icmp6Messages are those of ICMPv6 by name, whether seen or not, then by number (net/ipv6/proc.c:
// snmp6_seq_show_icmpv6msg).
func (s *Stack) icmp6Messages(_ NetNS, mib value.Value) ([]SNMPCounter, error) {
	counts, err := words64(mib)
	if err != nil {
		return nil, err
	}
	names, err := s.icmp6Names()
	if err != nil {
		return nil, err
	}
	var out []SNMPCounter
	for i, n := range counts {
		if name, ok := names[i&0xff]; ok {
			out = append(out, SNMPCounter{Name: "Icmp6" + wayOf(i) + name, Value: n})
		}
	}
	return append(out, messagesByNumber("Icmp6", counts)...), nil
}

// icmp6Types are the messages that RFC 2466 named. Since 7.0 the kernel has them in code (net/ipv6/proc.c),
// before in icmp6type2name.
var icmp6Types = map[int]string{
	1: "DestUnreachs", 2: "PktTooBigs", 3: "TimeExcds", 4: "ParmProblems", 128: "Echos", 129: "EchoReplies",
	130: "GroupMembQueries", 131: "GroupMembResponses", 132: "GroupMembReductions", 133: "RouterSolicits",
	134: "RouterAdvertisements", 135: "NeighborSolicits", 136: "NeighborAdvertisements", 137: "Redirects",
	143: "MLDv2Reports",
}

func (s *Stack) icmp6Names() (map[int]string, error) {
	sym, ok := s.K.LookupSymbol("icmp6type2name")
	if !ok {
		return icmp6Types, nil
	}
	names := map[int]string{}
	for i := range 256 {
		p, err := kmem.ReadAddr(s.K, sym.Addr+kmem.Addr(8*i))
		if err != nil {
			return nil, err
		}
		if p == 0 {
			continue
		}
		name, whole, err := kmem.ReadCString(s.K, p, maxMIBName)
		if err != nil {
			return nil, err
		}
		if !whole || name == "" {
			return nil, fmt.Errorf("icmp6type2name[%d] is no name: %s", i, value.Quote(name))
		}
		names[i] = value.Printable(name)
	}
	return names, nil
}
