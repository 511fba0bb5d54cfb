package symbol

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/kmem"
)

func TestParseQuery(t *testing.T) {
	for _, c := range []struct {
		text string
		want Query
		err  string
	}{
		{text: "0xffffffff81459d10", want: Query{Addr: 0xffffffff81459d10}},
		{text: "FFFFFFFF81459D10", want: Query{Addr: 0xffffffff81459d10}},
		{text: "0x0", want: Query{}},
		{text: "ip_rcv", want: Query{Name: "ip_rcv"}},
		{text: "ip_rcv+cf", want: Query{Name: "ip_rcv", Offset: 0xcf, HasOff: true}},
		{text: "ip_rcv+0xCF/0x3f0", want: Query{Name: "ip_rcv", Offset: 0xcf, HasOff: true}},
		{text: " bond_xmit+10 [bonding]", want: Query{Name: "bond_xmit", Offset: 0x10, HasOff: true, Module: "bonding"}},
		{text: "bond_xmit[bonding]", want: Query{Name: "bond_xmit", Module: "bonding"}},
		{text: "ffffffff81459d1", want: Query{Name: "ffffffff81459d1"}}, // 15 digits could be a name
		{text: "dead", want: Query{Name: "dead"}},
		{text: "", err: "NAME+OFFSET"},
		{text: "+10", err: "NAME+OFFSET"},
		{text: "ip_rcv+", err: "offset"},
		{text: "ip_rcv+10000000000000000", err: "offset"},
		{text: "0x10000000000000000", err: "hexadecimal"},
		{text: "x [bonding", err: "brackets"},
		{text: "x []", err: "brackets"},
	} {
		got, err := ParseQuery(c.text)
		c.want.Text = c.text
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want %q in it", c.text, err, c.err)
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %+v %v, want %+v", c.text, got, err, c.want)
		}
	}
}

const text = `0000000000002000 D softnet_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 T first
ffffffff81000200 t same
ffffffff81000300 t same
ffffffff81000400 t cut.constprop.0
ffffffff81000500 t cut.constprop.0.cold
ffffffff81000600 T _etext
fffffffffffffff0 d last
`

func TestAsk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := kmem.OpenSymbolFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query  string
		found  bool
		want   []string // lines of the text, in this order
		around int
	}{
		{"0xffffffff81000008", true, []string{"T _stext+0x8", "also at 0xffffffff81000000: _text"}, 0},
		{"0xffffffff81000100", true, []string{"T first+0x0"}, 0},
		{"first", true, []string{"0xffffffff81000100 T first+0x0"}, 0},
		{"first+ff", true, []string{"0xffffffff810001ff T first+0xff"}, 0},
		{"first+100", true, []string{"0xffffffff81000200 t same+0x0", "first+100 is beyond the end of first"}, 0},
		{"same+1", true, []string{"0xffffffff81000201 t same+0x1", "0xffffffff81000301 t same+0x1"}, 0},
		{"cut", true, []string{"0xffffffff81000400 t cut.constprop.0+0x0", "variant of cut"}, 0},
		{"softnet_data", true, []string{"0x2000 D softnet_data+0x0"}, 0},
		{"softnet_data+8", true, []string{"0x2008 D softnet_data+0x8"}, 0},
		{"last+20", false, []string{"last+20 leaves the address space"}, 0},
		{"first+90000000", false, []string{"first+90000000 leaves the address space"}, 0},
		{"0x111000100", false, []string{"0x111000100 belongs to no symbol: not an address of the kernel"}, 0},
		{"_etext+4", false, []string{"0xffffffff81000604 belongs to no symbol: it lies between sections"}, 0},
		{"nothing", false, []string{"no symbol nothing in "}, 3},
		{"_text", true, []string{"_text+0x0", "  0xffffffff81000000 T _stext", "> 0xffffffff81000000 T _text", "  0xffffffff81000100 T first"}, 1},
		{"0xffffffff81000700", false, []string{"  0xffffffff81000600 T _etext", "> 0xffffffff81000700 ? nobody's", "  0xfffffffffffffff0 d last"}, 1},
	} {
		q, err := ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Ask(File(f), q, c.around)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if a.Found != c.found {
			t.Errorf("%s: found is %v", c.query, a.Found)
		}
		rest := a.Text()
		for _, w := range c.want {
			_, after, ok := strings.Cut(rest, w)
			if !ok {
				t.Errorf("%s: %q is not in the rest of\n%s", c.query, w, a.Text())
				break
			}
			rest = after
		}
	}
}
