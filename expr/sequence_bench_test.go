//go:build linux

package expr

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

var nodePipelines = []string{
	"NODES | sum(.refcount)",
	"NODES | len()",
	"NODES | count(.refcount > 7)",
	"NODES | filter(.refcount % 2 == 0) | sum(.refcount)",
	"NODES | sum(.refcount + .synced + .sync_cnt)",
	"NODES | map([.refcount, .synced, .sync_cnt]) | len()",
	"NODES | map({ {a: .refcount, b: .synced, c: .sync_cnt} }) | len()",
	"NODES | map(.refcount) | sum()",
}

// BenchmarkSequence measures passes over a list, for each element: the time, and
// that of the processor, which other work on the machine does not change. A list
// that is made up as it is read shows what the language takes, one in an ELF dump
// what a user sees.
func BenchmarkSequence(b *testing.B) {
	const nodes = 100_000
	b.Run("made-up", func(b *testing.B) {
		s, _ := longSession(b, nodes)
		benchmarkNodes(b, s, nodes)
	})
	b.Run("dump", func(b *testing.B) {
		s, l := longSession(b, nodes)
		pages := map[uint64][]byte{}
		for at := uint64(listBase); at < listBase+(nodes+1)*listStride; at += 4096 {
			page := make([]byte, 4096)
			for off := uint64(0); off < 4096; off += listStride {
				_ = l.ReadMem(kmem.Addr(at+off), page[off:off+listStride])
			}
			pages[at] = page
		}
		file := filepath.Join(b.TempDir(), "vmcore")
		if err := kernels.NewMachineWith(b, "6.12", 1<<20, pages).ELF().WriteFile(file); err != nil {
			b.Fatal(err)
		}
		img, err := kmem.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		defer img.Close()
		k := value.New(img, img)
		d := NewSession(k, knet.New(k, host.None{}), Options{})
		head, err := k.Struct("list_head")
		if err != nil {
			b.Fatal(err)
		}
		d.Set("head", k.Ref(head, kmem.Addr(listBase+l.list)))
		if got, want := eval(d, strings.ReplaceAll(nodePipelines[0], "NODES", nodesText)), eval(s, strings.ReplaceAll(nodePipelines[0], "NODES", nodesText)); got != want {
			b.Fatalf("%s, want %s", got, want)
		}
		benchmarkNodes(b, d, nodes)
	})
}

func benchmarkNodes(b *testing.B, s *Session, nodes int) {
	for _, src := range nodePipelines {
		b.Run(strings.ReplaceAll(src, "NODES | ", ""), func(b *testing.B) {
			b.ReportAllocs()
			start := processorTime()
			for b.Loop() {
				if _, err := s.Eval(b.Context(), strings.ReplaceAll(src, "NODES", nodesText)); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.N) * float64(nodes)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/each, "ns/element")
			b.ReportMetric(float64(processorTime()-start)/each, "cpu-ns/element")
		})
	}
}

// processorTime is what this process used so far, in nanoseconds.
func processorTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
