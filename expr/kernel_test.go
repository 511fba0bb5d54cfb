package expr

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/ksys"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
	"kinspect/testdata/lab/results"
)

// testKernel is a session on a snapshot of the incident: bond0 over veth0 and
// veth1 in init_net, with 48 dropped frames of its own and 5 of veth1's.
func testKernel(tb testing.TB, series string) *Session {
	tb.Helper()
	img := kernels.Open(tb, series)
	k := value.New(img, img)
	return NewSession(k, knet.New(k, host.None{}), Options{})
}

// eachKernel runs a test on all of them.
func eachKernel(t *testing.T, test func(t *testing.T, s *Session)) {
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) { test(t, testKernel(t, series)) })
	}
}

func TestKernelExpressions(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) { cases(t, s, kernelCases) })
}

var kernelCases = [][2]string{
	{"netdev('bond0').rx_dropped", "(u64)48  /* …"},
	{"netdev('veth1').rx_dropped + 0", "(unsigned long)5"},
	{"netdev('bond0')->rx_dropped == 48", "true"},
	{"netdev('bond0').name", `(char [16])"bond0"`},
	{"(char[6])linux_banner", `(char [6])"Linux "`},
	{"(s8[6])linux_banner", "(s8 [6]){ 76, 105, 110, 117, 120, 32 }"}, // s8 is a number
	{"(u8[6])linux_banner", "(u8 [6]){ 76, 105, 110, 117, 120, 32 }"},
	{"(s8[6])linux_banner == 'Linux '", "error: …"},
	{"(s8)200 + 0", "(int)-56"},
	{"netdev('bond0').mtu + 1", "(unsigned int)1501"},
	{"netdevs() | filter(.rx_dropped > 0) | map(.name)", `["veth1", "bond0"]`},
	{"netdevs() | filter(.name == 'bond0') | map(.mtu)", "[1500]"},
	{"netdevs() | sum(.rx_dropped)", "(unsigned long)53"},
	{"netdevs() | max(.mtu)", "(unsigned int)65536"},
	{"min(netdevs(), .mtu)", "(unsigned int)1500"},
	{"netdevs() | mean(.mtu) > 1500", "true"},
	{"(netdevs() | find(.rx_dropped == 48)).name", `(char [16])"bond0"`},
	{"netdevs() | find(.mtu > 1).name", "error: what a pipe gives needs brackets around it before its members and elements: (… | find(…)).name"},
	{"netdevs() | sortBy(.rx_dropped, 'desc') | take(2) | map(.name)", `["bond0", "veth1"]`},
	{"netdevs() | filter(.mtu > 60000) | map(.name) | first() == 'lo'", "true"},
	{"keys(netdevs() | groupBy(.mtu))", `["1500", "65536"]`},
	{"netdev('veth0').rx_handler", "(rx_handler_func_t *)bond_handle_frame+0x0 [bonding] = 0xff…"},
	{"sym(netdev('veth0').rx_handler)", `"bond_handle_frame+0x0 [bonding]"`},
	{"netdev('lo').rx_handler == nil", "true"},
	{"netdev('veth0').rx_handler ? 'slave' : 'free'", `"slave"`},
	{"bond_handle_frame == netdev('veth0').rx_handler", "true"},
	{"per_cpu(softnet_data, 0).processed", "(unsigned int)…"},
	{"cpus()", "[0, 1]"},
	{"per_cpu(softnet_data, 9)", "error: there is no CPU 9: the possible ones are 0-1"},
	{"softnet_data", "<per-CPU variable at 0x…"},
	{"softnet_data.processed + 1", "error: this is a per-CPU variable: say which CPU's, as in per_cpu(NAME, 0)"},
	{"netdev('lo').lstats.packets", "error: the struct pcpu_lstats * is a per-CPU pointer: per_cpu(…, CPU) is what one CPU has behind it"},
	{"type(per_cpu(netdev('lo').lstats, 1))", `"struct pcpu_lstats"`},
	{"init_net.dev_base_head", "(struct list_head){ .next = (struct list_head *)0xff…"},
	{"init_net.dev_base_head.next == addr(netdev('lo').dev_list)", "true"},
	{"ptype_base[4].next", "*(struct list_head *)…"},
	{"list_entries(ptype_base[0], 'struct packet_type', 'list') | filter(.type == htons(0x0800)) | map(sym(.func))", `["ip_rcv+0x0"]`},
	{"list_entries(init_net.dev_base_head, 'struct net_device', 'dev_list', 2) | map(.name)", `["lo", "veth0p"]`},
	{"container_of(&netdev('lo')->mtu, struct net_device, dev_list)", "error: the pointer is to unsigned int, and dev_list of struct net_device is struct list_head: a void * may be to any"},
	{"container_of(&netdev('lo')->mtu, struct net_device, mtu)->name", `(char [16])"lo"`},
	{"container_of((void *)&netdev('lo')->mtu, struct net_device, mtu)->name", `(char [16])"lo"`},
	{"container_of((char *)&netdev('lo')->mtu, struct net_device, mtu)->name", `(char [16])"lo"`},
	{"container_of(int(&netdev('lo')->mtu), struct net_device, mtu)->name", `(char [16])"lo"`},
	{"container_of(&netdev('lo')->name, struct net_device, name)->name", `(char [16])"lo"`},
	{"container_of(&netdev('lo')->name[0], struct net_device, name)->name", `(char [16])"lo"`},
	{"netdev('lo')->ifindex[1]", "error: int is neither an array nor a pointer: it has no element 1; if it is one of an array of several dimensions, T a[M][N]: BTF keeps those as one, and a[i][j] is a[i * N + j] here"},
	{"container_of(init_net.dev_base_head.next, 'struct net_device', 'dev_list').name", `(char [16])"lo"`},
	{"NETREG_REGISTERED + 0", "(int)1"}, // an enumerator is an int in C
	{"-NETREG_REGISTERED < 0", "true"},
	{"offsetof('struct list_head', 'prev')", "8"},
	{"sizeof('struct list_head')", "16"},
	{"cast('struct net *', addr(init_net)).ns.inum == init_net.ns.inum", "true"},
	{"cast('u8', -1)", "(u8)255"},
	{"cast('struct net', 5)", "error: a number is no struct net: cast('struct net *', …) takes it for the address of one"},
	{"type(cast('struct bonding *', 0))", `"struct bonding *"`},
	{"netdev('bond0', netns()).ifindex == netdev('bond0', 'init_net').ifindex", "true"},
	{"len(netnss())", "2"},
	{"len(netdevs('all')) > len(netdevs())", "true"},
	{"netdev('twin', 'all')", "error: 2 network namespaces have a device \"twin\", init_net and net:[…"},
	{"netdev('eth0', netnss()[1]).mtu", "(unsigned int)1500"},
	{"netns(netdev('lo')) == addr(init_net)", "true"},
	{"netdev('bond').mtu", "error: no device \"bond\" in network namespace init_net: did you mean bond0?"},
	{"netdev('eth0')", "error: no device \"eth0\" in network namespace init_net: it is in net:[…"},
	{"netdev(bond0)", "error: bond0 is not the name of anything here: names of devices, types and the like are written in quotes, 'bond0'"},
	{"netdev('bond0').rx_droped", "error: struct net_device has no member \"rx_droped\"; did you mean rx_dropped or tx_dropped?"},
	{"netdev('bond0').nmae", "error: struct net_device has no member \"nmae\"; did you mean name…"},
	{"netdev('bond0').reg_state == 'NETREG_REGISTERED'", "true"},
	{"netdev('bond0').reg_state == NETREG_REGISTERED", "true"},
	{"netdev('bond0').reg_state != 'NETREG_RELEASED'", "true"},
	{"netdev('bond0').reg_state == 'NETREG_NOSUCH'", "error: enum netdev_reg_state has no enumerator \"NETREG_NOSUCH\"…"},
	{"netdev_flags(netdev('bond0')->name) == netdev_flags('bond0')", "true"},
	{"[has_symbol('init_net'), has_symbol('NETREG_REGISTERED'), has_symbol('nosuch')]", "[true, true, false]"},
	{"[has_type('struct net_device'), has_type('u32'), has_type('struct nosuch'), has_type('u46')]", "[true, true, false, false]"},
	{"has_symbol('nosuch') ? nosuch : 7", "7"},
	{"has_symbol('nosuch') || nosuch", "error: no symbol, function or enumerator is called nosuch…"},
	{"bt", "error: no symbol, function or enumerator is called bt: a task's stack is stack(PID)…"},
	{"init_nett", "error: no symbol, function or enumerator is called init_nett; did you mean init_net…"},
	{"netdev('lo').rx_handler_data.x", "error: void * has no members, so no x"},
	{"__per_cpu_start", "error: __per_cpu_start is at …"},
	{"mem(addr(netdev('bond0').name), 8)", "0xff…"},
	{"mem(addr(init_net), 0)", "error: mem reads 1 to 65536 bytes"},
	{"mem(addr(init_net), 65537)", "error: mem reads 1 to 65536 bytes"},
	{"mem(0x1000)", "error: …"},
	{"mem('x')", `error: the string "x" is no address`},
	{"netdevs() | list_entries('a', 'b')", "error: the head of a list has to be a value of the kernel, not a sequence of struct net_device"},
}

