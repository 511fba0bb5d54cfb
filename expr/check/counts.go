package check

import (
	"errors"
	"fmt"
)

// Names of [counts].
const (
	reclaims       = "reclaims"
	sentFrames     = "sent frames"
	sendDrops      = "send drops"
	peerSendDrops  = "peer's send drops"
	receivedFrames = "received frames"
	refusedFrames  = "refused frames"
)

// reading is a number of the kernel at one time.
type reading struct {
	n   uint64
	of  uint64 // the address of the device that counts it, 0 of the kernel as a whole
	err error
}

// counts are the numbers that bound how often paths were taken, beside the CPUs' backlogs, which the scene has.
// Judges read them by [scene.count] alone, so that in a watch they see by how much a number rose. A judge that
// reads one elsewhere says nothing wrong in a watch, since what a number rose by is not more than the number;
// but it takes an old wound for a bound.
var counts = map[string]struct {
	kinds map[string]bool // of devices, nil for any
	read  func(*scene) (n, of uint64, err error)
}{
	reclaims: {nil, func(sc *scene) (n, of uint64, err error) {
		n, err = sc.s.Reclaims()
		return n, 0, err
	}},
	sentFrames: {set("veth"), func(sc *scene) (n, of uint64, err error) {
		n, err = sc.s.VethSentFrames(sc.dev)
		return n, sc.dev.Addr(), err
	}},
	sendDrops: {set("veth"), func(sc *scene) (n, of uint64, err error) {
		n, err = sc.s.VethSendDrops(sc.dev)
		return n, sc.dev.Addr(), err
	}},
	peerSendDrops: {set("veth"), func(sc *scene) (n, of uint64, err error) {
		peer, ok, err := sc.s.VethPeer(sc.dev)
		if err != nil || !ok {
			return 0, 0, orError(err, "it has no peer")
		}
		n, err = sc.s.VethSendDrops(peer)
		return n, peer.Addr(), err
	}},
	receivedFrames: {countsReceived, func(sc *scene) (n, of uint64, err error) {
		n, err = sc.s.ReceivedFrames(sc.dev)
		return n, sc.dev.Addr(), err
	}},
	refusedFrames: {set("macvlan", "macvtap", "ipvlan", "ipvtap"), func(sc *scene) (n, of uint64, err error) {
		n, ok, err := sc.s.RefusedByUpper(sc.dev, sc.kind)
		if err == nil && !ok {
			err = errors.New("it does not count what it refuses")
		}
		return n, sc.dev.Addr(), err
	}},
}

func orError(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// count is one of [counts], read once; in a watch, what it rose by since the watch began.
func (sc *scene) count(name string) (uint64, error) {
	now := sc.read(name)
	if now.err != nil || sc.watched == nil {
		return now.n, now.err
	}
	start, ok := sc.watched.start[name]
	switch {
	case !ok:
		return 0, fmt.Errorf("%s were not read when the watch began", name)
	case start.err != nil:
		return 0, fmt.Errorf("when the watch began: %w", start.err)
	case start.of != now.of:
		return 0, fmt.Errorf("%s are another device's now than when the watch began", name)
	case start.n > now.n:
		return 0, fmt.Errorf("%s went back from %d to %d", name, start.n, now.n)
	}
	return now.n - start.n, nil
}

func (sc *scene) read(name string) reading {
	r, ok := sc.counted[name]
	if !ok {
		r.n, r.of, r.err = counts[name].read(sc)
		if sc.counted == nil {
			sc.counted = map[string]reading{}
		}
		sc.counted[name] = r
	}
	return r
}

// readCounts reads all counts that judges may ask for, for a watch's start.
func (sc *scene) readCounts() map[string]reading {
	for name, c := range counts {
		if c.kinds == nil || c.kinds[sc.kind] {
			sc.read(name)
		}
	}
	return sc.counted
}

// span ends a sentence on a number: in a watch it is what the number rose by.
func (sc *scene) span() string {
	if sc.watched == nil {
		return ""
	}
	return " during the watch"
}

// watched is what a watch knows of a device and its surroundings beyond what is there now.
type watched struct {
	start   map[string]reading // [counts] when it began
	softnet map[int]backlog    // when it began, by CPU
	err     error              // why there is no softnet
	looks   map[string]int     // how often the set-up was looked at, by counter
	elapsed string             // when it is now, "4.0 s"
	held    map[string]held    // by path
}

// backlog is what a CPU's backlog counted.
type backlog struct {
	processed, dropped, flowLimit uint64
	flowOn                        bool
}

// held is the least that a path's judge ever said in a watch.
type held struct {
	weak     weakness
	at       string
	evidence []string
}

// weakness orders findings by how little they say.
type weakness int

const (
	outAnyhow weakness = iota
	outAsSetUp
	bounded
	unbounded
)

func (f *finding) weakness() weakness {
	switch {
	case f.out && f.now:
		return outAsSetUp
	case f.out:
		return outAnyhow
	case f.bounded():
		return bounded
	}
	return unbounded
}

// hold makes a finding one on the whole watch. Counts are differences over all of it. But what the set-up alone
// rules out or bounds now, it did not if it was otherwise at another look.
func (w *watched) hold(id string, f finding) finding {
	now, before := f.weakness(), w.held[id]
	if now > before.weak || before.at == "" {
		w.held[id] = held{now, w.elapsed, f.evidence}
	}
	if before.weak <= now || before.weak == bounded && now == outAnyhow || before.weak == outAsSetUp {
		return f
	}
	evidence := append([]string(nil), f.evidence...)
	for _, e := range before.evidence {
		evidence = append(evidence, fmt.Sprintf("but %s into the watch: %s", before.at, e))
	}
	return finding{evidence: evidence}
}

// since makes the scene one of what was counted since a watch began.
func (sc *scene) since(w *watched) {
	sc.watched = w
	if sc.softnet == nil {
		return
	}
	if w.err != nil {
		sc.softnet = nil
		sc.miss("the softnet backlog as the watch began", w.err)
		return
	}
	// The flow limit's part of the drops is not taken off: both move, and were read together.
	sc.dropped, sc.limited = 0, 0
	for i := range sc.softnet {
		c := &sc.softnet[i]
		start := w.softnet[c.CPU]
		c.Processed, c.Dropped = rise32(c.Processed, start.processed), rise32(c.Dropped, start.dropped)
		if c.FlowOn != start.flowOn || c.FlowLimit < start.flowLimit {
			c.FlowLimit = c.Dropped // it counts anew when it is switched on; no more than all drops
		} else {
			c.FlowLimit -= start.flowLimit
		}
		sc.dropped += c.Dropped
	}
}

// rise32 is the difference of counters of the backlog, which the kernel counts in 32 bits.
func rise32(now, then uint64) uint64 { return uint64(uint32(now) - uint32(then)) }

// wentBack is the error of a counter that is less than it was.
type wentBack struct{ then, now uint64 }

func (e *wentBack) Error() string {
	return fmt.Sprintf("it went back from %d to %d: it was reset", e.then, e.now)
}

// rise is the difference of two readings of a counter. One that a driver keeps in 32 bits may wrap.
func rise(now, then uint64) (uint64, error) {
	const wide = 1 << 32
	switch {
	case now >= then:
		return now - then, nil
	case then < wide && then-now > wide/2:
		return now + wide - then, nil
	}
	return 0, &wentBack{then, now}
}
