package main

import (
	"strings"
	"testing"

	"kinspect/testdata/lab/results"
)

// TestLabPerCPUAlias: since 6.15 a pointer to allocated per-CPU memory is an address in the kernel's image. Where its
// type no longer tells that, it is not read as what else is there; nor is one of an older kernel, a small number.
func TestLabPerCPUAlias(t *testing.T) {
	results.Each(t, func(t *testing.T, dump string) {
		if results.Series(dump) == "5.10" {
			t.Skip("core_stats came with 5.18")
		}
		eval := func(src string) string {
			out, _ := child(t, "", "--core", dump, "eval", src)
			return strings.TrimSpace(out)
		}
		const src = "&netdev('bond0')->core_stats"
		inImage := strings.Contains(eval("netdev('bond0')->core_stats"), "0xffffffff")
		for _, src := range []string{
			"((struct net_device_core_stats *)*(u64*)" + src + ")->rx_dropped",
			"(*(struct net_device_core_stats **)" + src + ")->rx_dropped",
			"cast('struct net_device_core_stats *', int(netdev('bond0')->core_stats)).rx_dropped",
			"*(u64 *)int(netdev('bond0')->core_stats)",
		} {
			out := eval("fault(" + src + ")")
			if !strings.Contains(out, "per-CPU") || inImage && !strings.Contains(out, " is what a pointer to allocated per-CPU memory looks like") {
				t.Errorf("%s: %s", src, out)
			}
		}
		if out := eval("words(" + src + ", 1)"); inImage != strings.HasSuffix(out, " or per-CPU") {
			t.Error(out)
		}
		// Variables are there, too.
		for _, src := range []string{
			"*(u64 *)addr('idt_table')", "*(int *)addr('initcall_debug')", "(void *)addr('idt_table')",
			"per_cpu(netdev('bond0')->core_stats, 0)->rx_dropped",
		} {
			if out := eval(src); out == "" || strings.Contains(out, "per-CPU") {
				t.Errorf("%s: %s", src, out)
			}
		}
	})
}
