package expr

import (
	"strings"
	"testing"

	"kinspect/btf"
)

// TestPerCPUPointer: a per-CPU pointer stays one through casts and arithmetic, and nothing reads what
// its bare address has, which since 6.15 is the kernel image's.
func TestPerCPUPointer(t *testing.T) {
	const (
		note  = "  /* a per-CPU pointer: per_cpu(…, CPU) is one CPU's */"
		stats = "(struct net_device_core_stats *)"
	)
	eachKernel(t, func(t *testing.T, s *Session) {
		refused := "error: the struct net_device_core_stats * is a per-CPU pointer: per_cpu(…, CPU) is what one CPU has behind it"
		cases(t, s, [][2]string{
			{"netdev('bond0')->core_stats", stats + "per-CPU 0x…"},
			{"netdev('bond0')->core_stats + 0", stats + "per-CPU 0x…"},
			{"*netdev('bond0')->core_stats", refused},
			{"*(netdev('bond0')->core_stats + 0)", refused},
			{"*(1 + netdev('bond0')->core_stats - 1)", refused},
			{"netdev('bond0')->core_stats[0]", refused},
			{"netdev('bond0')->core_stats->rx_dropped", refused},
			{"*" + stats + "netdev('bond0')->core_stats", refused},
			{"*" + stats + "(void *)netdev('bond0')->core_stats", refused},
			{"*" + stats + "(unsigned long)netdev('bond0')->core_stats", refused},
			{"netdevs() | filter(.name == 'bond0') | map(.core_stats) | sum(.rx_dropped)", refused},
			{"words(netdev('bond0')->core_stats)", refused},
			{"mem(netdev('bond0')->core_stats)", refused},
			{"read_u64(netdev('bond0')->core_stats)", refused},
			{"sym(netdev('bond0')->core_stats)", `"per-CPU 0x…`},
			{"first([netdev('lo')] | groupBy(.lstats) | keys())", `"per-CPU 0x…`},
			{"first([1] | groupBy(addr('softnet_data')) | keys())", `"per-CPU softnet_data+0x0 = 0x…`},
			{"symbols(netdev('bond0')->core_stats)", "error: the struct net_device_core_stats * is a per-CPU pointer to what was allocated: no symbol has it"},
			{"per_cpu_sum(" + stats + "(void *)netdev('bond0')->core_stats, 'rx_dropped') == 48", "true"},
			{"per_cpu_sum(netdev('bond0')->core_stats + 0, 'rx_dropped') == 48", "true"},
			{"addr('softnet_data')", "(void *)per-CPU softnet_data+0x0 = 0x…"},
			{"(struct softnet_data *)addr('softnet_data') + 0", "(struct softnet_data *)per-CPU softnet_data+0x0 = 0x…"},
			{"((struct softnet_data *)addr('softnet_data'))->processed", "error: the struct softnet_data * is a per-CPU pointer: …"},
			{"per_cpu((struct softnet_data *)addr('softnet_data'), 0).processed == per_cpu(softnet_data, 0).processed", "true"},
			{"&softnet_data", "(struct softnet_data *)per-CPU softnet_data+0x0 = 0x…"},
			{"&softnet_data == addr('softnet_data') && addr(softnet_data) == &softnet_data", "true"},
			{"per_cpu_ptr(&softnet_data, 0) == &per_cpu(softnet_data, 0)", "true"},
			{"per_cpu_ptr(&softnet_data, 0)->processed == per_cpu(softnet_data, 0).processed", "true"},
			{"per_cpu(&softnet_data.processed, 1) == per_cpu(softnet_data, 1).processed", "true"},
			{"(unsigned long)&softnet_data.processed - (unsigned long)&softnet_data == offsetof(struct softnet_data, processed)", "true"},
			{"per_cpu_ptr(&softnet_data.poll_list, 0) == &per_cpu(softnet_data, 0).poll_list", "true"},
			{"per_cpu(container_of(&softnet_data.poll_list, struct softnet_data, poll_list), 0).processed == per_cpu(softnet_data, 0).processed", "true"},
			{"per_cpu_sum(&softnet_data.processed) == per_cpu_sum(softnet_data.processed)", "true"},
			{"(&softnet_data)->processed", "error: the struct softnet_data * is a per-CPU pointer: …"},
			{"*&softnet_data.processed", "error: the unsigned int * is a per-CPU pointer: …"},
			{"words(&softnet_data)", "error: the struct softnet_data * is a per-CPU pointer: …"},
			{"&netdev('bond0')->core_stats->rx_dropped", "(unsigned long *)per-CPU 0x…"},
			{"per_cpu(&netdev('bond0')->core_stats->rx_dropped, 0) == per_cpu(netdev('bond0')->core_stats, 0).rx_dropped", "true"},
			{"per_cpu_sum(&netdev('bond0')->core_stats->rx_dropped) == 48", "true"},
			{"*&netdev('bond0')->core_stats->rx_dropped", "error: the unsigned long * is a per-CPU pointer: …"},
			{"words(addr('softnet_data'))", "error: the void * is a per-CPU pointer: …"},
		})
		if text := eval(s, "netdev('bond0')->core_stats"); !strings.HasSuffix(text, note) {
			t.Errorf("without a note: %s", text)
		}
		if text := eval(s, "*netdev('bond0')"); !strings.Contains(text, ".core_stats = (struct net_device_core_stats *)per-CPU 0x") {
			t.Error("core_stats is not shown as per-CPU in the struct")
		}
	})
}

