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
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	kernels    []string // series or suites, empty for all
	kinspect   string   // path of the binary to test
	noKinspect bool
	cached     bool
	cache      string
}

func main() {
	var o options
	kernels := flag.String("kernels", "", "only these, by series or suite: 6.12,trixie-backports")
	flag.StringVar(&o.kinspect, "kinspect", "", "static kinspect binary to test (default: build ./cmd/kinspect)")
	flag.BoolVar(&o.noKinspect, "no-kinspect", false, "make facts and dumps, compare nothing")
	flag.BoolVar(&o.cached, "cached", false, "use the kernels that are unpacked already, ask no mirror")
	flag.Parse()
	if *kernels != "" {
		o.kernels = strings.Split(*kernels, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := lab(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		stop()
		os.Exit(1)
	}
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
	failed := 0
	for _, s := range suites {
		if len(o.kernels) > 0 && s.series != "" && !slices.Contains(o.kernels, s.series) && !slices.Contains(o.kernels, s.name) {
			continue
		}
		start := time.Now()
		k, err := findKernel(ctx, o, s, m)
		if errors.Is(err, errAbsent) {
			fmt.Printf("%-5s %s: %v\n", s.series, s.name, err)
			continue
		}
		if err == nil {
			if len(o.kernels) > 0 && !slices.Contains(o.kernels, k.series) && !slices.Contains(o.kernels, s.name) {
				continue
			}
			err = runKernel(ctx, o, k, guestProgram)
		}
		took := time.Since(start).Round(time.Second)
		if err != nil {
			failed++
			fmt.Printf("%-5s %s: FAILED (%v)\n%v\n", s.series, s.name, took, err)
			continue
		}
		fmt.Printf("%-5s %s ok (%v)\n", k.series, k.release, took)
	}
	if failed > 0 {
		return fmt.Errorf("%d kernels failed", failed)
	}
	return nil
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

func runKernel(ctx context.Context, o options, k *kernel, guestProgram string) error {
	dir := filepath.Join(o.cache, k.series)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	initrd := filepath.Join(dir, "initramfs.cpio")
	spec := initramfsSpec{init: agentInit, files: map[string]string{"/usr/bin/guest": guestProgram}}
	if err := buildInitramfs(ctx, k, spec, initrd); err != nil {
		return err
	}
	start := time.Now()
	g, err := startGuest(ctx, machine{kernel: k, initrd: initrd, memory: 256, console: filepath.Join(dir, "console.log")})
	if err != nil {
		return err
	}
	defer g.kill()
	fmt.Printf("%s booted in %v\n", k.series, time.Since(start))
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	if err := g.capture(dir, "incident", &t); err != nil {
		return err
	}
	fmt.Printf("%s incident at %v\n", k.series, time.Since(start))
	if err := playAll(g, &t, stageB); err != nil {
		return err
	}
	fmt.Printf("%s scenarios at %v\n", k.series, time.Since(start))
	err = g.capture(dir, "scenarios", &t)
	fmt.Printf("%s dump at %v\n", k.series, time.Since(start))
	return err
}

// capture takes facts, checks that the scenarios happened, and dumps.
func (g *guest) capture(dir, name string, t *truth) error {
	facts := filepath.Join(dir, "facts", name)
	if err := g.captureFacts(facts, t); err != nil {
		return err
	}
	if err := t.check(facts); err != nil {
		return err
	}
	return g.dumpMemory(filepath.Join(dir, name+".elf"))
}
