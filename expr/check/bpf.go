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

// redirectors counts the loaded BPF programs that may redirect frames into a
// device (kernel/bpf/syscall.c: prog_idr).
func redirectors(k *value.Kernel) (int, error) {
	if syms, err := k.Symbols(); err != nil {
		return 0, err
	} else if _, ok := syms.Lookup("prog_idr"); !ok {
		if _, has := syms.Lookup("bpf_prog_new_fd"); !has {
			return 0, nil // a kernel without CONFIG_BPF_SYSCALL
		}
	}
	idr, err := k.Global("prog_idr")
	if err != nil {
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
