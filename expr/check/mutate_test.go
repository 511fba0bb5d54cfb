package check_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
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
			if raceDetector && r.again && !alone {
				t.Skip("what runs at once is the same for each kernel")
			}
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
