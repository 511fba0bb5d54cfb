package kmem

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const someProcText = `0000000000000000 A fixed_percpu_data
000000000002fac0 A softnet_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81459cc0 T init_dummy_netdev
ffffffff81459d10 t net_tx_action
ffffffff81459f30 T _etext
ffffffff81600000 D jiffies
ffffffff81601000 B _end
ffffffffc0330000 t bond_handle_frame	[bonding]
ffffffffc0330200 t bond_init	[bonding]
ffffffffc0321000 t init_dummy_netdev	[dummy]
ffffffffc0321000 t dummy_setup	[dummy]
ffffffffc0400000 t bpf_prog_6deef7357e7b4530_sd_fw_egress	[bpf]
`

func parseProc(t *testing.T, text string) SymbolTable {
	t.Helper()
	p, hidden, err := ParseProcKallsyms(strings.NewReader(text))
	if err != nil || hidden {
		t.Fatal(hidden, err)
	}
	return p
}

func TestProcKallsyms(t *testing.T) {
	p := parseProc(t, someProcText)
	if p.Len() != 14 || p.Source() != "/proc/kallsyms" {
		t.Errorf("%d symbols from %s", p.Len(), p.Source())
	}
	for name, want := range map[string]Symbol{
		"softnet_data":      {"softnet_data", 0x2fac0, 'A', ""},
		"init_dummy_netdev": {"init_dummy_netdev", 0xffffffff81459cc0, 'T', ""},
		"bond_init":         {"bond_init", 0xffffffffc0330200, 't', "bonding"},
		"dummy_setup":       {"dummy_setup", 0xffffffffc0321000, 't', "dummy"},
		"bond_ini":          {},
		"":                  {},
	} {
		if got, ok := p.Lookup(name); got != want || ok != (want.Name != "") {
			t.Errorf("Lookup(%s): %+v %v", name, got, ok)
		}
	}
	for addr, want := range map[Addr]string{
		0:                  "",
		5:                  "",
		0x2fac0:            "",
		0xffffffff80ffffff: "",
		0xffffffff81000000: "_stext+0x0",
		0xffffffff81459d10: "net_tx_action+0x0",
		0xffffffff81459d0f: "init_dummy_netdev+0x4f",
		0xffffffff81459f31: "",
		0xffffffff81600fff: "jiffies+0xfff",
		0xffffffff81601000: "_end+0x0",
		0xffffffff81601001: "",
		0xffffffffc0321000: "init_dummy_netdev+0x0 [dummy]",
		0xffffffffc0322001: "init_dummy_netdev+0x1001 [dummy]",
		0xffffffffc0323000: "",
		0xffffffffc0330001: "bond_handle_frame+0x1 [bonding]",
		0xffffffffc0400010: "bpf_prog_6deef7357e7b4530_sd_fw_egress+0x10 [bpf]",
		0xffffffffc0700000: "",
		0xffffffffffffffff: "",
	} {
		got := ""
		if s, off, ok := p.At(addr); ok {
			got = fmt.Sprintf("%s+%#x", s.Name, off)
			if s.Module != "" {
				got += " [" + s.Module + "]"
			}
		}
		if got != want {
			t.Errorf("At(%v): %s, want %s", addr, got, want)
		}
	}
	if got := p.Prefix("init", 5); fmt.Sprint(got) != "[init_dummy_netdev]" {
		t.Errorf("Prefix: %q", got)
	}
	if got := p.Prefix("", 3); fmt.Sprint(got) != "[_end _etext _stext]" {
		t.Errorf("Prefix: %q", got)
	}
	var text strings.Builder
	for s := range p.All {
		if s.Module != "" {
			s.Name += "\t[" + s.Module + "]"
		}
		fmt.Fprintf(&text, "%016x %c %s\n", uint64(s.Addr), s.Type, s.Name)
	}
	if text.String() != someProcText {
		t.Errorf("All:\n%s", text.String())
	}
}

