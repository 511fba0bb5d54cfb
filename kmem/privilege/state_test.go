package privilege

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host writes the files of a host.
func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRead(t *testing.T) {
	s := read(host(t, map[string]string{
		"proc/self/status":                          "Name:\tkinspect\nCapInh:\t0000000000000000\nCapPrm:\t000000c400020004\nCapEff:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n",
		"proc/self/uid_map":                         "         0          0 4294967295\n",
		"sys/kernel/security/lockdown":              "none [integrity] confidentiality\n",
		"proc/sys/kernel/kptr_restrict":             "1\n",
		"proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
	}))
	want := Of(DACReadSearch, SysRawIO, Syslog, Perfmon, BPF)
	if !s.Known || s.Permitted != want || s.OwnUsers || !s.Seccomp || s.Lockdown != "integrity" || s.HidesPointers != "1" || s.NoUserBPF != "2" || s.PerfParanoid != "" {
		t.Errorf("%+v, want %v", s, want)
	}
	if s := read(host(t, map[string]string{"proc/self/uid_map": "0 1000 1\n"})); s.Known || !s.OwnUsers || s.Lockdown != "" {
		t.Errorf("%+v", s)
	}
}

func TestSet(t *testing.T) {
	for s, want := range map[Set]string{
		0: "", Of(BPF): "CAP_BPF", Kcore: "CAP_DAC_READ_SEARCH and CAP_SYS_RAWIO", Of(BPF, Perfmon, Syslog): "CAP_SYSLOG, CAP_PERFMON and CAP_BPF", Of(5): "capability 5",
	} {
		if s.String() != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
	// include/uapi/linux/capability.h
	for c, n := range map[Cap]int{DACOverride: 1, DACReadSearch: 2, NetAdmin: 12, SysRawIO: 17, SysPtrace: 19, SysAdmin: 21, SysResource: 24, Syslog: 34, Perfmon: 38, BPF: 39} {
		if int(c) != n {
			t.Errorf("%v is %d", c, n)
		}
	}
}

// Every refusal reads as what it is.
func TestWhy(t *testing.T) {
	all := Set(1<<41 - 1)
	for name, tt := range map[string]struct {
		state State
		want  Set
		words string
		never string
	}{
		"nobody":        {State{Known: true, UID: 1000}, Kcore, "takes CAP_DAC_READ_SEARCH and CAP_SYS_RAWIO, and this process (user 1000) lacks CAP_DAC_READ_SEARCH and CAP_SYS_RAWIO", "seccomp"},
		"one missing":   {State{Known: true, UID: 1000, Permitted: Of(DACReadSearch)}, Kcore, "lacks CAP_SYS_RAWIO", "lacks CAP_DAC"},
		"another":       {State{Known: true, UID: 1000, Permitted: Of(SysRawIO)}, Kcore, "lacks CAP_DAC_READ_SEARCH", ""},
		"root in vain":  {State{Known: true}, Kcore, "user 0) lacks CAP_SYS_RAWIO", "lacks CAP_DAC"},
		"no perfmon":    {State{Known: true, UID: 1, Permitted: Of(BPF)}, Probes, "lacks CAP_PERFMON", "lacks CAP_BPF"},
		"admin has bpf": {State{Known: true, UID: 1, Permitted: Of(SysAdmin), Seccomp: true}, Probes, "a seccomp filter", "lacks"},
		"lockdown":      {State{Known: true, Permitted: all, Lockdown: "confidentiality", Seccomp: true}, Kcore, "locked down", "seccomp"},
		"integrity":     {State{Known: true, Permitted: all, Lockdown: "integrity"}, Kcore, "security module", "locked down"},
		"seccomp":       {State{Known: true, Permitted: all, Seccomp: true}, Kcore, "a seccomp filter", "lacks"},
		"rootless":      {State{Known: true, Permitted: all, OwnUsers: true, Seccomp: true}, Kcore, "user namespace of its own", "seccomp"},
		"unknown":       {State{}, Kcore, "without /proc", "lacks"},
		"who knows":     {State{Known: true, Permitted: all}, Kcore, "SELinux", "lacks"},
	} {
		why, do := tt.state.Why(tt.want)
		if !strings.Contains(why, tt.words) || tt.never != "" && strings.Contains(why, tt.never) || do == "" {
			t.Errorf("%s: %q, %q", name, why, do)
		}
	}
	s := State{Known: true, UID: 1000, NoUserBPF: "2"}
	if why, _ := s.WhyBPF(); !strings.Contains(why, "unprivileged_bpf_disabled is 2") {
		t.Errorf("%q", why)
	}
	for name, tt := range map[string]struct {
		state State
		words string
	}{
		"for nobody":     {State{Known: true, HidesPointers: "2", Permitted: all}, "kptr_restrict=2"},
		"for the others": {State{Known: true, HidesPointers: "1"}, "without CAP_SYSLOG"},
		"perf":           {State{Known: true, HidesPointers: "0", PerfParanoid: "3"}, "perf_event_paranoid is 3"},
	} {
		if why, do := tt.state.WhyHidden(); !strings.Contains(why, tt.words) || do == "" {
			t.Errorf("%s: %q, %q", name, why, do)
		}
	}
}

func TestText(t *testing.T) {
	s := State{Known: true, UID: 5, Permitted: Of(BPF, SysRawIO), Seccomp: true, Lockdown: "integrity", OwnUsers: true}
	if got, want := s.Text(), "user 5 with CAP_SYS_RAWIO and CAP_BPF, in a user namespace of its own; a seccomp filter looks at its system calls; lockdown: integrity (which lets memory be read)"; got != want {
		t.Errorf("%q", got)
	}
	if got := (&State{Known: true, Permitted: 1<<41 - 1}).Text(); got != "user 0 with all capabilities of use" {
		t.Errorf("%q", got)
	}
}

// TestLockedMemory is of kernels before 5.11, which refuse maps beyond the limit with the words that they have for a missing capability.
func TestLockedMemory(t *testing.T) {
	s := State{UID: 65534, Known: true, Permitted: Probes}
	if why, do := s.WhyBPF(); !strings.Contains(why, "locked memory") || !strings.Contains(do, "CAP_SYS_RESOURCE") {
		t.Errorf("%s; %s", why, do)
	}
	s.Permitted |= Of(SysResource)
	if why, _ := s.WhyBPF(); why != otherModule {
		t.Error(why)
	}
}
