package main

import (
	"errors"
	"io/fs"
	"os"

	"kinspect/kmem"
	"kinspect/kmem/bpfmem"
	"kinspect/kmem/privilege"
)

// The ways to read the running kernel's memory, as --memory and KINSPECT_MEMORY name them.
const (
	memoryAuto  = "auto"
	memoryKcore = "kcore"
	memoryBPF   = "bpf"
	memoryEnv   = "KINSPECT_MEMORY"
)

// memoryWay is how the running kernel's memory is to be read.
func (o *options) memoryWay() (string, error) {
	way, from := o.memory, "--memory"
	if way == "" {
		way, from = os.Getenv(memoryEnv), memoryEnv
	}
	switch way {
	case "":
		return memoryAuto, nil
	case memoryAuto, memoryKcore, memoryBPF:
		return way, nil
	}
	return "", usagef("%s is bpf, kcore or auto, not %q", from, way)
}

// openRunning opens the running kernel: /proc/kcore, and where that is not there or refused, BPF.
func (a *app) openRunning() (*kmem.Image, error) {
	way, err := a.options.memoryWay()
	if err != nil {
		return nil, err
	}
	if way == memoryBPF {
		return a.openBPF()
	}
	img, err := kmem.OpenLive()
	var refused *kmem.HostError
	if way == memoryKcore || !errors.As(err, &refused) {
		return img, err
	}
	img, second := a.openBPF()
	if second != nil {
		return nil, refused.And(second)
	}
	a.noKcore = refused
	return img, nil
}

// openBPF opens the running kernel through BPF. Maps before 5.11 count as locked memory, which takes CAP_SYS_RESOURCE; the kernel
// tells addresses of symbols for CAP_SYSLOG.
func (a *app) openBPF() (img *kmem.Image, err error) {
	privilege.With(privilege.Probes|privilege.Symbols|privilege.Of(privilege.SysResource, privilege.SysAdmin), func() {
		var m *bpfmem.Memory
		if m, err = bpfmem.Open(); err == nil {
			privilege.Without(privilege.Of(privilege.BPF, privilege.SysAdmin), func() { a.bpfToRead = m.Try() != nil })
			img, err = kmem.OpenRunning(m)
		}
	})
	if err != nil {
		return nil, noBPF("cannot read the running kernel's memory through BPF", "open a dump with --core FILE", err)
	}
	return img, nil
}

// noBPF explains why BPF is not there for what was tried, and what else to do.
func noBPF(what, otherwise string, err error) *kmem.HostError {
	e := &kmem.HostError{What: what, Why: err.Error(), Do: otherwise, Err: err}
	state := privilege.AtStart()
	var refused *bpfmem.RefusedError
	if !errors.As(err, &refused) {
		return e
	}
	if state.Confidential() || errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) && state.Seccomp {
		why, do := state.WhyBPF()
		e.Why, e.Do = err.Error()+": "+why, do+", or "+otherwise
	} else if errors.Is(err, errors.ErrUnsupported) {
		e.Why += ": this kernel has no bpf system call (CONFIG_BPF_SYSCALL)"
	}
	return e
}
