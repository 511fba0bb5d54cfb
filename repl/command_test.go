package repl

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"kinspect/expr"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// kernelSession is a session on a snapshot.
func kernelSession(tb testing.TB, series string) *expr.Session {
	tb.Helper()
	img := kernels.Open(tb, series)
	k := value.New(img, img)
	return expr.NewSession(k, knet.New(k, host.None{}), expr.Options{})
}

// piped runs lines as a pipe does.
func piped(s *expr.Session, lines ...string) (out, errs string, err error) {
	var o, e strings.Builder
	err = Run(context.Background(), Config{Session: s, In: strings.NewReader(strings.Join(lines, "\n")), Out: &o, Err: &e})
	return o.String(), e.String(), err
}

// TestCommandWords tells commands from expressions.
func TestCommandWords(t *testing.T) {
	r := runner{Config: Config{Session: session()}}
	r.Session.Set("dev", 1)
	for line, want := range map[string]string{
		"log": "log|", "ps": "ps|", "ps -k": "ps|-k", "ps 1": "ps|1", "ps  init": "ps|init", "help log": "help|log", "save! x": "save|! x", "save!": "save|!",
		"save /tmp/x": "save|/tmp/x", "x/16gx 0xff": "x|16gx 0xff", "x/i ip_rcv": "x|i ip_rcv", "type struct foo": "type|struct foo",
		"struct foo": "struct|foo", "sym 'ip_rcv'": "sym|'ip_rcv'", "set hex,depth=2": "set|hex,depth=2", "rd -32 jiffies": "rd|-32 jiffies",
		// What can be an expression is one.
		"log.x": "", "log + 1": "", "log -1": "log|-1", "log - 1": "", "log->x": "", "log(1)": "", "log (1)": "", "net[0]": "", "net == 1": "", "mod in [1]": "",
		"mod and 1": "", "log | count()": "", "ps ? 1 : 2": "", "type(x)": "", "sym('x')": "", "dis('x')": "", "x/16": "", "x/y": "", "x / 16 + 1": "", "x": "", "x.y": "",
		"save / 2": "", "log, 1": "", "set = 1": "", "nosuch": "", "": "", "logs": "", "Log": "", "log_buf": "", "log2": "", "rd *p": "", "rd &p": "",
		"dev": "", "dev x": "", // a variable
	} {
		got := ""
		if c, args, ok := r.command(line); ok {
			got = c.name + "|" + args
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestExpansions are what commands stand for.
func TestExpansions(t *testing.T) {
	r := runner{Config: Config{Session: kernelSession(t, "6.12")}}
	r.Session.Set("p", uint64(0xffff888000001000))
	for _, c := range [][2]string{
		{"type struct list_head", "layout('struct list_head')"},
		{"type list_head", "layout('struct list_head')"},
		{"type 'union nf_inet_addr *'", "layout('union nf_inet_addr *')"},
		{"type nf_inet_addr", "layout('union nf_inet_addr')"},
		{"type net_device_flags", "layout('enum net_device_flags')"},
		{"type u32", "layout('u32')"},
		{"type p", "layout(p)"},
		{"type netdev('lo')", "layout(netdev('lo'))"},
		{"sym ip_rcv", "symbols('ip_rcv')"},
		{"sym ip_rcv+1f 2", "symbols('ip_rcv+1f', 2)"},
		{"sym 0xffffffff81000000", "symbols(0xffffffff81000000)"},
		{"sym ffffffff81000000", "symbols(0xffffffff81000000)"},
		{"sym netdev('lo').netdev_ops", "symbols(netdev('lo').netdev_ops)"},
		{"dis ip_rcv", "dis('ip_rcv')"},
		{"dis 'ip_rcv' 3", "dis('ip_rcv', 3)"},
		{"dis ip_rcv+0x10 3", "dis(addr('ip_rcv') + 0x10, 3)"},
		{"x/16gx 0xffff888000001000", "words(0xffff888000001000, 16, 8)"},
		{"x/4wx init_net", "words(addr('init_net'), 4, 4)"},
		{"x/x init_net", "words(addr('init_net'), 1, 4)"},
		{"x/8b p", "words(p, 8, 1)"},
		{"x/2a p+8", "words(p+8, 2, 8)"},
		{"x/2dh p", "deref(cast('s16 (*)[2]', p))"},
		{"x/ug p", "deref(cast('u64 (*)[1]', p))"},
		{"x/s linux_banner", "string(cast('char *', addr('linux_banner')))"},
		{"x/5i ip_rcv", "dis(addr('ip_rcv'), 5)"},
		{"x/32c linux_banner", "mem(addr('linux_banner'), 32)"},
		{"x/2s p", "error: "},
		{"x/2o p", "error: "},
		{"x/0x p", "error: "},
		{"x/99999999999x p", "error: "},
		{"struct list_head", "layout('struct list_head')"},
		{"struct -o list_head", "layout('struct list_head')"},
		{"struct net_device.mtu,flags", "&((struct net_device *)0)->mtu; &((struct net_device *)0)->flags"},
		{"struct net_device ffff888000001000", "*(struct net_device *)0xffff888000001000"},
		{"struct net_device.mtu p", "((struct net_device *)p)->mtu"},
		{"struct net_device.mtu,name netdev('lo')", "((struct net_device *)(netdev('lo')))->mtu; ((struct net_device *)(netdev('lo')))->name"},
		{"struct list_head.prev,next p 2", "0..1 | map([((struct list_head *)p)[#].prev, ((struct list_head *)p)[#].next]) | table('prev', 'next')"},
		{"struct list_head p 2", "0..1 | map(((struct list_head *)p)[#])"},
		{"struct list_head.next p 2", "0..1 | map(((struct list_head *)p)[#].next)"},
		{"struct list_head p 0", "error: "},
		{"struct list_head -l 8 p", "error: "},
		{"union nf_inet_addr init_net", "*(union nf_inet_addr *)(addr('init_net'))"},
		{"rd init_net", "words(addr('init_net'), 1, 8)"},
		{"rd -32 init_net+8 4", "words(addr('init_net') + 8, 4, 4)"},
		{"rd p + 8", "words(p + 8, 1, 8)"},
		{"rd p + 8 2", "words(p + 8, 2, 8)"},
		{"rd -p p", "error: "},
		{"rd", "error: "},
		{"log", "dmesg()"},
		{"log -T", "error: "},
		{"log x", "error: "},
		{"mod", "modules()"},
		{"mod it's", `modules() | filter(.name == 'it\'s')`},
		{"ps -x", "error: "},
		{"net -s", "error: "},
		{"dev -p", "error: "},
	} {
		cmd, args, ok := r.command(c[0])
		if !ok {
			t.Errorf("%s is no command", c[0])
			continue
		}
		list, err := cmd.expand(&r, args)
		got := strings.Join(list, "; ")
		if err != nil {
			got = "error: "
		}
		if got != c[1] {
			t.Errorf("%s: %s, want %s (%v)", c[0], got, c[1], err)
		}
	}
}

// TestCommands runs what each command stands for on each kernel, as far as a snapshot's
// memory goes: what it does not hold is said to be missing, and nothing else is wrong.
func TestCommands(t *testing.T) {
	lines := []string{
		"ps", "ps -k", "ps -u -G", "ps 1", "ps kthreadd", "log", "mod", "mod bonding", "net", "net -a", "net -s 1", "dev",
		"x/2i init_net", "x/2dw init_net", "x/4c linux_banner", "struct net_device.mtu,name netdev('bond0')", "struct list_head addr(init_net.dev_base_head) 2", "struct list_head init_net.dev_base_head", "struct list_head.next init_net.dev_base_head.next", "struct list_head.prev,next init_net.dev_base_head 2",
	}
	for _, c := range commands() {
		if c.example != "" {
			lines = append(lines, c.example)
		}
		if c.name == "" || c.usage == "" || c.about == "" || (c.expand == nil) == (c.run == nil) {
			t.Errorf("the row of %s is not complete", c.name)
		}
		if strings.Contains(c.about, "\n") || len(c.about) > 80 {
			t.Errorf("%s: what it does is no line: %s", c.name, c.about)
		}
	}
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) {
			s := kernelSession(t, series)
			helpers := 0 // that some commands stand for
			for _, f := range s.Functions() {
				switch f.Name {
				case "tasks", "dmesg", "modules", "ip_addresses", "neighbours", "sockets":
					helpers++
				}
			}
			for _, line := range lines {
				if name, _, _ := strings.Cut(line, " "); helpers == 0 && slices.Contains([]string{"ps", "log", "mod", "net"}, name) {
					t.Logf("%s: this language has no such helper", line)
					continue
				}
				out, errs, err := piped(s, line)
				shown := strings.HasPrefix(errs, "= ")
				missing := strings.Contains(errs, "not in the dump") || strings.Contains(errs, "was not read by") || strings.Contains(errs, "holds only what")
				c, _, _ := (&runner{Config: Config{Session: s}}).command(line)
				if c.expand != nil && !shown {
					t.Errorf("%s does not show its expression: %s", line, errs)
				}
				if err != nil && !missing {
					t.Errorf("%s: %v\n%s", line, err, errs)
				}
				if err == nil && out == "" && c.expand != nil {
					t.Errorf("%s prints nothing", line)
				}
			}
		})
	}
}

