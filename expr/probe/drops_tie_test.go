package probe

import (
	"strings"
	"testing"

	"kinspect/expr/check"
)

func ref(n uint64) *uint64 { return &n }

// moved is a device's counter that rose.
func moved(counter string, n uint64, own *uint64, paths ...check.PathResult) check.WatchedCounter {
	return check.WatchedCounter{Counter: counter, Moved: &n, Verdict: &check.Counter{Counter: counter, Own: own, Paths: paths}}
}

// slaves is a bond's counter that rose by what its slaves counted.
func slaves(counter string, n uint64, paths ...check.PathResult) check.WatchedCounter {
	c := moved(counter, n, ref(0), paths...)
	c.Verdict.Slaves = &n
	return c
}

var (
	unhandled = check.PathResult{ID: "unhandled-protocol", Function: "__netif_receive_skb_core", DropReason: "SKB_DROP_REASON_UNHANDLED_PROTO", Verdict: check.Fired, Level: check.OnlyPathLeft}
	inactive  = check.PathResult{ID: "inactive-slave", Function: "__netif_receive_skb_core", DropReason: "SKB_DROP_REASON_UNHANDLED_PROTO", Verdict: check.Fired, Level: check.OnlyPathLeft}
	backlog   = check.PathResult{ID: "backlog", Function: "enqueue_to_backlog", DropReason: "SKB_DROP_REASON_CPU_BACKLOG", Verdict: check.RuledOut}
	noReason  = check.PathResult{ID: "orphan-frags", Function: "__netif_receive_skb_core", Verdict: check.RuledOut}
)

// stp is a row of frames that nothing handles.
func stp(device string, n uint64) DropRow {
	return DropRow{Device: device, NetNS: "init_net", Count: n, least: n, Function: "__netif_receive_skb_core.constprop.0", Reason: "UNHANDLED_PROTO", Ethertype: "0x0004", Protocol: "802.2", key: DropKey{NetNS: 1, Ifindex: ifindexes[device]}}
}

var ifindexes = map[string]int{"bond0": 3, "veth1": 5}

// TestTie ties drops to counters.
func TestTie(t *testing.T) {
	bare := stp("bond0", 37)
	bare.Reason = ""
	other := stp("bond0", 4)
	other.Function, other.Reason = "tcp_v4_rcv", "NO_SOCKET"
	lldp := stp("bond0", 7)
	lldp.Ethertype, lldp.Protocol = "0x88cc", "LLDP"
	away := stp("eth7", 37)
	away.key = DropKey{NetNS: 2, Ifindex: 3}
	early := stp("bond0", 40)
	early.least = 36
	for _, tt := range []struct {
		name  string
		rows  []DropRow
		list  []check.WatchedCounter
		agree bool
		want  string
	}{
		{
			"all",
			[]DropRow{stp("bond0", 37), other},
			[]check.WatchedCounter{moved("rx_dropped", 37, ref(37), backlog, noReason, unhandled)},
			true,
			"rx_dropped of bond0 rose by 37; 37 drops at __netif_receive_skb_core.constprop.0, UNHANDLED_PROTO, 0x0004 802.2",
		},
		{
			"without reasons",
			[]DropRow{bare},
			[]check.WatchedCounter{moved("rx_dropped", 37, ref(37), backlog, noReason, unhandled)},
			true,
			"rose by 37; 37 drops at __netif_receive_skb_core.constprop.0, 0x0004 802.2",
		},
		{"of slaves, too", []DropRow{stp("bond0", 37)}, []check.WatchedCounter{moved("rx_dropped", 42, ref(37), unhandled)}, true, "rose by 42, 37 of it its own; 37 drops"},
		{"fewer", []DropRow{stp("bond0", 30)}, []check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)}, false, "of 7 no drop was seen"},
		{"more", []DropRow{stp("bond0", 40)}, []check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)}, false, "3 more than it counted"},
		{"some passed while it was read", []DropRow{early}, []check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)}, true, "3 of these passed before the counter was read first or after it was read last"},
		{"none", []DropRow{other}, []check.WatchedCounter{moved("rx_dropped", 37, nil, unhandled)}, false, "no drop was seen at a place that raises it"},
		{
			"of several ethertypes",
			[]DropRow{stp("bond0", 30), lldp},
			[]check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)},
			true,
			"; 37 drops at __netif_receive_skb_core.constprop.0, UNHANDLED_PROTO (0x0004 802.2: 30, 0x88cc LLDP: 7)$",
		},
		{"elsewhere, and called otherwise", []DropRow{away}, []check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)}, true, "37 drops"},
		{"another device's", []DropRow{stp("veth1", 37)}, []check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled)}, false, "no drop was seen"},
		{
			"two counters of one place",
			[]DropRow{stp("bond0", 8)},
			[]check.WatchedCounter{moved("rx_dropped", 5, ref(5), unhandled), moved("rx_nohandler", 3, ref(3), inactive)},
			true,
			"rx_dropped of bond0 rose by 5 (rx_nohandler, raised at the same place, by 3); 8 drops",
		},
		{
			"the slaves' alone, beside one of its own",
			[]DropRow{stp("bond0", 37)},
			[]check.WatchedCounter{slaves("rx_nohandler", 3, inactive), moved("rx_dropped", 37, ref(37), unhandled)},
			true,
			"rx_nohandler of bond0 rose by 3, all of it its slaves'$",
		},
		{
			"the other one of these",
			[]DropRow{stp("bond0", 37)},
			[]check.WatchedCounter{moved("rx_dropped", 37, ref(37), unhandled), slaves("rx_nohandler", 3, inactive)},
			true,
			"rx_dropped of bond0 rose by 37; 37 drops at __netif_receive_skb_core.constprop.0, UNHANDLED_PROTO, 0x0004 802.2$",
		},
		{"one", []DropRow{stp("bond0", 1)}, []check.WatchedCounter{moved("rx_dropped", 1, ref(1), unhandled)}, true, "rose by 1; 1 drop at"},
	} {
		ties := tie(tt.rows, &check.WatchReport{Devices: []check.WatchedDevice{{
			Device: "bond0", NetNS: "init_net", Counters: tt.list, Been: []check.Place{{NetNS: 1, Ifindex: 3}, {NetNS: 2, Ifindex: 3}},
		}}})
		if len(ties) != len(tt.list) || ties[0].Agree != tt.agree || !strings.Contains(ties[0].Text+"$", tt.want) {
			t.Errorf("%s: %+v", tt.name, ties)
		}
	}
}

