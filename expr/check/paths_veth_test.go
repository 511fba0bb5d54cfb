package check

import (
	"errors"
	"testing"

	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// at is where a member of a value is.
func at(t *testing.T, v value.Value, path string) kmem.Addr {
	t.Helper()
	m, err := v.Path(path)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := m.Addr()
	if !ok {
		t.Fatalf("%s has no address", path)
	}
	return a
}

// TestVethBounds: mixed0 dropped 17 frames that nothing handles, and a flood. What its peer counts bounds the paths that it
// counts, as long as nothing else can have taken them.
func TestVethBounds(t *testing.T) {
	img := kernels.OpenScenarios(t)
	type bounds struct {
		down           Verdict
		forward, queue uint64 // at most, over the peer's number
		unhandled      uint64 // at least
	}
	const none = 1 << 40 // no bound but all that the device dropped
	for _, c := range []struct {
		name   string
		change func(t *testing.T, sc *scene, peer knet.Device, m *patched)
		want   bounds
	}{
		{"as it is", func(*testing.T, *scene, knet.Device, *patched) {}, bounds{RuledOut, 0, 0, 17}},
		{"it was down once", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			m.put(at(t, sc.dev.Value, "carrier_up_count.counter"), 2)
		}, bounds{Possible, 0, 0, 17}},
		{"its peer was down once", func(t *testing.T, _ *scene, peer knet.Device, m *patched) {
			m.put(at(t, peer.Value, "carrier_up_count.counter"), 2)
		}, bounds{Possible, 0, 0, 17}},
		{"it has no carrier", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			state, err := sc.dev.Value.UintPath("state")
			if err != nil {
				t.Fatal(err)
			}
			m.put(at(t, sc.dev.Value, "state"), uint32(state|1<<2))
		}, bounds{Possible, 0, 0, 17}},
		{"NAPI was used, and whether RPS is on cannot be seen", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			priv, err := sc.s.Priv(sc.dev, "veth_priv", "veth")
			if err != nil {
				t.Fatal(err)
			}
			m.put(at(t, priv, "rq.xdp_napi.poll"), 0x1000)
		}, bounds{RuledOut, 0, none, 0}},
		{"segment routing headers are taken off", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			m.put(at(t, sc.dev.Value, "ip6_ptr.cnf.seg6_enabled"), 1)
		}, bounds{RuledOut, 0, none, 0}},
		{"IPsec takes packets out of others", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			m.put(at(t, sc.dev.NS.Value, "xfrm.state_num"), 1)
		}, bounds{RuledOut, 0, 0, 17}}, // no function that would is loaded
		{"5 frames were sent, too", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			sc.counted = map[string]reading{sentFrames: {n: 4}, sendDrops: {n: 1}}
		}, bounds{RuledOut, 0, 5, 12}},
		{"what was sent is not known", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			sc.counted = map[string]reading{sentFrames: {err: errUnread}}
		}, bounds{RuledOut, 0, none, 0}},
		{"the peer's number is not known", func(t *testing.T, sc *scene, _ knet.Device, m *patched) {
			sc.counted = map[string]reading{peerSendDrops: {err: errUnread}}
		}, bounds{RuledOut, none, none, 0}},
		{"macvlans are on top", func(_ *testing.T, sc *scene, _ knet.Device, _ *patched) {
			sc.rxHandler = "macvlan_handle_frame"
		}, bounds{RuledOut, none, none, 0}},
		{"a flow limit dropped on other devices", func(_ *testing.T, sc *scene, _ knet.Device, _ *patched) {
			sc.softnet[0].FlowOn, sc.softnet[0].FlowLimit, sc.softnet[0].Dropped = true, 236, 236
			sc.dropped, sc.limited = sc.dropped+236, 236
		}, bounds{RuledOut, 0, 0, 17}},
	} {
		sc, memory := scenery(t, img, "mixed0")
		peer, ok, err := sc.s.VethPeer(sc.dev)
		if err != nil || !ok {
			t.Fatal(err)
		}
		n, err := sc.s.VethSendDrops(peer)
		if err != nil {
			t.Fatal(err)
		}
		own := n + 17
		c.change(t, sc, peer, memory)
		for _, p := range judge(sc, "rx_dropped", own) {
			switch p.ID {
			case "device-down":
				if p.Verdict != c.want.down || p.Verdict == RuledOut && !p.Now {
					t.Errorf("%s: %+v", c.name, p)
				}
			case "forward":
				if *p.Max != min(n+c.want.forward, own) {
					t.Errorf("%s: forward at most %d of %d", c.name, *p.Max, n)
				}
			case "backlog":
				if *p.Max != min(n+c.want.queue, own) {
					t.Errorf("%s: backlog at most %d of %d", c.name, *p.Max, n)
				}
			case "unhandled-protocol":
				if p.Min != c.want.unhandled || p.Verdict == Fired && !p.Now {
					t.Errorf("%s: unhandled at least %d, want %d: %q", c.name, p.Min, c.want.unhandled, p.Evidence)
				}
			}
		}
	}
}

