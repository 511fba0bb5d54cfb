package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// kdumpMemory leaves 700 MiB to the first kernel and 320 to the second.
const (
	kdumpMemory    = 1024
	kdumpReserve   = "crashkernel=320M"
	kdumpTime      = 4 * time.Minute
	kdumpMaxVmcore = 2 << 30
)

// kdumpInit is /init of the kernel that runs after the crash: it copies the
// old kernel's memory to the disk and switches off.
const kdumpInit = initScript + `
size=$(guest copy /proc/vmcore /dev/vda) && echo "lab: vmcore $size bytes" > /dev/console
sync
poweroff -f
`

var vmcoreSize = regexp.MustCompile(`lab: vmcore (\d+) bytes`)

// kdump plays the incident, crashes the guest, and leaves the kernel's own
// /proc/vmcore as vmcore.elf: the dump that kexec makes, with virtual
// addresses in its PT_LOADs.
func (r *runner) kdump(ctx context.Context) error {
	second := filepath.Join(r.dir, "kdump.cpio")
	if err := buildInitramfs(ctx, r.kernel, initramfsSpec{init: kdumpInit, files: r.guestFiles()}, second); err != nil {
		return err
	}
	files := r.guestFiles()
	files["/usr/sbin/kexec"] = "/usr/sbin/kexec"
	files["/boot/vmlinuz"] = r.kernel.image
	files["/boot/kdump.cpio"] = second
	first := filepath.Join(r.dir, "kexec.cpio")
	if err := buildInitramfs(ctx, r.kernel, initramfsSpec{init: agentInit, files: files}, first); err != nil {
		return err
	}
	defer os.Remove(first)
	defer os.Remove(second)
	disk := filepath.Join(r.dir, "vmcore.part")
	if err := errors.Join(os.RemoveAll(disk), os.WriteFile(disk, nil, 0o644), os.Truncate(disk, kdumpMaxVmcore)); err != nil {
		return err
	}
	defer os.Remove(disk)

	g, err := startGuest(ctx, machine{
		kernel: r.kernel, initrd: first, memory: kdumpMemory, cmdline: kdumpReserve,
		disk: disk, console: filepath.Join(r.dir, "console.vmcore.log"),
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
	if err := r.crash(g, disk); err != nil {
		return err
	}
	r.compare(ctx, "vmcore", &t, nil)
	return r.makedumpfile(ctx)
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