func TestCommandOutput(t *testing.T) {
	s := kernelSession(t, "6.12")
	out, errs, err := piped(s, "struct net_device.mtu netdev('bond0')", "_ + 1")
	if err != nil || out != "(unsigned int)1500\n(unsigned int)1501\n" || errs != "= ((struct net_device *)(netdev('bond0')))->mtu\n" {
		t.Errorf("%q %q %v", out, errs, err)
	}
	// A person reads both.
	out, errs, _ = interact(t, Config{Session: s}, "sym bond_handle_frame")
	if !strings.HasPrefix(out, "= symbols('bond_handle_frame')\n0x") || errs != "" {
		t.Errorf("%q %q", out, errs)
	}
	// JSON alone is on standard output.
	var o strings.Builder
	err = Run(t.Context(), Config{Session: s, In: strings.NewReader("type list_head"), Out: &o, Err: io.Discard, JSON: true})
	if err != nil || !strings.HasPrefix(o.String(), `{"value":{`) {
		t.Errorf("%q %v", o.String(), err)
	}
	// What is wrong with a command fails a pipe.
	for _, line := range []string{"rd", "ps -Z", "exit now", "vars 1", "unset", "set nosuch", "struct 5x"} {
		if _, errs, err := piped(s, line); !errors.Is(err, ErrFailed) || errs == "" {
			t.Errorf("%s: %v %q", line, err, errs)
		}
	}
}