// TestExamples runs the examples that help shows. A snapshot holds what its command read, and of some
// examples lacks the memory: the lab runs these on whole dumps.
func TestExamples(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		lacking := func(err error) bool {
			f := kmem.AsFault(err)
			return f != nil && f.Reason == kmem.Filtered || errors.Is(err, ksys.ErrNoConfig)
		}
		testExamples(t, s, lacking)
	})
}

// TestLabExamples runs all of them on the lab's dumps.
func TestLabExamples(t *testing.T) {
	results.Each(t, func(t *testing.T, dump string) {
		img, err := kmem.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		k := value.New(img, img)
		lacking := func(err error) bool {
			// Debian's kernels carry no configuration, and those before 6.1 have no maple trees; 5.10's modules have
			// no types, and what drivers count is not known on a dump.
			return errors.Is(err, ksys.ErrNoConfig) || err != nil && strings.Contains(err.Error(), value.ErrNoModuleBTF.Error()) && !k.HasMember("mm_struct", "mm_mt") ||
				err != nil && !k.HasMember("mm_struct", "mm_mt") && strings.Contains(err.Error(), "mm_mt")
		}
		testExamples(t, NewSession(k, knet.New(k, host.None{}), Options{}), lacking)
	})
}

func testExamples(t *testing.T, s *Session, lacking func(error) bool) {
	for _, f := range s.Functions() {
		if len(f.Examples) == 0 || f.Doc == "" || f.Topic == "" || !strings.HasPrefix(f.Signature, f.Name+"(") {
			t.Errorf("%s lacks an example, a line of documentation, a topic or a signature", f.Name)
		}
		for _, e := range f.Examples {
			if !strings.Contains(e, f.Name) {
				t.Errorf("the example %s does not use %s", e, f.Name)
			}
			r, err := s.Eval(context.Background(), e)
			if lacking(err) || f.Name == "line" && errors.Is(err, value.ErrNoDebuginfo) { // see TestLabFrames
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", e, err)
				continue
			}
			if _, err := r.Text(value.DefaultFormat); err != nil && !lacking(err) {
				t.Errorf("printing %s: %v", e, err)
			}
			if _, err := r.JSON(); err != nil && !lacking(err) {
				t.Errorf("JSON of %s: %v", e, err)
			}
		}
	}
}

