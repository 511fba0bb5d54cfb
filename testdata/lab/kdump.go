package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// kdumpMemory leaves 700 MiB to the first kernel and 320 to the second.
const (
	kdumpMemory    = 1024
	kdumpReserve   = "crashkernel=320M"
	kdumpTime      = 10 * time.Minute // makedumpfile is slow under emulation
	kdumpMaxVmcore = 2 << 30
)

// kdumpInit is /init of the kernel that runs after the crash: it copies the
// old kernel's memory to the first disk, has makedumpfile read it, and switches off.
func (r *runner) kdumpInit(list []row) string {
	return initScript + `
size=$(guest copy /proc/vmcore /dev/vda) && echo "lab: vmcore $size bytes" > /dev/console
` + r.crashScript(list) + `
sync
poweroff -f
`
}

var vmcoreSize = regexp.MustCompile(`lab: vmcore (\d+) bytes`)

// kdump plays the incident, crashes the guest, and leaves the kernel's own
// /proc/vmcore as vmcore.elf: the dump that kexec makes, with virtual
// addresses in its PT_LOADs.
func (r *runner) kdump(ctx context.Context) error {
	list := r.able(rowsOf(r.kernel.series, vmcoreFormatsDir, byCrashKernel))
	second, err := r.kdumpInitramfs(ctx, list)
	if err != nil {
		return err
	}
	defer os.Remove(second)
	files := r.guestFiles()
	files["/usr/sbin/kexec"] = "/usr/sbin/kexec"
	files["/boot/vmlinuz"] = r.kernel.image
	files["/boot/kdump.cpio"] = second
	first := filepath.Join(r.dir, "kexec.cpio")
	if err := buildInitramfs(ctx, r.kernel, initramfsSpec{init: agentInit, files: files}, first); err != nil {
		return err
	}
	defer os.Remove(first)
	disks := []string{filepath.Join(r.dir, "vmcore.part"), filepath.Join(r.dir, "dumps.part")}
	for _, disk := range disks {
		if err := errors.Join(os.RemoveAll(disk), os.WriteFile(disk, nil, 0o644), os.Truncate(disk, kdumpMaxVmcore)); err != nil {
			return err
		}
		defer os.Remove(disk)
	}

	g, err := startGuest(ctx, machine{
		kernel: r.kernel, initrd: first, memory: kdumpMemory, cmdline: kdumpReserve,
		disks: disks, console: filepath.Join(r.dir, "console.vmcore.log"),
	})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	// -s: the kernel itself writes the ELF header, as Debian's kdump-tools has it.
	if _, err := g.run(`kexec -p -s /boot/vmlinuz --initrd=/boot/kdump.cpio \
	--append="console=ttyS0 panic=-1 nr_cpus=1 reset_devices"
test "$(cat /sys/kernel/kexec_crash_loaded)" = 1
rm -rf /boot`); err != nil {
		return err
	}
	facts, err := r.takeFacts(g, "vmcore", &t)
	if err != nil {
		return err
	}
	if err := t.check(facts); err != nil {
		return err
	}
	if err := r.emptyDirs(vmcoreFormatsDir, packedDir); err != nil {
		return err
	}
	start := time.Now()
	if err := r.crash(g, disks[0]); err != nil {
		return err
	}
	if err := r.takeDumps(g, list, disks[1]); err != nil {
		return err
	}
	r.progress(fmt.Sprintf("vmcore and %d dumps by the crash kernel", len(list)), start)
	r.compare(ctx, "vmcore", &t, nil)
	filtered, packed := r.able(rowsOf(r.kernel.series, vmcoreFormatsDir, byMakedumpfile)), rowsOf(r.kernel.series, packedDir, byPacker)
	if err := r.makedumpfile(ctx, filtered); err != nil {
		return err
	}
	if err := r.pack(ctx, packed); err != nil {
		return err
	}
	return r.compareRows(ctx, "vmcore", &t, slices.Concat(list, filtered, packed))
}

// kdumpInitramfs builds the crash kernel's root, which holds makedumpfile.
func (r *runner) kdumpInitramfs(ctx context.Context, list []row) (string, error) {
	filter, err := r.tools.makedumpfile.guestFiles()
	if err != nil {
		return "", err
	}
	to := filepath.Join(r.dir, "kdump.cpio")
	return to, buildInitramfs(ctx, r.kernel, initramfsSpec{
		init:  r.kdumpInit(list),
		files: map[string]string{"/usr/bin/guest": r.guest},
		plain: filter,
	}, to)
}

// crash panics the guest and waits until its second kernel has switched off.
func (r *runner) crash(g *guest, disk string) error {
	if err := g.post("echo c > /proc/sysrq-trigger"); err != nil {
		return err
	}
	select {
	case <-g.done:
	case <-time.After(kdumpTime):
		return g.failure(fmt.Sprintf("the crash kernel has not switched off after %v", kdumpTime))
	}
	console, err := os.ReadFile(g.machine.console)
	if err != nil {
		return err
	}
	m := vmcoreSize.FindSubmatch(console)
	if m == nil {
		return g.failure("the crash kernel copied no vmcore")
	}
	size, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return err
	}
	return errors.Join(os.Truncate(disk, size), os.Rename(disk, filepath.Join(r.dir, "vmcore.elf")))
}
