package check

import (
	"maps"
	"slices"
	"strings"
)

// What a counter that is not 0 tells.
const (
	snmpDrop    = "drop"    // this host lost something: a finding
	snmpTrouble = "trouble" // something was lost or refused elsewhere, or was bad when it came
	snmpPlain   = ""        // traffic and work
)

// A meaning says what counters count, by nstat's names, and what to do where they grow.
type meaning struct{ names, level, means, todo string }

// snmpMeanings has every counter that is worth a sentence. Counters of UDP-Lite and of IPv6 that are the
// same share one.
var snmpMeanings = [][]meaning{ipMeanings, icmpMeanings, udpMeanings, tcpMeanings, tcpExtMeanings, tcpMemoryMeanings, plainMeanings}

// meaningOf finds the row of a counter.
var meaningOf = func() map[string]*meaning {
	m := map[string]*meaning{}
	for _, list := range snmpMeanings {
		for i := range list {
			for name := range strings.FieldsSeq(list[i].names) {
				m[name] = &list[i]
			}
		}
	}
	return m
}()

// SNMPNames are the counters that there is something to say of, for completion. A kernel may lack some, and has
// others.
func SNMPNames() []string { return slices.Sorted(maps.Keys(meaningOf)) }

// ipMeanings are of net/ipv4/ip_input.c, ip_output.c, ip_forward.c, ip_fragment.c, route.c and their like in
// net/ipv6.
var ipMeanings = []meaning{
	{
		"IpInHdrErrors", snmpDrop,
		"packets with a bad IP header: wrong checksum (those are in IpExtInCsumErrors, too), version or length; or whose time to live ran out here while they were forwarded",
		"compare with IpExtInCsumErrors: see below",
	},
	{
		"Ip6InHdrErrors", snmpDrop,
		"IPv6 packets with a bad header, extension header or fragment, or whose hop limit ran out here",
		"capture with tcpdump -v ip6 and look for what it calls bad; hop limits that run out point to a routing loop",
	},
	{
		"IpInAddrErrors", snmpDrop,
		"packets for an address that is not this host's and that it has no route for, while it does not forward; or for an invalid one",
		"who sends them here: a stale ARP entry or route of a neighbour, a moved address; or net.ipv4.ip_forward should be 1",
	},
	{
		"Ip6InAddrErrors", snmpDrop,
		"IPv6 packets for an unspecified or invalid address, from or to the wrong scope, or a bad routing header",
		"capture them: tcpdump ip6, and look at source and destination",
	},
	{
		"IpExtInNoRoutes Ip6InNoRoutes", snmpDrop,
		"packets that came to be forwarded, and no route leads to their destination, or one says unreachable",
		"ip route get DESTINATION from SOURCE iif DEVICE; a default route that went away does this",
	},
	{
		"IpInUnknownProtos Ip6InUnknownProtos", snmpDrop,
		"packets whose protocol (above IP) nothing here handles; the sender was told by ICMP",
		"capture them for the protocol's number; a module (gre, sctp, ah) may not be loaded",
	},
	{
		"IpInDiscards", snmpDrop,
		"good packets that were dropped for want of memory while they were taken in (to copy or to trim them)",
		"look for memory shortage: dmesg, /proc/buddyinfo, MemFree against vm.min_free_kbytes",
	},
	{
		"Ip6InDiscards", snmpDrop,
		"IPv6 packets that came to a device on which IPv6 is off (disable_ipv6, or too small an MTU), that IPsec's policy refused, or that memory lacked for",
		"which device: see below; IPv6 that is off on purpose makes this count harmless",
	},
	{
		"IpOutDiscards Ip6OutDiscards", snmpDrop,
		"packets that were dropped on their way out: no memory, the queue of the device was full, IPv6 off on the device, or a raw socket's packet was refused",
		"tc -s qdisc for drops of the queue; kinspect counters DEV for tx_dropped",
	},
	{
		"IpOutNoRoutes Ip6OutNoRoutes", snmpDrop,
		"packets of this host's own that no route leads for; the program got ENETUNREACH or EHOSTUNREACH",
		"ip route get DESTINATION; strace of the program shows which",
	},
	{
		"IpReasmTimeout Ip6ReasmTimeout", snmpTrouble,
		"packets in fragments that did not become whole in time (net.ipv4.ipfrag_time, net.ipv6.ip6frag_time)",
		"some fragments are lost before this host, or dropped here: compare with IpReasmFails and the devices' drops",
	},
	{
		"IpReasmFails Ip6ReasmFails", snmpDrop,
		"fragments that could not be put together: not all came in time, no memory was left for them, they overlapped, or were broken",
		"compare with the timeouts and the memory that fragments may take: see below",
	},
	{
		"IpExtReasmOverlaps Ip6ReasmOverlaps", snmpTrouble,
		"packets in fragments that overlap, which nobody sends in good faith, or that a broken middlebox made",
		"capture fragments: tcpdump 'ip[6:2] & 0x3fff != 0'",
	},
	{
		"IpFragFails Ip6FragFails", snmpDrop,
		"packets too long for the path that must not be split (DF), or could not be; the sender was told by ICMP",
		"MTUs along the path differ: ip link for MTUs, tracepath; a tunnel's MTU is smaller than its device's",
	},
	{
		"IpExtInTruncatedPkts Ip6InTruncatedPkts", snmpDrop,
		"packets that are shorter than their header says",
		"a sender, a driver or an offload cuts them: capture, and try ethtool -K DEV lro off gro off",
	},
	{
		"IpExtInCsumErrors", snmpDrop,
		"packets whose IP header has a wrong checksum; each is in IpInHdrErrors, too",
		"a device on the path spoils or forges packets: capture with tcpdump -vv and look for 'bad cksum'",
	},
	{
		"Ip6InTooBigErrors", snmpDrop,
		"IPv6 packets to be forwarded that are longer than the next link's MTU; the sender was told",
		"normal while senders learn the path's MTU; else a tunnel's or link's MTU is too small",
	},
	{
		"TcpExtIPReversePathFilter", snmpDrop,
		"packets whose source would be answered through another device: rp_filter dropped them",
		"ip route get SOURCE; with more than one way to a network net.ipv4.conf.DEV.rp_filter=2 (loose)",
	},
	{
		"TcpExtArpFilter", snmpTrouble,
		"ARP requests left unanswered as the address asked for would be reached through another device (arp_filter)",
		"normal with net.ipv4.conf.DEV.arp_filter=1",
	},
	{
		"IpExtInCEPkts Ip6InCEPkts", snmpTrouble,
		"packets that a router marked for congestion (ECN) instead of dropping them",
		"a queue on the path is full at times",
	},
}

