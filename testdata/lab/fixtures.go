package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// fixtures are the snapshots that the repository's tests work on: small enough to
// be committed, where dumps are not. They answer these questions; the tests ask
// nothing else of memory.
var fixtures = map[string]struct{ kernels, questions []string }{
	"incident": {
		[]string{"6.1", "6.12", "7.3"},
		[]string{
			"explain('bond0')", "explain('veth0')", "explain('veth1')", "explain()",
			"handler(0x0004, 'bond0')", "handler('LLDP', 'veth0')", "handler('ARP')", "handler('ARP', 'bond0')",
			"netdevs('all') | map(.name)", "netdevs('all') | map(.rx_dropped)",
			"netdev('bond0')", "netdev('veth0')", "netdev('veth1')", "netdev('lo')",
			"init_net.dev_base_head", "ptype_base", "per_cpu(softnet_data, 0)", "per_cpu(softnet_data, 1)",
			"init_task.comm", "linux_banner", "init_uts_ns",
		},
	},
	"scenarios": {
		[]string{"6.12"},
		[]string{
			"explain()", "handler('LLDP', 'port0')", "handler('STP', 'port0')", "handler(0x88b5, 'port0')",
			"handler(0x88b5, 'low0')", "handler('LACP')", "handler('LACP', 'bond2')", "handler('LACP', 'lag0')",
			"handler('VLAN')", "handler('VLAN', 'vl0')", "handler('802.1ad', 'vl0')", "handler('VLAN', 'veth0')",
			"handler(0x88b5, 'tapped0')", "handler('IPv4', 'idle1')", "handler('LLDP', 'idle1')", "handler(0x88b5)",
			"explain('br0')", "explain('port0')", "explain('vl0.5')", "explain('idle1')", "explain('low0')",
			"explain('mixed0')", "explain('tapped0')", "explain('bond1')", "explain('bond2')",
		},
	},
	"net": {
		[]string{"6.12"},
		[]string{
			"sockets() | map(#)", "socket_summary()", "ip_addresses() | map(#)", "neighbours() | map(#)", "qdiscs() | map(#)",
			"nf_hooks() | map(#)", "netdevs() | map(netdev_info(#))", "netdevs() | map(netdev_addrs(#))",
		},
	},
	"losses": {
		[]string{"7.3"},
		[]string{
			"snmp('losses')", "snmp('init_net')", "snmp_report('losses')", "snmp_report('init_net')", "sockets(['udp', 'tcp'], 'losses') | map(#)",
		},
	},
}

// fixtureCaptures are those of the captures that have fixtures of another name beside their own.
var fixtureCaptures = map[string][]string{"scenarios": {"net", "losses"}}

// writeFixtures takes a capture's snapshots.
func (r *runner) writeFixtures(ctx context.Context, g *guest, capture, dir string) error {
	for _, name := range append([]string{capture}, fixtureCaptures[capture]...) {
		if err := r.writeFixture(ctx, g, name, dir); err != nil {
			return err
		}
	}
	return nil
}

// writeFixture takes a snapshot in the guest, live, and puts it into dir as
// NAME-SERIES.kdump, where fixtures has it.
func (r *runner) writeFixture(ctx context.Context, g *guest, name, dir string) error {
	f, ok := fixtures[name]
	if !ok || !contains(f.kernels, r.kernel.series) {
		return nil
	}
	const at = "/tmp/fixture.kdump"
	s := liveSubject{g: g}
	// Tests make dumps of these: symbols and types are in memory, as in a kernel's.
	a, err := s.ask(append([]string{"snapshot", "-o", at, "--format", "kdump-pages", "--", "eval"}, f.questions...)...)
	if err != nil {
		return err
	}
	if a.exit != 0 {
		return a.fail("no snapshot")
	}
	to := filepath.Join(dir, fmt.Sprintf("%s-%s.kdump", name, r.kernel.series))
	if err := g.fetchFile(at, to); err != nil {
		return err
	}
	st, err := os.Stat(to)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d KiB\n", to, (st.Size()+1023)/1024)
	return os.Chmod(to, 0o644)
}
