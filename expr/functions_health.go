package expr

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// healthFunctions have what named checks look at (kinspect check), as values to compute with.
var healthFunctions = []Function{
	{
		Name: "namespaces", Signature: "namespaces()", Topic: topicNet,
		Doc:      "the network namespaces that functions look into where none is named, as a list of struct net *: those of --netns; all of them in kinspect check",
		Examples: []string{"namespaces() | map(snmp(#).IpInReceives)"},
		Call: func(c *Call) (any, error) {
			nss, err := c.Session.netnss(nil)
			if err != nil {
				return nil, err
			}
			out := make([]any, len(nss))
			for i, ns := range nss {
				if out[i], err = ns.Value.AddressOf(); err != nil {
					return nil, err
				}
			}
			return out, c.Grow(len(out))
		},
	},
	{
		Name: "netns_name", Signature: "netns_name(NETNS or DEV)", Topic: topicNet,
		Doc:      "what a network namespace is called, as --netns takes it: init_net, its name of ip netns where that is known, or its inode number",
		Examples: []string{"netnss() | map(netns_name(#))", "netns_name(netdev('lo'))"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{NetNSArg},
		Call: func(c *Call) (any, error) {
			ns, err := c.Session.netns(c.Arg(0))
			if err != nil {
				return nil, err
			}
			return c.Session.stack.NSName(ns), nil
		},
	},
	{
		Name: "netdev_counter", Signature: "netdev_counter(DEV, 'COUNTER')", Topic: topicNet,
		Doc: "a counter of a device as `ip -s link` shows it: what the driver counts and the core's part, of a bond its slaves', too; " +
			".rx_dropped is the core's part alone (dev_get_stats, net/core/dev.c)",
		Examples: []string{"netdev_counter('bond0', 'rx_dropped')", "netdevs() | filter(netdev_counter(#, 'tx_dropped') > 0) | map(.name)"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{DeviceArg, WordArg},
		Words: func(*Session) []Candidate {
			var out []Candidate
			for _, name := range host.LinkFields {
				out = append(out, Candidate{Text: name})
			}
			return out
		},
		Call: netdevCounter,
	},
	linkFunction("bond", "a bond's mode and its slaves: {device, mode, slaves: [{device, inactive, slave}]}; slave is the struct slave "+
		"(bonding.params.mode, slave.inactive; not known where the module has no BTF)",
		"bond('bond0').slaves | map([.device->name, .inactive])", bondRecord),
	{
		Name: "softnet_cpus", Signature: "softnet_cpus()", Topic: topicNet,
		Doc: "the CPUs' backlogs as {cpu, online, processed, dropped, time_squeeze, received_rps, flow_limit, waiting, taken, limit, budget, budget_usecs}: " +
			"/proc/net/softnet_stat and net.core's settings, as numbers to compute with",
		Examples: []string{"softnet_cpus() | sum(.dropped)", "softnet_cpus() | filter(.waiting > .limit) | map(.cpu)"},
		Call:     softnetCPUs,
	},
}

func netdevCounter(c *Call) (any, error) {
	d, err := c.device(0)
	if err != nil {
		return nil, err
	}
	name, err := c.String(1, "the name of a counter")
	if err != nil {
		return nil, err
	}
	s := c.Session
	if !slices.Contains(host.LinkFields, name) {
		if near := btf.Near(name, host.LinkFields); len(near) > 0 {
			return nil, fmt.Errorf("no counter %s; did you mean %s?", value.Quote(name), joinOr(near))
		}
		return nil, fmt.Errorf("no counter %s: there are %s", value.Quote(name), strings.Join(host.LinkFields, ", "))
	}
	sum, kernel, err := s.deviceCounter(d, name)
	switch {
	case err != nil:
		return nil, err
	case sum.Known():
		return s.kernel.U64(sum.N, ""), nil
	case kernel.Known():
		return s.kernel.U64(kernel.N, "as the kernel's netlink says"), nil
	}
	return nil, value.Faultf("%s of %s is not known: %v", name, value.Printable(d.Name), sum.Err)
}

// deviceCounter is a counter as memory has it, and as the kernel's netlink says it.
func (s *Session) deviceCounter(d knet.Device, name string) (sum, kernel knet.Part, err error) {
	if knet.IsCoreCounter(name) { // what explain reads: less than all counters
		t, err := s.stack.Total(d, name)
		if err != nil {
			return sum, kernel, err
		}
		return t.Sum(), t.Kernel, nil
	}
	fields, err := s.stack.LinkStats(d)
	if err != nil {
		return sum, kernel, err
	}
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Sum(), fields[i].Kernel, nil
		}
	}
	return sum, kernel, value.Faultf("this kernel has no counter %s", name)
}

func bondRecord(c *Call, d knet.Device) (any, error) {
	s := c.Session
	if is, err := knet.IsBond(d); err != nil || !is {
		if err == nil {
			err = fmt.Errorf("%s is no bond", value.Quote(d.Name))
		}
		return nil, err
	}
	b, err := s.stack.Bond(d)
	if err != nil {
		return nil, err
	}
	// What the module's types would tell is a fault without them: the rest is known.
	unknown := func(what string) error {
		return value.Faultf("%s %s is not known: %v", what, value.Printable(d.Name), b.TypesErr)
	}
	slaves := []any{}
	for _, sl := range b.Slaves {
		p, err := sl.Device.Value.AddressOf()
		if err != nil {
			return nil, err
		}
		slaves = append(slaves, &Record{names: []string{"device", "inactive", "slave"}, get: func(name string) (any, error) {
			switch {
			case name == "device":
				return p, nil
			case b.TypesErr != nil:
				return nil, unknown("the active slave of the bond")
			case name == "inactive":
				return sl.Inactive, nil
			}
			return sl.Value.AddressOf()
		}})
	}
	self, err := d.Value.AddressOf()
	if err != nil {
		return nil, err
	}
	return &Record{names: []string{"device", "mode", "slaves"}, get: func(name string) (any, error) {
		switch {
		case name == "device":
			return self, nil
		case name == "slaves":
			return slaves, nil
		case b.TypesErr != nil:
			return nil, unknown("the mode of the bond")
		}
		return b.ModeName(), nil
	}}, c.Grow(4 * len(slaves))
}

func softnetCPUs(c *Call) (any, error) {
	s := c.Session
	if s.stack == nil {
		return nil, errNoStack
	}
	queues, err := s.stack.SoftnetQueues()
	if err != nil {
		return nil, err
	}
	set, setErr := s.stack.SoftnetSettings()
	mask, err := s.kernel.Global("__cpu_online_mask")
	if err != nil {
		return nil, err
	}
	online, err := s.kernel.CPUMask(mask)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, q := range queues {
		members := map[string]any{
			"cpu": q.CPU, "online": slices.Contains(online, q.CPU), "processed": q.Processed, "dropped": q.Dropped,
			"time_squeeze": q.TimeSqueeze, "received_rps": q.ReceivedRPS, "flow_limit": q.FlowLimit, "waiting": q.Input, "taken": q.Process,
			"limit": set.MaxBacklog, "budget": set.Budget, "budget_usecs": set.BudgetUsecs,
		}
		if setErr != nil {
			for _, name := range []string{"limit", "budget", "budget_usecs"} {
				if members[name], err = orFault(nil, setErr); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, members)
	}
	return out, c.Grow(len(out))
}