var icmpMeanings = []meaning{
	{
		"IcmpInErrors Icmp6InErrors", snmpTrouble,
		"ICMP messages that were broken, or of a type or about a connection that is not known here",
		"harmless in small numbers; IcmpMsgInType… tells which types came",
	},
	{
		"IcmpInCsumErrors Icmp6InCsumErrors", snmpDrop,
		"ICMP messages with a wrong checksum", "packets are spoiled on the path: capture with tcpdump -vv icmp",
	},
	{
		"IcmpOutErrors Icmp6OutErrors", snmpDrop,
		"ICMP messages that could not be sent", "no route or no memory for them: see IpOutNoRoutes",
	},
	{
		"IcmpOutRateLimitGlobal", snmpTrouble,
		"ICMP messages not sent, as the host sends no more in a second (net.ipv4.icmp_msgs_per_sec)",
		"something makes this host refuse a great deal: IcmpMsgOutType3 and UdpNoPorts tell what",
	},
	{
		"IcmpOutRateLimitHost Icmp6OutRateLimitHost", snmpTrouble,
		"ICMP messages not sent to one peer, which was sent enough (icmp_ratelimit)",
		"one peer asks for what is not here, again and again: capture its packets",
	},
	{
		"IcmpInDestUnreachs Icmp6InDestUnreachs", snmpTrouble,
		"answers of other hosts that what this host sent cannot reach its port, host or network",
		"tcpdump icmp shows who says so and of what",
	},
	{
		"IcmpOutDestUnreachs Icmp6OutDestUnreachs", snmpTrouble,
		"answers of this host that a port, host or network cannot be reached", "UdpNoPorts and IpInUnknownProtos tell why",
	},
	{
		"IcmpInTimeExcds Icmp6InTimeExcds", snmpTrouble,
		"answers that a packet's time to live ran out on its way, or that it could not be reassembled",
		"traceroute makes these; else a routing loop",
	},
	{
		"IcmpOutTimeExcds Icmp6OutTimeExcds", snmpTrouble,
		"this host let packets go whose time to live ran out, or whose fragments did not come",
		"traceroute through this host makes these; else a routing loop",
	},
	{
		"IcmpInRedirects Icmp6InRedirects", snmpTrouble,
		"a router says that another one is nearer", "a route here is longer than it must be; net.ipv4.conf.all.accept_redirects says whether it is heard",
	},
	{
		"IcmpOutRedirects Icmp6OutRedirects", snmpTrouble,
		"this host told senders of a nearer router", "senders' routes lead through this host for nothing",
	},
	{
		"Icmp6InPktTooBigs Icmp6OutPktTooBigs", snmpTrouble,
		"packets that were longer than a link on their path", "normal while a path's MTU is learned; see Ip6FragFails",
	},
	{
		"Icmp6InParmProblems Icmp6OutParmProblems IcmpInParmProbs IcmpOutParmProbs", snmpTrouble,
		"headers or options that a host did not understand", "capture them: tcpdump icmp or icmp6",
	},
}

