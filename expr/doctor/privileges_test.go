package doctor

import (
	"strings"
	"testing"

	"kinspect/kmem"
	"kinspect/kmem/privilege"
)

func TestPrivileges(t *testing.T) {
	fine := func() *kmem.HostError { return nil }
	refused := func() *kmem.HostError {
		return &kmem.HostError{What: "cannot load a BPF program", Why: "it takes CAP_BPF", Do: "run it as root"}
	}
	for name, tt := range map[string]struct {
		state  privilege.State
		try    func() *kmem.HostError
		status Status
		words  []string
	}{
		"root":    {privilege.State{Known: true, Permitted: 1<<41 - 1}, fine, OK, []string{"all capabilities of use", "drops: BPF programs can be loaded"}},
		"refused": {privilege.State{Known: true, UID: 7}, refused, Limited, []string{"user 7 with no capability of use", "drops: cannot load a BPF program: it takes CAP_BPF", "what to do: run it as root"}},
		"probes":  {privilege.State{Known: true, UID: 7, Permitted: privilege.Probes}, fine, Limited, []string{"other network namespaces", "missing: CAP_SYS_PTRACE and CAP_SYS_ADMIN"}},
	} {
		r := &Report{Status: OK}
		r.Privileges(&tt.state, "drops", tt.try)
		for _, w := range tt.words {
			if !strings.Contains(r.Text(), w) {
				t.Errorf("%s: %q is not in\n%s", name, w, r.Text())
			}
		}
		if r.Status != tt.status {
			t.Errorf("%s: %s", name, r.Status)
		}
	}
}
