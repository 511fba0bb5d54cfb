// Command lab boots real Debian kernels under QEMU's emulation, plays network
// incidents in them, and compares what kinspect says, live in the guest and on
// a dump of its memory, with what the guest's kernel says of itself.
//
// Vocabulary: a suite is a Debian suite, a kernel is the newest cloud kernel
// of one, a machine is a boot of a kernel, a scenario is a story played on
// devices of its own, truth is what was injected, and facts are what procfs
// and netlink said. README.md tells where things end up.
//
// Nothing is retried: a lab that passes at the second try would hide the one
// failure that matters.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the command line.
type options struct {
	kernels    []string // series or suites, empty for all
	boots      []string // names of boots, empty for all
	kinspect   string   // path of the binary to test
	noKinspect bool
	cached     bool
	prepare    bool // fetch and make what a run needs, and boot nothing
	jobs       int
	fixtures   string // directory that takes new snapshots for the tests
	ask        string // a shell command to run in the guest after each capture
	matrix     string // document that takes the table of scenarios
	times      bool   // tell what each check takes
	icount     bool   // the boot "load" counts instructions
	cache      string
}

func main() {
	var o options
	kernels := flag.String("kernels", "", "only these, by series or suite: 6.12,trixie-backports")
	boots := flag.String("boots", "", "only these boots: shared, noinfo, vmcore, wide, noipv6, probes, many, memory, load")
	flag.StringVar(&o.kinspect, "kinspect", "", "static kinspect binary to test (default: build ./cmd/kinspect)")
	flag.BoolVar(&o.noKinspect, "no-kinspect", false, "make facts and dumps, compare nothing")
	flag.BoolVar(&o.cached, "cached", false, "use the kernels that are unpacked already, ask no mirror")
	flag.BoolVar(&o.prepare, "prepare", false, "fetch the kernels and make the tools, boot nothing")
	flag.StringVar(&o.fixtures, "fixtures", "", "write the snapshots that the tests use into this directory")
	flag.StringVar(&o.ask, "ask", "", "also run this shell command in the guest at each capture, and print what it says")
	flag.StringVar(&o.matrix, "matrix", "", "write the table of scenarios into this document, such as README.md")
	flag.BoolVar(&o.times, "times", false, "tell on stderr what each check takes, of the clock and of QEMU's CPU time")
	flag.BoolVar(&o.icount, "icount", false, "have the boot load measure in instructions instead of time")
	flag.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "kernels at a time")
	flag.Parse()
	o.kernels, o.boots = list(*kernels), list(*boots)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.noKinspect {
		o.kinspect = ""
	}
	if err := lab(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		stop()
		os.Exit(1)
	}
}

// list splits a comma-separated flag.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// wants tells whether --kernels asks for a kernel.
func (o options) wants(suite, series string) bool {
	return len(o.kernels) == 0 || contains(o.kernels, suite) || contains(o.kernels, series)
}

// wantsBoot tells whether --boots asks for a boot.
func (o options) wantsBoot(name string) bool { return len(o.boots) == 0 || contains(o.boots, name) }

// dumps tells whether a boot is wanted that leaves dumps to be compared.
func (o options) dumps() bool {
	return len(o.boots) == 0 || slices.ContainsFunc(o.boots, func(b string) bool {
		return b != probes && b != "many" && b != "memory" && b != "load"
	})
}

// mayWant tells the same of a suite, whose series may not be known yet: then
// some name in --kernels must be none of the known ones.
func (o options) mayWant(s suite) bool {
	if s.series != "" || o.wants(s.name, s.series) {
		return o.wants(s.name, s.series)
	}
	return slices.ContainsFunc(o.kernels, func(name string) bool {
		return !slices.ContainsFunc(suites, func(s suite) bool { return name == s.name || name == s.series })
	})
}

