package expr

import (
	"encoding/json"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
)

func TestTable(t *testing.T) {
	s := testSession()
	for src, want := range map[string]string{
		"[[1, 'b'], [22, 'cc']] | table('N', 'TEXT')":      " N  TEXT\n 1  b\n22  cc",
		"[{a: 1, b: {c: 'x'}}] | table('a', 'b.c')":        "a  b.c\n1  x",
		"[[nil, [1, 2]], ['äö', str()]] | table('A', 'B')": "A   B\n-   1,2\näö  bond0",
		"[] | table('A')": "A",
		"[['a\\x1b[2J', {x: 1}]] | table('A\\n', 'B')":           "",
		"[[1]] | table('A', 'B')":                                "error: a row of 1 elements in a table of 2 columns",
		"[{a: 1}] | table('b')":                                  `error: the map has no key "b"`,
		"1 | table('b')":                                         "error: ",
		"[1] | map([#, #]) | filter(#[0] > 5) | table('A', 'B')": "A  B",
	} {
		r, err := s.Eval(t.Context(), src)
		if err != nil {
			if !strings.HasPrefix("error: "+err.Error(), want) || want == "" {
				t.Errorf("%s: %v", src, err)
			}
			continue
		}
		got, err := r.Text(value.DefaultFormat)
		if err != nil || want != "" && got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", src, err, got, want)
		}
		if strings.ContainsAny(got, "\x1b") {
			t.Errorf("%s: %q is not safe for a terminal", src, got)
		}
	}
	r, _ := s.Eval(t.Context(), "[[1, 'b']] | table('N', 'TEXT')")
	object, err := r.JSON()
	out, _ := json.Marshal(object)
	if err != nil || string(out) != `{"value":[{"N":1,"TEXT":"b"}]}` {
		t.Errorf("%s %v", out, err)
	}
}

func TestSymbols(t *testing.T) {
	s := testKernel(t, "6.12")
	for src, want := range map[string]string{
		"symbols('bond_handle_frame')":        "bond_handle_frame+0x0 [bonding]",
		"symbols('bond_handle_frame+1f', 2)":  "bond_handle_frame+0x1f [bonding]",
		"symbols(netdev('veth0').rx_handler)": "bond_handle_frame+0x0 [bonding]",
		"symbols(1)":                          "not an address of the kernel",
	} {
		r, err := s.Eval(t.Context(), src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, err := r.Text(value.DefaultFormat); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q %v, want %s", src, got, err, want)
		}
	}
	for _, src := range []string{"symbols('no_such_symbol')", "symbols('ip_rcv', -1)", "symbols('+')"} {
		if _, err := s.Eval(t.Context(), src); err == nil {
			t.Errorf("%s is no error", src)
		}
	}
}

// TestChain follows chains that are put into memory: with an end, empty, and in a circle.
func TestChain(t *testing.T) {
	s := testKernel(t, "6.12")
	for _, src := range []string{"chain(1, 'next')", "chain(netdev('bond0'), 'mtu')", "chain(netdev('bond0'), 'nosuch')", "chain(netdev('bond0').name, 'x')"} {
		if _, err := s.Eval(t.Context(), src); err == nil {
			t.Errorf("%s is no error", src)
		}
	}
	types, err := s.kernel.Types()
	if err != nil {
		t.Fatal(err)
	}
	const at = 0xffff888000001000
	st, err := types.Struct("char_device_struct")
	if err != nil {
		t.Fatal(err)
	}
	chains := memory{}
	put := func(n int, next uint64) {
		data := make([]byte, 96)
		for i := range 8 {
			data[i] = byte(next >> (8 * i))
		}
		data[8] = byte(n)
		chains[kmem.Addr(at+0x100*uint64(n))] = data
	}
	put(0, at+0x100)
	put(1, at+0x200)
	put(2, 0)
	put(3, at+0x400)
	put(4, at+0x300)
	k := value.New(nil, chains)
	for n, want := range map[int]string{0: "[0, 1, 2]", 2: "[2]", 3: "circle", 5: "0xffff888000001500"} {
		s.Set("p", k.Pointer(st, kmem.Addr(at+0x100*uint64(n))))
		r, err := s.Eval(t.Context(), "chain(p, 'next') | map(.major)")
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Text(value.DefaultFormat)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("from %d: %s, want %s", n, got, want)
		}
	}
	s.Set("p", k.Pointer(st, 0))
	if n := mustEval(t, s, "count(chain(p, 'next'))"); n != 0 {
		t.Errorf("an empty chain has %v structs", n)
	}
}
