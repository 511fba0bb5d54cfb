package privilege

import "fmt"

// The capabilities that something takes.
var (
	Kcore   = Of(SysRawIO, DACReadSearch)
	Probes  = Of(BPF, Perfmon)
	Symbols = Of(Syslog)
)

// lockedDown and the others are the reasons, as messages have them.
const (
	lockedDown     = "the kernel is locked down for confidentiality (/sys/kernel/security/lockdown)"
	lockdownEnds   = "lockdown ends only with a reboot without lockdown=confidentiality"
	ownUsers       = "this process is in a user namespace of its own, as in a rootless container: its capabilities do not count for the host's kernel"
	outside        = "run it outside of the container, as root"
	seccompFilters = "no capability is missing, but a seccomp filter looks at this process's system calls (Seccomp in /proc/self/status), as container runtimes set one"
	otherModule    = "no capability is missing, and there is neither a lockdown nor a seccomp filter: a security module (SELinux, AppArmor) may refuse it"
)

// lockedMemory is for what the kernel refuses in the same words.
const lockedMemory = "before 5.11 BPF maps count as locked memory, and more of it than the limit (RLIMIT_MEMLOCK) takes CAP_SYS_RESOURCE, which this process lacks; a security module (SELinux, AppArmor) may also refuse it"

// Why tells why the system refused something that takes the capabilities of want, and what to do about it.
func (s *State) Why(want Set) (why, do string) {
	missing := s.Missing(want)
	switch {
	case s.Confidential():
		return lockedDown, lockdownEnds
	case missing != 0:
		why = fmt.Sprintf("it takes %v, and this process (user %d) lacks %v", want, s.UID, missing)
		if s.UID == 0 {
			return why, "it is root without its capabilities, as in a container or a service: grant them, or run it on the host itself"
		}
		return why, "run it as root (sudo), or grant the capabilities"
	case s.OwnUsers:
		return ownUsers, outside
	case s.Seccomp:
		return seccompFilters, "allow the system call, or run it on the host itself"
	case !s.Known:
		return fmt.Sprintf("it takes %v; what this process holds cannot be told without /proc", want), "run it as root (sudo)"
	}
	return otherModule, "see the host's audit log"
}

// WhyBPF is Why for BPF programs that read memory, with what else decides about them.
func (s *State) WhyBPF() (why, do string) {
	why, do = s.Why(Probes)
	if why == otherModule && s.Missing(Of(SysResource)) != 0 {
		return lockedMemory, "grant CAP_SYS_RESOURCE, or raise the limit (ulimit -l unlimited); else see the host's audit log"
	}
	if s.Missing(Probes) != 0 && !s.Confidential() && (s.NoUserBPF == "1" || s.NoUserBPF == "2") {
		why += " (kernel.unprivileged_bpf_disabled is " + s.NoUserBPF + ")"
	}
	return why, do
}

// WhyHidden tells why /proc/kallsyms hides the addresses of symbols from this process.
func (s *State) WhyHidden() (why, do string) {
	switch missing := s.Missing(Symbols); {
	case s.HidesPointers == "2":
		return "kernel.kptr_restrict=2 hides all addresses", "set sysctl kernel.kptr_restrict=1 or 0"
	case missing != 0 && s.HidesPointers == "0":
		return fmt.Sprintf("kernel.kptr_restrict=0 shows addresses to those who may use perf (kernel.perf_event_paranoid is %s), or hold %v, which this process lacks", s.PerfParanoid, missing), "run it as root (sudo), or grant the capability"
	case missing != 0:
		return fmt.Sprintf("kernel.kptr_restrict hides all addresses from those without %v, which this process lacks", missing), "run it as root (sudo), or grant the capability"
	}
	return "kernel.kptr_restrict hides all addresses", "run it as root with sysctl kernel.kptr_restrict=1 or 0"
}

// Text says for people what the process holds of what kinspect has a use for.
func (s *State) Text() string {
	useful := Kcore | Probes | Symbols | Of(SysAdmin, SysPtrace)
	if !s.Known {
		return fmt.Sprintf("user %d; capabilities cannot be told without /proc", s.UID)
	}
	text := fmt.Sprintf("user %d with ", s.UID)
	switch held := s.Permitted & useful; held {
	case 0:
		text += "no capability of use"
	case useful:
		text += "all capabilities of use"
	default:
		text += held.String()
	}
	if s.OwnUsers {
		text += ", in a user namespace of its own"
	}
	if s.Seccomp {
		text += "; a seccomp filter looks at its system calls"
	}
	if s.Lockdown != "" {
		text += "; lockdown: " + s.Lockdown
		if s.Lockdown == "integrity" {
			text += " (which lets memory be read)"
		}
	}
	return text
}
