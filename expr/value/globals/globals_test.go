package globals

import (
	"slices"
	"strings"
	"testing"
)

// TestTable looks each name of the table up, and checks its form: types in order, names in order below each, no name twice.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	lastType, lastName := "", ""
	for name, c := range All() {
		switch {
		case name == "" || c == "" || strings.ContainsAny(name, " \t.") || strings.ContainsAny(c, "{}\t"):
			t.Errorf("a row %q of type %q", name, c)
		case seen[name]:
			t.Errorf("%s is there twice", name)
		case c < lastType || c == lastType && name <= lastName:
			t.Errorf("%s %s comes after %s %s", c, name, lastType, lastName)
		}
		seen[name], lastType, lastName = true, c, name
		if got, ok := Type(name); !ok || got != c {
			t.Errorf("Type(%q) is %q, %v; it stands below %q", name, got, ok, c)
		}
	}
	if len(seen) < 10000 {
		t.Errorf("%d names", len(seen))
	}
	for _, name := range []string{"", "\n", "no_such_variable", "rtnl", "rtnl_mutex\n", "struct mutex", "\trtnl_mutex", "int"} {
		if c, ok := Type(name); ok && !seen[name] {
			t.Errorf("Type(%q) is %q", name, c)
		}
	}
}

func TestNames(t *testing.T) {
	for _, prefix := range []string{"", "panic_", "rtnl_mutex", "no_such_"} {
		var want []string
		for name := range All() {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		if got := slices.Collect(Names(prefix)); !slices.Equal(got, want) {
			t.Errorf("Names(%q) gives %d names, and %d begin so", prefix, len(got), len(want))
		}
	}
	for range Names("") {
		break // it must stop
	}
}

// TestTypes are rows that people ask for every day, by the kernel's source.
func TestTypes(t *testing.T) {
	for name, want := range map[string]string{
		"rtnl_mutex":           "struct mutex",           // net/core/rtnetlink.c
		"panic_cpu":            "atomic_t",               // kernel/panic.c
		"panic_timeout":        "int",                    // kernel/panic.c
		"avenrun":              "unsigned long [3]",      // kernel/sched/loadavg.c
		"nr_threads":           "int",                    // kernel/fork.c
		"total_forks":          "unsigned long",          // kernel/fork.c
		"super_blocks":         "struct list_head",       // fs/super.c
		"inetsw":               "struct list_head [11]",  // net/ipv4/af_inet.c: SOCK_MAX
		"max_pfn":              "unsigned long",          // mm/memblock.c
		"workqueues":           "struct list_head",       // kernel/workqueue.c
		"pernet_list":          "struct list_head",       // net/core/net_namespace.c
		"tcp_memory_allocated": "atomic_long_t",          // net/ipv4/tcp.c
		"_totalram_pages":      "atomic_long_t",          // mm/page_alloc.c
		"page_offset_base":     "unsigned long",          // arch/x86/kernel/head64.c
		"map_idr":              "struct idr",             // kernel/bpf/syscall.c
		"dentry_hashtable":     "struct hlist_bl_head *", // fs/dcache.c
		"cgrp_dfl_root":        "struct cgroup_root",     // kernel/cgroup/cgroup.c
		"iomem_resource":       "struct resource",        // kernel/resource.c
	} {
		if got, ok := Type(name); !ok || got != want {
			t.Errorf("Type(%q) is %q, %v, want %q", name, got, ok, want)
		}
	}
	// pg_data_t up to 6.1, which is another name for the same (mm/numa.c).
	if got, _ := Type("node_data"); !strings.HasPrefix(got, "struct pglist_data *[") {
		t.Errorf("node_data is %s", got)
	}
	// Other types, or lengths, in other releases.
	for _, name := range []string{"file_systems", "vm_node_stat", "swap_info", "tk_core"} {
		if got, ok := Type(name); ok {
			t.Errorf("Type(%q) is %q, and kernels differ", name, got)
		}
	}
}

func BenchmarkType(b *testing.B) {
	for _, name := range []string{"rtnl_mutex", "no_such_variable"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Type(name)
			}
		})
	}
}