// TestCompareLive compares what memory says of a path with what was seen there.
func TestCompareLive(t *testing.T) {
	fired := func(n uint64) check.PathResult { p := unhandled; p.Count, p.Min = &n, n; return p }
	open := unhandled
	open.Verdict, open.Level, open.Max = check.Possible, check.CannotTell, ref(10)
	elsewhere := fired(5)
	elsewhere.Function = "____dev_forward_skb"
	for _, tt := range []struct {
		name            string
		p               check.PathResult
		early, seen     uint64 // of those seen, before or behind
		complete, alone bool
		ok, agree       bool
		want            string
	}{
		{"proved", fired(9), 0, 9, true, true, true, true, "9 by memory (only path left), and 9 drops were seen there: proved"},
		{"nothing to say", backlog, 0, 0, true, true, false, true, ""},
		{"ruled out and seen", backlog, 0, 3, true, true, true, false, "memory rules it out, and 3 drops were seen there"},
		{"not seen", fired(9), 0, 0, true, true, true, false, "no drop was seen there"},
		{"not seen, and some were lost", fired(9), 0, 0, false, true, false, true, ""},
		{"fewer", fired(9), 0, 8, true, true, true, false, "at least 9, and 8"},
		{"fewer, and some were lost", fired(9), 0, 8, false, true, true, true, "and 8 drops were seen"},
		{"too many", open, 0, 11, true, true, true, false, "at most 10"},
		{"settled", open, 0, 7, true, true, true, true, "memory cannot tell, and 7"},
		{"freed under another name", elsewhere, 0, 0, true, true, false, true, ""},
		{"a place of two", fired(9), 0, 12, true, false, true, true, "which is that of others too"},
		{"some passed while it was read", fired(9), 2, 10, true, true, true, true, "9 by memory (only path left), and 8 to 10 drops"},
		{"ruled out, and seen before", backlog, 3, 3, true, true, false, true, ""},
	} {
		got, ok := compareLive(tt.p, tt.seen-tt.early, tt.seen, tt.complete, tt.alone)
		if ok != tt.ok || got.Agree != tt.agree || !strings.Contains(got.Text, tt.want) {
			t.Errorf("%s: %v, %+v", tt.name, ok, got)
		}
	}
}

// TestSpan: what was dropped between two moments, when what is looked at then takes time.
func TestSpan(t *testing.T) {
	table := func(n uint64) []Drop { return []Drop{{DropKey: DropKey{Location: 1}, Count: n}} }
	rows := Span{Before: nil, Since: table(37), Until: table(40), Now: table(48)}.Rows()
	if len(rows) != 1 || rows[0].Count != 48 || rows[0].Least != 3 {
		t.Errorf("%+v", rows)
	}
	if rows := SinceDrops(table(5), table(5)); len(rows) != 0 {
		t.Errorf("nothing new: %+v", rows)
	}
	if rows := SinceDrops(table(5), table(2)); len(rows) != 1 || rows[0].Count != 3 || rows[0].Least != 3 {
		t.Errorf("three: %+v", rows)
	}
}
