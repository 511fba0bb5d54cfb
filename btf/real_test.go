package btf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// realBTF is the BTF of a kernel and of modules for it.
type realBTF struct {
	vmlinux []byte
	modules map[string][]byte
}

// snapshotBTF is vmlinux's BTF out of a series' committed snapshot.
func snapshotBTF(tb testing.TB, series string) []byte {
	tb.Helper()
	return imageBTF(tb, kernels.Open(tb, series))
}

// imageBTF is vmlinux's BTF out of a kernel's memory.
func imageBTF(tb testing.TB, img *kmem.Image) []byte {
	tb.Helper()
	syms, err := img.Symbols()
	if err != nil {
		tb.Fatal(err)
	}
	start, ok1 := syms.Lookup("__start_BTF")
	stop, ok2 := syms.Lookup("__stop_BTF")
	if !ok1 || !ok2 {
		tb.Fatal("no BTF in the kernel's memory")
	}
	data := make([]byte, stop.Addr-start.Addr)
	if err := img.ReadMem(start.Addr, data); err != nil {
		tb.Fatal(err)
	}
	return data
}

// realBTFs returns the BTF of real kernels by a name of each: those of the
// committed snapshots, what the running kernel has, if it has any, and what the
// directory KINSPECT_BTF_DIR holds, as vmlinux-NAME.btf and MODULE-NAME.btf.
func realBTFs(tb testing.TB) map[string]realBTF {
	tb.Helper()
	all := make(map[string]realBTF)
	for _, series := range kernels.Series {
		all[series] = realBTF{vmlinux: snapshotBTF(tb, series)}
	}
	if data, err := os.ReadFile("/sys/kernel/btf/vmlinux"); err == nil {
		all["running"] = realBTF{vmlinux: data}
	}
	dir := os.Getenv("KINSPECT_BTF_DIR")
	if dir == "" {
		return all
	}
	read := func(pattern string) map[string][]byte {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			tb.Fatal(err)
		}
		m := make(map[string][]byte)
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			m[strings.TrimSuffix(filepath.Base(f), ".btf")] = data
		}
		return m
	}
	for name, data := range read("vmlinux-*.btf") {
		kernel := strings.TrimPrefix(name, "vmlinux-")
		modules := make(map[string][]byte)
		for name, data := range read("*-" + kernel + ".btf") {
			if m := strings.TrimSuffix(name, "-"+kernel); m != "vmlinux" {
				modules[m] = data
			}
		}
		all[kernel] = realBTF{data, modules}
	}
	return all
}

// eachReal runs f on the vmlinux of each real BTF, and skips the test without one.
func eachReal(t *testing.T, f func(t *testing.T, s *Spec)) {
	all := realBTFs(t)
	if len(all) == 0 {
		t.Fatal("no BTF of a real kernel: the snapshots are missing")
	}
	for name, b := range all {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(b.vmlinux)
			if err != nil {
				t.Fatal(err)
			}
			f(t, s)
		})
	}
}
