package check

// tcpMeanings are of net/ipv4/tcp*.c.
var tcpMeanings = []meaning{
	{
		"TcpRetransSegs", snmpTrouble,
		"segments sent again, as no acknowledgement came: they, or what acknowledges them, were lost or late",
		"which peers: see below; per cent of TcpOutSegs tells how bad it is (above 1 is felt)",
	},
	{
		"TcpInErrs", snmpDrop,
		"segments dropped as broken: wrong checksum, a header that makes no sense, or a SYN within a connection's window",
		"TcpInCsumErrors is a part of it; capture the rest with tcpdump -vv",
	},
	{
		"TcpInCsumErrors", snmpDrop,
		"segments with a wrong checksum", "spoiled on the path, or by an offload: tcpdump -vv at both ends, ethtool -K DEV rx off",
	},
	{
		"TcpAttemptFails", snmpTrouble,
		"connections that did not come about: refused, timed out, or given up by this host",
		"ss -tn state syn-sent shows those that wait; refused ones are peers' closed ports",
	},
	{
		"TcpEstabResets", snmpTrouble,
		"established connections that ended with a reset, by either side", "TcpExtTCPAbortOn… say which this host ended, and why",
	},
	{
		"TcpOutRsts", snmpTrouble,
		"resets that this host sent: to closed ports, to connections that it does not know, or to end one at once",
		"tcpdump 'tcp[13] & 4 != 0' shows to whom",
	},
	{
		"TcpExtListenOverflows", snmpDrop,
		"connections turned away because the queue of their listening socket was full: the program accepts too slowly, or its backlog is too small",
		"which sockets: see below; raise listen()'s backlog and net.core.somaxconn, or let it accept faster",
	},
	{
		"TcpExtListenDrops", snmpDrop,
		"connection requests that a listening socket dropped for any reason; its overflows are among them",
		"which sockets: see below; what is no overflow lacked memory or a route, or was spoiled",
	},
	{
		"TcpExtTCPReqQFullDrop", snmpDrop,
		"SYNs dropped because too many requests are half open, and SYN cookies are off",
		"net.ipv4.tcp_syncookies=1, net.ipv4.tcp_max_syn_backlog, the socket's backlog",
	},
	{
		"TcpExtTCPReqQFullDoCookies", snmpTrouble,
		"SYNs answered with a cookie because too many requests are half open: a flood, or a backlog that is too small",
		"ss -tn state syn-recv | wc -l; who sends them: tcpdump 'tcp[13] == 2'",
	},
	{
		"TcpExtSyncookiesSent TcpExtSyncookiesRecv", snmpTrouble,
		"SYN cookies sent, and valid ones that came back: the queue of requests was full", "see TcpExtTCPReqQFullDoCookies",
	},
	{
		"TcpExtSyncookiesFailed", snmpTrouble,
		"acknowledgements to a listening socket that carry no valid cookie", "scans, late packets of old connections, or a cookie that came too late",
	},
	{
		"TcpExtEmbryonicRsts", snmpTrouble,
		"half-open connections that a reset ended", "scanners and health checks that leave after the SYN",
	},
	{
		"TcpExtTCPDeferAcceptDrop", snmpPlain,
		"acknowledgements without data that TCP_DEFER_ACCEPT let pass unheard, as it should", "",
	},
	{
		"TcpExtTCPFastOpenListenOverflow", snmpTrouble,
		"requests of TCP Fast Open above the listening socket's limit, which went the slow way", "TCP_FASTOPEN's queue length of the program",
	},
	{
		"TcpExtTCPTimeWaitOverflow", snmpTrouble,
		"connections that were forgotten at once, as there were as many in TIME_WAIT as there may be (net.ipv4.tcp_max_tw_buckets)",
		"many short connections: keep them open, or raise the limit",
	},
	{
		"TcpExtTCPMinTTLDrop", snmpDrop,
		"segments from further away than IP_MINTTL of their socket lets pass", "intended by BGP's TTL security; else the path has become longer",
	},
	{
		"TcpExtPAWSActive TcpExtPAWSEstab TcpExtPAWSOldAck TcpExtPAWSTimewait TcpExtTSEcrRejected", snmpTrouble,
		"segments with a timestamp that is too old, or that was never sent: dropped",
		"old duplicates; or hosts behind one NAT address, whose clocks differ (never net.ipv4.tcp_tw_recycle)",
	},
	{
		"TcpExtTCPMD5NotFound TcpExtTCPMD5Unexpected TcpExtTCPMD5Failure", snmpDrop,
		"segments without the MD5 signature that was agreed on, with one that was not, or with a wrong one",
		"the two ends' keys differ: BGP's passwords",
	},
	{
		"TcpExtTCPAORequired TcpExtTCPAOBad TcpExtTCPAOKeyNotFound", snmpDrop,
		"segments that the authentication option (TCP-AO) did not let pass", "the two ends' keys differ",
	},
}