func TestCompleteCommands(t *testing.T) {
	_, _, ed := interact(t, Config{Session: kernelSession(t, "6.12")})
	dir := t.TempDir() + "/"
	for _, c := range []struct{ line, head, want string }{
		{"he", "", "help"},
		{"help key", "help ", "keyboard"},
		{"help netde", "help ", "netdev"},
		{"? netde", "", ""},
		{"type struct net_dev", "type struct ", "net_device"},
		{"type net_dev", "type ", "net_device"},
		{"struct net_dev", "struct ", "net_device"},
		{"struct net_device.mt", "struct net_device.", "mtu"},
		{"struct net_device.mtu,fl", "struct net_device.mtu,", "flags"},
		{"struct net_device netdev('bo", "struct net_device netdev('", "bond0'"},
		{"union nf_inet_", "union ", "nf_inet_addr"},
		{"sym bond_handle_", "sym ", "bond_handle_frame"},
		{"dis bond_handle_", "dis ", "bond_handle_frame"},
		{"rd -32 bond_handle_", "rd -32 ", ""},
		{"ps -", "ps ", "-G"},
		{"ps -k -", "ps -k ", "-u"},
		{"rd -3", "rd ", "-32"},
		{"net -", "net ", "-s"},
		{"log -", "log ", ""},
		{"rd bond_handle_", "rd ", "bond_handle_frame"},
		{"x/i bond_handle_", "x/i ", "bond_handle_frame"},
		{"rd netdev('bo", "rd netdev('", "bond0'"},
		{"set de", "set ", "depth="},
		{"set hex el", "set hex ", "elements="},
		{"save /proc/self/cmdl", "save ", "/proc/self/cmdline"},
		{"save " + dir, "save ", ""},
		{"netdev('bond0').mt", "netdev('bond0').", "mtu"},
	} {
		head, names, _ := ed.f(c.line, len(c.line))
		if c.want == "" {
			continue
		}
		if head != c.head || !slices.Contains(names, c.want) {
			t.Errorf("%s: %q %.10q", c.line, head, names)
		}
	}
}

func TestCandidateTable(t *testing.T) {
	list := []expr.Candidate{{Text: "mtu", Note: "unsigned int"}, {Text: "name", Note: "char [16]"}}
	if got := candidateTable(list, 80, 24); got != "mtu   unsigned int\nname  char [16]\n" {
		t.Errorf("%q", got)
	}
	if got := candidateTable(list, 12, 24); got != "mtu   unsi…\nname  char…\n" {
		t.Errorf("narrow: %q", got)
	}
	var many []expr.Candidate
	for range 500 {
		many = append(many, expr.Candidate{Text: "abcdefgh", Note: "int"})
	}
	got := candidateTable(many, 40, 10)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) > 9 || !strings.HasSuffix(got, " more\n") {
		t.Errorf("many: %d lines, %q", len(lines), got)
	}
	for _, l := range lines {
		if len(l) > 40 {
			t.Errorf("a line of %d columns: %q", len(l), l)
		}
	}
}
