package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kinspect/expr/knet"
)

// udpNames are a counter of UDP in all its forms.
func udpNames(name string) []string {
	return []string{"Udp" + name, "Udp6" + name, "UdpLite" + name, "UdpLite6" + name}
}

// datagrams follows full receive buffers to the sockets. Whatever a socket of UDP drops is counted in its
// sk_drops and in InErrors; a full buffer in RcvbufErrors as well, memory of all sockets used up in MemErrors
// (net/ipv4/udp.c: __udp_queue_rcv_skb, udp_queue_rcv_one_skb). What no socket's sk_drops has is of sockets
// that are closed, or that have given up their port, with which they leave the table.
func (d *snmpDrill) datagrams() error {
	which := d.which(slices.Concat(udpNames("RcvbufErrors"), udpNames("MemErrors"), udpNames("InErrors"))...)
	if len(which) == 0 {
		return nil
	}
	list, err := d.sockets([]string{"udp", "udplite"}, func(k knet.Socket) (SNMPSocket, bool, error) {
		if k.Drops == 0 {
			return SNMPSocket{}, false, nil
		}
		limit, _, err := k.Buffers()
		return SNMPSocket{Count: k.Drops, Waiting: k.RxQueue, Limit: limit, Full: k.RxQueue > limit}, true, err
	})
	if err != nil {
		return err
	}
	full := d.sum(udpNames("RcvbufErrors")...) + d.sum(udpNames("MemErrors")...)
	errors := d.sum(udpNames("InErrors")...)
	x := SNMPDetail{Counters: which, Sockets: list.kept, More: list.more}
	x.Level, x.Says = judgeDatagrams(full, errors, list.sum)
	d.add(x, "net.core.rmem_default", "net.core.rmem_max", "net.ipv4.udp_mem")
	return nil
}

// judgeDatagrams says whose drops they were. full: for want of buffer or memory. all: for any reason. open:
// those that open sockets counted, for any reason.
func judgeDatagrams(full, all, open uint64) (Level, string) {
	other := all - full
	switch {
	case full > all || open > all:
		return CannotTell, fmt.Sprintf("sockets that are open have dropped %d datagrams, and the counters say %d, of which %d for want of buffer: they move", open, all, full)
	case full == 0:
		return Proved, fmt.Sprintf("no buffer was full: the %d errors were wrong checksums, or what a socket's filter or IPsec refused; sockets that are open have dropped %d", all, open)
	case open == 0:
		return Proved, fmt.Sprintf("no socket that is open has dropped anything: all %d datagrams that a full buffer cost were of sockets that are closed by now, or no longer bound", full)
	case other == 0 && open == full:
		return Proved, fmt.Sprintf("all %d were dropped for want of buffer, by sockets that are open", full)
	case other == 0:
		return Proved, fmt.Sprintf("%d of the %d that a full buffer cost were dropped by sockets that are open, the other %d by sockets that are closed by now, or no longer bound", open, full, full-open)
	}
	low := uint64(0)
	if open > other {
		low = open - other
	}
	return Proved, fmt.Sprintf("%d datagrams were dropped for want of buffer, and %d for other reasons (checksums, filters). Sockets that are open dropped %d, of which %d to %d for want of buffer; the rest is of sockets that are closed by now, or no longer bound, or came to none", full, other, open, low, min(open, full))
}

// listening follows connections that were turned away to the listening sockets: each is counted in sk_drops,
// too (include/net/tcp.h: tcp_listendrop), which also has what a filter, IP_MINTTL or IPsec refused.
func (d *snmpDrill) listening() error {
	which := d.which("TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop", "TcpExtTCPReqQFullDoCookies")
	if len(which) == 0 {
		return nil
	}
	list, err := d.sockets([]string{"tcp"}, func(k knet.Socket) (SNMPSocket, bool, error) {
		// As sk_acceptq_is_full says (include/net/sock.h): one more than the backlog fits in.
		full := k.RxQueue > k.TxQueue
		return SNMPSocket{Count: k.Drops, Waiting: k.RxQueue, Limit: k.TxQueue, Full: full}, k.State == "LISTEN" && (k.Drops > 0 || full), nil
	})
	if err != nil {
		return err
	}
	x := SNMPDetail{Counters: which, Sockets: list.kept, More: list.more}
	x.Level, x.Says = judgeListening(d.t.Get("TcpExtListenDrops"), d.t.Get("TcpExtListenOverflows"), list.sum)
	for _, k := range list.kept {
		if k.Full {
			x.Says += fmt.Sprintf(". The queue of %s is full now: %d wait, the backlog is %d", k.Local, k.Waiting, k.Limit)
		}
	}
	d.add(x, "net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_abort_on_overflow")
	return nil
}

