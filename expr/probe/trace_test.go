package probe

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"

	"kinspect/expr"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/probe/compile"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func TestSplitExpressions(t *testing.T) {
	for src, want := range map[string][]string{
		"a":                             {"a"},
		"a, b->c":                       {"a", "b->c"},
		"f(a, b), [1, 2], x":            {"f(a, b)", "[1, 2]", "x"},
		`a == 'x,y', b == "(", c[','] `: {"a == 'x,y'", `b == "("`, "c[',']"},
		"":                              {""},
		"a,,b":                          {"a", "", "b"},
	} {
		if got := SplitExpressions(src); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
}

// TestBuckets: each number is in the bucket of its bits, and the buckets follow one another.
func TestBuckets(t *testing.T) {
	last := int64(math.MinInt64)
	for n := buckets - 1; n >= bucketsUp; n-- {
		b := bucketBounds(n, false)
		if b.From > b.To || n < buckets-1 && b.From != last+1 || n == buckets-1 && b.From != last {
			t.Errorf("bucket %d is %+v, behind %d", n, b, last)
		}
		last = b.To
	}
	if last != -1 {
		t.Errorf("the last one ends at %d", last)
	}
	for n := range bucketsUp {
		b := bucketBounds(n, true)
		if uint64(b.From) != uint64(last+1) || uint64(b.From) > uint64(b.To) {
			t.Errorf("bucket %d is %+v, behind %d", n, b, last)
		}
		last = b.To
	}
	if last != -1 { // the largest one, as a signed number
		t.Errorf("the last one ends at %d", last)
	}
	if got := bucketBounds(6, true).Text(); got != "32 to 63" {
		t.Error(got)
	}
	if got := bucketBounds(64, true).Text(); got != "9223372036854775808 to 18446744073709551615" {
		t.Error(got)
	}
	want := "skb->len  count\n       0      1  #\n       1      0  \n  2 to 3     40  ########################################\n"
	if got := HistogramText("skb->len", []Bucket{{Count: 1}, {From: 1, To: 1}, {From: 2, To: 3, Count: 40}}); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func session(t testing.TB, series string) *expr.Session {
	t.Helper()
	img := kernels.Open(t, series)
	k := value.New(img, img)
	return expr.NewSession(k, knet.New(k, host.None{}), expr.Options{})
}

// TestFindTarget finds functions and tracepoints of real kernels.
func TestFindTarget(t *testing.T) {
	for _, series := range kernels.Series {
		s := session(t, series)
		for _, c := range []struct{ spec, module, args, fails string }{
			{"tcp_sendmsg", "", "sk msg size ret", ""},
			{"tracepoint:kfree_skb", "", "skb location", ""},
			{"sched_switch", "", "preempt prev next", ""},
			{"function:netif_receive_skb", "", "skb ret", ""},
			{"tracepoint:netif_receive_skb", "", "skb", ""},
			{"bond_handle_frame", "bonding", "", ""},
			{"bonding:bond_handle_frame", "bonding", "", ""},
			{"tcp_sendmsgg", "", "", "did you mean tcp_sendmsg"},
			{"tracepoint:kfree_skbb", "", "", "did you mean kfree_skb?"},
			{"bonding:bond_handle_framee", "", "", "did you mean bond_handle_frame?"},
			{"tracepoint:sched:sched_switch", "", "preempt prev next", ""},
			{"", "", "", "has a name"},
			{"tracepoint:", "", "", "has a name"},
			{"function:", "", "", "has a name"},
			{"bonding:", "", "", "has a name"},
			{"nomodule:bond_handle_frame", "", "", `no module "nomodule" is loaded`},
		} {
			target, err := FindTarget(s.Kernel(), c.spec)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%s: %s: %v, want %s", series, c.spec, err, c.fails)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %s", series, c.spec, err)
				continue
			}
			var names []string
			for _, a := range target.Args(Site{}) {
				names = append(names, a.Name)
			}
			if got := strings.Join(names, " "); target.Module != c.module || !strings.HasPrefix(got, c.args) {
				t.Errorf("%s: %s is %q with %q", series, c.spec, target.Module, got)
			}
		}
	}
}

