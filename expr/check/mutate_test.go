package check_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kinspect/expr/check"
)

const (
	// mutateCount and mutateOne are environment variables: the number of mutants of
	// a dump that is quick to read (there are fewer of others), and one mutant to look at.
	mutateCount = "KINSPECT_MUTANTS"
	mutateOne   = "KINSPECT_MUTANT"

	mutateSeed     = 0x6b696e73706563
	mutateMemory   = 256 << 20        // bytes that explain may take at a time
	mutateDeadline = 60 * time.Second // of one mutant, on a machine that does other things, too
)

// mutation is one way in which a source is spoiled.
type mutation struct {
	region string // what was hit
	how    string
	file   int
	patch  []patch
	cut    int // the file's new size, or -1
}

// patch replaces bytes of a file.
type patch struct {
	off  int
	data []byte
}

func (m *mutation) String() string {
	s := fmt.Sprintf("%s of %s in file %d", m.how, m.region, m.file)
	if m.cut >= 0 {
		return s + fmt.Sprintf(", cut to %#x bytes", m.cut)
	}
	for _, p := range m.patch {
		s += fmt.Sprintf(" %#x:% x", p.off, p.data[:min(len(p.data), 16)])
	}
	return s
}

// mutant makes the index-th mutation. Half of them hit any byte of a region, half a byte
// that the answer hangs on.
func (s *source) mutant(index int) *mutation {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s.name)
	rng := rand.New(rand.NewPCG(mutateSeed^h.Sum64(), uint64(index)))
	for {
		if m := s.mutate(rng, index%2 == 1); m != nil {
			return m
		}
	}
}

// mutate returns nil where it came upon bytes that are left alone.
func (s *source) mutate(rng *rand.Rand, aimed bool) *mutation {
	m := &mutation{cut: -1}
	var off int
	if aimed {
		m.region = s.aimed[rng.IntN(len(s.aimed))]
		t := s.aims[m.region][rng.IntN(len(s.aims[m.region]))]
		m.file, off = t.file, t.off+rng.IntN(t.n)
		m.region = "aimed " + m.region
	} else {
		m.region = s.names[rng.IntN(len(s.names))]
		off = -1
		m.file, off = s.anyOf(m.region, rng)
	}
	data := s.files[m.file].Data
	put := func(off int, b []byte) { m.patch = append(m.patch, patch{off, b}) }
	switch n := rng.IntN(100); {
	case n < 45:
		m.how = "bit flip"
		put(off, []byte{data[off] ^ 1<<rng.IntN(8)})
	case n < 70:
		m.how = "byte"
		b := []byte{0, 0xff, byte(rng.Uint32())}[rng.IntN(3)]
		put(off, []byte{b})
	case n < 80:
		m.how = "8 bytes from elsewhere"
		from := off&^7 + (rng.IntN(512)-256)*8
		if rng.IntN(2) == 0 {
			from = rng.IntN(len(data))
		}
		from = max(0, min(from, len(data)-8))
		put(off&^7, bytes.Clone(data[from:from+8]))
	case n < 84:
		m.how = "cut"
		m.cut = off
	case n < 89:
		m.how = "sector of zeros"
		put(off&^511, make([]byte, 512))
	case n < 93:
		m.how = "page of zeros"
		put(off&^(pageSize-1), make([]byte, pageSize))
	default:
		m.how = "two sectors swapped"
		a := off &^ 511
		b := a + (rng.IntN(16)-8)*512
		if rng.IntN(2) == 0 {
			b = rng.IntN(len(data)) &^ 511
		}
		b = max(0, min(b, (len(data)-512)&^511))
		a = min(a, (len(data)-512)&^511)
		put(a, bytes.Clone(data[b:b+512]))
		put(b, bytes.Clone(data[a:a+512]))
	}
	changed := m.cut >= 0
	for i := range m.patch {
		p := &m.patch[i]
		p.data = p.data[:max(0, min(len(p.data), len(data)-p.off))]
		s.spare(m.file, p)
		changed = changed || !bytes.Equal(p.data, data[p.off:p.off+len(p.data)])
	}
	if !changed {
		return nil
	}
	return m
}

// anyOf picks a byte of a region.
func (s *source) anyOf(region string, rng *rand.Rand) (file, off int) {
	places := s.kinds[region]
	total := 0
	for _, p := range places {
		total += p.Len
	}
	n := rng.IntN(total)
	for _, p := range places {
		if n < p.Len {
			return p.file, p.Off + n
		}
		n -= p.Len
	}
	return 0, 0 // not reached
}

// spare leaves the bytes that hold the answer as they are.
func (s *source) spare(file int, p *patch) {
	data := s.files[file].Data
	for _, k := range s.keep[file] {
		from, to := max(k.from, p.off), min(k.to, p.off+len(p.data))
		if from < to {
			copy(p.data[from-p.off:to-p.off], data[from:to])
		}
	}
}

// mutantReader is a file with the mutation in it.
type mutantReader struct {
	data  []byte
	patch []patch
}