// judgeListening says whose the drops were, where open is what listening sockets that are open dropped for
// any reason.
func judgeListening(drops, overflows, open uint64) (Level, string) {
	why := fmt.Sprintf("%d of %d drops were overflows of a full queue; ", overflows, drops)
	if overflows == drops {
		why = fmt.Sprintf("all %d drops were overflows of a full queue; ", drops)
	}
	switch {
	case overflows > drops:
		return CannotTell, fmt.Sprintf("ListenOverflows is %d and ListenDrops %d, which is not less on a kernel at rest: they move", overflows, drops)
	case open == 0 && drops > 0:
		return Proved, why + "no listening socket that is open dropped any: their sockets no longer listen"
	case open < drops:
		return Proved, why + fmt.Sprintf("listening sockets that are open dropped at most %d of them, so at least %d are of sockets that no longer listen", open, drops-open)
	}
	return CannotTell, why + fmt.Sprintf("listening sockets that are open dropped %d packets, enough for all of them unless a filter, IP_MINTTL or IPsec dropped some of these", open)
}

// retransmissions follows segments sent again to the connections. A connection's total_retrans rises with
// RetransSegs, and starts with those of its SYN-ACK, which a request counts in num_retrans
// (net/ipv4/tcp_output.c: __tcp_retransmit_skb, tcp_rtx_synack).
func (d *snmpDrill) retransmissions() error {
	which := d.which("TcpRetransSegs", "TcpExtTCPTimeouts", "TcpExtTCPFastRetrans", "TcpExtTCPSlowStartRetrans", "TcpExtTCPSynRetrans", "TcpExtTCPLostRetransmit", "TcpExtTCPLossProbes")
	if d.t.Get("TcpRetransSegs") == 0 || len(which) == 0 {
		return nil
	}
	flying, requests, peers := uint64(0), uint64(0), map[string]uint64{}
	list, err := d.sockets([]string{"tcp"}, func(k knet.Socket) (SNMPSocket, bool, error) {
		n, out, ok, err := d.s.Retransmits(k)
		if err != nil || !ok || n == 0 {
			return SNMPSocket{}, false, err
		}
		flying += out
		if !k.Full() {
			requests += n
		}
		countPeer(peers, k.Remote.Addr.String(), n)
		return SNMPSocket{Count: n, Waiting: k.RxQueue}, true, nil
	})
	if err != nil {
		return err
	}
	all, open := d.t.Get("TcpRetransSegs"), list.sum
	x := SNMPDetail{Counters: which, Sockets: list.kept, More: list.more, Level: Proved}
	if open > all {
		x.Level = CannotTell
		x.Says = fmt.Sprintf("connections that are open sent %d segments again, and RetransSegs is %d: they move", open, all)
	} else {
		x.Says = fmt.Sprintf("%d of the %d segments sent again are of connections that are open", open-requests, all)
		if requests > 0 {
			x.Says += fmt.Sprintf(", %d of requests that are half open", requests)
		}
		if open < all {
			x.Says += fmt.Sprintf(", %d of connections that are closed by now or never came about", all-open)
		}
		if flying > 0 {
			x.Says += fmt.Sprintf("; %d are on their way now", flying)
		}
		if sent := d.t.Get("TcpOutSegs"); sent > 0 {
			x.Says += fmt.Sprintf(". That is %.2g per cent of the %d segments sent", 100*float64(all)/float64(sent), sent)
		}
	}
	if len(peers) > 1 {
		x.Says += ". By peer: " + byPeer(peers)
	}
	d.add(x)
	return nil
}

// otherPeers is what the peers beyond the first many are counted under.
const (
	maxPeers   = 1 << 16
	otherPeers = "others"
)

// countPeer adds to a peer's sum.
func countPeer(sums map[string]uint64, host string, n uint64) {
	if _, ok := sums[host]; !ok && len(sums) >= maxPeers {
		host = otherPeers
	}
	sums[host] += n
}

// byPeer tells the sums, most first.
func byPeer(sums map[string]uint64) string {
	hosts := slices.Sorted(maps.Keys(sums))
	slices.SortStableFunc(hosts, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	const most = 8
	var out []string
	for i, host := range hosts {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more peers", len(hosts)-most))
			break
		}
		out = append(out, fmt.Sprintf("%s %d", host, sums[host]))
	}
	return strings.Join(out, ", ")
}
