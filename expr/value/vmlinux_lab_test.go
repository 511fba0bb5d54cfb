package value

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// labKernel opens a dump of the lab, and names the vmlinux with debug information of 6.12 beside it.
func labKernel(t *testing.T, release string) (*Kernel, string) {
	t.Helper()
	img, err := kmem.Open(results.Dump(t, release))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	return New(img, img), filepath.Join(results.Debug(t), "vmlinux")
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
	k.typesOnce.Do(func() { k.types, k.typesErr = k.debug.vmlinux.types() })
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

// TestLabGlobalOfVmlinux has variables that only debug information knows the types of, of a kernel with BTF.
func TestLabGlobalOfVmlinux(t *testing.T) {
	k, path := labKernel(t, "6.12")
	names := map[string]string{
		"file_systems": "struct file_system_type *", "net_families": "const struct net_proto_family *[46]",
		"swap_info": "struct swap_info_struct *[27]", "tk_core": "struct {...}",
	}
	for name := range names {
		if _, err := k.Global(name); err == nil || !strings.Contains(err.Error(), "its type is not known") {
			t.Errorf("%s without it: %v", name, err)
		}
	}
	if err := k.UseVmlinux(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	defer k.CloseFiles()
	for name, want := range names {
		start := time.Now()
		v, err := k.Global(name)
		if err != nil || v.Type().String() != want {
			t.Errorf("%s is %v, %v", name, v.Type(), err)
		}
		t.Logf("%s in %v", name, time.Since(start))
	}
	// A guest that was not run for long finds its TSC unstable, and goes on by the ACPI timer.
	for path, want := range map[string]string{"file_systems.name": `"sysfs"`, "tk_core.timekeeper.tkr_mono.clock.name": `"(tsc|acpi_pm)`} {
		name, rest, _ := strings.Cut(path, ".")
		v, err := k.Global(name)
		if err == nil {
			v, err = v.Path(rest)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if text, _ := v.Text(DefaultFormat); !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s is %s, want %s", path, text, want)
		}
	}
	if _, err := k.Global("no_such_variable"); !errors.Is(err, ErrNoSymbol) {
		t.Error(err)
	}
}

// TestLabGlobalOfModule has a variable of a module, of which its file knows the type.
func TestLabGlobalOfModule(t *testing.T) {
	k, _ := labKernel(t, "6.12")
	if _, err := k.Global("bond_net_id"); err == nil || !strings.Contains(err.Error(), "its type is not known") {
		t.Errorf("without it: %v", err)
	}
	if err := k.UseVmlinux(context.Background(), results.Modules(t), nil); err != nil {
		t.Fatal(err)
	}
	defer k.CloseFiles()
	v, err := k.Global("bond_net_id")
	if err != nil || v.Type().String() != "unsigned int" {
		t.Errorf("bond_net_id is %v, %v", v.Type(), err)
	}
}
