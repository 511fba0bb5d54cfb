package probe

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kinspect/expr/value"
	"kinspect/kmem/privilege"
)

// attachment is programs that run at a target.
type attachment struct {
	progs     []*ebpf.Program
	links     []link.Link
	registers bool // by kprobes
}

// programAt is a program for a site.
type programAt struct {
	site Site
	ins  asm.Instructions
}

// attach loads programs, and attaches them when the kernel has taken all, the last one first: who
// attaches the exit before the entry sees no entry without its exit.
func (t *Target) attach(name string, list []programAt) (a *attachment, err error) {
	a = &attachment{}
	defer func() {
		if err != nil {
			a.close()
			a = nil
		}
	}()
	for _, p := range list {
		a.registers = p.site.Registers
		spec := &ebpf.ProgramSpec{Name: name, Instructions: p.ins, License: license}
		switch {
		case t.Tracepoint:
			spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceRawTp, t.Name
		case p.site.Registers:
			spec.Type = ebpf.Kprobe
		case p.site.Exit:
			spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFExit, t.Name
		default:
			spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFEntry, t.Name
		}
		prog, err := ebpf.NewProgram(spec)
		if err != nil {
			return a, err
		}
		a.progs = append(a.progs, prog)
	}
	for i := len(list) - 1; i >= 0; i-- {
		var l link.Link
		switch site := list[i].site; {
		case !site.Registers:
			l, err = link.AttachTracing(link.TracingOptions{Program: a.progs[i]})
		case site.Exit:
			l, err = link.Kretprobe(t.Name, a.progs[i], nil)
		default:
			l, err = link.Kprobe(t.Name, a.progs[i], nil)
		}
		if err != nil {
			return a, err
		}
		a.links = append(a.links, l)
	}
	return a, nil
}

// attachAny attaches programs as a kernel can take them: by BTF, else by kprobes. make makes the programs for one of
// the ways; its errors are the user's.
func (t *Target) attachAny(name string, make func(registers bool) ([]programAt, error)) (a *attachment, registers bool, err error) {
	var first error
	if t.traced {
		list, err := make(false)
		if err != nil {
			return nil, false, err
		}
		if a, err := t.attach(name, list); err == nil {
			return a, false, nil
		} else if first = err; !mayBeKprobe(t, err) {
			return nil, false, t.refused(err)
		}
		t.why = shortest(first)
	}
	if runtime.GOARCH != "amd64" {
		return nil, true, fmt.Errorf("%s can be traced by a kprobe alone (%s), whose registers are known here on x86-64 only", t.Title(), t.why)
	}
	list, err := make(true)
	if err != nil {
		if first != nil || t.why != "" {
			return nil, true, fmt.Errorf("%w (%s is traced by a kprobe: %s)", err, t.Name, t.why)
		}
		return nil, true, err
	}
	a, err = t.attach(name, list)
	if err != nil {
		return nil, true, t.refused(err)
	}
	return a, true, nil
}

// mayBeKprobe reports whether what an attachment by BTF was refused for leaves a kprobe.
func mayBeKprobe(t *Target, err error) bool {
	var verifier *ebpf.VerifierError
	return !t.Tracepoint && !errors.Is(err, unix.EPERM) && (!errors.As(err, &verifier) || attachRefused(verifier))
}

// attachRefused reports whether it is not the program that a verifier refuses, but what it is to be attached to: it
// has looked at no instruction then.
func attachRefused(err *ebpf.VerifierError) bool {
	for _, l := range err.Log {
		if len(l) > 2 && l[0] >= '0' && l[0] <= '9' { // "0: (bf) r6 = r1"
			return false
		}
	}
	return true
}

// shortest is the kernel's own word for an error.
func shortest(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return value.Printable(err.Error())
}

// refused says why a target cannot be probed.
func (t *Target) refused(err error) error {
	var verifier *ebpf.VerifierError
	if !errors.As(err, &verifier) && !t.Tracepoint && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EILSEQ) || errors.Is(err, unix.ENOENT)) {
		return fmt.Errorf("attaching to %s: the kernel allows no probe there (%s), as of functions that are notrace or noinstr, or that kprobes need themselves (debugfs has them in kprobes/blacklist): trace what calls it", t.Title(), shortest(err))
	}
	if why := t.needsAdmin(); why != "" && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		state := privilege.AtStart()
		if state.Missing(privilege.Of(privilege.SysAdmin)) != 0 && state.Missing(privilege.Probes) == 0 {
			return fmt.Errorf("attaching to %s: %s: CAP_SYS_ADMIN is missing%s\nrun it as root (sudo), or grant CAP_SYS_ADMIN", t.Title(), shortest(err), why)
		}
	}
	return refusal("attaching to "+t.Title(), err)
}

// needsAdmin says what CAP_SYS_ADMIN is for where it takes that to attach to a target, "" where it does not.
func (t *Target) needsAdmin() string {
	switch {
	case t.Tracepoint:
		return ""
	case t.Module != "":
		return "; for that alone the kernel hands out the types of modules, by which their functions are attached to, and the kprobe that is left takes it where kernel.perf_event_paranoid is 3 or more"
	case !t.traced || t.why != "": // by a kprobe
		return ", which kprobes take where kernel.perf_event_paranoid is 3 or more"
	}
	return ""
}

// detach ends the programs' runs, in the other order: an entry that is told has its exit. They are there until close,
// for what they counted.
func (a *attachment) detach() error {
	var errs []error
	for _, l := range slices.Backward(a.links) {
		errs = append(errs, l.Close())
	}
	a.links = nil
	return errors.Join(errs...)
}

// misses is how often a program was not run since it, or another probe, ran on the same CPU already, or for a return of
// which the kernel had no room to wait. known is whether the kernel counts that: for fentry and fexit since 5.12, before
// which they see each call, for kprobes since 6.7, when the info of their links came to have it.
func (a *attachment) misses(k *value.Kernel) (n uint64, known bool) {
	for _, p := range a.progs {
		if stats, err := p.Stats(); err == nil {
			n += stats.RecursionMisses
		}
	}
	if !a.registers {
		return n, true
	}
	if !k.HasMember("bpf_link_info", "perf_event.kprobe.missed") {
		return n, false
	}
	for _, l := range a.links {
		info, err := l.Info()
		if err != nil || info.PerfEvent() == nil || info.PerfEvent().Kprobe() == nil {
			return n, false
		}
		n += info.PerfEvent().Kprobe().Missed
	}
	return n, true
}

func (a *attachment) close() {
	_ = a.detach()
	for _, p := range a.progs {
		_ = p.Close()
	}
	a.progs = nil
}
