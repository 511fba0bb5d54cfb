package expr

import (
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestHealthFunctions: what the lab made of bond0, and of the bonds of its scenarios.
func TestHealthFunctions(t *testing.T) {
	scenarios := kernels.OpenScenarios(t)
	k := value.New(scenarios, scenarios)
	later := NewSession(k, knet.New(k, host.None{}), Options{NetNS: "all"})
	for _, c := range []struct {
		s         *Session
		src, want string
	}{
		{testKernel(t, "6.12"), "netdev_counter('bond0', 'rx_dropped')", "(u64)53"},
		{testKernel(t, "6.12"), "netdev_counter('veth1', 'rx_dropped')", "(u64)5"},
		{testKernel(t, "6.12"), "netdev_counter('bond0', 'rx_droped')", "error: no counter \"rx_droped\"; did you mean rx_dropped"},
		{testKernel(t, "6.12"), "bond('bond0').slaves | map([.device->name, .inactive])", `[["veth0", false], ["veth1", true]]`},
		{testKernel(t, "6.12"), "bond('bond0').mode", `"active-backup"`},
		{testKernel(t, "6.12"), "bond('lo')", `error: "lo" is no bond`},
		{testKernel(t, "6.12"), "namespaces() | map(netns_name(#))", `["init_net"]`},
		{testKernel(t, "6.12"), "has_symbol('bond_handle_frame')", "true"},
		{testKernel(t, "6.12"), "has_symbol('nf_conntrack_max')", "false"},
		{testKernel(t, "6.12"), "softnet_cpus() | map([.cpu, .dropped, .limit])", "[[0, 0, 1000], [1, 0, 1000]]"},
		{later, "len(namespaces()) > 1", "true"},
		{later, "bond('bond2').mode", `"802.3ad"`},
		{later, "bond('bond3').slaves | filter(.inactive) | map(.device->name)", `["idle1"]`},
		{later, "softnet_cpus() | sum(.dropped) > 1000", "true"},
	} {
		if got := eval(c.s, c.src); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.src, got, c.want)
		}
	}
	none := NewSession(nil, nil, Options{})
	for _, src := range []string{"namespaces()", "softnet_cpus()", "bond('bond0')", "netdev_counter('bond0', 'rx_dropped')", "has_symbol('x')", "netns_name(1)"} {
		if got := eval(none, src); !strings.HasPrefix(got, "error: no kernel") {
			t.Errorf("without a kernel, %s: %s", src, got)
		}
	}
}
