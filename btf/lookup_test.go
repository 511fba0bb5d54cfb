package btf

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	s := sample().parse(t)
	// More rounds than are answered by scans: the table must say the same.
	for range scansBeforeTable + 2 {
		if st, err := s.Struct("device"); err != nil || st.Name != "device" || st.Union || st.Size != 120 {
			t.Errorf("Struct = %v, %v", st, err)
		}
		if e, err := s.Enum("wide"); err != nil || e.Size != 8 {
			t.Errorf("Enum = %v, %v", e, err)
		}
		if td, err := s.Typedef("u8"); err != nil || td.Target().String() != "unsigned char" {
			t.Errorf("Typedef = %v, %v", td, err)
		}
		if v, err := s.Var("counter"); err != nil || v.Linkage != Global || v.Type().String() != "unsigned long" {
			t.Errorf("Var = %v, %v", v, err)
		}
		if f, err := s.Func("open"); err != nil || f.Linkage != Global {
			t.Errorf("Func = %v, %v", f, err)
		}
		for _, missing := range []string{"devic", "devicee", "", "stats\x00", "rx"} {
			if st, err := s.Struct(missing); !errors.Is(err, ErrNotFound) {
				t.Errorf("Struct(%q) = %v, %v", missing, st, err)
			}
		}
		if u, err := s.Union("device"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Union(device) = %v, %v", u, err)
		}
	}
	if _, err := s.Struct("elsewhere"); err == nil || !strings.Contains(err.Error(), "only a forward declaration") {
		t.Errorf("Struct(elsewhere) = %v", err)
	}
	if _, err := s.Struct("devcie"); err == nil || err.Error() != `no struct "devcie" in the BTF of vmlinux; did you mean device?` {
		t.Errorf("Struct(devcie) = %v", err)
	}
}

func TestEnumerator(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct {
		name, enum string
		value      uint64
	}{
		{"MODE_NONE", "mode", 1<<64 - 1},
		{"MODE_FULL", "mode", 7},
		{"WIDE_TOP", "wide", 1 << 63},
	} {
		v, e, ok := s.Enumerator(test.name)
		if !ok || v.Name != test.name || v.Value != test.value || e.Name != test.enum {
			t.Errorf("Enumerator(%s) = %v, %v, %v", test.name, v, e, ok)
			continue
		}
		if name, ok := e.ValueName(test.value); !ok || name != test.name {
			t.Errorf("ValueName(%d) = %q, %v", test.value, name, ok)
		}
	}
	if v, e, ok := s.Enumerator("MODE"); ok {
		t.Errorf("Enumerator(MODE) = %v, %v", v, e)
	}
}

func TestSeveralDefinitions(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	b.add("twin", kindFwd, 0, 0, 0)
	b.structOf(kindStruct, "twin", 4, memberOf{"a", n, 0, 0})
	b.structOf(kindStruct, "twin", 8, memberOf{"a", n, 0, 0}, memberOf{"b", n, 32, 0})
	b.structOf(kindStruct, "twin", 16, memberOf{"c", n, 0, 0}, memberOf{"d", n, 32, 0})
	s := b.parse(t)
	if st, err := s.Struct("twin"); err != nil || st.Size != 8 {
		t.Errorf("Struct(twin) has size %d, %v; want the first of those with most members", st.Size, err)
	}
	var sizes []uint32
	for _, typ := range s.All(Structs, "twin") {
		sizes = append(sizes, typ.(*Struct).Size)
	}
	if !slices.Equal(sizes, []uint32{4, 8, 16}) {
		t.Errorf("All has sizes %d", sizes)
	}
	if all := s.All(Structs|Forwards, "twin"); len(all) != 4 {
		t.Errorf("All with forwards = %v", all)
	}
}

func TestNames(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct {
		kinds  Kinds
		prefix string
		limit  int
		want   string
	}{
		{Structs, "", 0, "device list_head stats"},
		{Structs, "s", 0, "stats"},
		{TypeNames, "d", 0, "device double"},
		{AnyKind, "", 3, ".data..percpu _Bool char"},
		{Funcs | Vars, "", 0, "counter open"},
		{Structs, "x", 0, ""},
	} {
		if got := strings.Join(s.NamesWithPrefix(test.kinds, test.prefix, test.limit), " "); got != test.want {
			t.Errorf("names of %s with %q: %s, want %s", test.kinds, test.prefix, got, test.want)
		}
	}
	n := 0
	for name := range s.Names(Structs) {
		if n++; name == "" {
			t.Error("an empty name")
		}
		break
	}
	if n != 1 {
		t.Errorf("%d names", n)
	}
}

func TestNear(t *testing.T) {
	candidates := []string{"rx_dropped", "tx_dropped", "rx_nohandler", "name", "rx_errors", "mtu", "min_mtu", "dev_addr", "features", "hw_features"}
	for _, test := range []struct{ name, want string }{
		{"rx_droped", "rx_dropped tx_dropped"},
		{"rx_dorpped", "rx_dropped tx_dropped"},
		{"RX_DROPPED", "rx_dropped tx_dropped"},
		{"rx_dropped", "tx_dropped"},
		{"nmae", "name"},
		{"rx_", "rx_errors rx_dropped rx_nohandler"},
		{"feature", "features hw_features"},
		{"zzz", ""},
		{"", ""},
		{strings.Repeat("a", 1000), ""},
	} {
		if got := strings.Join(Near(test.name, candidates), " "); got != test.want {
			t.Errorf("Near(%.20s) = %s, want %s", test.name, got, test.want)
		}
	}
}

// TestRealLookup finds every named type of real kernels, by scan and by table.
func TestRealLookup(t *testing.T) {
	eachReal(t, func(t *testing.T, s *Spec) {
		type key struct {
			kinds Kinds
			name  string
		}
		want := make(map[key][]Type)
		for id := ID(1); int(id) < s.NumTypes(); id++ {
			typ, err := s.TypeByID(id)
			if err != nil {
				t.Fatal(err)
			}
			k := key{kindSets[s.kinds[id-1]], typ.TypeName()}
			if k.kinds != 0 && k.name != "" {
				want[k] = append(want[k], typ)
			}
		}
		several := 0
		for k, types := range want {
			got := s.All(k.kinds, k.name)
			if len(got) != len(types) {
				t.Fatalf("%s %q: %d definitions, want %d", k.kinds, k.name, len(got), len(types))
			}
			for _, typ := range types {
				if !slices.Contains(got, typ) {
					t.Fatalf("%s %q: %v is missing", k.kinds, k.name, typ)
				}
			}
			if k.kinds == Structs && len(types) > 1 {
				several++
			}
		}
		t.Logf("%d names, %d structs have several definitions", len(want), several)

		fresh, err := Parse(realBTFs(t)[strings.TrimPrefix(t.Name(), "TestRealLookup/")].vmlinux)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"net_device", "sk_buff", "list_head"} {
			a, errA := fresh.Struct(name)
			b, errB := s.Struct(name)
			if errA != nil || errB != nil || a.String() != b.String() || a.Size != b.Size {
				t.Errorf("scan: %v, %v; table: %v, %v", a, errA, b, errB)
			}
		}
	})
}