// ReadAt implements [io.ReaderAt].
func (r *mutantReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r.data)) {
		return 0, io.EOF
	}
	n := copy(p, r.data[off:])
	for _, q := range r.patch {
		from, to := max(q.off, int(off)), min(q.off+len(q.data), int(off)+n)
		if from < to {
			copy(p[from-int(off):to-int(off)], q.data[from-q.off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// explain asks the mutant. A panic is an error of its own kind.
func (s *source) explain(m *mutation) (r *check.Report, panicked string, err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	files := s.data()
	data := files[m.file]
	if m.cut >= 0 {
		data = data[:m.cut]
	}
	if len(files) > 1 { // they go to disk as they are
		data = bytes.Clone(data)
		for _, p := range m.patch {
			copy(data[p.off:], p.data)
		}
	}
	files[m.file] = data
	r, err = explainFiles(files, func(_ int, data []byte) io.ReaderAt {
		return &mutantReader{data, m.patch}
	}, nil, nil)
	return r, "", err
}

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

// TestMutants spoils whole dumps in every format, at places from a fixed seed, and asks
// for the drops of bond0. Each answer must be the right one, one that says what it
// could not read, or an error: never a panic, a hang, more than 256 MiB of memory,
// or another number stated as a fact. See [source.study] for the bytes that are left
// alone, and [source.verdict] for what counts as an answer.
func TestMutants(t *testing.T) {
	count := 240
	switch {
	case raceDetector:
		count = 12
	case testing.Short():
		count = 24
	}
	env := func(name string, to *int) bool {
		s := os.Getenv(name)
		if s == "" {
			return false
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		*to = n
		return true
	}
	var index int
	alone := env(mutateOne, &index)
	env(mutateCount, &count)
	all := &tally{counts: map[string]map[string]int{}}
	var most uint64
	var slowest time.Duration
	for _, r := range recipes() {
		t.Run(r.name, func(t *testing.T) {
			s := r.source(t)
			if alone {
				s.tell(t, index)
				return
			}
			run := &mutantRun{s: s, all: all, own: tally{counts: map[string]map[string]int{}}}
			run.run(t, max(2, count/r.cost))
			most, slowest = max(most, run.memory.most.Load()), max(slowest, time.Duration(run.slowest.Load()))
			t.Logf("slowest %v, most memory %d MiB%v", time.Duration(run.slowest.Load()), run.memory.most.Load()>>20, &run.own)
		})
	}
	if !alone {
		t.Logf("slowest %v, most memory %d MiB%v", slowest, most>>20, all)
	}
}

// mutantRun is the test on one dump.
type mutantRun struct {
	s       *source
	own     tally
	all     *tally
	slowest atomic.Int64
	memory  *memoryWatch
}

// run tries mutants on all cores.
func (r *mutantRun) run(t *testing.T, count int) {
	r.memory = watchMemory()
	defer r.memory.stop()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				r.try(t, i)
			}
		})
	}
	wg.Wait()
}

// try asks one mutant.
func (r *mutantRun) try(t *testing.T, index int) {
	m := r.s.mutant(index)
	again := fmt.Sprintf("\nto look at it: %s=%d go test ./expr/check -v -run 'TestMutants/%s$'", mutateOne, index, r.s.name)
	watchdog := time.AfterFunc(mutateDeadline, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("%v\nno answer after %v%s\n%s", m, mutateDeadline, again, buf[:runtime.Stack(buf, true)]))
	})
	start := time.Now()
	report, panicked, err := r.s.explain(m)
	watchdog.Stop()
	for d := int64(time.Since(start)); ; {
		if old := r.slowest.Load(); d <= old || r.slowest.CompareAndSwap(old, d) {
			break
		}
	}
	if panicked != "" {
		t.Errorf("%v: panic: %s%s", m, panicked, again)
		return
	}
	outcome, wrong := r.s.verdict(report, err)
	if wrong != "" {
		outcome = "wrong"
		t.Errorf("%v: %s%s", m, wrong, again)
	}
	r.own.add(m.region, outcome)
	r.all.add(m.region, outcome)
	if over := r.memory.over(); over != 0 {
		t.Errorf("%v (or what ran beside it): %d MiB of memory%s", m, over>>20, again)
	}
}

// tell runs one mutant and tells all about it.
func (s *source) tell(t *testing.T, index int) {
	m := s.mutant(index)
	r, panicked, err := s.explain(m)
	if panicked != "" {
		t.Fatalf("%v: panic: %s", m, panicked)
	}
	outcome, wrong := s.verdict(r, err)
	t.Logf("%v: %s, error %v", m, outcome, err)
	if r != nil {
		t.Logf("%s\nmissing %q", r.Text(), r.Missing)
	}
	if wrong != "" {
		t.Error(wrong)
	}
}

// memoryWatch samples how much memory is in use beyond what was before.
type memoryWatch struct {
	before uint64
	most   atomic.Uint64
	told   atomic.Bool
	done   chan struct{}
	limit  int64
}

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// watchMemory makes the collector run when the limit is near, so that what goes
// beyond it is in use and not garbage.
func watchMemory() *memoryWatch {
	runtime.GC()
	w := &memoryWatch{before: heapBytes(), done: make(chan struct{})}
	w.limit = debug.SetMemoryLimit(int64(w.before) + mutateMemory*3/4)
	go func() {
		for {
			select {
			case <-w.done:
				return
			case <-time.After(time.Millisecond):
				if now := heapBytes(); now > w.before && now-w.before > w.most.Load() {
					w.most.Store(now - w.before)
				}
			}
		}
	}()
	return w
}

// over tells once that the limit was passed.
func (w *memoryWatch) over() uint64 {
	if n := w.most.Load(); n > mutateMemory && w.told.CompareAndSwap(false, true) {
		return n
	}
	return 0
}

func (w *memoryWatch) stop() {
	close(w.done)
	debug.SetMemoryLimit(w.limit)
}
