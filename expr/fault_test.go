package expr

import (
	"encoding/json"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func TestFault(t *testing.T) {
	const wild = "<not mapped at 0xffff888000000000> error: cannot read 4 bytes at address 0xffff888000000000: not mapped"
	text, said, _ := strings.Cut(wild, " error: ")
	in := func(s string) string { return strings.ReplaceAll(s, "FAULT", text) + " error: " + said }
	cases(t, testSession(), [][2]string{
		{"wild()[0] + 1", "error: " + said},
		{"[1, wild()[0] + 1, 3]", in("[1, FAULT, 3]")},
		{"{a: wild()[0] + 1, b: 2}", in(`{"a": FAULT, "b": 2}`)},
		{"1..3 | map(# == 2 ? wild()[0] + 1 : #)", in("[1, FAULT, 3]")},
		{"1..3 | map([#, # == 2 ? wild()[0] + 1 : 0])", in("[[1, 0], [2, FAULT], [3, 0]]")},
		{"[null()] | map(#[0] + 1)", "[<NULL pointer: the u32 * is not set>] error: NULL pointer: the u32 * is not set"},
		// What needs the value ends with the fault.
		{"1..3 | map(wild()[0] + 1) | sum()", "error: " + said},
		{"1..3 | map(wild()[0] + 1) | filter(# > 1)", "[…] error: " + said},
		{"1..3 | filter(wild()[0] > 1)", "[…] error: " + said},
		{"1..3 | map(wild()[0] + 1) | sort()", "error: sort: " + said},
		{"1..3 | map(wild()[0] + 1) | map(# + 1) | len()", "3"},
		{"1..3 | map(wild()[0] + 1) | uniq()", "[…] error: uniq: " + said},
		{"1..3 | map(wild()[0] + 1) | join(',')", "error: " + said},
		{"1..3 | map(wild()[0] + 1) | groupBy(#)", "error: groupBy: " + said},
		{"1..3 | map(wild()[0] + 1) | any(# == 2)", "error: " + said},
		{"1..3 | map(wild()[0] + 1) | max()", "error: " + said},
		{"5 in [wild()[0] + 1]", "error: " + said},
		{"[wild()[0] + 1][0] == nil", "error: " + said},
		{"[wild()[0] + 1][0] ? 1 : 2", "error: " + said},
		{"[wild()[0] + 1][0].x", "error: " + said},
		{"[wild()[0] + 1][0]?.x", "error: " + said},
		{"[wild()[0] + 1][0][0]", "error: " + said},
		{"[wild()[0] + 1][0] + 'x'", "error: " + said},
		{"[wild()[0] + 1][0] matches 'x'", "error: " + said},
		{"len([wild()[0] + 1][0])", "error: " + said},
		{"[wild()[0] + 1][0] | map(#)", "error: " + said},
		{"!([wild()[0] + 1][0])", "error: " + said},
		{"-([wild()[0] + 1][0])", "error: " + said},
		{"type([wild()[0] + 1][0])", "error: " + said},
		{"[[wild()[0] + 1]] | flatten() | first()", text + " error: " + said},
		// An error of the expression is none of the memory.
		{"1..3 | map(# / 0)", "[…] error: division by zero"},
		{"1..3 | map(intp().x)", "[…] error: u32 * has no members, so no x"},
		// fault
		{"fault(wild()[0] + 1)", `"` + said + `"`},
		{"fault(wild()[0])", `"` + said + `"`},
		{"fault(intp()[0])", "nil"},
		{"fault(5)", "nil"},
		{"fault(5 / 0)", "error: division by zero"},
		{"fault(*null())", `"NULL pointer: the u32 * is not set"`},
		{"1..3 | map(# == 2 ? wild()[0] + 1 : #) | filter(fault(#) == nil)", "[1, 3]"},
		{"1..3 | map(# == 2 ? wild()[0] + 1 : #) | count(fault(#) != nil)", "1"},
		{"[{a: 1}, {a: wild()[0] + 1}] | table('a')", "a\n1\n" + text + " error: " + said},
	})
	r, err := testSession().Eval(t.Context(), "[1, wild()[0] + 1, wild()[0], {a: wild()[0] + 1}]")
	if err != nil {
		t.Fatal(err)
	}
	object, err := r.JSON()
	if kmem.AsFault(err) == nil {
		t.Errorf("%v", err)
	}
	got, _ := json.Marshal(object)
	e := `{"error":"` + said + `"}`
	if want := `{"value":[1,` + e + `,` + e + `,{"a":` + e + `}]}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// hole is memory with a part that cannot be read.
type hole struct {
	kmem.Reader
	at, end kmem.Addr
}

func (h *hole) ReadMem(addr kmem.Addr, buf []byte) error {
	if addr < h.end && h.at < addr+kmem.Addr(len(buf)) {
		return &kmem.Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: kmem.Filtered}
	}
	return h.Reader.ReadMem(addr, buf)
}

// TestFaultySockets takes away the memory of one TCP socket, then of a table: what there is
// of the others is given, and the answer is one in part.
func TestFaultySockets(t *testing.T) {
	img := kernels.OpenNet(t)
	mem := &hole{Reader: img}
	k := value.New(img, mem)
	s := NewSession(k, knet.New(k, host.None{}), Options{})
	const kinds = "sockets(['tcp', 'udp', 'unix']) | map([.kind, string(.inode)] | join(' '))"
	list := func() (out []string, fault string) {
		t.Helper()
		r, err := s.Eval(t.Context(), kinds)
		if err != nil {
			t.Fatal(err)
		}
		q, _ := r.Value.(*Sequence)
		err = q.walk(func(e *elem) error {
			text, _ := e.value().(string)
			out = append(out, text)
			return nil
		})
		if err != nil {
			fault = err.Error()
		}
		return out, fault
	}
	all, fault := list()
	if fault != "" || len(all) < 10 {
		t.Fatal(all, fault)
	}
	address := func(src string) kmem.Addr {
		t.Helper()
		r, err := s.Eval(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		n, _, _ := numberOf(r.Value)
		return kmem.Addr(n.Bits)
	}
	count := func(of []string, kind string) (n int) {
		for _, x := range of {
			if strings.HasPrefix(x, kind+" ") {
				n++
			}
		}
		return n
	}
	const listener = "(sockets('tcp') | find(.local_port == 7002)).sk"
	for _, c := range []struct {
		what, at string
		size     kmem.Addr
		lost     int // of TCP's sockets; -1 is all of them
	}{
		{"a socket but for its links", "&" + listener + "->sk_drops", 4, 1},
		{"the table of connections", "init_net.ipv4.tcp_death_row.hashinfo->ehash", 64, -2},
		{"both tables", "init_net.ipv4.tcp_death_row.hashinfo", 64, -1},
	} {
		mem.at, mem.end = 0, 0
		at := address(c.at)
		mem.at, mem.end = at, at+c.size
		got, fault := list()
		if !strings.HasPrefix(fault, "the tcp sockets: ") {
			t.Errorf("%s: %q", c.what, fault)
		}
		for _, kind := range []string{"udp", "unix"} {
			if count(got, kind) != count(all, kind) {
				t.Errorf("%s: %d of %d sockets of %s", c.what, count(got, kind), count(all, kind), kind)
			}
		}
		lost := count(all, "tcp") - count(got, "tcp")
		if c.lost >= 0 && lost != c.lost || c.lost == -1 && count(got, "tcp") != 0 || c.lost == -2 && (lost == 0 || count(got, "tcp") == 0) {
			t.Errorf("%s: %d of %d TCP sockets are lost", c.what, lost, count(all, "tcp"))
		}
		if text := eval(s, kinds); !strings.Contains(text, "\t…\n]") || !strings.Contains(text, " error: the tcp sockets: ") {
			t.Errorf("%s: %s", c.what, text)
		}
		if text := eval(s, "len(sockets())"); !strings.HasPrefix(text, "error: the tcp sockets: ") {
			t.Errorf("%s: %s", c.what, text)
		}
		if text := eval(s, "ss('unix')"); strings.Contains(text, "error: ") {
			t.Errorf("%s: %s", c.what, text)
		}
		if text := eval(s, "ss(['tcp', 'unix'])"); !strings.Contains(text, "u_str") || !strings.Contains(text, " error: the tcp sockets: ") {
			t.Errorf("%s: %s", c.what, text)
		}
	}
}

// TestLazyLists: helpers that made lists make sequences, which take the same places.
func TestLazyLists(t *testing.T) {
	cases(t, testKernel(t, "6.12"), [][2]string{
		{"type(netdevs())", `"sequence"`},
		{"len(netdevs())", "7"},
		{"netdevs()[0].name", `(char [16])"lo"`},
		{"netdevs()[-1].name == last(netdevs()).name", "true"},
		{"netdevs()[1:3] | map(.name)", `["…`},
		{"netdevs()[9]", "error: index 9 is outside the sequence, which has 7 elements"},
		{"netdev('lo') in netdevs()", "true"},
		{"let d = netdevs(); [d[0].name, len(d), sum(d, .mtu) == sum(netdevs(), .mtu)]", `["lo", 7, true]`},
		{"netdevs() == netdevs()", "true"},
		{"concat(netdevs(), [1]) | len()", "8"},
		{"netdevs('all') | count() > 7", "true"},
		{"netdevs() | map(.nosuch)", "[…] error: struct net_device has no member \"nosuch\"…"},
		{"type(modules())", `"sequence"`},
		{"type(interrupts())", `"sequence"`},
		{"type(softirqs())", `"sequence"`},
	})
}
