package expr

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/search"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func TestSearch(t *testing.T) {
	s := testKernel(t, "6.12")
	cases(t, s, [][2]string{
		{"search(netdev('lo')) | len() > 3", "true"},
		{"search(netdev('lo')) | all(*(unsigned long *).address == (unsigned long)netdev('lo'))", "true"},
		{"search(netdev('lo')->dev_list.next) | any(.address == &netdev('lo')->dev_list.next)", "true"},
		{"search(init_net) | all(*(void **).address == &init_net)", "true"},
		{"search(netdev('lo'), {mask: ~0xfffUL}) | len() >= len(search(netdev('lo')))", "true"},
		{"search(netdev('lo')->mtu, {size: 4}) | any(.address == &netdev('lo')->mtu)", "true"},
		{"search([98, 111, 110, 100, 48, 0]) | any(.address == &netdev('bond0')->name)", "true"},
		{"search('bond0') | any(.address == &netdev('bond0')->name)", "true"},
		{"search('bond0', {align: 4096}) | len()", "0"},
		{"search(mem(&netdev('bond0')->name, 16)) | any(.address == &netdev('bond0')->name)", "true"},
		{"search(0x5a17c0ffee0ddba1)", "[]"},
		{"search(0x100000000, {size: 4})", "error: 0x100000000 does not fit into 4 bytes"},
		{"search(-1, {size: 4}) | take(1) | len()", "1"},
		{"search('')", "error: search wants a text that is not empty"},
		{"search([])", "error: search wants a byte at least"},
		{"search([256])", "error: a byte is a number from 0 to 255, not 256"},
		{"search(1.5)", "error: the number 1.5 is no address"},
		{"search(1, {aling: 1})", "error: search has no option \"aling\": there are mask, size and align"},
		{"search(1, {align: 3})", "error: search: align wants a power of two, up to 4096"},
		{"search(1, {size: 2})", "error: search: size is 4 or 8"},
		{"search(1, {mask: 0})", "error: search: a mask of no bits matches everywhere"},
		{"search('a', {mask: 1})", "error: search: mask and size belong to a number"},
		{"search(nil)", "error: nil is no address"},
		{"len(search(0, {align: 1}))", "error: there are more than 100000 matches: a longer pattern, or one that is aligned, has less; take(N) ends before"},
		{"search(0) | take(3) | len()", "3"},
	})
	r, err := s.Eval(t.Context(), "len(search(init_net))")
	if err != nil || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "a snapshot was searched") {
		t.Errorf("%q %v", r.Warnings, err)
	}
}

// TestSearchCommand: the language's matches are the command's, as text and as JSON.
func TestSearchCommand(t *testing.T) {
	img := kernels.OpenNet(t)
	k := value.New(img, img)
	searchBoth(t, NewSession(k, knet.New(k, host.None{}), Options{}))
}

// TestLabSearchCommand compares on the lab's dumps, which have physical memory, with what was filtered out.
func TestLabSearchCommand(t *testing.T) {
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	for _, file := range []string{"6.12/incident.elf", "6.1/incident.elf"} {
		img, err := kmem.Open(filepath.Join(dir, file))
		if err != nil {
			t.Skip(err)
		}
		k := value.New(img, img)
		searchBoth(t, NewSession(k, knet.New(k, host.None{}), Options{}))
		img.Close()
	}
}

func searchBoth(t *testing.T, s *Session) {
	t.Helper()
	r, err := s.Eval(t.Context(), "(unsigned long)netdev('bond0')")
	if err != nil {
		t.Fatal(err)
	}
	n, _, _ := numberOf(r.Value)
	str, err := search.String("bond0")
	if err != nil {
		t.Fatal(err)
	}
	for src, p := range map[string]search.Pattern{
		"search(netdev('bond0'))":                      search.Uint(n.Bits, ^uint64(0), 8),
		"search(netdev('bond0'), {mask: ~0xfffUL})":    search.Uint(n.Bits, ^uint64(0xfff), 8),
		"search((int)(long)netdev('bond0'), {size:4})": search.Uint(uint64(uint32(n.Bits)), ^uint64(0), 4),
		"search('bond0')":                              str,
	} {
		a, err := search.Find(t.Context(), s.kernel, s.kernel.Image, p, search.Options{Limit: search.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		var rows []search.Hit
		for h := range a.All {
			lines = append(lines, h.Text())
			rows = append(rows, h)
		}
		if len(lines) == 0 {
			t.Fatalf("%s: no match", src)
		}
		got := eval(s, src)
		if got != strings.Join(lines, "\n") {
			t.Errorf("%s\n%s\nwant %s", src, got, strings.Join(lines, "\n"))
		}
		r, err := s.Eval(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		object, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(object)
		var back struct {
			Value []struct {
				Address *string `json:"address"`
				Phys    *uint64 `json:"phys"`
				Symbol  *string `json:"symbol"`
			} `json:"value"`
		}
		if err := json.Unmarshal(raw, &back); err != nil || len(back.Value) != len(rows) {
			t.Fatalf("%v: %d of %d", err, len(back.Value), len(rows))
		}
		for i, row := range back.Value {
			want := rows[i]
			if (row.Address == nil) != (want.Address == nil) || row.Address != nil && *row.Address != *want.Address ||
				(row.Phys == nil) != (want.Phys == nil) || (row.Symbol == nil) != (want.Symbol == nil) {
				t.Errorf("%s: %d: %+v, want %+v", src, i, row, want)
			}
		}
	}
}

// TestSearchStops: Ctrl-C ends a search, and so does what has enough.
func TestSearchStops(t *testing.T) {
	s := testKernel(t, "6.12")
	ctx, cancel := context.WithCancel(t.Context())
	s.Register(Function{Name: "interrupt", Call: func(*Call) (any, error) { cancel(); return 1, nil }})
	_, err := s.Eval(ctx, "search(0) | map(interrupt()) | len()")
	if err == nil || err.Error() != "stopped" {
		t.Errorf("%v", err)
	}
	if got := eval(s, "(search(0) | find(.page_offset == 8)).page_offset"); got != "8" {
		t.Error(got)
	}
}