var tcpExtMeanings = []meaning{
	{
		"TcpExtTCPTimeouts", snmpTrouble,
		"times that nothing was acknowledged until the retransmission timer ran out: what hurts most, as the connection starts anew, slowly",
		"loss of whole flights, or of the last segments; which peers: see below",
	},
	{
		"TcpExtTCPLostRetransmit", snmpTrouble,
		"segments that were lost again after they had been sent again", "heavy loss on the path, or a policer",
	},
	{
		"TcpExtTCPFastRetrans TcpExtTCPSlowStartRetrans", snmpTrouble,
		"segments sent again because later ones were acknowledged (fast), or while the connection recovered from a timeout",
		"single losses on the path; which peers: see below",
	},
	{
		"TcpExtTCPSynRetrans", snmpTrouble,
		"SYNs and SYN-ACKs sent again: the other end does not answer", "its port is filtered, its listening socket overflows, or it is away",
	},
	{
		"TcpExtTCPLossProbes", snmpPlain,
		"probes sent to find out early whether the last segment was lost", "",
	},
	{
		"TcpExtTCPLossProbeRecovery", snmpTrouble,
		"losses at the end of a flight that a probe repaired", "single losses on the path",
	},
	{
		"TcpExtTCPSackRecovery TcpExtTCPRenoRecovery", snmpTrouble,
		"times that a connection found loss and recovered from it without a timeout", "loss on the path; Reno: the peer has no SACK",
	},
	{
		"TcpExtTCPSackRecoveryFail TcpExtTCPRenoRecoveryFail TcpExtTCPSackFailures TcpExtTCPRenoFailures TcpExtTCPLossFailures", snmpTrouble,
		"recoveries that ended in a timeout", "loss so heavy that single segments sent again do not help",
	},
	{
		"TcpExtTCPSACKReorder TcpExtTCPRenoReorder TcpExtTCPTSReorder", snmpTrouble,
		"times that segments were seen to arrive in another order than sent", "several paths (bonding round-robin, ECMP per packet)",
	},
	{
		"TcpExtTCPSACKReneging", snmpTrouble,
		"peers that forgot what they had said to have received", "the peer is short of receive buffer: look there",
	},
	{
		"TcpExtTCPFullUndo TcpExtTCPPartialUndo TcpExtTCPDSACKUndo TcpExtTCPLossUndo TcpExtTCPSpuriousRTOs", snmpTrouble,
		"retransmissions that turned out to be needless: late, or in another order, but not lost", "delays jump, or paths differ",
	},
	{
		"TcpExtTCPDSACKOldSent TcpExtTCPDSACKOfoSent", snmpTrouble,
		"segments that came twice, which the peer was told", "the peer sends again needlessly: acknowledgements are lost or late",
	},
	{
		"TcpExtTCPDSACKRecv TcpExtTCPDSACKOfoRecv TcpExtTCPDSACKRecvSegs", snmpTrouble,
		"segments that reached the peer twice, as it says", "this host sends again needlessly: delay, or lost acknowledgements",
	},
	{
		"TcpExtTCPRetransFail", snmpDrop,
		"retransmissions that this host itself could not send", "no route any more, the device is down, or its queue is full: tc -s qdisc, ip route get PEER",
	},
	{
		"TcpExtTCPSpuriousRtxHostQueues", snmpTrouble,
		"retransmissions put off because the first copy had not yet left this host", "queues of the device are long: tc -s qdisc, kinspect softnet",
	},
	{
		"TcpExtTCPAbortOnTimeout", snmpTrouble,
		"connections given up after all retransmissions, keepalives or probes went unanswered", "peers that vanish; the firewall forgets idle connections",
	},
	{
		"TcpExtTCPAbortOnData TcpExtTCPAbortOnClose", snmpTrouble,
		"connections that a program closed while data was unread or still came: the peer got a reset",
		"normal for some clients; else a server that closes too early",
	},
	{
		"TcpExtTCPAbortOnLinger", snmpTrouble,
		"closed connections forgotten for TCP_LINGER2's sake before the peer closed, too", "the program sets TCP_LINGER2",
	},
	{
		"TcpExtTCPAbortFailed", snmpTrouble,
		"resets that could not be sent, for want of memory or a route", "see TcpExtTCPAbortOnMemory",
	},
	{
		"TcpExtTCPChallengeACK TcpExtTCPSYNChallenge", snmpTrouble,
		"segments that might have been forged (SYN or RST in a connection), answered with an acknowledgement", "peers that restarted, or an attack",
	},
	{
		"TcpExtTCPACKSkippedSynRecv TcpExtTCPACKSkippedPAWS TcpExtTCPACKSkippedSeq TcpExtTCPACKSkippedFinWait2 TcpExtTCPACKSkippedTimeWait TcpExtTCPACKSkippedChallenge",
		snmpTrouble,
		"answers to bad segments that were left out, as there were too many (net.ipv4.tcp_invalid_ratelimit)", "a loop of acknowledgements, or a flood",
	},
	{
		"TcpExtOutOfWindowIcmps", snmpTrouble,
		"ICMP messages about a connection with a sequence number that was never sent", "late ones, or forged ones",
	},
	{
		"TcpExtLockDroppedIcmps", snmpTrouble,
		"ICMP messages that came while a program worked on their socket, and were not heard", "harmless: they come again",
	},
	{
		"TcpExtTCPMTUPFail TcpExtTCPMTUPSuccess", snmpPlain, "probes for a larger MTU that failed, and that were acknowledged (net.ipv4.tcp_mtu_probing)", "",
	},
	{
		"TcpExtTcpTimeoutRehash TcpExtTcpDuplicateDataRehash TcpExtTCPPLBRehash", snmpTrouble,
		"connections that changed their hash after losses, to try another path", "see TcpExtTCPTimeouts",
	},
	{
		"TcpExtTCPFastOpenActiveFail TcpExtTCPFastOpenPassiveFail TcpExtTCPFastOpenBlackhole", snmpTrouble,
		"TCP Fast Open that did not work", "a middlebox drops SYNs with data or the option",
	},
	{
		"TcpExtTCPKeepAlive TcpExtTCPWinProbe", snmpPlain, "keepalives, and probes of a window that is closed", "",
	},
	{
		"TcpExtBeyondWindow", snmpTrouble,
		"segments beyond the window that this host offered, dropped", "a peer that does not keep to the window, or old duplicates",
	},
}

