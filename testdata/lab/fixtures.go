package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// A fixture is a snapshot that the repository's tests work on: small enough to
// be committed, where a dump is not.
type fixture struct {
	capture string
	args    []string
	kernels []string
}

var fixtures = []fixture{
	{"incident", []string{"explain", "bond0"}, []string{"6.1", "6.12", "7.3"}},
}

// writeFixtures takes the snapshots of this kernel's dumps that fixtures asks
// for into dir, as CAPTURE-SERIES.elf.zst.
func (r *runner) writeFixtures(ctx context.Context, dir string) error {
	for _, f := range fixtures {
		if !contains(f.kernels, r.kernel.series) {
			continue
		}
		raw := filepath.Join(r.dir, "fixture.part")
		s := dumpSubject{ctx: ctx, kinspect: r.kinspect, core: filepath.Join(r.dir, f.capture+".elf")}
		a, err := s.ask(append([]string{"snapshot", "-o", raw, "--"}, f.args...)...)
		if err != nil {
			return err
		}
		if a.exit == 2 {
			return a.fail("no snapshot")
		}
		to := filepath.Join(dir, fmt.Sprintf("%s-%s.elf.zst", f.capture, r.kernel.series))
		if _, err := output(ctx, "", "zstd", "-qf", "-19", "--long=24", "--rm", raw, "-o", to); err != nil {
			return err
		}
		st, err := os.Stat(to)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d KiB\n", to, (st.Size()+1023)/1024)
	}
	return nil
}
