package value

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinspect/kmem"
)

// labKernel opens a dump of the lab, and names the vmlinux with debug information of 6.12 beside it.
func labKernel(t *testing.T, release string) (*Kernel, string) {
	t.Helper()
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	found, _ := filepath.Glob(filepath.Join(dir, "bench/debug/6.12*/vmlinux"))
	if len(found) == 0 {
		t.Skip("no vmlinux with debug information: testdata/bench/run fetches one")
	}
	img, err := kmem.Open(filepath.Join(dir, release, "incident.elf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	return New(img, img), found[0]
}

// TestLabFrames looks functions of a dump up, which KASLR moved.
func TestLabFrames(t *testing.T) {
	k, path := labKernel(t, "6.12")
	if err := k.UseVmlinux(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer k.CloseFiles()
	for name, file := range map[string]string{
		"netif_rx": "net/core/dev.c", "ip_rcv": "net/ipv4/ip_input.c", "vfs_read": "fs/read_write.c",
		"__schedule": "kernel/sched/core.c", "do_init_module": "kernel/module/main.c",
	} {
		sym, ok := k.LookupSymbol(name)
		if !ok {
			t.Fatalf("no symbol %s", name)
		}
		start := time.Now()
		frames, err := k.Frames(sym.Addr)
		if err != nil {
			t.Error(err)
			continue
		}
		if last := frames[len(frames)-1]; last.Function != name || last.File != file || last.Line == 0 {
			t.Errorf("%s at %s is %v", name, sym.Addr, frames)
		}
		t.Logf("%s: %v in %v", name, frames, time.Since(start))
	}
	mods, err := k.Modules()
	if err != nil || len(mods) == 0 {
		t.Fatal("no modules", err)
	}
	err = k.EachSymbol(func(s kmem.Symbol) bool {
		if s.Module == "" {
			return true
		}
		if _, err := k.Frames(s.Addr); err == nil || !strings.Contains(err.Error(), "is in the module "+s.Module) {
			t.Errorf("%s: %v", s.Name, err)
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLabOtherVmlinux gives a kernel the vmlinux of another.
func TestLabOtherVmlinux(t *testing.T) {
	k, path := labKernel(t, "7.3")
	err := k.UseVmlinux(context.Background(), path, nil)
	if !errors.Is(err, kmem.ErrOtherKernel) || !strings.Contains(err.Error(), "build ID") {
		t.Errorf("%v", err)
	}
}

// TestLabTypesOfVmlinux reads a kernel with types that were made of debug information, as if it had no BTF.
func TestLabTypesOfVmlinux(t *testing.T) {
	k, path := labKernel(t, "6.12")
	own, _ := labKernel(t, "6.12")
	if err := k.UseVmlinux(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer k.CloseFiles()
	k.typesOnce.Do(func() { k.types, k.typesErr = k.debug.types() })
	for _, name := range []string{"init_task", "init_net", "softnet_data", "ptype_base", "jiffies_64"} {
		v, err := k.Global(name)
		if err != nil {
			t.Error(err)
			continue
		}
		w, err := own.Global(name)
		if err != nil {
			continue // BTF does not tell
		}
		if v.Type().String() != w.Type().String() || v.IsPerCPU() != w.IsPerCPU() {
			t.Errorf("%s is %s, and %s by BTF", name, v.Type(), w.Type())
		}
	}
	for _, path := range []string{"comm", "pid", "mm"} {
		v, err := k.Global("init_task")
		if err != nil {
			t.Fatal(err)
		}
		w, err := own.Global("init_task")
		if err != nil {
			t.Fatal(err)
		}
		got, err1 := v.Path(path)
		want, err2 := w.Path(path)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		text, _ := got.Text(DefaultFormat)
		if own, _ := want.Text(DefaultFormat); text != own {
			t.Errorf("init_task.%s is %s, and %s by BTF", path, text, own)
		}
	}
}