// cacheDir is where everything that the lab makes is kept.
func cacheDir() (string, error) {
	if dir := os.Getenv("KINSPECT_LAB_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "kinspect-lab"), err
}

func lab(ctx context.Context, o options) error {
	var err error
	if o.cache, err = cacheDir(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	guestProgram := filepath.Join(o.cache, "guest")
	if err := buildStatic(ctx, "./testdata/lab/guest", guestProgram); err != nil {
		return err
	}
	var m mirrors
	if !o.cached {
		if m, err = findMirrors(ctx); err != nil {
			return err
		}
	}
	if o.kinspect == "" && !o.noKinspect && !o.prepare {
		o.kinspect = filepath.Join(o.cache, "kinspect")
		if err := buildStatic(ctx, "./cmd/kinspect", o.kinspect); err != nil {
			return err
		}
	}
	tools, err := prepareTools(ctx, o, m)
	if err != nil {
		return err
	}
	runners := make([]*runner, len(suites))
	var wait sync.WaitGroup
	slots := make(chan struct{}, max(o.jobs, 1))
	for i, s := range suites {
		if !o.mayWant(s) {
			continue
		}
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			start := time.Now()
			r := &runner{guest: guestProgram, kinspect: o.kinspect, fixtures: o.fixtures, ask: o.ask, times: o.times, icount: o.icount, tools: tools}
			if r.kernel, r.result.err = findKernel(ctx, o, s, m); r.result.err == nil {
				if !o.wants(s.name, r.kernel.series) {
					return
				}
				r.dir = filepath.Join(o.cache, r.kernel.series)
				if !o.prepare {
					r.result.err = r.all(ctx, o)
				}
			}
			r.result.took = time.Since(start)
			runners[i] = r
		})
	}
	wait.Wait()
	err = report(runners)
	if o.prepare {
		return err
	}
	var all matrix
	for _, r := range runners {
		if r != nil && len(r.matrix.rows) > 0 {
			all.join(r.kernel.series, &r.matrix)
		}
	}
	err = errors.Join(err, writeMatrix(&all, o.cache, o.matrix))
	if !o.noKinspect && o.dumps() {
		err = errors.Join(err, testOnResults(ctx, o.cache, tools.pahole))
	}
	return err
}

// testOnResults runs the Go tests that read the lab's dumps, such as the one
// that compares every symbol with /proc/kallsyms, or every struct with pahole.
func testOnResults(ctx context.Context, results string, pahole bundle) error {
	out, err := output(ctx, "", "env", "KINSPECT_LAB_RESULTS="+results,
		"KINSPECT_LAB_PAHOLE="+strings.Join(pahole.command(pahole.dir), " "),
		"go", "test", "-count=1", "-run", "^TestLab", "./kmem", "./btf", "./expr/...", "./cmd/...")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// report prints a line for each kernel, then what failed, and returns an error
// if anything did.
func report(runners []*runner) error {
	var details []error
	tested, absent := 0, 0
	for i, r := range runners {
		if r == nil {
			continue
		}
		name := suites[i].series + " " + suites[i].name
		if r.kernel != nil {
			name = fmt.Sprintf("%-5s %s", r.kernel.series, r.kernel.release)
		}
		what := fmt.Sprintf("live %v  dump %v", r.result.live, r.result.dump)
		switch err := r.result.err; {
		case errors.Is(err, errAbsent):
			fmt.Printf("%-36s %v\n", name, errAbsent)
			absent++
			continue
		case err != nil:
			what = "LAB FAILED  " + what
			details = append(details, fmt.Errorf("%s: %w", name, err))
		}
		tested++
		fmt.Printf("%-36s %s  (%.0f s)\n", name, what, r.result.took.Seconds())
		for _, line := range r.result.dumps() {
			fmt.Printf("      %s\n", line)
		}
		details = append(details, r.result.live.failures...)
		details = append(details, r.result.dump.failures...)
	}
	if tested == 0 || absent > 1 {
		return fmt.Errorf("%d kernels tested, %d suites absent: one may be", tested, absent)
	}
	for _, d := range details {
		fmt.Printf("\n%v\n", d)
	}
	if len(details) > 0 {
		return fmt.Errorf("%d failures", len(details))
	}
	return nil
}

// dumps tells what was made in other formats, a line for each directory, and what
// could not be.
func (r result) dumps() []string {
	names := make(map[string][]string)
	for _, file := range r.made {
		names[filepath.Dir(file)] = append(names[filepath.Dir(file)], filepath.Base(file))
	}
	var lines []string
	for _, dir := range slices.Sorted(maps.Keys(names)) {
		lines = append(lines, fmt.Sprintf("%s: %s", dir, strings.Join(names[dir], " ")))
	}
	if len(r.missing) > 0 {
		lines = append(lines, "not made, as this makedumpfile has no snappy: "+strings.Join(r.missing, " "))
	}
	return lines
}

func findKernel(ctx context.Context, o options, s suite, m mirrors) (*kernel, error) {
	if o.cached {
		return cachedKernel(o.cache, s)
	}
	return fetchKernel(ctx, o.cache, s, m)
}

// buildStatic builds a package of this module into a static binary.
func buildStatic(ctx context.Context, pkg, to string) error {
	_, err := output(ctx, "", "env", "CGO_ENABLED=0", "go", "build", "-o", to, pkg)
	return err
}