var udpMeanings = []meaning{
	{
		"UdpRcvbufErrors Udp6RcvbufErrors UdpLiteRcvbufErrors UdpLite6RcvbufErrors", snmpDrop,
		"datagrams dropped because their socket's receive buffer was full: the program reads too slowly, or they come in bursts",
		"which sockets: see below; let the program read faster, or give it a larger buffer (SO_RCVBUF up to net.core.rmem_max)",
	},
	{
		"UdpSndbufErrors Udp6SndbufErrors UdpLiteSndbufErrors UdpLite6SndbufErrors", snmpDrop,
		"datagrams that a program could not send: its send buffer or the device's queue was full",
		"tc -s qdisc for drops; the program sends faster than the device; SO_SNDBUF, net.core.wmem_max",
	},
	{
		"UdpMemErrors Udp6MemErrors UdpLiteMemErrors UdpLite6MemErrors", snmpDrop,
		"datagrams dropped because all UDP sockets together hold as much memory as they may (net.ipv4.udp_mem)",
		"which sockets hold it: kinspect eval \"sockets('udp') | sortBy(.rx_queue, 'desc') | take(5)\"; then udp_mem",
	},
	{
		"UdpInErrors Udp6InErrors UdpLiteInErrors UdpLite6InErrors", snmpDrop,
		"datagrams that were not delivered, though a socket waits for them, for any reason: full buffers, memory, checksums, a socket's filter or IPsec",
		"RcvbufErrors, MemErrors and InCsumErrors are parts of it; the rest is filters and policy",
	},
	{
		"UdpInCsumErrors Udp6InCsumErrors UdpLiteInCsumErrors UdpLite6InCsumErrors", snmpDrop,
		"datagrams with a wrong checksum",
		"spoiled on the path, or by an offload: tcpdump -vv at both ends, ethtool -K DEV rx off",
	},
	{
		"UdpNoPorts Udp6NoPorts UdpLiteNoPorts UdpLite6NoPorts", snmpTrouble,
		"datagrams for a port that no socket has; the sender was told by ICMP",
		"a service that is down or on another port or address, or a scan: tcpdump 'icmp[0] == 3 and icmp[1] == 3'",
	},
	{
		"UdpIgnoredMulti Udp6IgnoredMulti UdpLiteIgnoredMulti", snmpPlain,
		"multicast and broadcast datagrams that no socket here wanted", "",
	},
}