func TestJSON(t *testing.T) { eachKernel(t, testJSON) }

func testJSON(t *testing.T, s *Session) {
	for _, c := range [][2]string{
		{"netdev('bond0').rx_dropped", `{"note":"sum of core_stats over 2 possible CPUs","type":"u64","value":48}`},
		{"netdev('bond0').name", `{"type":"char [16]","value":"bond0"}`},
		{"netdevs() | filter(.rx_dropped > 0) | map(.name)", `{"value":["veth1","bond0"]}`},
		{"htons(0x0800)", `{"type":"__be16","value":{"host":2048,"raw":8}}`},
		{"NETREG_REGISTERED", `{"type":"enum netdev_reg_state","value":"NETREG_REGISTERED"}`},
		{"0xffffffffffffffff", `{"value":18446744073709551615}`},
		{"netdev('lo').rx_handler", `{"type":"rx_handler_func_t *","value":"0x0"}`},
		{"[netdev('lo').rx_handler]", `{"value":["0x0"]}`},
		{"[true, nil, 1.5, -1]", `{"value":[true,null,1.5,-1]}`},
		{"{a: 'x'}", `{"value":{"a":"x"}}`},
		{"'\x1b[2J\\\\'", `{"value":"\u001b[2J\\"}`},
		{"cast('u8', 3) == 3", `{"value":true}`},
		{"(char[0])init_task.comm", `{"type":"char []","value":[]}`}, // text says {}: nothing tells its end
	} {
		r, err := s.Eval(context.Background(), c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		j, err := r.JSON()
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		}
		out, err := json.Marshal(j)
		if err != nil || string(out) != c[1] {
			t.Errorf("%s\n got %s %v\nwant %s", c[0], out, err, c[1])
		}
	}
	// Functions, and pointers to them, have a symbol beside their address.
	for _, src := range []string{"netdev('veth0').rx_handler", "bond_handle_frame"} {
		r, err := s.Eval(context.Background(), src)
		if err != nil {
			t.Fatal(err)
		}
		j, err := r.JSON()
		if got := j.(map[string]any)["symbol"]; err != nil || got != "bond_handle_frame+0x0 [bonding]" {
			t.Errorf("%s: symbol %v, %v", src, got, err)
		}
	}
	// A whole device: no error, and its members by their names.
	r, err := s.Eval(context.Background(), "deref(netdev('bond0'))")
	if err != nil {
		t.Fatal(err)
	}
	j, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	m := j.(map[string]any)["value"].(map[string]any)
	if m["name"] != "bond0" || m["mtu"] != uint64(1500) {
		t.Errorf("name %v, mtu %v", m["name"], m["mtu"])
	}
}

