package privilege

import (
	"math/bits"
	"strconv"
	"strings"
)

// Cap is a capability, by number (include/uapi/linux/capability.h).
type Cap uint8

// Those that kinspect has a use for.
const (
	DACOverride   Cap = 1  // root's own right to write files wherever the user who called sudo is
	DACReadSearch Cap = 2  // /proc/kcore is of mode 0400
	NetAdmin      Cap = 12 // not needed: what is asked of netlink and ethtool, everybody may ask
	SysRawIO      Cap = 17 // /proc/kcore
	SysPtrace     Cap = 19 // which network namespace a process of somebody else is in
	SysAdmin      Cap = 21 // entering another network namespace; BTF of modules for probes; BPF before 5.8
	SysResource   Cap = 24 // BPF maps before 5.11, which count as locked memory
	Syslog        Cap = 34 // addresses in /proc/kallsyms
	Perfmon       Cap = 38 // BPF programs that read kernel memory (5.8)
	BPF           Cap = 39 // BPF maps and programs (5.8)
)

var capNames = map[Cap]string{
	DACOverride: "CAP_DAC_OVERRIDE", DACReadSearch: "CAP_DAC_READ_SEARCH", NetAdmin: "CAP_NET_ADMIN", SysRawIO: "CAP_SYS_RAWIO",
	SysPtrace: "CAP_SYS_PTRACE", SysAdmin: "CAP_SYS_ADMIN", SysResource: "CAP_SYS_RESOURCE", Syslog: "CAP_SYSLOG",
	Perfmon: "CAP_PERFMON", BPF: "CAP_BPF",
}

// String is the name as the kernel's documentation writes it.
func (c Cap) String() string {
	if name, ok := capNames[c]; ok {
		return name
	}
	return "capability " + strconv.Itoa(int(c))
}

// Set is a set of capabilities, a bit each.
type Set uint64

// Of makes a set.
func Of(caps ...Cap) Set {
	var s Set
	for _, c := range caps {
		s |= 1 << c
	}
	return s
}

// Has reports whether all of other are in the set.
func (s Set) Has(other Set) bool { return s&other == other }

// Caps lists the set, by number.
func (s Set) Caps() []Cap {
	var list []Cap
	for ; s != 0; s &= s - 1 {
		list = append(list, Cap(bits.TrailingZeros64(uint64(s))))
	}
	return list
}

// String lists the set for people: "CAP_BPF and CAP_PERFMON".
func (s Set) String() string {
	var names []string
	for _, c := range s.Caps() {
		names = append(names, c.String())
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
