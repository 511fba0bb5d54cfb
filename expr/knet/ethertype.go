package knet

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// Ethertype is a frame's protocol in host order, as the kernel's ETH_P_* name it
// (include/uapi/linux/if_ether.h). Frames of 802.2, whose header has a length
// instead, are 0x0004 to the kernel: STP, IS-IS and the SNAP protocols (CDP, …).
type Ethertype uint16

// Ethertypes that code here treats apart.
const (
	EthAll   Ethertype = 0x0003 // ETH_P_ALL: a tap that sees every frame
	Eth8022  Ethertype = 0x0004
	EthIPv4  Ethertype = 0x0800
	EthARP   Ethertype = 0x0806
	EthVLAN  Ethertype = 0x8100
	EthQinQ  Ethertype = 0x88a8
	EthSlow  Ethertype = 0x8809
	EthIPv6  Ethertype = 0x86dd
	EthLLDP  Ethertype = 0x88cc
	EthEAPOL Ethertype = 0x888e
)

// KnownEthertype is an ethertype that networks carry, with what sends it.
type KnownEthertype struct {
	Type    Ethertype
	Name    string
	Aliases []string
	From    string // who sends such frames
}

// KnownEthertypes are the ones whose handlers are worth a look, most usual first.
var KnownEthertypes = []KnownEthertype{
	{EthIPv4, "IPv4", []string{"ip", "ETH_P_IP"}, "IPv4"},
	{EthARP, "ARP", nil, "IPv4 neighbours"},
	{EthIPv6, "IPv6", []string{"ip6"}, "IPv6"},
	{Eth8022, "802.2", []string{"LLC", "STP", "RSTP", "MSTP", "PVST", "BPDU", "CDP", "IS-IS", "ISIS", "SNAP", "ETH_P_802_2"}, "STP and other LLC or SNAP (CDP, IS-IS) of switches"},
	{EthLLDP, "LLDP", nil, "switches and hosts that announce themselves"},
	{EthSlow, "LACP", []string{"slow", "marker"}, "the other side of an 802.3ad bond"},
	{EthVLAN, "VLAN", []string{"802.1Q", "8021q", "dot1q"}, "802.1Q tagged frames"},
	{EthQinQ, "802.1ad", []string{"QinQ"}, "802.1ad tagged frames"},
	{EthEAPOL, "EAPOL", []string{"802.1X"}, "802.1X switches and access points"},
	{0x8863, "PPPoE-discovery", nil, "PPPoE"},
	{0x8864, "PPPoE", []string{"pppoe-session"}, "PPPoE"},
	{0x8847, "MPLS", nil, "MPLS routers"},
	{0x8848, "MPLS-multicast", nil, "MPLS routers"},
	{0x88f7, "PTP", []string{"1588"}, "precision time clocks"},
	{0x88e5, "MACsec", nil, "802.1AE"},
	{0x8902, "CFM", []string{"802.1ag"}, "connectivity checks of carriers' switches"},
	{0x9000, "loopback-test", []string{"CTP"}, "keepalives of Cisco switches"},
	{0x8906, "FCoE", nil, "storage"},
	{0x8914, "FIP", nil, "FCoE initialization"},
	{0x88a2, "AoE", nil, "storage"},
	{0x88ca, "TIPC", nil, "TIPC clusters"},
	{0x892f, "HSR", nil, "redundant rings"},
	{0x88fb, "PRP", nil, "redundant networks"},
	{0x22f0, "AVTP", []string{"TSN"}, "audio/video bridging"},
	{0x22ea, "SRP", nil, "stream reservation"},
	{0x88f5, "MVRP", nil, "switches that register VLANs"},
	{0x4305, "BATMAN", nil, "mesh networks"},
	{0x88a4, "EtherCAT", nil, "industrial networks"},
	{0x8892, "PROFINET", nil, "industrial networks"},
	{0x8035, "RARP", nil, "hypervisors that announce a moved guest"},
	{0x0842, "WoL", nil, "wake-on-LAN"},
}

// String is the number with the name, if it has one: "0x0004 (802.2)".
func (e Ethertype) String() string {
	if n := e.Name(); n != "" {
		return fmt.Sprintf("0x%04x (%s)", uint16(e), n)
	}
	return fmt.Sprintf("0x%04x", uint16(e))
}

// Name is the ethertype's usual name, or "".
func (e Ethertype) Name() string {
	if e == EthAll {
		return "all"
	}
	for _, k := range KnownEthertypes {
		if k.Type == e {
			return k.Name
		}
	}
	return ""
}

// ParseEthertype reads a number (0x88cc, 88cc only with 0x; decimal otherwise) or
// a name, in whatever case.
func ParseEthertype(s string) (Ethertype, error) {
	var names []string
	for _, k := range KnownEthertypes {
		for _, n := range append([]string{k.Name}, k.Aliases...) {
			if strings.EqualFold(n, s) {
				return k.Type, nil
			}
			names = append(names, n)
		}
	}
	if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0123456789_") == "" {
		// Octal to C and to Go, and hexadecimal to whoever writes an ethertype so.
		hint := ": write 0x before it, or no 0"
		if h, err := strconv.ParseUint(s, 16, 16); err == nil {
			hint = fmt.Sprintf(": is 0x%04x meant?", h)
		}
		return 0, fmt.Errorf("%s is not an ethertype, as a number that begins with 0 is octal to some and hexadecimal to others%s", value.Quote(s), hint)
	}
	n, err := strconv.ParseUint(s, 0, 64)
	switch {
	case err != nil:
		if n, herr := strconv.ParseUint(s, 16, 16); herr == nil {
			return 0, fmt.Errorf("%s is not an ethertype: is 0x%04x meant?", value.Quote(s), n)
		}
		hint := "a number such as 0x88cc, or a name such as LLDP, STP, LACP, ARP"
		if near := btf.Near(strings.ToUpper(s), names); len(near) > 0 {
			sort.Strings(near)
			hint = "did you mean " + strings.Join(near, ", ") + "?"
		}
		return 0, fmt.Errorf("%s is not an ethertype: %s", value.Quote(s), hint)
	case n > 0xffff:
		return 0, fmt.Errorf("%s is not an ethertype: it has 16 bits, 0x0000 to 0xffff", value.Quote(s))
	}
	if h, herr := strconv.ParseUint(s, 16, 16); herr == nil && len(s) > 2 && Ethertype(h).Name() != "" {
		return 0, fmt.Errorf("%s without 0x before it is a decimal number, 0x%04x: is %s meant?", value.Quote(s), n, Ethertype(h))
	}
	return Ethertype(n), nil
}
