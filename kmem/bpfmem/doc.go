// Package bpfmem reads the running kernel's memory with a BPF program, for hosts without /proc/kcore.
//
// The program copies memory with bpf_probe_read_kernel into a buffer that it shares with this process
// (a map that is mapped), when it is run by BPF_PROG_TEST_RUN: nothing is attached, nothing is left behind. It reads what
// the kernel itself can read, and says of each page whether it could: where it could not, there is a fault,
// never zeros.
//
// A run copies one range, of as much as the buffer holds. If any of that cannot be read, a second run
// copies it page by page, as far as it goes, and finds the page.
//
// The program is of the type BPF_PROG_TYPE_SYSCALL (5.14), which may be interrupted. Kernels that do not
// have it run it as a raw tracepoint's, which since 5.10 can be run without being attached.
//
// A [Memory] is safe for concurrent use; reads take turns.
package bpfmem
