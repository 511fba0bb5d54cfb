package kmem

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// plainTable is a table that can be walked alone.
type plainTable struct{ SymbolTable }

// TestSymbolEach compares what is picked with what a walk over all gives.
func TestSymbolEach(t *testing.T) {
	tables := map[string]SymbolTable{}
	for i, shape := range kallsymsShapes {
		f := shape.build(fakeSymbols(700, true))
		k, err := openKallsyms(f, f.places)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := ParseProcKallsyms(strings.NewReader(f.procText()))
		if err != nil {
			t.Fatal(err)
		}
		tables[fmt.Sprintf("%d in memory", i)], tables[fmt.Sprintf("%d in text", i)] = k, p
		tables[fmt.Sprintf("%d walked", i)] = plainTable{k}
	}
	for name, table := range tables {
		t.Run(name, func(t *testing.T) {
			all := slices.Collect(table.All)
			for _, prefix := range []string{"", "_", "netif_receive_", "__key.0", "_stext", "nobody"} {
				var want []Symbol
				for _, s := range all {
					if strings.HasPrefix(s.Name, prefix) {
						want = append(want, s)
					}
				}
				got := slices.Collect(func(yield func(Symbol) bool) { EachPrefix(table, prefix, yield) })
				if !slices.Equal(got, want) {
					t.Errorf("prefix %q: %d symbols, want %d", prefix, len(got), len(want))
				}
			}
			step := 1
			if testing.Short() {
				step = 9 // a table that is walked is walked for each
			}
			for i := 0; i < len(all); i += step {
				s := all[i]
				for _, addr := range []Addr{s.Addr, s.Addr + 1} {
					var want []Symbol
					for _, o := range all {
						if o.Addr == addr {
							want = append(want, o)
						}
					}
					got := slices.Collect(func(yield func(Symbol) bool) { EachAt(table, addr, yield) })
					if !slices.Equal(got, want) {
						t.Fatalf("at %v: %v, want %v", addr, got, want)
					}
				}
			}
			n := 0
			EachPrefix(table, "", func(Symbol) bool { n++; return n < 3 })
			EachAt(table, all[0].Addr, func(Symbol) bool { n++; return false })
			if n != 4 {
				t.Errorf("%d calls, want 4: yield said that it is enough", n)
			}
		})
	}
}