func TestCompleteKernel(t *testing.T) { eachKernel(t, testCompleteKernel) }

func testCompleteKernel(t *testing.T, s *Session) {
	for _, c := range [][2]string{
		{"netdev('bond0').rx_¦", "rx_dropped"},
		{"netdev('bond0')->rx_¦", "rx_handler"},
		{"netdev('bond0').qdisc.o¦", "ops"},
		{"netdevs() | filter(.rx_¦", "rx_dropped"},
		{"netdevs() | filter(.mtu > 1) | map(.na¦)", "name"},
		{"let d = netdev('bond0'); d.mt¦", "mtu"},
		{"netdev('bo¦", "bond0'"},
		{"netdev('¦", "lo'"},
		{"init_n¦", "init_net"},
		{"tcp_v4_r¦", "tcp_v4_rcv"},
		{"init_net.dev_base_he¦", "dev_base_head"},
		{"ptype_base[1].ne¦", "next"},
		{"sizeof('struct net_dev¦", "net_device"},
		{"offsetof('struct net_device', 'mt¦", "mtu'"},
		{"addr('jiff¦", "jiffies'"},
		{"per_cpu(softnet_data, 0).proc¦", "processed"},
		{"per_cpu(softnet_d¦", "softnet_data"},
		{"sockets('¦", "netlink'"},
		{"sockets(['tcp', 'u¦", "unix'"},
		{"sockets('tcp', 'init¦", "init_net'"},
		{"ss('u¦", "udp'"},
		{"tasks('al¦", "all'"},
		{"task_ns(1, '¦", "mnt'"},
		{"1 | task_ns('¦", "mnt'"},
		{"netns('¦", "init_net'"},
		{"sortBy(netdevs(), .mtu, \"d¦", "desc\""},
		{"1..3 | sort('¦", "asc'"},
		{"format(init_net, 'h¦", "hex'"},
		{"NU¦", "NULL"},
		{"(typeo¦", "typeof("},
		{"sizeof(typ¦", "typeof("},
		{"task_state(ta¦", "task("},
	} {
		_, names, _ := completeAt(s, c[0])
		if !slices.Contains(names, c[1]) {
			t.Errorf("%s: %q lacks %s", c[0], names, c[1])
		}
	}
}

// TestCompletePerCPU checks that per_cpu's first argument completes to what is per
// CPU alone, where there is some.
func TestCompletePerCPU(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		for _, c := range []struct {
			line      string
			has, lack string
		}{
			{"per_cpu(softnet_d¦", "softnet_data", ""},
			{"per_cpu(soft¦", "softnet_data", "softirq_vec"},
			{"1 + per_cpu( soft¦, 0).processed", "softnet_data", "softirq_vec"},
			{"per_cpu(init_ne¦", "init_net", ""},
			{"per_cpu(softnet_data, soft¦", "softirq_vec", ""},
			{"per_cpu(1 + soft¦", "softirq_vec", ""},
			{"soft¦", "softirq_vec", ""},
		} {
			_, names, _ := completeAt(s, c.line)
			if !slices.Contains(names, c.has) || slices.Contains(names, c.lack) {
				t.Errorf("%s: %q: want %s, not %s", c.line, names, c.has, c.lack)
			}
		}
	})
}

// TestPerCPUText checks that the text of a per-CPU variable says what to write.
func TestPerCPUText(t *testing.T) {
	s := testKernel(t, "6.12")
	for src, want := range map[string]string{
		"softnet_data":                  "per_cpu(softnet_data, 0)",
		" softnet_data.processed":       "per_cpu(softnet_data, 0).processed",
		"softnet_data.poll_list.next":   "per_cpu(softnet_data, 0).poll_list.next",
		"[softnet_data]":                "per_cpu(…, CPU)",
		"true ? softnet_data : jiffies": "per_cpu(…, CPU)",
	} {
		if got := eval(s, src); !strings.Contains(got, want+" gives one CPU's") {
			t.Errorf("%s: %s lacks %s", src, got, want)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	s := testKernel(b, "6.12")
	for _, src := range []string{
		"1 + 2",
		"netdev('bond0').rx_dropped",
		"netdevs() | filter(.rx_dropped > 0) | map(.name)",
		"netdevs() | map(.mtu)",
	} {
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Eval(context.Background(), src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
