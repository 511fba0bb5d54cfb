package doctor

import (
	"kinspect/kmem"
	"kinspect/kmem/privilege"
)

// Privileges adds what the process may do on the running kernel, and which commands that allows. probes names those that load BPF
// programs as they go, and try tells why that cannot be; nil where it can.
func (r *Report) Privileges(s *privilege.State, probes string, try func() *kmem.HostError) {
	r.add("privileges", OK, "", "%s; commands keep what they need and give up the rest", s.Text())
	if e := try(); e != nil {
		r.add("live probes", Limited, e.Do, "%s: %s: %s", probes, e.What, e.Why)
		return
	}
	r.add("live probes", OK, "", "%s: BPF programs can be loaded", probes)
	if missing := s.Missing(privilege.Of(privilege.SysAdmin, privilege.SysPtrace)); missing != 0 {
		r.add("other network namespaces", Limited, "run it as root (sudo), or grant them", "their totals by netlink and ethtool cannot be asked for: entering takes CAP_SYS_ADMIN and CAP_SYS_PTRACE; missing: %v", missing)
	}
}
