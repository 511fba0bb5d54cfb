package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities are those that runAs knows, by their names without CAP_ (include/uapi/linux/capability.h).
var capabilities = map[string]uint{
	"dac_override": 1, "dac_read_search": 2, "net_admin": 12, "sys_rawio": 17, "sys_ptrace": 19, "sys_admin": 21, "sys_resource": 24,
	"syslog": 34, "perfmon": 38, "bpf": 39,
}

// runAs replaces itself by a program of another user, UID, without capabilities, or, as UID:NAME,NAME, with
// those named, as ambient ones: the guest has no login, and busybox has no setpriv that changes the user.
func runAs(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want UID[:CAPABILITY,...] and a program, got %q", args)
	}
	user, names, _ := strings.Cut(args[0], ":")
	id, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	var caps []uint
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' }) {
		n, ok := capabilities[name]
		if !ok {
			return fmt.Errorf("no capability %q is known here", name)
		}
		caps = append(caps, n)
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // capabilities are a thread's
	for _, set := range []func() error{
		func() error { return unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0) },
		func() error { return unix.Setgroups(nil) },
		func() error { return unix.Setresgid(id, id, id) },
		func() error { return unix.Setresuid(id, id, id) },
		func() error { return holdAlone(caps) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return unix.Exec(path, args[1:], os.Environ())
}

// holdAlone makes the thread hold these capabilities and no other, also in what it executes.
func holdAlone(caps []uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, n := range caps {
		d := &data[n/32]
		d.Permitted |= 1 << (n % 32)
		d.Effective, d.Inheritable = d.Permitted, d.Permitted
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	for _, n := range caps {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			return fmt.Errorf("making capability %d ambient: %w", n, err)
		}
	}
	return nil
}
