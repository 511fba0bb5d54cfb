package probe

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Reasons names this kernel's drop reasons.
type Reasons struct {
	k    *value.Kernel
	core map[uint32]string // nil where the kernel has none
	subs map[uint32]string // of subsystems, as they were asked for
}

// The parts of a reason since 6.4 (include/net/dropreason.h): the upper half is the subsystem, 0 the core's.
const (
	reasonSubsystem = 16
	reasonMask      = 1<<reasonSubsystem - 1
	maxReasonName   = 64
	maxReasons      = 4096
)

// NewReasons takes the core's reasons from the enum of this kernel's BTF. Kernels before 5.17 have none.
func NewReasons(k *value.Kernel) (*Reasons, error) {
	r := &Reasons{k: k, subs: map[uint32]string{}}
	types, err := k.Types()
	if err != nil {
		return nil, err
	}
	e, err := types.Enum("skb_drop_reason")
	if err != nil {
		return r, nil
	}
	r.core = map[uint32]string{}
	for _, v := range e.Values() {
		name, ok := strings.CutPrefix(v.Name, "SKB_DROP_REASON_")
		if !ok {
			name = strings.TrimPrefix(v.Name, "SKB_") // SKB_NOT_DROPPED_YET, SKB_CONSUMED
		}
		if v.Name != "SKB_DROP_REASON_MAX" && v.Name != "SKB_DROP_REASON_SUBSYS_MASK" {
			r.core[uint32(v.Value)] = name
		}
	}
	return r, nil
}

// Known reports whether this kernel tells reasons at all.
func (r *Reasons) Known() bool { return r.core != nil }

// Name is a reason without SKB_DROP_REASON_; "" where the kernel tells none. One that has no name is told by its
// number.
func (r *Reasons) Name(n uint32) string {
	if !r.Known() {
		return ""
	}
	if name, ok := r.core[n]; ok {
		return name
	}
	if name, ok := r.subs[n]; ok {
		return name
	}
	name, err := r.ofSubsystem(n)
	if err != nil || name == "" {
		name = fmt.Sprintf("reason %#x", n)
	}
	r.subs[n] = name
	return name
}

// ofSubsystem asks the list that a subsystem has registered: drop_reasons_by_subsys (net/core/skbuff.c, since 6.4).
func (r *Reasons) ofSubsystem(n uint32) (string, error) {
	sub := n >> reasonSubsystem
	if sub == 0 {
		return "", nil
	}
	lists, err := r.k.Global("drop_reasons_by_subsys")
	if err != nil {
		return "", err
	}
	list, err := lists.Path(fmt.Sprintf("[%d]", sub))
	if err != nil {
		return "", err
	}
	at, err := list.Pointer()
	if err != nil || at == 0 {
		return "", err
	}
	st, err := r.k.Struct("drop_reason_list")
	if err != nil {
		return "", err
	}
	names, err := r.k.Ref(st, at).PointerPath("reasons")
	if err != nil {
		return "", err
	}
	count, err := r.k.Ref(st, at).UintPath("n_reasons")
	if err != nil {
		return "", err
	}
	if i := uint64(n & reasonMask); i < min(count, maxReasons) && names != 0 {
		text, err := kmem.ReadAddr(r.k, names.Add(8*int64(i)))
		if err != nil || text == 0 {
			return "", err
		}
		name, _, err := kmem.ReadCString(r.k, text, maxReasonName)
		return value.Printable(strings.TrimPrefix(name, "SKB_DROP_REASON_")), err
	}
	return "", nil
}
