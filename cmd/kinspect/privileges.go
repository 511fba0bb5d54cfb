package main

import (
	"os"
	"slices"

	"kinspect/kmem/privilege"
)

// dropping: this process is kinspect's alone, and may give up capabilities. Tests that call run are not.
var dropping bool

// probeCommands load BPF programs as they go.
var probeCommands = []string{"drops", "trace", "count"}

// fileCommands read or write files that the user names after the kernel is opened, or may: a snapshot's command has
// no name here.
var fileCommands = []string{"", "run", "check", "repl", "snapshot"}

// probing are the capabilities of live probes: beside those of BPF, CAP_SYS_RESOURCE for maps before 5.11, and CAP_SYS_ADMIN
// as the kernel hands out modules' BTF to nobody else (kernel/bpf/syscall.c, bpf_btf_get_fd_by_id).
var probing = privilege.Probes | privilege.Of(privilege.SysResource, privilege.SysAdmin)

// asking are those of entering another network namespace for netlink's and ethtool's numbers. They are permitted, and effective on the
// one thread that enters.
var asking = privilege.Of(privilege.SysAdmin, privilege.SysPtrace)

// keeps are the capabilities that the command goes on with once the kernel is open: effective all the time, or permitted for the
// moment when they are needed.
func (a *app) keeps() (effective, permitted privilege.Set) {
	if slices.Contains(probeCommands, a.command) || a.command == "doctor" || a.options.live != "" {
		effective |= probing
	}
	// Root may have been asked, through sudo, to read and write where only its caller may; who is not root may not.
	o := a.options
	if os.Geteuid() == 0 && (slices.Contains(fileCommands, a.command) || o.output != "" || o.html != "" || o.pcap != "" || o.symbols != "" || o.btf != "" || len(o.vmlinux) > 0 || len(o.core) > 0) {
		effective |= privilege.Of(privilege.DACOverride, privilege.DACReadSearch)
	}
	if a.bpfToRead {
		need := privilege.Of(privilege.BPF)
		if !privilege.AtStart().Permitted.Has(need) {
			need = privilege.Of(privilege.SysAdmin) // which has it as a part
		}
		effective |= need
	}
	if len(o.core) == 0 {
		permitted = asking
	}
	return effective, permitted
}

// keep gives up all capabilities that the command does not go on with.
func (a *app) keep() error {
	if !dropping {
		return nil
	}
	return privilege.Keep(a.keeps())
}
