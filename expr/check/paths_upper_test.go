package check

import (
	"encoding/binary"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// patched is a kernel's memory with other bytes in places.
type patched struct {
	below kmem.Reader
	bytes map[kmem.Addr]byte
}

func (p *patched) ReadMem(addr kmem.Addr, buf []byte) error {
	if err := p.below.ReadMem(addr, buf); err != nil {
		return err
	}
	for i := range buf {
		if b, ok := p.bytes[addr+kmem.Addr(i)]; ok {
			buf[i] = b
		}
	}
	return nil
}

// put writes a number of four bytes.
func (p *patched) put(at kmem.Addr, n uint32) {
	for i, b := range binary.LittleEndian.AppendUint32(nil, n) {
		p.bytes[at+kmem.Addr(i)] = b
	}
}

// scenery is a device of a snapshot, whose memory can be changed.
func scenery(t *testing.T, img *kmem.Image, name string) (*scene, *patched) {
	t.Helper()
	memory := &patched{img, map[kmem.Addr]byte{}}
	s := knet.New(value.New(img, memory), host.None{})
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device(name, ns)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := look(s, d, &socketOwners{})
	if err != nil {
		t.Fatal(err)
	}
	return sc, memory
}

// TestPathNotes: there is something to do about each path, and what a reason is called.
func TestPathNotes(t *testing.T) {
	ids := map[string]bool{}
	for _, p := range paths {
		ids[p.id] = true
		note, ok := pathNotes[p.id]
		if !ok || note.do == "" || len("      do: "+note.do) > 96 {
			t.Errorf("%s of %s: %+v", p.id, p.counter, note)
		}
	}
	for id, note := range pathNotes {
		if !ids[id] {
			t.Errorf("%s is no path", id)
		}
		for _, r := range note.reasons {
			if r != strings.ToUpper(r) || strings.HasPrefix(r, "SKB_") {
				t.Errorf("%s: %s", id, r)
			}
		}
	}
	for _, row := range driverPathTable {
		if row.next == "" {
			t.Errorf("%s of %s: nothing to do", row.id, row.part)
		}
	}
}

// TestReasons: a reason is told where the kernel gives it there. The enumerators came one by one, and DEV_READY is
// older than its use in enqueue_to_backlog (6.1 has it, and gives NOT_SPECIFIED there).
func TestReasons(t *testing.T) {
	for series, want := range map[string]map[string]string{
		"6.1":  {"backlog": "CPU_BACKLOG", "device-down": "", "pfmemalloc": "", "unhandled-protocol": "UNHANDLED_PROTO", "tun-queue": "FULL_RING or TAP_TXFILTER or TAP_FILTER"},
		"6.12": {"no-queue": "", "backlog": "CPU_BACKLOG", "device-down": "DEV_READY", "pfmemalloc": "", "broadcast-queue": ""},
		"7.3":  {"no-queue": "DEV_READY or RECURSION_LIMIT", "device-down": "DEV_READY", "pfmemalloc": "PFMEMALLOC", "broadcast-queue": "IPVLAN_MULTICAST_BACKLOG", "gro-cells": ""},
	} {
		sc, _ := scenery(t, kernels.Open(t, series), "bond0")
		for id, reason := range want {
			if got := strings.ReplaceAll(reasonsOf(sc, id), reasonPrefix, ""); got != reason {
				t.Errorf("%s, %s: %q, want %q", series, id, got, reason)
			}
		}
		if series == "7.3" {
			sc.rxHandler = "macvlan_handle_frame"
			if got := reasonsOf(sc, "broadcast-queue"); got != reasonPrefix+"MACVLAN_BROADCAST_BACKLOG" {
				t.Errorf("macvlan: %q", got)
			}
		}
	}
}

// TestPfmemalloc: no guest of the lab swaps over the network; the key that says so, and whether memory was ever short, is
// all that is looked at.
func TestPfmemalloc(t *testing.T) {
	for _, series := range kernels.Series {
		sc, memory := scenery(t, kernels.Open(t, series), "bond0")
		if f, err := judgePfmemalloc(sc); err != nil || !f.out || !f.now {
			t.Errorf("%s, off: %+v, %v", series, f, err)
		}
		key, err := sc.s.K.Global("memalloc_socks_key")
		if err != nil {
			t.Fatal(err)
		}
		enabled, err := key.Path("key.enabled.counter")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := enabled.Addr()
		memory.put(at, 1)
		if f, err := judgePfmemalloc(sc); err != nil || !f.out || f.now { // WireGuard on a host that was never short of memory
			t.Errorf("%s, on: %+v, %v", series, f, err)
		}
		sc.counted[reclaims] = reading{n: 1}
		if f, err := judgePfmemalloc(sc); err != nil || f.out || f.max != nil {
			t.Errorf("%s, on, and memory was short: %+v, %v", series, f, err)
		}
		own := uint64(48)
		for _, p := range judge(sc, "rx_dropped", own) {
			switch {
			case p.ID == "pfmemalloc" && p.Verdict != Possible, p.Verdict == Fired:
				t.Errorf("%s, on: %s is %s", series, p.ID, p.Verdict)
			}
		}
	}
}

// TestBacklogBounds: the flow limit's drops are among the backlog's, and are taken off.
func TestBacklogBounds(t *testing.T) {
	sc := &scene{softnet: []knet.Softnet{{Dropped: 100, FlowLimit: 30, FlowOn: true}, {Dropped: 20}}, dropped: 120, limited: 30}
	b, err := judgeBacklog(sc)
	if err != nil || *b.max != 90 {
		t.Errorf("backlog: %+v, %v", b, err)
	}
	f, err := judgeFlowLimit(sc)
	if err != nil || *f.max != 30 {
		t.Errorf("flow limit: %+v, %v", f, err)
	}
	sc.dropped = 30 // all were the flow limit's
	if b, err := judgeBacklog(sc); err != nil || *b.max != 0 {
		t.Errorf("backlog: %+v, %v", b, err)
	}
}

// TestUppers: what rules a path out for a device does not, with macvlans on top.
func TestUppers(t *testing.T) {
	img := kernels.OpenScenarios(t)
	for _, tt := range []struct {
		dev, kind, handler string
		broadcast, down    bool // ruled out
	}{
		{"low0", "", "macvlan_handle_frame", false, false},
		{"low0", "", "ipvlan_handle_frame", false, false},
		{"low0", "bridge", "", true, true},
		{"low0", "bridge", "macvlan_handle_frame", false, false},
		{"low0", "tun", "", true, true},
		{"low0", "ipvlan", "", false, false},
		{"low0", "macvlan", "", true, false},
	} {
		sc, memory := scenery(t, img, tt.dev)
		queues, err := sc.dev.Value.Path("num_rx_queues")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := queues.Addr()
		memory.put(at, 0) // RPS is on for none of them
		sc.kind, sc.rxHandler = tt.kind, tt.handler
		if f, err := judgeBroadcastQueue(sc); err != nil || f.out != tt.broadcast {
			t.Errorf("%s with %q: broadcast queue: %+v, %v", tt.kind, tt.handler, f, err)
		}
		if _, past, err := pastBacklog(sc); err != nil || past != tt.down {
			t.Errorf("%s with %q: past the backlog: %v, %v", tt.kind, tt.handler, past, err)
		}
	}
}
