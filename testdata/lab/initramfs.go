package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bootModules are loaded by /init: the agent's port, the disk, and the device
// through which QEMU learns where VMCOREINFO is, to put it into its dumps.
var bootModules = []string{"virtio_pci", "virtio_console", "virtio_blk", "qemu_fw_cfg"}

// labModules are there for scenarios to load. llc, stp and bridge are not
// loaded before a scenario asks: with llc in the kernel, STP frames have a
// handler and the incident is another one.
var labModules = []string{"bonding", "veth", "dummy", "8021q", "macvlan", "llc", "stp", "bridge", "nf_tables"}

// programs go into the guest with the shared libraries that they need.
var programs = []string{"/usr/sbin/ip", "/usr/sbin/tc", "/usr/sbin/bridge", "/usr/bin/ss", "/usr/bin/nstat", "/usr/bin/netstat", "/usr/sbin/ifconfig", "/usr/sbin/ethtool", "/usr/sbin/nft", "/usr/sbin/bpftool"}

// initScript brings the guest to where the agent can take over. Autoloading is
// impossible, as the guest has no modprobe: what is loaded is what a scenario
// loaded.
const initScript = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run/netns /var /etc /sbin /usr/bin /usr/sbin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox mount -t tmpfs run /run
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ln -s /run /var/run
mkdir -p /run/netns
rm -f /bin/modprobe
for m in $(cat /modules/boot); do insmod /modules/$m.ko || echo "lab: cannot load $m"; done
/usr/sbin/ip link set lo up
`

// agentInit ends the ordinary guest's /init.
const agentInit = initScript + `
echo "lab: agent"
guest agent
echo "lab: the agent ended"
poweroff -f
`

// initramfsSpec is what differs between the lab's initramfs images.
type initramfsSpec struct {
	init  string            // the /init script
	files map[string]string // path in the guest: path on this machine; with their libraries
	plain map[string]string // the same, copied as they are
}

// buildInitramfs writes the guest's root as an uncompressed cpio archive:
// decompression would be the guest's work, under emulation.
func buildInitramfs(ctx context.Context, k *kernel, spec initramfsSpec, to string) error {
	set, err := k.moduleSet(ctx, slices.Concat(bootModules, labModules, netModules, pathModules, headModules, bigModules, loadModules))
	if err != nil {
		return err
	}
	boot := loadOrder(set, bootModules)
	archive := &cpioWriter{seen: map[string]bool{}}
	archive.device("dev/console", 5, 1)
	archive.file("init", 0o755, []byte(spec.init))
	archive.file("modules/boot", 0o644, []byte(strings.Join(boot, "\n")+"\n"))
	for name, m := range set {
		archive.file("modules/"+name+".ko", 0o644, m.object)
		archive.file("modules/"+name+".deps", 0o644, []byte(strings.Join(loadOrder(set, []string{name}), "\n")+"\n"))
	}
	files := map[string]string{"bin/busybox": "/bin/busybox"}
	for _, p := range programs {
		files[p] = p
	}
	for to, from := range spec.files {
		files[to] = from
	}
	for to, from := range files {
		libs, err := sharedLibraries(ctx, from)
		if err != nil {
			return err
		}
		for _, path := range append(libs, from) {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := path
			if path == from {
				name = to
			}
			archive.file(strings.TrimPrefix(name, "/"), 0o755, content)
		}
	}
	for to, from := range spec.plain {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		archive.file(strings.TrimPrefix(to, "/"), 0o755, content)
	}
	return archive.writeTo(to)
}

// loadOrder lists the names and what they depend on, dependencies first,
// leaving out what is built in.
func loadOrder(set map[string]module, names []string) []string {
	var order []string
	var visit func(string)
	visit = func(name string) {
		m, ok := set[moduleName(name)]
		if !ok || slices.Contains(order, m.name) {
			return
		}
		for _, d := range m.depends {
			visit(d)
		}
		order = append(order, m.name)
	}
	for _, n := range names {
		visit(n)
	}
	return order
}

// sharedLibraries asks the dynamic linker what a program needs; none for a
// static one.
func sharedLibraries(ctx context.Context, path string) ([]string, error) {
	out, err := output(ctx, "", "ldd", path)
	if err != nil {
		if strings.Contains(err.Error(), "not a dynamic executable") {
			return nil, nil
		}
		return nil, err
	}
	if bytes.Contains(out, []byte("statically linked")) {
		return nil, nil
	}
	return parseLibraries(path, out)
}

// parseLibraries reads what the dynamic linker lists: "NAME => PATH (ADDRESS)", where
// the name may be a path, too.
func parseLibraries(path string, list []byte) (libs []string, err error) {
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, "not found") {
			return nil, fmt.Errorf("%s: %s", path, strings.TrimSpace(line))
		}
		fields := strings.Fields(line)
		for _, f := range slices.Backward(fields) {
			if filepath.IsAbs(f) {
				libs = append(libs, f)
				break
			}
		}
	}
	return libs, nil
}
