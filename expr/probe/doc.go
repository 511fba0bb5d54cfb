// Package probe watches a running kernel: BPF programs, assembled here, count in the kernel what happens there, and
// keep samples of it.
//
// Nothing outlives the process. Programs, maps and links are file descriptors that nothing is pinned to, and no trace
// setting of the host is changed, so that what ends kinspect, SIGKILL too, ends all of it.
//
// Everything is bounded when it starts: a map has a size, and what does not fit is counted as lost and told.
//
// A [Target] is a function or tracepoint by its name, with what it is called with; [Target.Scope] is what expressions
// can name there, which package compile makes programs of.
//
// What a program needs of the kernel, the places of members and the arguments of tracepoints, is asked of the
// kernel's BTF.
package probe
