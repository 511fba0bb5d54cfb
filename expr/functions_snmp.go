package expr

import (
	"kinspect/expr/knet"
)

var snmpFunctions = []Function{
	{
		Name: "snmp", Signature: "snmp([NETNS])", Topic: topicNet,
		Doc: "what IP, ICMP, UDP and TCP counted in a network namespace, as members with nstat's names, and printed as nstat does, without zeros " +
			"(/proc/net/snmp, netstat and snmp6; net/ipv4/proc.c); the command snmp explains them",
		Examples: []string{"snmp()", "snmp().UdpRcvbufErrors", "snmp('init_net').TcpExtListenDrops"},
		MaxArgs:  1, Args: []ArgKind{NetNSArg},
		Call: callSNMP,
	},
}

func callSNMP(c *Call) (any, error) {
	ns, err := c.Session.netns(c.Arg(0))
	if err != nil {
		return nil, err
	}
	t, err := c.Session.stack.SNMP(ns)
	if err != nil {
		return nil, err
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	var names []string
	var rows [][]string
	for _, g := range t.Groups {
		for _, n := range g.Counters {
			names = append(names, n.ID)
			if n.Value != 0 {
				rows = append(rows, []string{n.ID, n.String()})
			}
		}
	}
	return &Record{
		names: names,
		get:   func(name string) (any, error) { return snmpValue(t, name), nil },
		text:  func() string { return columns(rows) },
	}, nil
}

// snmpValue is a counter as a number of the language.
func snmpValue(t *knet.SNMP, name string) any {
	n, _ := t.Lookup(name)
	if n.Signed {
		return int(int64(n.Value))
	}
	return n.Value
}
