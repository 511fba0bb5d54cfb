package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// The lab's own QEMU exists for its dumps. Debian builds QEMU without lzo and snappy,
// so its dump-guest-memory has neither, in no suite; and bookworm's 7.2 cannot write a
// kdump file that is not flattened. This one has one machine type, the devices that the
// lab uses, and emulation alone, which makes it a matter of minutes.

// qemuDevices is the configuration of its devices: a PC with the lab's disks and ports.
const qemuDevices = `CONFIG_I440FX=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_BLK=y
`

// makeQEMU builds qemu-system-x86_64 into to. Meson comes from the suite of the source:
// the machine's own may be too old for it.
func makeQEMU(ctx context.Context, root *aptRoot, to string) error {
	work := to + ".work"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(filepath.Join(work, "build"), 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	src, err := root.source(ctx, "qemu", work)
	if err != nil {
		return err
	}
	meson, err := root.show(ctx, "meson")
	if err != nil {
		return err
	}
	if err := root.unpack(ctx, []pkg{meson}, filepath.Join(work, "meson")); err != nil {
		return err
	}
	devices := filepath.Join(src, "configs/devices/x86_64-softmmu/lab.mak")
	if err := os.WriteFile(devices, []byte(qemuDevices), 0o644); err != nil {
		return err
	}
	env := []string{
		"PYTHONPATH=" + filepath.Join(work, "meson/usr/lib/python3/dist-packages"),
		"PATH=" + filepath.Join(work, "meson/usr/bin") + ":" + os.Getenv("PATH"),
	}
	build := filepath.Join(work, "build")
	for _, command := range [][]string{
		{
			filepath.Join(src, "configure"), "--target-list=x86_64-softmmu",
			"--without-default-features", "--without-default-devices", "--with-devices-x86_64=lab",
			"--enable-system", "--enable-tcg", "--enable-lzo", "--enable-snappy",
			"--disable-docs", "--disable-tools", "--disable-download", "--disable-install-blobs",
			"--disable-debug-info", "--disable-werror",
		},
		{"ninja", "-j", strconv.Itoa(runtime.NumCPU()), "qemu-system-x86_64"},
	} {
		out, err := output(ctx, build, "env", append(env, command...)...)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, lastLines(out, 30))
		}
	}
	return os.Rename(filepath.Join(build, "qemu-system-x86_64"), filepath.Join(to, "qemu-system-x86_64"))
}

// firmware are the directories of what QEMU loads first, in Debian's packages: the
// source comes without.
var firmware = []string{"-L", "/usr/share/qemu", "-L", "/usr/share/seabios"}
