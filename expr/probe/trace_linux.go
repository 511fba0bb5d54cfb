package probe

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"kinspect/expr"
	"kinspect/expr/value"
)

// maxCalls bounds the calls that run at one time, of which the exit is waited for.
const maxCalls = 10240

// Trace is a trace from [StartTrace] on.
type Trace struct {
	Target   *Target
	Warnings []string
	// Kprobe says why the function is traced by a kprobe, where it is.
	Kprobe string

	k      *value.Kernel
	o      TraceOptions
	sites  [2]*traced // entry and exit, nil where none is told
	on     *attachment
	maps   []*ebpf.Map
	counts *ebpf.Map
	calls  *ebpf.Map // those that run, where exits are told; may be nil
	hist   *ebpf.Map
	reader *ringbuf.Reader
	record ringbuf.Record
	booted time.Time // when CLOCK_MONOTONIC was 0
	nested uint64    // as of the end
	known  bool
}

// StartTrace attaches to a function or tracepoint of a running kernel. Errors of the expressions are [*expr.Error];
// nothing is attached then.
func StartTrace(s *expr.Session, t *Target, o TraceOptions) (tr *Trace, err error) {
	if err := ready(s.Kernel()); err != nil {
		return nil, err
	}
	if o.Ret && t.Tracepoint {
		return nil, fmt.Errorf("%s is a tracepoint, and returns nothing: leave --ret out", t.Name)
	}
	if _, _, err := compileTrace(s, t, o, !t.traced); err != nil { // before anything is made
		return nil, t.explained(err)
	}
	tr = &Trace{Target: t, k: s.Kernel(), o: o}
	tr.booted = Wall(0)
	defer func() {
		if err != nil {
			tr.Close()
			tr = nil
		}
	}()
	fds, err := tr.makeMaps()
	if err != nil {
		return tr, refusal("tracing "+t.Title(), err)
	}
	on, registers, err := t.attachAny("kinspect_trace", func(registers bool) ([]programAt, error) {
		list, warnings, err := compileTrace(s, t, o, registers)
		if err != nil {
			return nil, err
		}
		if err := tr.makeCalls(&fds, registers); err != nil {
			return nil, refusal("tracing "+t.Title(), err)
		}
		tr.sites, tr.Warnings = [2]*traced{}, warnings
		var out []programAt
		for _, at := range list {
			n := 0
			if at.site.Exit {
				n = 1
			}
			if at.paired != pairKept {
				tr.sites[n] = at
			}
			out = append(out, programAt{at.site, at.program(t, fds, o.Stack)})
		}
		return out, nil
	})
	if err != nil {
		return tr, err
	}
	tr.on = on
	if registers {
		tr.Kprobe = t.why
	}
	return tr, nil
}

// explained tells of an expression that names an argument which no types tell the name of.
func (t *Target) explained(err error) error {
	if t.Proto != nil || t.why == "" {
		return err
	}
	var at *expr.Error
	if errors.As(err, &at) {
		out := *at
		out.Msg += fmt.Sprintf(" (the arguments of %s are arg0 to arg5 here, each an unsigned long to be cast: %s)", t.Name, t.why)
		return &out
	}
	return err
}

func (tr *Trace) makeMaps() (fds traceMaps, err error) {
	add := func(spec *ebpf.MapSpec) (*ebpf.Map, int) {
		if err != nil {
			return nil, 0
		}
		var m *ebpf.Map
		if m, err = ebpf.NewMap(spec); err != nil {
			return nil, 0
		}
		tr.maps = append(tr.maps, m)
		return m, m.FD()
	}
	tr.counts, fds.counts = add(&ebpf.MapSpec{Name: "kinspect_counts", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: traceRows})
	if tr.o.Hist != "" {
		tr.hist, fds.hist = add(&ebpf.MapSpec{Name: "kinspect_hist", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: buckets})
		return fds, err
	}
	var ring *ebpf.Map
	ring, fds.ring = add(&ebpf.MapSpec{Name: "kinspect_events", Type: ebpf.RingBuf, MaxEntries: traceRing})
	if err == nil {
		tr.reader, err = ringbuf.NewReader(ring)
	}
	return fds, err
}