var tcpMemoryMeanings = []meaning{
	{
		"TcpExtTCPBacklogDrop", snmpDrop,
		"segments dropped because a program held their socket, and what waited for it was as much as the socket's buffers",
		"one busy connection: larger receive buffer (net.ipv4.tcp_rmem), or a program that reads in smaller pieces",
	},
	{
		"TcpExtTCPRcvQDrop", snmpDrop,
		"segments dropped because the receive buffer was full or TCP's memory used up, though the window had room",
		"net.ipv4.tcp_rmem and tcp_mem; programs that do not read: ss -tm",
	},
	{
		"TcpExtTCPZeroWindowDrop", snmpDrop,
		"segments that came while this host's window was closed: its program does not read",
		"ss -tm: sockets with a large Recv-Q",
	},
	{
		"TcpExtTCPToZeroWindowAdv TcpExtTCPWantZeroWindowAdv", snmpTrouble,
		"times that this host closed its window, or would have: a program does not read what came", "ss -tm: sockets with a large Recv-Q",
	},
	{
		"TcpExtTCPFromZeroWindowAdv", snmpPlain, "times that a closed window was opened again", "",
	},
	{
		"TcpExtTCPOFODrop", snmpDrop,
		"segments that came too early and were dropped for want of buffer", "net.ipv4.tcp_rmem; loss on the path makes the queue long",
	},
	{
		"TcpExtPruneCalled", snmpTrouble,
		"times that a socket's receive buffer was full, and was tidied up", "see TcpExtRcvPruned: only that lost something",
	},
	{
		"TcpExtRcvPruned TcpExtOfoPruned", snmpDrop,
		"times that a tidied buffer was still too full, and what had been received was dropped (Ofo: what came too early)",
		"net.ipv4.tcp_rmem, net.ipv4.tcp_mem; the peer sends it again",
	},
	{
		"TcpExtTCPRcvCollapsed", snmpPlain, "buffers put together to save memory in a full receive queue", "",
	},
	{
		"TcpExtTCPAbortOnMemory", snmpDrop,
		"connections ended because there were too many orphans, or TCP's memory was used up (net.ipv4.tcp_max_orphans, tcp_mem)",
		"dmesg says which; kinspect eval \"socket_summary()\" counts the orphans",
	},
	{
		"TcpExtTCPMemoryPressures TcpExtTCPMemoryPressuresChrono", snmpTrouble,
		"times that TCP came under memory pressure, and milliseconds in it: windows shrink then", "net.ipv4.tcp_mem; programs that do not read",
	},
	{
		"TcpExtPFMemallocDrop", snmpDrop,
		"packets that used the emergency reserve of memory, dropped by a socket that is not for swapping",
		"the host is out of memory for network buffers: vm.min_free_kbytes",
	},
	{
		"TcpExtTCPWqueueTooBig", snmpDrop,
		"retransmissions left out because the socket's send buffer was overfull", "a peer that acknowledges tiny pieces; SO_SNDBUF",
	},
}

