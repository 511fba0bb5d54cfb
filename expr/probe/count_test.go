package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr/probe/compile"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
	"kinspect/testdata/lab/results"
)

func TestWanted(t *testing.T) {
	for _, tt := range []struct {
		text  string
		takes []string // "MODULE:NAME" with a module
		not   []string
		made  []string
		err   string
	}{
		{text: "tcp_sendmsg", takes: []string{"tcp_sendmsg", "x:tcp_sendmsg"}, not: []string{"tcp_sendmsg_locked", "tcp_sendmsg.cold"}, made: []string{"tcp_sendmsg.isra.0", "tcp_sendmsg.constprop.12", "tcp_sendmsg.constprop.0.isra.1"}},
		{text: "tcp_*", takes: []string{"tcp_", "tcp_sendmsg", "bonding:tcp_x", "tcp_x.isra.0"}, not: []string{"__tcp_x", "udp_tcp_"}},
		{text: "tcp_[rs]en?msg", takes: []string{"tcp_sendmsg", "tcp_rendmsg"}, not: []string{"tcp_recvmsg"}},
		{text: "bonding:bond_*", takes: []string{"bonding:bond_x"}, not: []string{"bond_x", "team:bond_x", "bonding:xbond_"}},
		{text: "bonding:bond_x", takes: []string{"bonding:bond_x"}, not: []string{"bond_x"}},
		{text: "function:bond_x", takes: []string{"bond_x"}},
		{text: "tracepoint:kfree_skb", err: "tracepoints are not counted"},
		{text: "", err: "names no function"},
		{text: "bonding:", err: "names no function"},
		{text: "tcp_[", err: "is no pattern"},
	} {
		w, err := newWanted(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		symbol := func(s string) kmem.Symbol {
			module, name, ok := strings.Cut(s, ":")
			if !ok {
				module, name = "", s
			}
			return kmem.Symbol{Name: name, Module: module, Type: 't'}
		}
		for _, s := range slices.Concat(tt.takes, tt.not, tt.made) {
			w.own, w.made = nil, nil
			if w.add(symbol(s)); (len(w.own) > 0) != slices.Contains(tt.takes, s) || (len(w.made) > 0) != slices.Contains(tt.made, s) {
				t.Errorf("%q takes %s: %v, %v", tt.text, s, w.own, w.made)
			}
		}
	}
}

func TestCountable(t *testing.T) {
	for _, tt := range []struct {
		s    kmem.Symbol
		want bool
	}{
		{kmem.Symbol{Name: "tcp_sendmsg", Type: 'T'}, true},
		{kmem.Symbol{Name: "bond_x", Type: 't', Module: "bonding"}, true},
		{kmem.Symbol{Name: "jiffies", Type: 'D'}, false},
		{kmem.Symbol{Name: "tcp_sendmsg.cold", Type: 't'}, false},
		{kmem.Symbol{Name: "__pfx_tcp_sendmsg", Type: 'T'}, false},
		{kmem.Symbol{Name: "bpf_prog_0123", Type: 't', Module: "bpf"}, false},
		{kmem.Symbol{Name: "ftrace_trampoline", Type: 't', Module: "__builtin__ftrace"}, false},
	} {
		if got := countable(tt.s); got != tt.want {
			t.Errorf("%+v: %v", tt.s, got)
		}
	}
}

func TestHasSite(t *testing.T) {
	list := []kmem.Addr{0x1000, 0x1044, 0x2000}
	for at, want := range map[kmem.Addr]bool{0x1000: true, 0x1040: true, 0x1030: false, 0x1034: false, 0x1035: true, 0x1045: false, 0x2001: false, 0: false} {
		if hasSite(list, at) != want {
			t.Errorf("%#x: %v", at, !want)
		}
	}
}

// TestFindCounted finds functions of real kernels; snapshots do not have the list of places, whole memory has.
func TestFindCounted(t *testing.T) {
	for _, series := range kernels.Series {
		k := session(t, series).Kernel()
		p, err := FindCounted(k, []string{"tcp_sendmsg", "bonding:bond_*", "icmp_rcv", "icmp_rcv"})
		if err != nil || len(p.Funcs) < 20 || p.Funcs[0].Name != "tcp_sendmsg" || p.Funcs[1].Module != "bonding" || len(p.Notes) == 0 {
			t.Errorf("%s: %+v, %v", series, p, err)
		}
		for spec, want := range map[string]string{
			"tcp_sendmsgg": "did you mean tcp_sendmsg", "nosuch_*": "no function matches", "nosuch:tcp_sendmsg": "no module", "*": "1000 is the limit",
		} {
			if _, err := FindCounted(k, []string{spec, "icmp_rcv"}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v, want %q", series, spec, err, want)
			}
		}
		p, err = FindPreset(k, "tcp", []string{"icmp_rcv"})
		if err != nil || len(p.Lacking) != 0 || len(p.Funcs) < 11 {
			t.Errorf("%s: the preset is %+v, %v", series, p, err)
		}
		for _, name := range []string{"tcp_make_synack", "tcp_rtx_synack", "tcp_retransmit_skb"} { // a snapshot has no code to look at
			if !slices.ContainsFunc(p.Funcs, func(f CountFunc) bool { return f.Name == name }) {
				t.Errorf("%s: the preset leaves %s out: %+v", series, name, p.Funcs)
			}
		}
		p, err = FindCounted(k, []string{"icmp_echo", "icmp_unreach"})
		if err != nil {
			t.Errorf("%s: %v", series, err)
			continue
		}
		if target, err := samePrototype(k, p.Funcs); err != nil || target.Name != "icmp_echo" {
			t.Errorf("%s: %v", series, err)
		}
		p.Funcs[1] = CountFunc{Name: "tcp_sendmsg"}
		if _, err := samePrototype(k, p.Funcs); err == nil || !strings.Contains(err.Error(), "called with") {
			t.Errorf("%s: %v", series, err)
		}
	}
}

func TestReadings(t *testing.T) {
	type counts map[Role]uint64
	for _, tt := range []struct {
		name    string
		counts  counts
		lacking []Role
		seconds float64
		// of retransmits, answers, frames: "!" before a finding, and a part of the text
		want []string
		sure []string
	}{
		{
			"quiet",
			counts{},
			nil, 10,
			[]string{"nothing can be said", "no TCP connection did anything", "no frame came in"},
			[]string{Open, Open, Open},
		},
		{
			"fine",
			counts{RoleSend: 100, RoleReceive: 50, RoleOut: 1000, RoleIn: 900, RoleHandover: 900, RoleStack: 900},
			nil, 10,
			[]string{"retransmitted nothing of 1000 segments", "something answers", "none is missing"},
			[]string{Certain, Certain, Certain},
		},
		{
			"loss",
			counts{RoleReceive: 1, RoleOut: 1000, RoleRetransmit: 10, RoleIn: 900, RoleHandover: 950, RoleStack: 900},
			nil, 10,
			[]string{"!many retransmits: 10 of 1000 segments sent (1.0%)", "something answers", "GRO"},
			[]string{Likely, Certain, Open},
		},
		{
			"little loss",
			counts{RoleReceive: 1, RoleOut: 1000, RoleRetransmit: 9, RoleIn: 900, RoleHandover: 900, RoleStack: 1000},
			nil, 10,
			[]string{"few retransmits: 9 of 1000 segments sent (0.90%)", "something answers", "none is missing"},
			[]string{Certain, Certain, Certain},
		},
		{
			"one probe",
			counts{RoleReceive: 1, RoleOut: 47, RoleRetransmit: 1, RoleIn: 47, RoleHandover: 47, RoleStack: 47},
			nil, 10,
			[]string{"1 retransmit of 47 segments sent (2.1%): too few to judge by", "something answers", "none is missing"},
			[]string{Possible, Certain, Certain},
		},
		{
			"three in a hundred",
			counts{RoleReceive: 1, RoleOut: 100, RoleRetransmit: 3, RoleIn: 100, RoleHandover: 100, RoleStack: 100},
			nil, 10,
			[]string{"!many retransmits: 3 of 100 segments sent (3.0%)", "something answers", "none is missing"},
			[]string{Likely, Certain, Certain},
		},
		{
			"too few",
			counts{RoleReceive: 1, RoleOut: 19, RoleRetransmit: 10, RoleIn: 2, RoleHandover: 3, RoleStack: 3},
			nil, 10,
			[]string{"too few segments", "something answers", "none is missing"},
			[]string{Possible, Certain, Certain},
		},
		{
			"no answer",
			counts{RoleOut: 3, RoleRetransmit: 2, RoleHandover: 3, RoleStack: 3},
			nil, 4,
			[]string{"too few segments", "!the path or the peer does not answer. Frames do come in (3)", "none is missing"},
			[]string{Possible, Likely, Certain},
		},
		{
			"a retransmit that fails is not sent",
			counts{RoleOut: 1, RoleRetransmit: 3},
			nil, 4,
			[]string{"3 retransmits tried, and 1 segment sent: TCP could not send", "too short a time", "no frame came in"},
			[]string{Possible, Possible, Open},
		},
		{
			"a closed port",
			counts{RoleIn: 5, RoleHandover: 5, RoleStack: 5},
			nil, 4,
			[]string{"nothing can be said", "no connection sent any; resets", "none is missing"},
			[]string{Open, Certain, Certain},
		},
		{
			"nothing comes in",
			counts{RoleOut: 3, RoleRetransmit: 2},
			nil, 4,
			[]string{"too few segments", "!nothing at all reaches this host", "no frame came in"},
			[]string{Possible, Likely, Open},
		},
		{
			"too short",
			counts{RoleOut: 3, RoleHandover: 5},
			nil, 0.5,
			[]string{"retransmitted nothing", "too short a time", "too short a time"},
			[]string{Certain, Possible, Possible},
		},
		{
			"lost on the way up",
			counts{RoleHandover: 50},
			nil, 4,
			[]string{"nothing can be said", "no TCP connection", "!none reached the stack"},
			[]string{Open, Open, Likely},
		},
		{
			"lacking",
			counts{RoleOut: 3},
			[]Role{RoleRetransmit, RoleIn, RoleStack},
			4,
			[]string{"not known: retransmits", "not known: segments received", "not known: frames in the stack"},
			[]string{Open, Open, Open},
		},
	} {
		p := &CountPlan{Preset: "tcp", Lacking: tt.lacking}
		var r CountResult
		for _, role := range presetTCP {
			if slices.Contains(tt.lacking, role.role) {
				continue
			}
			f := CountFunc{Name: role.names[0], Role: role.role}
			p.Funcs = append(p.Funcs, f)
			r.Rows = append(r.Rows, CountRow{CountFunc: f, Count: tt.counts[role.role]})
		}
		got := Readings(p, r, tt.seconds)
		if len(got) != 3 {
			t.Errorf("%s: %+v", tt.name, got)
			continue
		}
		for i, want := range tt.want {
			text, finding := strings.CutPrefix(want, "!")
			if !strings.Contains(got[i].Text, text) || got[i].Finding != finding || got[i].Sure != tt.sure[i] {
				t.Errorf("%s: %+v, want %q, %s", tt.name, got[i], want, tt.sure[i])
			}
		}
	}
	// What comes in and is not read.
	p := &CountPlan{Preset: "tcp"}
	r := CountResult{Rows: []CountRow{{CountFunc: CountFunc{Role: RoleIn}, Count: 30}, {CountFunc: CountFunc{Role: RoleReceive}}}}
	if got := Readings(p, r, 2); len(got) != 4 || got[2].Name != "reads" || got[2].Finding || got[2].Sure != Possible {
		t.Errorf("%+v", got)
	}
}

func TestCountSince(t *testing.T) {
	now := CountResult{
		Rows:   []CountRow{{Count: 10, CPUs: []uint64{4, 6}}, {Count: 3, CPUs: []uint64{0, 3}}},
		Values: []CountValue{{Count: 9, key: "a"}, {Count: 2, key: "b"}, {Count: 5, key: "c"}}, Unsplit: 7, Nested: 2, Known: true,
	}
	old := CountResult{Rows: []CountRow{{Count: 9, CPUs: []uint64{4, 5}}, {Count: 3, CPUs: []uint64{0, 3}}}, Values: []CountValue{{Count: 9, key: "a"}, {Count: 1, key: "b"}}, Unsplit: 1}
	got := now.Since(old)
	if got.Rows[0].Count != 1 || got.Rows[0].CPUs[1] != 1 || got.Rows[1].Count != 0 || got.Unsplit != 6 || got.Nested != 2 || !got.Known {
		t.Errorf("%+v", got)
	}
	if len(got.Values) != 2 || got.Values[0].key != "b" || got.Values[0].Count != 1 || got.Values[1].Count != 5 {
		t.Errorf("%+v", got.Values)
	}
	if now.Rows[0].CPUs[1] != 6 || now.Values[0].Count != 9 {
		t.Errorf("the result that it is taken of has changed: %+v", now)
	}
}

func TestCountReport(t *testing.T) {
	rows := []CountRow{
		{CountFunc: CountFunc{Name: "tcp_sendmsg"}, Count: 3, CPUs: []uint64{1, 2, 0}},
		{CountFunc: CountFunc{Name: "bond_x", Module: "bonding"}, Count: 20, CPUs: []uint64{0, 20, 0}},
		{CountFunc: CountFunc{Name: "never"}, CPUs: []uint64{0, 0, 0}},
		{CountFunc: CountFunc{Name: "tcp_y", Pattern: true}, CPUs: []uint64{0, 0, 0}},
	}
	r := &CountReport{Plan: &CountPlan{}, Result: CountResult{Rows: rows, Known: true}, By: "kprobe.multi", Seconds: 2}
	const want = `FUNCTION          COUNT  PER SECOND  CPU 0  CPU 1
bond_x [bonding]     20        10.0      0     20
tcp_sendmsg           3         1.5      1      2
never                 0         0.0      0      0
1 other function never ran (--all lists them)
4 functions in 2.0 s: 23 calls (kprobe.multi)
`
	if got := r.Text(); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	lines := r.JSON()
	if len(lines) != 5 || lines[0].(map[string]any)["name"] != "bond_x" {
		t.Errorf("%+v", lines)
	}
	if end := lines[4].(CountSummary); end.Calls != 23 || end.Functions != 4 || end.Nested == nil || *end.Nested != 0 {
		t.Errorf("%+v", end)
	}
	r.Result.Known = false
	if end := r.JSON()[4].(CountSummary); end.Nested != nil || !strings.Contains(r.Text(), "does not tell how many") {
		t.Errorf("%+v", end)
	}
	// A column for the busiest CPUs, and one for the others.
	wide := CountRow{CountFunc: CountFunc{Name: "f"}}
	for n := range uint64(20) {
		wide.CPUs = append(wide.CPUs, n)
		wide.Count += n
	}
	r.Result.Rows = []CountRow{wide}
	if got := r.Text(); !strings.Contains(got, "CPU 12") || strings.Contains(got, "CPU 11") || !strings.Contains(got, "OTHERS") || !strings.Contains(got, "66") {
		t.Errorf("%s", got)
	}
	r.Recent, r.RecentSeconds = &CountResult{Rows: []CountRow{{Count: 7}}}, 2
	if got := r.Text(); !strings.Contains(got, "3.5") {
		t.Errorf("%s", got)
	}
}

// TestCountProgram makes the programs with all kinds of values, whose labels and stack have to be right.
func TestCountProgram(t *testing.T) {
	char := &btf.Int{Name: "char", Size: 1, Char: true}
	number := &btf.Int{Name: "int", Size: 4, Signed: true}
	scope := compile.Scope{Session: session(t, "6.12"), Args: []compile.Arg{
		{Name: "n", Type: number},
		{Name: "text", Type: btf.NewPointer(char), Offset: 8},
		{Name: "name", Type: btf.NewPointer(btf.NewArray(char, 16)), Offset: 16},
		{Name: "page", Type: btf.NewPointer(btf.NewArray(char, 4096)), Offset: 24},
	}}
	for src, want := range map[string]string{"n": "stack", "text": "room", "*name": "stack", "n / (n - 1)": "stack", "*page": "too large", "5": "same at each call"} {
		e, err := compile.Compile(scope, src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		ok, why := e.Keyed(maxKeyValue)
		if ok != (want == "stack" || want == "room") || !ok && !strings.Contains(why, want) {
			t.Errorf("%s: %v, %s", src, ok, why)
		}
		if !ok {
			continue
		}
		if (keyBytes(e.Size()) > maxKeyStack) != (want == "room") {
			t.Errorf("%s: a key of %d bytes", src, keyBytes(e.Size()))
		}
		p := countProgram{counts: 3, unsplit: 1, by: e, table: 4, cookie: true}
		if want == "room" {
			p.room = 5
		}
		if slices.ContainsFunc(p.instructions(), func(i asm.Instruction) bool { return i.OpCode == asm.InvalidOpCode }) {
			t.Errorf("%s: there is no such instruction", src)
		}
		if got := unreachable(p.instructions()); got != "" {
			t.Errorf("%s: %s", src, got)
		}
	}
	if got := unreachable(countProgram{counts: 3, index: 7, unsplit: 8}.instructions()); got != "" {
		t.Error(got)
	}
}

// TestLabSites: the kernel's own list has the functions that can be traced, and not those that cannot.
func TestLabSites(t *testing.T) {
	results.Each(t, func(t *testing.T, dump string) {
		img, err := kmem.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		k := value.New(img, img)
		list, err := sites(k)
		if err != nil || len(list) < 10000 {
			t.Fatalf("%d places, %v", len(list), err)
		}
		for name, want := range map[string]bool{"tcp_sendmsg": true, "bond_handle_frame": true, "exc_page_fault": false} {
			p, err := FindCounted(k, []string{name})
			if (err == nil) != want || want && len(p.Notes) != 0 || !want && !strings.Contains(err.Error(), "cannot be probed") {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
	})
}