// TestVethRefusedNone: where the peer refused nothing, none of its paths was taken but by frames that came another way.
func TestVethRefusedNone(t *testing.T) {
	for _, c := range []struct {
		name string
		own  uint64 // sent there
		out  bool
	}{{"nothing was sent there", 0, true}, {"a frame was sent there", 1, false}} {
		sc, _ := scenery(t, kernels.OpenScenarios(t), "mixed0")
		sc.counted = map[string]reading{peerSendDrops: {}, sentFrames: {n: c.own}, sendDrops: {}}
		for id, judge := range map[string]func(*scene) (finding, error){"backlog": judgeBacklog, "forward": judgeForward} {
			f, err := judge(sc)
			out := c.out || id == "forward"
			if err != nil || f.out != out || !f.now || !out && f.limit(100) != c.own || len(f.evidence) == 0 {
				t.Errorf("%s, %s: %+v, %v", c.name, id, f, err)
			}
		}
	}
}

// errUnread is the error of a number that could not be read.
var errUnread = errors.New("it could not be read")

// TestOnTheWay: a frame that was counted in one place and not yet in the other, when a dump was made, is nobody's.
func TestOnTheWay(t *testing.T) {
	sc, _ := scenery(t, kernels.OpenScenarios(t), "mixed0")
	for _, c := range []struct {
		refused, received, own, onTheWay uint64
		forward, unhandled               [2]uint64 // at least, at most
		level                            Level     // of forward
		count                            bool
	}{
		{9, 7, 16, 0, [2]uint64{9, 9}, [2]uint64{7, 7}, OnlyPathLeft, true},
		{9, 7, 16, 1, [2]uint64{8, 10}, [2]uint64{6, 8}, OnlyPathLeft, false},
		{9, 7, 17, 1, [2]uint64{9, 10}, [2]uint64{7, 8}, OnlyPathLeft, false},
		{9, 7, 17, 0, [2]uint64{0, 9}, [2]uint64{0, 7}, CannotTell, false}, // one frame more than anything accounts for
		{9, 90, 10, 1, [2]uint64{0, 10}, [2]uint64{0, 10}, CannotTell, false},
		{0, 90, 10, 1, [2]uint64{0, 0}, [2]uint64{10, 10}, Proved, false},
	} {
		sc.onTheWay = c.onTheWay
		sc.counted = map[string]reading{peerSendDrops: {n: c.refused}, sentFrames: {}, sendDrops: {}, receivedFrames: {n: c.received}, reclaims: {}}
		sc.softnet, sc.dropped = sc.softnet[:0:0], 0
		sc.softnet = append(sc.softnet, knet.Softnet{})
		for _, p := range judge(sc, "rx_dropped", c.own) {
			want := c.forward
			switch p.ID {
			case "forward":
				if p.Level != c.level || (p.Count != nil && *p.Count > 0) != c.count {
					t.Errorf("%+v: %+v", c, p)
				}
			case "unhandled-protocol":
				want = c.unhandled
			default:
				continue
			}
			if p.Min != want[0] && (want[0] != 0 || p.Verdict == Fired) || p.Max != nil && *p.Max != want[1] {
				t.Errorf("%+v: %s at least %d, at most %d", c, p.ID, p.Min, *p.Max)
			}
		}
	}
}