// TestTracePrograms: the programs have no code that nothing leads to, and end; what a site cannot know is refused.
func TestTracePrograms(t *testing.T) {
	for i, series := range kernels.Series {
		if i > 0 && testing.Short() {
			break
		}
		s := session(t, series)
		for _, c := range []struct {
			target    string
			o         TraceOptions
			registers bool
			sites     int
			fails     string
		}{
			{"tcp_sendmsg", TraceOptions{}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{If: "size > 100 && sk->__sk_common.skc_dport == htons(80)", Show: []string{"size", "*msg", "sk"}, Stack: true}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, Show: []string{"size", "ret", "5"}}, false, 2, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, If: "ret < 0", Show: []string{"size"}}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, If: "size"}, false, 2, ""},
			{"tcp_sendmsg", TraceOptions{Hist: "size"}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{Hist: "ret", Ret: true}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{Hist: "5"}, false, 1, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, Show: []string{"size", "ret"}}, true, 2, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, If: "size > 5"}, true, 2, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, If: "ret > 5 && size", Show: []string{"size", "sk->__sk_common.skc_dport"}, Stack: true}, true, 2, ""},
			{"tcp_sendmsg", TraceOptions{Ret: true, Hist: "size - ret"}, true, 2, ""},
			{"tcp_sendmsg", TraceOptions{Show: []string{"ret"}}, false, 0, "--ret asks for that"},
			{"tcp_sendmsg", TraceOptions{Show: []string{"init_net", "init_net", "init_net", "init_net", "init_net"}}, false, 0, "have more than 16384 bytes"},
			{"tracepoint:kfree_skb", TraceOptions{If: "skb->dev", Show: []string{"location", "skb->dev->name"}}, false, 1, ""},
		} {
			target, err := FindTarget(s.Kernel(), c.target)
			if err != nil {
				t.Errorf("%s: %s: %s", series, c.target, err)
				continue
			}
			list, _, err := compileTrace(s, target, c.o, c.registers)
			switch {
			case c.fails != "":
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%s: %+v: %v, want %s", series, c.o, err, c.fails)
				}
				continue
			case err != nil || len(list) != c.sites:
				t.Errorf("%s: %+v: %d sites, %v", series, c.o, len(list), err)
				continue
			}
			for _, at := range list {
				ins := at.program(target, traceMaps{}, c.o.Stack)
				if got := unreachable(ins); got != "" {
					t.Errorf("%s: %+v: %s", series, c.o, got)
				}
			}
		}
	}
}

// unreachable says what of a program without jumps back the verifier would refuse before it looks at it; "" is nothing.
func unreachable(ins asm.Instructions) string {
	labels, err := ins.SymbolOffsets()
	if err != nil {
		return err.Error()
	}
	seen := make([]bool, len(ins)+1)
	seen[0] = true
	for i, in := range ins {
		if !seen[i] {
			return "nothing leads to " + strings.TrimSpace(in.Symbol()+" ") + asm.Instructions{in}.String()
		}
		if ref := in.Reference(); ref != "" && in.OpCode.Class() == asm.JumpClass {
			to, ok := labels[ref]
			if !ok || to <= i {
				return "no label " + ref + " ahead"
			}
			seen[to] = true
		}
		if op := in.OpCode; op.Class() != asm.JumpClass || op.JumpOp() != asm.Exit && (op.JumpOp() != asm.Ja || in.Reference() == "") {
			seen[i+1] = true
		}
	}
	if seen[len(ins)] {
		return "it has no end"
	}
	return ""
}