// plainMeanings tell of work, not of loss.
var plainMeanings = []meaning{
	{"IpForwarding", snmpPlain, "1: this namespace forwards packets; 2: it does not", ""},
	{"IpDefaultTTL", snmpPlain, "the time to live of what is sent: a setting", ""},
	{"TcpRtoAlgorithm TcpRtoMin TcpRtoMax TcpMaxConn", snmpPlain, "constants for SNMP's sake", ""},
	{"TcpCurrEstab", snmpPlain, "connections that are established, or half closed, now", ""},
	{"IpInReceives Ip6InReceives", snmpPlain, "packets that came, before any check", ""},
	{"IpInDelivers Ip6InDelivers", snmpPlain, "packets that were given to a protocol of this host", ""},
	{"IpForwDatagrams Ip6OutForwDatagrams", snmpPlain, "packets that were forwarded", ""},
	{"IpOutRequests Ip6OutRequests", snmpPlain, "packets that this host's protocols asked to send", ""},
	{"IpOutTransmits Ip6OutTransmits", snmpPlain, "packets that were sent, fragments counted each", ""},
	{"TcpActiveOpens", snmpPlain, "connections that this host began", ""},
	{"TcpPassiveOpens", snmpPlain, "connections that this host accepted", ""},
	{"TcpInSegs", snmpPlain, "segments that came, bad ones, too", ""},
	{"TcpOutSegs", snmpPlain, "segments that were sent, without those sent again", ""},
	{"UdpInDatagrams Udp6InDatagrams", snmpPlain, "datagrams that programs received", ""},
	{"UdpOutDatagrams Udp6OutDatagrams", snmpPlain, "datagrams that programs sent", ""},
	{"IpReasmReqds Ip6ReasmReqds", snmpPlain, "fragments that came to be put together", ""},
	{"IpReasmOKs Ip6ReasmOKs", snmpPlain, "packets that were put together from fragments", ""},
	{"IpFragOKs IpFragCreates Ip6FragOKs Ip6FragCreates", snmpPlain, "packets that were split, and fragments that were made", ""},
	{"IpExtInMcastPkts IpExtOutMcastPkts Ip6InMcastPkts Ip6OutMcastPkts", snmpPlain, "multicast packets", ""},
	{"IpExtInBcastPkts IpExtOutBcastPkts", snmpPlain, "broadcast packets", ""},
	{"TcpExtTW TcpExtTWRecycled TcpExtTWKilled", snmpPlain, "connections that left TIME_WAIT: in time, used anew, or early", ""},
	{"TcpExtDelayedACKs TcpExtDelayedACKLocked TcpExtDelayedACKLost", snmpPlain, "acknowledgements that waited for data to go with", ""},
}
