package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// runAs replaces itself by a program of another user without capabilities:
// the guest has no login, and busybox has no setpriv that changes the user.
func runAs(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want UID and a program, got %q", args)
	}
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	for _, set := range []func() error{
		func() error { return unix.Setgroups(nil) },
		func() error { return unix.Setresgid(id, id, id) },
		func() error { return unix.Setresuid(id, id, id) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return unix.Exec(path, args[1:], os.Environ())
}
