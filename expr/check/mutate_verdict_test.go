package check_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kinspect/expr/check"
)

// The outcomes that are allowed.
const (
	right   = "right"
	partial = "said what is missing"
	refused = "error"
)

// verdict judges an answer: it is an outcome that is allowed, or wrong tells what
// is stated as a fact and is none.
func (s *source) verdict(r *check.Report, err error) (outcome, wrong string) {
	if err != nil {
		return refused, ""
	}
	want := s.want
	outcome = right
	if r.Partial() {
		outcome = partial
	}
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	number := func(what string, got, want *uint64) {
		switch {
		case got == nil && want == nil:
		case got == nil:
			if outcome = partial; !r.Partial() && what != "kernel_total" {
				fail("%s is not known, and nothing says why", what)
			}
		case want == nil || *got != *want:
			fail("%s is %d, not %s", what, *got, text(want))
		}
	}
	if r.Device != want.Device || r.Kind != want.Kind {
		fail("device %q of kind %q", r.Device, r.Kind)
	}
	if len(r.Counters) != len(want.Counters) {
		fail("%d counters", len(r.Counters))
		return outcome, strings.Join(bad, "; ")
	}
	for i, c := range r.Counters {
		w := want.Counters[i]
		number(c.Counter+"'s total", c.Total, w.Total)
		number(c.Counter+" of its own", c.Own, w.Own)
		number(c.Counter+" of the slaves", c.Slaves, w.Slaves)
		number(c.Counter+" of the driver", c.Driver, w.Driver)
		number("kernel_total", c.KernelTotal, w.KernelTotal)
		if c.AtLeast > w.AtLeast {
			fail("%s is at least %d, not %d", c.Counter, c.AtLeast, w.AtLeast)
		}
		if c.Own == nil {
			continue
		}
		if len(c.Paths) != len(w.Paths) {
			fail("%d paths of %s", len(c.Paths), c.Counter)
			continue
		}
		for j, p := range c.Paths {
			q := w.Paths[j]
			same := p.ID == q.ID && p.Verdict == q.Verdict && p.Level == q.Level && p.Min == q.Min && p.Now == q.Now && text(p.Count) == text(q.Count) && text(p.Max) == text(q.Max)
			unsure := p.ID == q.ID && p.Verdict == check.Possible && p.Level == check.CannotTell && r.Partial()
			// Where one path is open, less is left for another.
			less := p.ID == q.ID && p.Min <= q.Min && p.Count == nil && r.Partial()
			if !same && !unsure && !less {
				fail("path %s of %s: %s (%s) count %s min %d max %s, not %s (%s) count %s min %d max %s", p.ID, c.Counter,
					p.Verdict, p.Level, text(p.Count), p.Min, text(p.Max), q.Verdict, q.Level, text(q.Count), q.Min, text(q.Max))
			}
		}
		for j, sl := range c.SlaveTotals {
			if j >= len(w.SlaveTotals) || sl.Device != w.SlaveTotals[j].Device {
				fail("slave %q of %s", sl.Device, c.Counter)
				continue
			}
			number(c.Counter+" of "+sl.Device, sl.Total, w.SlaveTotals[j].Total)
		}
	}
	number("the backlog's drops", r.Softnet.Dropped, want.Softnet.Dropped)
	number("the backlog's limit", r.Softnet.MaxBacklog, want.Softnet.MaxBacklog)
	for i, c := range r.Softnet.PerCPU {
		if i >= len(want.Softnet.PerCPU) || c != want.Softnet.PerCPU[i] {
			fail("backlog of a CPU: %+v", c)
		}
	}
	if !slices.Equal(r.NoHandler, want.NoHandler) && (len(r.NoHandler) > 0 || !r.Partial()) {
		fail("ethertypes without a handler: %v, not %v", r.NoHandler, want.NoHandler)
	}
	return outcome, strings.Join(bad, "; ")
}

func text(n *uint64) string {
	if n == nil {
		return "null"
	}
	return strconv.FormatUint(*n, 10)
}

// tally counts outcomes by region.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

func (c *tally) add(region, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[region] == nil {
		c.counts[region] = map[string]int{}
	}
	c.counts[region][outcome]++
}

func (c *tally) String() string {
	var b strings.Builder
	sum := map[string]int{}
	for _, region := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(&b, "\n  %-34s", region)
		for _, outcome := range []string{right, partial, refused, "wrong"} {
			fmt.Fprintf(&b, " %s %d", outcome, c.counts[region][outcome])
			sum[outcome] += c.counts[region][outcome]
		}
	}
	fmt.Fprintf(&b, "\n  in all: %v", sum)
	return b.String()
}
