package expr

import (
	"slices"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// TestCandidates completes what only a kernel has.
func TestCandidates(t *testing.T) {
	s := testKernel(t, "6.12")
	if _, err := s.Eval(t.Context(), "netdev('bond0')"); err != nil {
		t.Fatal(err)
	}
	s.Set("dev", mustEval(t, s, "netdev('bond0')"))
	for _, c := range []struct{ line, head, want, note string }{
		{"netdev('bond0')->mt¦", "netdev('bond0')->", "mtu", "unsigned int"},
		{"netdev('bond0').rx_dr¦", "netdev('bond0').", "rx_dropped", "u64"},
		{"netdevs() | filter(.rx_n¦", "netdevs() | filter(.", "rx_nohandler", "u64"},
		{"netdevs() |\n\tfilter(.mtu > 0) |\n\tmap(.na¦", "netdevs() |\n\tfilter(.mtu > 0) |\n\tmap(.", "name", "char [16]"},
		{"de¦", "", "dev", "struct net_device *"},
		{"dev->mt¦", "dev->", "mtu", "unsigned int"},
		{"let d = dev; d.mt¦", "let d = dev; d.", "mtu", "unsigned int"},
		{"((struct net_dev¦", "((struct ", "net_device", ""},
		{"(union net_¦", "(union ", "", ""},
		{"sizeof(struct list_h¦", "sizeof(struct ", "list_head", ""},
		{"sizeof(u6¦", "sizeof(", "u64", ""},
		{"(u6¦", "(", "u64", ""},
		{"offsetof(struct net_device, mt¦", "offsetof(struct net_device, ", "mtu", "unsigned int"},
		{"offsetof(struct net_device, ¦", "offsetof(struct net_device, ", "mtu", "unsigned int"},
		{"container_of(p, struct net_device, dev_l¦", "container_of(p, struct net_device, ", "dev_list", "struct list_head"},
		{"list_for_each(init_net.dev_base_head, struct net_device, dev_l¦", "list_for_each(init_net.dev_base_head, struct net_device, ", "dev_list", "struct list_head"},
		{"list_next_entry(dev, dev_l¦", "list_next_entry(dev, ", "dev_list", "struct list_head"},
		{"list_next_entry(netdev('lo'), ¦", "list_next_entry(netdev('lo'), ", "mtu", "unsigned int"},
		{"list_first_entry(&init_net.dev_base_head, struct net_device, dev_l¦", "list_first_entry(&init_net.dev_base_head, struct net_device, ", "dev_list", "struct list_head"},
		{"container_of(p, struct net_d¦", "container_of(p, struct ", "net_device", ""},
		{"netdev('bo¦", "netdev('", "bond0'", ""},
		{"netdev('bond0').flags & IFF_UP == IFF_MUL¦", "netdev('bond0').flags & IFF_UP == ", "IFF_MULTICAST", "enumerator"},
		{"NETREG_REG¦", "", "NETREG_REGISTERED", "enumerator"},
		{"bond_handle_fr¦", "", "bond_handle_frame", ""},
	} {
		line, pos := cutAt(c.line)
		head, candidates, _ := s.Candidates(line, pos)
		i := slices.IndexFunc(candidates, func(k Candidate) bool { return k.Text == c.want })
		switch {
		case head != c.head:
			t.Errorf("%s: head %q, want %q", c.line, head, c.head)
		case c.want == "":
		case i < 0:
			t.Errorf("%s: %d candidates, none is %s", c.line, len(candidates), c.want)
		case candidates[i].Note != c.note:
			t.Errorf("%s: %s is noted %q, want %q", c.line, c.want, candidates[i].Note, c.note)
		}
	}
	if names := s.SymbolNames("bond_handle_"); len(names) == 0 {
		t.Error("no symbol begins with bond_handle_")
	}
	if head, names := s.TypeNames("struct net_devi"); head != "struct " || len(names) == 0 {
		t.Errorf("types: %q %v", head, names)
	}
}

// TestCompletionOrder checks that what the language has comes before the kernel's names, of which
// hundreds may begin alike.
func TestCompletionOrder(t *testing.T) {
	s := testKernel(t, "6.12")
	for _, line := range []string{"task_state(ta¦", "ta¦", "1 + ne¦", "[ta¦"} {
		_, names, _ := completeAt(s, line)
		own, kernels := -1, len(names)
		for i, n := range names {
			if strings.Contains(n, "(") {
				own = i
			} else if i < kernels {
				kernels = i
			}
		}
		if own < 0 || kernels == len(names) || own > kernels {
			t.Errorf("%s: the last function is candidate %d, the first symbol %d of %d", line, own, kernels, len(names))
		}
	}
}

// TestLabCompleteSlabs completes names of slab caches, which the snapshots do not have.
func TestLabCompleteSlabs(t *testing.T) {
	results.Each(t, func(t *testing.T, dump string) {
		img, err := kmem.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		s := NewSession(value.New(img, img), nil, Options{})
		if _, names, _ := completeAt(s, "slab_cache('kmalloc-1¦"); !slices.Contains(names, "kmalloc-128'") {
			t.Errorf("%q", names)
		}
	})
}

func cutAt(line string) (string, int) {
	at := slices.Index([]rune(line), '¦')
	runes := []rune(line)
	return string(runes[:at]) + string(runes[at+1:]), at
}

func mustEval(t *testing.T, s *Session, src string) any {
	t.Helper()
	r, err := s.Eval(t.Context(), src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return r.Value
}

// BenchmarkComplete measures what Tab takes, where it has most to look through.
func BenchmarkComplete(b *testing.B) {
	s := testKernel(b, "6.12")
	for _, line := range []string{"net", "netdev('bond0').", "netdevs() | filter(.rx_", "sizeof(struct n", "IFF", "netdev('"} {
		b.Run(line, func(b *testing.B) {
			for b.Loop() {
				s.Candidates(line, len(line))
			}
		})
	}
}
