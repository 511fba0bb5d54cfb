package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/knet"
	"kinspect/kmem"
)

// TestMeanings: each counter is explained once, and what this host lost or had trouble with has advice.
func TestMeanings(t *testing.T) {
	seen := map[string]bool{}
	for _, list := range snmpMeanings {
		for _, m := range list {
			for name := range strings.FieldsSeq(m.names) {
				if seen[name] {
					t.Errorf("%s is explained twice", name)
				}
				seen[name] = true
			}
			if m.means == "" || (m.level == snmpPlain) != (m.todo == "") {
				t.Errorf("%s: %q, level %q, advice %q", m.names, m.means, m.level, m.todo)
			}
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d counters are explained", len(seen))
	}
}

func TestChooseCounters(t *testing.T) {
	var all []knet.SNMPCounter
	for _, id := range []string{"UdpInErrors", "UdpRcvbufErrors", "Udp6RcvbufErrors", "TcpExtListenDrops"} {
		all = append(all, knet.SNMPCounter{ID: id})
	}
	for _, c := range []struct {
		names []string
		want  string
		err   string
	}{
		{nil, "", ""},
		{[]string{"udprcvbuferrors"}, "UdpRcvbufErrors!", ""},
		{[]string{"Udp*Rcv*"}, "Udp6RcvbufErrors UdpRcvbufErrors", ""},
		{[]string{"udp"}, "Udp6RcvbufErrors UdpInErrors UdpRcvbufErrors", ""},
		{[]string{"TcpExtListenDrops", "udpin"}, "TcpExtListenDrops! UdpInErrors", ""},
		{[]string{"udp?nErrors"}, "UdpInErrors", ""},
		{[]string{"UdpInErros"}, "", "did you mean UdpInErrors?"},
		{[]string{"zzz"}, "", "no counter"},
		{[]string{"["}, "", "no pattern"},
		{[]string{"\x1b["}, "", "no pattern"},
	} {
		got, err := chooseCounters(all, c.names)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("%q: %v, want %q", c.names, err, c.err)
			}
			continue
		}
		var out []string
		for id, exact := range got {
			if exact {
				id += "!"
			}
			out = append(out, id)
		}
		slices.Sort(out)
		if err != nil || strings.Join(out, " ") != c.want {
			t.Errorf("%q: %v, %v; want %s", c.names, out, err, c.want)
		}
	}
}

// TestJudgeDatagrams tries all shares of small numbers of drops: whatever open and closed sockets dropped for
// whatever reason, the bounds hold.
func TestJudgeDatagrams(t *testing.T) {
	const most = 3
	for i := range most * most * most * most * most {
		n := func(place int) uint64 {
			v := i
			for range place {
				v /= most
			}
			return uint64(v % most)
		}
		openFull, openOther, closedFull, closedOther, nobody := n(0), n(1), n(2), n(3), n(4)
		full, all, open := openFull+closedFull, openFull+openOther+closedFull+closedOther+nobody, openFull+openOther
		if all == 0 {
			continue
		}
		level, says := judgeDatagrams(full, all, open)
		if level != Proved {
			t.Fatalf("%d of %d, %d open: %s, %s", full, all, open, level, says)
		}
		low, high := uint64(0), min(open, full)
		if other := all - full; open > other {
			low = open - other
		}
		if openFull < low || openFull > high {
			t.Errorf("%d of %d, %d open: %d is not within %d to %d", full, all, open, openFull, low, high)
		}
		wrong := strings.Contains(says, "by sockets that are open") && !strings.Contains(says, "the other") && closedFull > 0 ||
			strings.HasPrefix(says, "no socket that is open") && open > 0 ||
			strings.HasPrefix(says, "no buffer was full") && full > 0
		if wrong {
			t.Errorf("open %d+%d, closed %d+%d, nobody %d: %s", openFull, openOther, closedFull, closedOther, nobody, says)
		}
	}
	for _, c := range [][3]uint64{{5, 4, 0}, {1, 2, 3}} {
		if level, says := judgeDatagrams(c[0], c[1], c[2]); level != CannotTell {
			t.Errorf("%v: %s, %s", c, level, says)
		}
	}
}

func TestJudgeListening(t *testing.T) {
	for _, c := range []struct {
		drops, overflows, open uint64
		level                  Level
		says                   string
	}{
		{4, 4, 4, CannotTell, "all 4 drops were overflows"},
		{4, 4, 4, CannotTell, "enough for all of them"},
		{4, 3, 0, Proved, "no longer listen"},
		{4, 3, 1, Proved, "at most 1 of them, so at least 3 are of sockets that no longer listen"},
		{4, 3, 9, CannotTell, "3 of 4 drops"},
		{4, 5, 4, CannotTell, "they move"},
	} {
		level, says := judgeListening(c.drops, c.overflows, c.open)
		if level != c.level || !strings.Contains(says, c.says) {
			t.Errorf("%+v: %s, %s", c, level, says)
		}
	}
}

func TestByPeer(t *testing.T) {
	sums := map[string]uint64{}
	for i := range 12 {
		countPeer(sums, fmt.Sprintf("10.0.0.%d", i+10), uint64(i/2))
	}
	countPeer(sums, "2001:db8::1", 9)
	if got := byPeer(sums); got != "2001:db8::1 9, 10.0.0.20 5, 10.0.0.21 5, 10.0.0.18 4, 10.0.0.19 4, 10.0.0.16 3, 10.0.0.17 3, 10.0.0.14 2, and 5 more peers" {
		t.Error(got)
	}
	for i := range maxPeers + 10 {
		countPeer(sums, fmt.Sprint(i), 1)
	}
	if len(sums) != maxPeers+1 || sums[otherPeers] != 10+13 {
		t.Errorf("%d peers, %d others", len(sums), sums[otherPeers])
	}
}

// TestSocketList: of very many sockets those with the most are kept, and the sum is that of all.
func TestSocketList(t *testing.T) {
	var l socketList
	const many = 5*keptSockets + 7
	for i := range many {
		l.add(SNMPSocket{Count: uint64(i * 7919 % many)}, kmem.Addr(i))
	}
	l.cut()
	if len(l.kept) != keptSockets || l.more != many-keptSockets || l.sum != many*(many-1)/2 {
		t.Errorf("%d kept, %d more, sum %d", len(l.kept), l.more, l.sum)
	}
	for i, k := range l.kept {
		if k.Count != uint64(many-1-i) || k.Count != uint64(int(l.at[i])*7919%many) {
			t.Fatalf("%d is %d at %d", i, k.Count, l.at[i])
		}
	}
}
