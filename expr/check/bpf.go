package check

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// redirecting are the kinds of BPF programs that may call bpf_redirect with
// BPF_F_INGRESS, and so hand frames to any device (net/core/filter.c:
// tc_cls_act_func_proto, lwt_xmit_func_proto).
var redirecting = []string{"BPF_PROG_TYPE_SCHED_CLS", "BPF_PROG_TYPE_SCHED_ACT", "BPF_PROG_TYPE_LWT_XMIT"}

// maxPrograms bounds the walk over BPF programs.
const maxPrograms = 1 << 20

// programs are the loaded BPF programs; ok is false where the kernel has none at all (CONFIG_BPF_SYSCALL).
func programs(k *value.Kernel) (idr value.Value, ok bool, err error) {
	syms, err := k.Symbols()
	if err != nil {
		return idr, false, err
	}
	if _, ok := syms.Lookup("prog_idr"); !ok {
		if _, has := syms.Lookup("bpf_prog_new_fd"); !has {
			return idr, false, nil
		}
	}
	idr, err = k.Global("prog_idr")
	return idr, err == nil, err
}

// redirectors counts the loaded BPF programs that may redirect frames into a
// device (kernel/bpf/syscall.c: prog_idr).
func redirectors(k *value.Kernel) (int, error) {
	idr, ok, err := programs(k)
	if err != nil || !ok {
		return 0, err
	}
	head, err := idr.UintPath("idr_rt.xa_head")
	if err != nil {
		return 0, err
	}
	kinds := map[uint64]bool{}
	for _, name := range redirecting {
		n, err := k.Enumerator(name)
		if err != nil {
			return 0, err
		}
		kinds[n] = true
	}
	prog, err := k.Struct("bpf_prog")
	if err != nil {
		return 0, err
	}
	n := 0
	err = k.EachXArray(kmem.Addr(head), maxPrograms, func(a kmem.Addr) error {
		t, err := k.Ref(prog, a).UintPath("type")
		if kinds[t] {
			n++
		}
		return err
	})
	if err != nil {
		return n, fmt.Errorf("walking the BPF programs: %w", err)
	}
	return n, nil
}

// withoutProgram rules a path out that takes a BPF program, where none that could take it is loaded: for good if none of
// any kind ever was, and else as the host is set up now.
func withoutProgram(sc *scene, format string, args ...any) finding {
	last, err := lastProgram(sc.s.K)
	switch {
	case err != nil:
		return outNow(format, args...)
	case last == 0:
		f := ruledOut(format, args...)
		f.evidence[0] += ", nor was one since boot"
		return f
	}
	f := outNow(format, args...)
	f.evidence[0] += fmt.Sprintf("; programs loaded since boot: %d", last)
	return f
}

// lastProgram is the number that the last BPF program was given, which count from 1, or 0 where there was none since
// boot (kernel/bpf/syscall.c: bpf_prog_alloc_id; lib/idr.c: idr_alloc_cyclic never gives idr_next back below 2).
func lastProgram(k *value.Kernel) (uint64, error) {
	idr, ok, err := programs(k)
	if err != nil || !ok {
		return 0, err
	}
	next, err := idr.UintPath("idr_next")
	return max(next, 1) - 1, err
}
