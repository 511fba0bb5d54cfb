package expr

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// netSession is a session on 6.12 after the lab's scene that opens sockets of every kind.
func netSession(t *testing.T) *Session {
	img := kernels.OpenNet(t)
	k := value.New(img, img)
	return NewSession(k, knet.New(k, host.None{}), Options{})
}

// TestNetHelpers asks the helpers of the network; what they say of a whole kernel the lab compares with
// the kernel's own tools.
func TestNetHelpers(t *testing.T) {
	cases(t, netSession(t), [][2]string{
		{"sockets('tcp') | filter(.state == 'LISTEN') | map(.local_port) | sort()", "[7001, 7002]"},
		{"sockets('tcp') | filter(.rx_queue == 100) | map(.state)", `["ESTABLISHED"]`},
		{"sockets('tcp') | filter(.remote_port == 7777) | map([.state, .inode, .owner])", `[["SYN_RECV", 0, []]]`},
		{"(sockets('tcp') | find(.local_port == 7002)).local", `"::"`},
		{"(sockets('tcp') | find(.local_port == 7002)).family", `"inet6"`},
		{"(sockets('tcp') | find(.local_port == 7002)).sk.sk_max_ack_backlog", "(u32)7"},
		{"(sockets('tcp') | find(.local_port == 7002)).owner | map(.comm)", `["guest"]`},
		{"sockets('udp') | filter(.drops > 0) | map(.local_port)", "[7003]"},
		{"sockets('unix') | filter(.path == '/tmp/lab.sock' && .inode != 0) | map([.state, .rx_queue, .tx_queue])", `[["LISTEN", 1, 3]]`},
		{"sockets('unix') | filter(.path == '@lab.abstract') | map([.type, .rx_queue])", `[["dgram", 40]]`},
		{"sockets('unix') | filter(.rx_queue == 180) | len()", "1"},
		{"sockets(['raw', 'icmp']) | map(.kind) | uniq()", `["raw", "icmp"]`},
		{"sockets('packet') | filter(.fanout != nil) | map(.fanout.id)", "[42, 42]"},
		{"sockets('tcp', 'all') | filter(.state == 'LISTEN') | len()", "4"},
		{"first(sockets('netlink')).stat", `error: there is no member "stat" here; did you mean state…`},
		{"sockets('tpc')", `error: "tpc" is no kind of sockets: they are tcp, udp, …`},
		{"sockets([1])", "error: a kind of sockets has to be a string, not the number 1"},
		{"socket_owners(netdev('lo'))", "error: socket_owners takes a struct sock or a struct socket, not struct net_device *"},
		{"len(socket_owners((sockets('tcp') | find(.local_port == 7002)).sk))", "1"},
		{
			"ip_addresses(netdev('sock0')) | map([.address, .prefix, .peer, .scope])",
			`[` + "\n\t" + `["198.51.100.3", 32, nil, "link"],` + "\n\t" + `["198.51.100.1", 24, nil, "global"],` + "\n\t" +
				`["203.0.113.1", 32, "203.0.113.9", "global"],` + "\n\t" + `["198.51.100.2", 24, nil, "global"],` + "\n]",
		},
		{"ip_addresses() | filter(.family == 'inet6' && .scope == 'global') | map(.address)", `["2001:db8:1::1", "2001:db8::1"]`},
		{"(ip_addresses() | find(.address == '198.51.100.2')).flags", `["secondary", "permanent"]`},
		{"neighbours(netdev('sock0')) | filter(.state == 'PERMANENT') | map([.address, .lladdr])", `[["198.51.100.77", "02:00:00:00:00:77"]]`},
		{"neighbours(5)", "error: …"},
		{"len(socket_owners((sockets('tcp') | find(.local_port == 7002)).sk.sk_socket))", "1"},
		{"qdiscs(netdev('sock0')) | filter(.drops > 0) | map([.kind, .handle, .parent])", `[["prio", "1:", nil], ["tbf", "20:", "1:2"]]`},
		{"qdiscs(netdev('many0')) | filter(.root) | map([.kind, .packets])", `[["mq", 9]]`},
		{"qdiscs(netdev('sock0p')) | map(.kind)", `["noqueue", "clsact"]`},
		{"netdev_flags(netdev('bond0'))", `["BROADCAST", "MULTICAST", "MASTER", "UP", "LOWER_UP"]`},
		{"netdev_flags('bond0') == netdev_flags(netdev('bond0'))", "true"},
		{"netdev_flags(5)", "error: the device has to be a name, or a struct net_device as netdev('eth0', NETNS) gives it, not the number 5"},
		{"netdev_flags('bond')", `error: no device "bond" in network namespace init_net: did you mean bond0, …`},
		{"ip_addresses('bond0') | map(.address)", `["192.0.2.1"]`},
		{"ip_addresses('init_net') | filter(.device == 'lo') | map(.address)", `["127.0.0.1"]`},
		{"ip_addresses('nothing')", `error: no device "nothing" in network namespace init_net; nor is it a network namespace: …`},
		{"netdev_lower(netdev('bond0')) | map(.name)", `["veth0", "veth1"]`},
		{"netdev_programs(netdev('sock0p')) | map([.hook, .kind])", `[["xdp", "bpf"], ["tc ingress", "matchall"]]`},
		{"nf_hooks() | filter(.family == 'ipv4' && .hook == 'OUTPUT') | map([.priority, .module])", `[[-400, "nf_defrag_ipv4"], [-200, "nf_conntrack"]]`},
	})
}

// TestSocketTable looks at the two tables.
func TestSocketTable(t *testing.T) {
	s := netSession(t)
	for expression, words := range map[string][]string{
		"ss()":             {"Netid  State", "0.0.0.0:7001", "[::]:7002           [::]:*  ", "*:7002              *:*  ", "127.0.0.1:7003", `users:(("guest",pid=`},
		"ss('all')":        {"SYN-RECV", "u_str", "/tmp/lab.sock", "p_raw", "(all):many0", "route:0", "0.0.0.0:99"},
		"socket_summary()": {"Total: ", "TCP:   17 (estab 5, closed 9, orphaned 0, timewait 1)", "Transport  Total", "INET"},
	} {
		r, err := s.Eval(context.Background(), expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		text, err := r.Text(value.DefaultFormat)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%s lacks %q:\n%s", expression, w, text)
			}
		}
		j, err := r.JSON()
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		if _, err := json.Marshal(j); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
	if text := eval(s, "ss()"); strings.Contains(text, "ESTAB") {
		t.Errorf("a table of listening sockets has connections:\n%s", text)
	}
}

// TestCompleteRecord: the members of a socket complete as those of a struct do.
func TestCompleteRecord(t *testing.T) {
	s := netSession(t)
	eval(s, "sockets('tcp') | map(.kind)") // completion has little time: symbols and types are read now
	_, names, _ := completeAt(s, "sockets('tcp') | filter(.local_p¦")
	if len(names) != 1 || names[0] != "local_port" {
		t.Errorf("%q", names)
	}
}
