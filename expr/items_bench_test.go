//go:build linux

package expr

import (
	"io"
	"os"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// BenchmarkItems measures the workloads of testdata/bench/run --items in a dump of its, which
// KINSPECT_BENCH_DUMP names: an evaluation, and its output.
func BenchmarkItems(b *testing.B) {
	file := os.Getenv("KINSPECT_BENCH_DUMP")
	if file == "" {
		b.Skip("KINSPECT_BENCH_DUMP names no dump")
	}
	img, err := kmem.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer img.Close()
	k := value.New(img, img)
	s := NewSession(k, knet.New(k, host.None{}), Options{})
	for _, w := range []struct {
		name, src string
		items     int
		json      bool
	}{
		{"devices", "netdevs() | map([.name, .ifindex, .mtu])", 2001, true},
		{"tasks", "tasks('all') | map([.comm, task_state(#)])", 1067, true},
		{"sum", "list_for_each(netdev('d1')->uc.list, struct netdev_hw_addr, list) | sum(.refcount)", 1_000_000, true},
		{"scattered", "list_for_each(netdev('d2')->uc.list, struct netdev_hw_addr, list) | take(100000) | sum(.refcount)", 100_000, true},
		{"format", "netdevs() | take(100) | map(*#)", 100, false},
	} {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			start := processorTime()
			for b.Loop() {
				r, err := s.Eval(b.Context(), w.src)
				if err != nil {
					b.Fatal(err)
				}
				if w.json {
					_, err = r.WriteJSON(io.Discard)
				} else {
					_, err = r.WriteText(io.Discard, value.DefaultFormat, nil)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.N) * float64(w.items)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/each, "ns/item")
			b.ReportMetric(float64(processorTime()-start)/each, "cpu-ns/item")
		})
	}
}