// makeCalls makes the map of the calls that run, where exits are told. It is made anew where the way of attaching is
// another one.
func (tr *Trace) makeCalls(fds *traceMaps, registers bool) error {
	if !tr.o.Ret || tr.o.Hist != "" && !registers {
		return nil
	}
	key, val := tr.Target.callWords(registers)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "kinspect_calls", Type: ebpf.Hash, KeySize: uint32(8 * key), ValueSize: uint32(8 * val), MaxEntries: maxCalls})
	if err != nil {
		return err
	}
	if tr.calls != nil {
		_ = tr.calls.Close()
	}
	tr.calls, fds.calls = m, m.FD()
	return nil
}

// unreturned counts the calls that are still in the map.
func (tr *Trace) unreturned() (n uint64, err error) {
	if tr.calls == nil {
		return 0, nil
	}
	var key, val []byte
	it := tr.calls.Iterate()
	for it.Next(&key, &val) {
		n++
	}
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return n, fmt.Errorf("reading the calls that run: %w", err)
	}
	return n, nil
}

// Next waits for an event, until a time; ok is false when there was none.
func (tr *Trace) Next(until time.Time) (ev TraceEvent, ok bool, err error) {
	if tr.reader == nil {
		return ev, false, nil
	}
	tr.reader.SetDeadline(until)
	for {
		err := tr.reader.ReadInto(&tr.record)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrClosed), errors.Is(err, ringbuf.ErrFlushed):
			return ev, false, nil
		case err != nil:
			return ev, false, fmt.Errorf("reading events: %w", err)
		}
		raw := tr.record.RawSample
		if len(raw) < eventValues {
			continue
		}
		site := tr.sites[raw[eventSite]&1]
		if site == nil {
			continue
		}
		if ev, ok = site.parse(raw, tr.o.Stack); ok {
			ev.Time = tr.booted.Add(ev.At)
			return ev, true, nil
		}
	}
}

// Counts are those of the run so far.
func (tr *Trace) Counts() (c TraceCounts, err error) {
	for row, to := range map[uint32]*uint64{rowCalls: &c.Calls, rowMatched: &c.Matched, rowUnknown: &c.Unknown, rowFaults: &c.Faults, rowLost: &c.Lost, rowUnreturned: &c.Unreturned} {
		var counts []uint64
		if err := tr.counts.Lookup(row, &counts); err != nil {
			return c, fmt.Errorf("reading the counts: %w", err)
		}
		for _, n := range counts {
			*to += n
		}
	}
	c.Nested, c.Known = tr.nested, tr.known
	if tr.on != nil && len(tr.on.links) > 0 {
		c.Nested, c.Known = tr.on.misses(tr.k)
	}
	n, err := tr.unreturned()
	c.Unreturned += n
	return c, err
}

// Histogram are the buckets from the smallest numbers up, those between that are empty included.
func (tr *Trace) Histogram() (list []Bucket, err error) {
	if tr.hist == nil {
		return nil, nil
	}
	unsigned := true
	for _, at := range tr.sites {
		if at != nil && at.hist != nil {
			unsigned = !at.hist.Signed()
		}
	}
	var order []int
	for n := buckets - 1; n >= bucketsUp; n-- {
		order = append(order, n)
	}
	for n := range bucketsUp {
		order = append(order, n)
	}
	last := 0
	for _, n := range order {
		var counts []uint64
		if err := tr.hist.Lookup(uint32(n), &counts); err != nil {
			return nil, fmt.Errorf("reading the histogram: %w", err)
		}
		b := bucketBounds(n, unsigned)
		for _, c := range counts {
			b.Count += c
		}
		if b.Count == 0 && len(list) == 0 {
			continue
		}
		if list = append(list, b); b.Count > 0 {
			last = len(list)
		}
	}
	return list[:last], nil
}

// Detach ends the trace; what was counted and what waits in the ring can still be read.
func (tr *Trace) Detach() error {
	if tr.on == nil {
		return nil
	}
	tr.nested, tr.known = tr.on.misses(tr.k) // links tell it, and are gone then
	return tr.on.detach()
}

// Close ends all; nothing is left in the kernel.
func (tr *Trace) Close() {
	if tr.on != nil {
		tr.on.close()
	}
	if tr.reader != nil {
		_ = tr.reader.Close()
	}
	for _, m := range tr.maps {
		_ = m.Close()
	}
	if tr.calls != nil {
		_ = tr.calls.Close()
	}
}