// TestFreedMemory: what was there when the kernel started is not read.
func TestFreedMemory(t *testing.T) {
	fails := func(t *testing.T, s *Session, src, part string) {
		t.Helper()
		if text := eval(s, src); !strings.HasPrefix(text, "error: ") || !strings.Contains(text, part) {
			t.Errorf("%s: %s", src, text)
		}
	}
	eachKernel(t, func(t *testing.T, s *Session) {
		const freed = " is memory of the kernel's start, which was freed when that was over: what is there now is something else"
		for _, src := range []string{"words(addr('boot_command_line'))", "((struct list_head *)addr('boot_command_line'))->next + 0"} {
			fails(t, s, src, " (boot_command_line+0x0)"+freed)
		}
		for _, src := range []string{
			"mem(addr('boot_command_line'), 1)", "mem(addr('__init_begin') - 1, 2)", "read_u64(addr('__init_begin'))",
			"read_u8(addr('__init_end') - 1)", "dis(addr('start_kernel'), 1)",
		} {
			fails(t, s, src, freed)
		}
	})
	s := testKernel(t, "7.3")
	// Through a number, of which that is not known, and across the start of the section.
	for src, at := range map[string]string{
		"read_u32(int(addr('softnet_data')))":                    "(softnet_data+0x0)",
		"*(int *)(int(addr('softnet_data')) + 4)":                "(softnet_data+0x4)",
		"mem(int(addr('__per_cpu_start')) - 1, 2)":               "+0x0)",
		"*(struct list_head *)(int(addr('softnet_data')) + 400)": "(softnet_data+0x190)",
	} {
		fails(t, s, src, at+" is a per-CPU variable: per_cpu(…, CPU) is what one CPU has there")
	}
	cases(t, s, [][2]string{{"(int *)(int(addr('softnet_data')) + 4)", "(int *)per-CPU softnet_data+0x4 = 0x…"}})
}

// TestPerCPUMembers: what the table of per-CPU members has is a pointer in these kernels.
func TestPerCPUMembers(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		types, err := s.kernel.Types()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for id := types.FirstID(); int(id) < types.NumTypes(); id++ {
			typ, err := types.TypeByID(id)
			if err != nil {
				t.Fatal(err)
			}
			st, ok := typ.(*btf.Struct)
			if !ok {
				continue
			}
			for m := range st.AllMembers() {
				if v, err := s.kernel.Ref(st, 0).Member(m.Path); err == nil && v.IsPerCPUPointer() {
					found++
				}
			}
		}
		if found < 80 {
			t.Errorf("only %d members are per-CPU pointers", found)
		}
		t.Logf("%d members are per-CPU pointers", found)
	})
}
