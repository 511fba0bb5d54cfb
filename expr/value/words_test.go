package value_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestWords prints members that are plain integers in C. The bits are those of the kernel's
// headers, include/uapi/linux/if.h and include/linux/netdevice.h.
func TestWords(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		st, err := k.Struct("net_device")
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			member string
			set    uint64
			want   string
		}{
			{"flags", 0x1003, "4099 (IFF_UP|IFF_BROADCAST|IFF_MULTICAST)"},
			{"flags", 0, "0"},
			{"flags", 0x80000001, "2147483649 (IFF_UP|0x80000000)"},
			{"state", 1<<0 | 1<<2, "5 (__LINK_STATE_START|__LINK_STATE_NOCARRIER)"},
			{"mtu", 3, "3"},
			// include/linux/netdev_features.h: two names for the bit 16, and where groups end.
			{"features", 1<<0 | 1<<16, "65537 (NETIF_F_SG_BIT|NETIF_F_TSO_BIT)"},
			{"wanted_features", 1 << 16, "65536 (NETIF_F_TSO_BIT)"},
			{"hw_enc_features", 1 << 16, "65536 (NETIF_F_TSO_BIT)"},
			{"gso_partial_features", 1 << 16, "65536 (NETIF_F_TSO_BIT)"},
		} {
			data := make([]byte, st.Size)
			f, err := st.FindMember(test.member)
			if err != nil {
				t.Fatal(err)
			}
			binary.LittleEndian.PutUint32(data[f.BitOffset/8:], uint32(test.set))
			dev := k.InHand(st, data)
			m, err := dev.Member(test.member)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := m.Bare(value.DefaultFormat); err != nil || text != test.want {
				t.Errorf("%s: %s of %#x: %s, %v, want %s", series, test.member, test.set, text, err, test.want)
			}
			// The same within the whole, also for members of anonymous structs.
			whole, _ := dev.Text(value.DefaultFormat)
			if want := "." + test.member + " = ("; !strings.Contains(whole, want) || !strings.Contains(whole, ")"+test.want+",") {
				t.Errorf("%s: net_device with %s %#x does not say %s", series, test.member, test.set, test.want)
			}
		}
	}
}

// TestFlagEnums: an enum of single bits is printed as the bits that a value has, another one as a number.
func TestFlagEnums(t *testing.T) {
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	types, err := k.Types()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		enumerator string
		value      uint64
		want       string
	}{
		{"IFF_UP", 3, "IFF_UP|IFF_BROADCAST"},
		{"IFF_UP", 1 << 30, "1073741824"}, // a bit that none has
		{"PIDTYPE_PID", 77, "77"},
		{"NETREG_REGISTERED", 6 | 8, "14"}, // it counts up
	} {
		_, enum, ok := types.Enumerator(test.enumerator)
		if !ok {
			t.Fatalf("no %s", test.enumerator)
		}
		v := k.InHand(enum, binary.LittleEndian.AppendUint64(nil, test.value)[:enum.Size])
		if text, err := v.Bare(value.DefaultFormat); err != nil || text != test.want {
			t.Errorf("%d as %s: %s, %v, want %s", test.value, enum, text, err, test.want)
		}
	}
}

func TestFormatOptions(t *testing.T) {
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	st, err := k.Struct("list_head")
	if err != nil {
		t.Fatal(err)
	}
	node := k.InHand(st, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 16), 32))
	minus := k.FromNum(value.IntNum(-2))
	long := strings.Repeat("x", 200)
	for _, test := range []struct {
		options, want string
		v             value.Value
	}{
		{"", "(struct list_head){ .next = (struct list_head *)0x10, .prev = (struct list_head *)0x20 }", node},
		{"notypes", "{ .next = 0x10, .prev = 0x20 }", node},
		{"depth=0", "(struct list_head){ … }", node},
		{"width=10", "(struct list_head){\n\t.next = (struct list_head *)0x10,\n\t.prev = (struct list_head *)0x20,\n}", node},
		{"width=10,oneline", "(struct list_head){ .next = (struct list_head *)0x10, .prev = (struct list_head *)0x20 }", node},
		{"hex", "(int)0xfffffffe", minus},
		{"hex dec", "(int)-2", minus},
		{"hex,notypes,default", "(int)-2", minus},
	} {
		f, err := value.DefaultFormat.Set(test.options)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := test.v.Text(f); err != nil || text != test.want {
			t.Errorf("%q: %s, %v, want %s", test.options, text, err, test.want)
		}
	}
	for _, options := range []string{"deep", "depth", "depth=-1", "depth=" + long, "hex=1", "width=99999999"} {
		if f, err := value.DefaultFormat.Set(options); err == nil {
			t.Errorf("%q: %+v, want an error", options, f)
		}
	}
	for _, o := range value.FormatOptions {
		if _, err := value.DefaultFormat.Set(strings.Replace(o[0], "=N", "=2", 1)); err != nil {
			t.Error(err)
		}
	}
}

// TestWrappers: a scalar in structs of its own is no deeper than the scalar.
func TestWrappers(t *testing.T) {
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	types, err := k.Types()
	if err != nil {
		t.Fatal(err)
	}
	f := value.DefaultFormat
	f.Depth = 1
	for c, want := range map[string]string{
		"struct pcpu_lstats": "(struct pcpu_lstats){\n\t.packets = (u64_stats_t){ .v = (local64_t){ .a = (local_t){ .a = (atomic_long_t){ .counter = (s64)7 } } } },\n" +
			"\t.bytes = (u64_stats_t){ .v = (local64_t){ .a = (local_t){ .a = (atomic_long_t){ .counter = (s64)0 } } } },\n\t.syncp = (struct u64_stats_sync){ … },\n}",
		"struct plist_node": "(struct plist_node){ .prio = (int)7, .prio_list = (struct list_head){ … }, .node_list = (struct list_head){ … } }",
	} {
		typ, err := types.ParseType(c)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 64)
		data[0] = 7
		if text, err := k.InHand(typ, data).Text(f); err != nil || text != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c, err, text, want)
		}
	}
}
