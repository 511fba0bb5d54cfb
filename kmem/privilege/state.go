package privilege

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// State is what a process may do, and what is in its way.
type State struct {
	UID       int  // effective
	Permitted Set  // capabilities that it holds
	Known     bool // that the above could be read
	// OwnUsers: the process is in a user namespace of its own, as in a rootless container. Its capabilities do not
	// count for what is the whole host's.
	OwnUsers bool
	Seccomp  bool   // a seccomp filter looks at its system calls
	Lockdown string // "none", "integrity", "confidentiality"; "" where the kernel has no such thing, or does not tell
	// Sysctls, "" where there is none: kernel.kptr_restrict, kernel.perf_event_paranoid,
	// kernel.unprivileged_bpf_disabled.
	HidesPointers, PerfParanoid, NoUserBPF string
}

var atStart struct {
	once  sync.Once
	state State
}

// AtStart is the state of this process when it was first asked for: before [Start] and [Keep] gave something up.
func AtStart() *State {
	atStart.once.Do(func() { atStart.state = read("/") })
	return &atStart.state
}

// read reads the state of this process as the files under root tell it.
func read(root string) State {
	s := State{UID: os.Geteuid()}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	for line := range strings.Lines(text("proc/self/status")) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapPrm":
			n, err := strconv.ParseUint(value, 16, 64)
			s.Permitted, s.Known = Set(n), err == nil
		case "Seccomp":
			s.Seccomp = value == "1" || value == "2"
		}
	}
	// The first user namespace maps all users to themselves (user_namespaces(7)).
	if users := strings.Fields(text("proc/self/uid_map")); len(users) >= 3 {
		s.OwnUsers = users[0] != "0" || users[1] != "0" || users[2] != "4294967295"
	}
	if _, rest, ok := strings.Cut(text("sys/kernel/security/lockdown"), "["); ok {
		s.Lockdown, _, _ = strings.Cut(rest, "]")
	}
	s.HidesPointers = text("proc/sys/kernel/kptr_restrict")
	s.PerfParanoid = text("proc/sys/kernel/perf_event_paranoid")
	s.NoUserBPF = text("proc/sys/kernel/unprivileged_bpf_disabled")
	return s
}

// Missing is what of a set the process does not hold. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, which are parts of
// it (include/linux/capability.h, bpf_capable), CAP_DAC_OVERRIDE for reading, too.
func (s *State) Missing(want Set) Set {
	if !s.Known {
		return 0
	}
	missing := want &^ s.Permitted
	if s.Permitted.Has(Of(SysAdmin)) {
		missing &^= Of(BPF, Perfmon)
	}
	if s.Permitted.Has(Of(DACOverride)) || s.UID == 0 {
		missing &^= Of(DACReadSearch)
	}
	return missing
}

// Confidential reports whether the kernel is locked down so that nobody may read its memory.
func (s *State) Confidential() bool { return s.Lockdown == "confidentiality" }