// TestTraceText prints an event of what was read in the kernel, which is not what is there now.
func TestTraceText(t *testing.T) {
	s := session(t, "6.12")
	target, err := FindTarget(s.Kernel(), "tcp_sendmsg")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := compileTrace(s, target, TraceOptions{Show: []string{"size", "sk->__sk_common.skc_prot->name", "sk"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	at := list[0]
	raw := make([]byte, at.size)
	ne := binary.NativeEndian
	ne.PutUint32(raw[eventCPU:], 3)
	ne.PutUint64(raw[eventTask:], 41<<32|42)
	copy(raw[eventName:], "a\x1bb")
	ne.PutUint64(raw[eventTook:], 2900)
	ne.PutUint64(raw[eventTimed:], 1)
	ne.PutUint64(raw[at.places[0]+valueHead:], 7)
	const address = 0xffff888000001000 // which is not in the snapshot
	ne.PutUint64(raw[at.places[1]+valueHead:], address)
	copy(raw[at.places[1]+valueHead+8:], "TCP")
	ne.PutUint64(raw[at.places[2]+valueState:], ^uint64(13))
	ne.PutUint64(raw[at.places[2]+valueFault:], 0xffff888000002000)
	ev, ok := at.parse(raw, false)
	if !ok {
		t.Fatal("no event")
	}
	ev.Time = time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	p := NewTracePrinter(s.Kernel(), target, value.DefaultFormat)
	want := "03:04:05.000678 CPU 3 a\\x1bb:42 > tcp_sendmsg 2.9µs  size = (size_t)7, sk->__sk_common.skc_prot->name = (char [32])\"TCP\", sk = <not mapped at 0xffff888000002000>\n"
	if got := p.Text(ev); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	j, err := json.Marshal(p.JSON(ev))
	wantJSON := `{"kind":"event","time":"2026-01-02T03:04:05.000678Z","cpu":3,"task":"a\\x1bb","pid":41,"tid":42,"name":"tcp_sendmsg","module":"","at":"entry","took_ns":2900,` +
		`"values":[{"expr":"size","type":"size_t","value":7},{"expr":"sk-\u003e__sk_common.skc_prot-\u003ename","type":"char [32]","value":"TCP"},` +
		`{"error":"not mapped at 0xffff888000002000","expr":"sk"}],"stack":null,"stack_error":""}`
	if err != nil || string(j) != wantJSON {
		t.Errorf("%v: got\n%s want\n%s", err, j, wantJSON)
	}
}

// TestSeenMemory: what an event saw lies over what is there now.
func TestSeenMemory(t *testing.T) {
	m := &seenMemory{Reader: now{}, piece: compile.Piece{Addr: 0x100, Data: []byte("abc\x00")}}
	for _, c := range []struct {
		from kmem.Addr
		n    int
		want string
	}{{0x100, 4, "abc\x00"}, {0x101, 2, "bc"}, {0x104, 2, "nn"}, {0xfe, 2, "nn"}, {0xfe, 4, "nnab"}, {0x102, 4, "c\x00nn"}, {0xff, 6, "nabc\x00n"}, {0x103, 0x20, "\x00"}} {
		buf := make([]byte, c.n)
		if err := m.ReadMem(c.from, buf); err != nil || !strings.HasPrefix(string(buf), c.want) {
			t.Errorf("%#x, %d: %q, %v", c.from, c.n, buf, err)
		}
	}
}

// now is memory of which there are 16 bytes at a time.
type now struct{}

func (now) ReadMem(a kmem.Addr, buf []byte) error {
	if len(buf) > 16 {
		return &kmem.Fault{Addr: uint64(a)}
	}
	copy(buf, strings.Repeat("n", len(buf)))
	return nil
}

// FuzzTraceEvent prints what no program writes.
func FuzzTraceEvent(f *testing.F) {
	s := session(f, "6.12")
	target, err := FindTarget(s.Kernel(), "tcp_sendmsg")
	if err != nil {
		f.Fatal(err)
	}
	list, _, err := compileTrace(s, target, TraceOptions{Stack: true, Show: []string{"size", "sk->__sk_common.skc_prot->name", "sk", "*msg", "(char *)msg", "sk->sk_type", "&init_net.ifindex", "size > 5"}}, false)
	if err != nil {
		f.Fatal(err)
	}
	p := NewTracePrinter(s.Kernel(), target, value.DefaultFormat)
	f.Add([]byte{1}, uint16(0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), uint16(eventFrames))
	f.Add([]byte("\x00\x10\x00\x00\x80\x88\xff\xff\x08\x00"), uint16(eventValues+8*maxFrames))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		raw := make([]byte, list[0].size)
		copy(raw[int(at)%len(raw):], data)
		ev, ok := list[0].parse(raw, true)
		if !ok {
			t.Fatal("no event")
		}
		if p.Text(ev) == "" || p.JSON(ev) == nil {
			t.Error("no text")
		}
	})
}

// BenchmarkTraceEvent is what an event takes from the ring to its line.
func BenchmarkTraceEvent(b *testing.B) {
	s := session(b, "6.12")
	target, err := FindTarget(s.Kernel(), "ip_rcv")
	if err != nil {
		b.Fatal(err)
	}
	list, _, err := compileTrace(s, target, TraceOptions{Show: []string{"skb->len", "skb->dev->name"}}, false)
	if err != nil {
		b.Fatal(err)
	}
	at := list[0]
	raw := make([]byte, at.size)
	copy(raw[eventName:], "ksoftirqd/0")
	binary.NativeEndian.PutUint64(raw[at.places[0]+valueHead:], 46)
	binary.NativeEndian.PutUint64(raw[at.places[1]+valueHead:], 0xffff888000001000)
	copy(raw[at.places[1]+valueHead+8:], "bond0")
	p := NewTracePrinter(s.Kernel(), target, value.DefaultFormat)
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ev, _ := at.parse(raw, false)
			_ = p.Text(ev)
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ev, _ := at.parse(raw, false)
			_, _ = json.Marshal(p.JSON(ev))
		}
	})
}