func TestProcKallsymsReaders(t *testing.T) {
	text := someProcText + strings.Repeat("ffffffffc0500000 t some_name_of_some_length\t[mod]\n", 5000)
	for name, r := range map[string]io.Reader{
		"whole":           strings.NewReader(text),
		"bytes":           iotest.OneByteReader(strings.NewReader(text)),
		"halves":          iotest.HalfReader(strings.NewReader(text)),
		"data with error": iotest.DataErrReader(strings.NewReader(text)),
		"no last newline": strings.NewReader(text[:len(text)-1]),
	} {
		p, hidden, err := ParseProcKallsyms(r)
		if err != nil || hidden || p.Len() != 5014 {
			t.Errorf("%s: %v %v", name, hidden, err)
		}
	}
	broken := errors.New("broken")
	if _, _, err := ParseProcKallsyms(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, _, err := ParseProcKallsyms(idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// One symbol is found without the others; what comes behind it is not read.
func TestFindProcSymbol(t *testing.T) {
	long := strings.Repeat("ffffffff81459d10 t some_name_of_some_length\n", 5000)
	for name, r := range map[string]io.Reader{
		"whole":  strings.NewReader(long + someProcText),
		"bytes":  iotest.OneByteReader(strings.NewReader(long + someProcText)),
		"broken": io.MultiReader(strings.NewReader(long+someProcText), iotest.ErrReader(errors.New("read on"))),
	} {
		if at, err := findProcSymbol(r, "jiffies"); err != nil || at != 0xffffffff81600000 {
			t.Errorf("%s: %v, %v", name, at, err)
		}
	}
	for _, name := range []string{"iffies", "bond_init", "nothing"} { // a module's is not the kernel's
		if at, err := findProcSymbol(strings.NewReader(someProcText), name); !errors.Is(err, ErrNoSymbol) {
			t.Errorf("%s: %v, %v", name, at, err)
		}
	}
	if _, err := findProcSymbol(strings.NewReader("garbage jiffies\n"), "jiffies"); !errors.Is(err, ErrBadProcKallsyms) {
		t.Error(err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestProcKallsymsHidden(t *testing.T) {
	text := "0000000000000000 T _stext\n0000000000000000 t bond_init\t[bonding]\n"
	p, hidden, err := ParseProcKallsyms(strings.NewReader(text))
	if err != nil || !hidden || p.Len() != 2 {
		t.Fatalf("hidden %v, %v", hidden, err)
	}
	if _, _, ok := p.At(0); ok {
		t.Error("a hidden address is nobody's")
	}
	if _, hidden, err := ParseProcKallsyms(strings.NewReader("")); hidden || err != nil {
		t.Errorf("nothing at all: hidden %v, %v", hidden, err)
	}
}

func TestProcKallsymsBad(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hello\n", "line 1: want an address"},
		{"ffffffff81000000 T _stext\n\n", "line 2: want an address"},
		{"ffffffff81000000 T \n", "line 1: want an address"},
		{"ffffffff810000001 T x\n", "line 1: want an address"},
		{"ffffffff81000000 \x1b x\n", "line 1: want an address"},
		{"ffffffff81000000 T a\x1bb\n", "unprintable"},
		{"ffffffff81000000 T a b\n", "unprintable"},
		{"ffffffff81000000 T \t[bonding]\n", "no name"},
		{"ffffffff81000000 T x\t[bonding\n", "name in brackets"},
		{"ffffffff81000000 T x\t[]\n", "name in brackets"},
		{"ffffffff81000000 T x\t[\x1b]\n", "name in brackets"},
		{"ffffffff81000000 T " + strings.Repeat("x", maxProcLine), "line 1: more than 4096 bytes"},
		{"ffffffff81000000 T y\n" + strings.Repeat("x", 1<<20), "line 2: more than 4096 bytes"},
	} {
		_, _, err := ParseProcKallsyms(strings.NewReader(c.text))
		if !errors.Is(err, ErrBadProcKallsyms) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q in it", c.text, err, c.want)
		}
	}
}

// FuzzProcKallsyms reads hostile text.
func FuzzProcKallsyms(f *testing.F) {
	f.Add(someProcText)
	f.Add("0 A x\n0 A x\t[m]\nffffffff81000000 T x\n")
	f.Add("ffffffffffffffff T x")
	f.Fuzz(func(t *testing.T, text string) {
		p, _, err := ParseProcKallsyms(strings.NewReader(text))
		if err != nil {
			return
		}
		n := 0
		for s := range p.All {
			n++
			got, ok := p.Lookup(s.Name)
			if !ok || got.Name != s.Name {
				t.Fatalf("Lookup(%q): %+v %v", s.Name, got, ok)
			}
			at, off, ok := p.At(s.Addr)
			if ok != s.Addr.IsKernel() || ok && (off != 0 || at.Addr != s.Addr) {
				t.Fatalf("At(%v): %+v+%#x %v", s.Addr, at, off, ok)
			}
			p.At(s.Addr + 1)
		}
		if n != p.Len() {
			t.Fatalf("All gave %d of %d", n, p.Len())
		}
		p.Prefix("", 3)
	})
}

func BenchmarkProcKallsyms(b *testing.B) {
	text := kallsymsShapes[4].build(fakeSymbols(150000, true)).procText()
	b.Run("Parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, _, err := ParseProcKallsyms(strings.NewReader(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
	p, _, err := ParseProcKallsyms(strings.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	s, _ := p.Lookup("netif_receive_it")
	b.Run("Lookup", func(b *testing.B) {
		for b.Loop() {
			p.Lookup("netif_receive_it")
		}
	})
	b.Run("At", func(b *testing.B) {
		for b.Loop() {
			p.At(s.Addr)
		}
	})
}
