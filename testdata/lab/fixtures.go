package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// fixtureKernels are the kernels whose incident the repository's tests have a
// snapshot of: small enough to be committed, where a dump is not.
var fixtureKernels = []string{"6.1", "6.12", "7.3"}

// fixtureQuestions is what the snapshots answer; the tests ask nothing else of
// memory.
var fixtureQuestions = []string{
	"explain('bond0')", "explain('veth0')", "explain('veth1')", "explain()",
	"handler(0x0004, 'bond0')", "handler('LLDP', 'veth0')", "handler('ARP')", "handler('ARP', 'bond0')",
	"netdevs('all') | map(.name)", "netdevs('all') | map(.rx_dropped)",
	"netdev('bond0')", "netdev('veth0')", "netdev('veth1')", "netdev('lo')",
	"init_net.dev_base_head", "ptype_base", "per_cpu(softnet_data, 0)", "per_cpu(softnet_data, 1)",
	"init_task.comm", "linux_banner", "init_uts_ns",
}

// writeFixture takes the snapshot in the guest, live, and puts it into dir as
// incident-SERIES.elf.zst.
func (r *runner) writeFixture(ctx context.Context, g *guest, dir string) error {
	if !contains(fixtureKernels, r.kernel.series) {
		return nil
	}
	const at = "/tmp/fixture.elf"
	s := liveSubject{g}
	a, err := s.ask(append([]string{"snapshot", "-o", at, "--", "eval"}, fixtureQuestions...)...)
	if err != nil {
		return err
	}
	if a.exit != 0 {
		return a.fail("no snapshot")
	}
	raw := filepath.Join(r.dir, "fixture.part")
	if err := g.fetchFile(at, raw); err != nil {
		return err
	}
	to := filepath.Join(dir, fmt.Sprintf("incident-%s.elf.zst", r.kernel.series))
	if _, err := output(ctx, "", "zstd", "-qf", "-19", "--rm", raw, "-o", to); err != nil {
		return err
	}
	st, err := os.Stat(to)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d KiB\n", to, (st.Size()+1023)/1024)
	return os.Chmod(to, 0o644)
}
