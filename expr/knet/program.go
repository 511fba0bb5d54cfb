package knet

import (
	"encoding/hex"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Program is a BPF program, or a TC filter of another kind, that is attached to a device.
type Program struct {
	Hook  string // "xdp", "tcx ingress", "tc egress" …
	Mode  string // of XDP: generic, native or offload
	Kind  string // "bpf", or the kind of a TC filter
	ID    uint64 // of a program, as bpftool shows it
	Name  string
	Tag   string
	Prio  uint64      // of a TC filter
	Value value.Value // struct bpf_prog or struct tcf_proto
}

// maxFilters bounds the TC filters of one hook.
const maxFilters = 1 << 16

// xdpModes are enum bpf_xdp_mode (include/linux/netdevice.h).
var xdpModes = []string{"generic", "native", "offload"}

// Programs lists what is attached to the device's XDP and TC hooks.
func (s *Stack) Programs(d Device) ([]Program, error) {
	out, err := s.xdpPrograms(d)
	if err != nil {
		return out, fmt.Errorf("the XDP programs of %s: %w", d.Label(), err)
	}
	for _, side := range []string{"ingress", "egress"} {
		list, err := s.tcPrograms(d, side)
		if err != nil {
			return out, fmt.Errorf("the TC %s programs of %s: %w", side, d.Label(), err)
		}
		out = append(out, list...)
	}
	return out, nil
}

// xdpPrograms reads net_device.xdp_state: by mode a program, or a link that has one (net/core/dev.c:
// dev_xdp_prog).
func (s *Stack) xdpPrograms(d Device) ([]Program, error) {
	out := []Program{}
	states, err := d.Value.Path("xdp_state")
	if err != nil {
		return nil, err
	}
	n, _ := states.Len()
	for i := range min(n, len(xdpModes)) {
		st, err := states.Index(int64(i))
		if err != nil {
			return nil, err
		}
		v, err := st.Path("prog")
		if err != nil {
			return nil, err
		}
		link, err := st.PointerPath("link")
		if err != nil {
			return nil, err
		}
		if link != 0 {
			if v, err = st.Path("link.link.prog"); err != nil {
				return nil, err
			}
		}
		p, ok, err := bpfProgram(v)
		if err != nil {
			return nil, err
		}
		if ok {
			p.Hook, p.Mode = "xdp", xdpModes[i]
			out = append(out, p)
		}
	}
	return out, nil
}

// bpfProgram reads a pointer to struct bpf_prog; ok is false where it is NULL.
func bpfProgram(v value.Value) (p Program, ok bool, err error) {
	if a, err := v.Pointer(); err != nil || a == 0 {
		return p, false, err
	}
	p.Kind = "bpf"
	if p.Value, err = v.Deref(); err != nil {
		return p, false, err
	}
	if p.ID, err = v.UintPath("aux.id"); err != nil {
		return p, false, err
	}
	if p.Name, err = v.StringPath("aux.name"); err != nil {
		return p, false, err
	}
	tag, err := rawPath(p.Value, "tag", 8)
	p.Tag = hex.EncodeToString(tag)
	return p, err == nil, err
}

// tcPrograms reads one TC hook. Since 6.6 it is net_device.tcx_ingress, an array of programs with the
// classic filters beside it (include/net/tcx.h: struct tcx_entry); before, miniq_ingress had those
// alone.
func (s *Stack) tcPrograms(d Device, side string) ([]Program, error) {
	out := []Program{}
	if !d.Value.Has("tcx_" + side) {
		if !d.Value.Has("miniq_" + side) {
			return out, nil // a kernel without CONFIG_NET_CLS_ACT
		}
		miniq, err := d.Value.Path("miniq_" + side)
		if err != nil {
			return nil, err
		}
		return s.filters(miniq, side)
	}
	entry, err := d.Value.Path("tcx_" + side)
	if err != nil {
		return nil, err
	}
	if a, err := entry.Pointer(); err != nil || a == 0 {
		return out, err
	}
	items, err := entry.Path("fp_items")
	if err != nil {
		return nil, err
	}
	n, _ := items.Len()
	for i := range n {
		it, err := items.Index(int64(i))
		if err != nil {
			return nil, err
		}
		v, err := it.Path("prog")
		if err != nil {
			return nil, err
		}
		p, ok, err := bpfProgram(v)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		p.Hook = "tcx " + side
		out = append(out, p)
	}
	bundle, err := entry.PointerPath("parent")
	if err != nil || bundle == 0 {
		return out, err
	}
	st, err := s.K.Struct("tcx_entry")
	if err != nil {
		return nil, err
	}
	off, err := s.offset("tcx_entry", "bundle")
	if err != nil {
		return nil, err
	}
	miniq, err := s.K.Ref(st, bundle-off).Path("miniq")
	if err != nil {
		return nil, err
	}
	classic, err := s.filters(miniq, side)
	return append(out, classic...), err
}

// filters lists the chain of struct tcf_proto behind a pointer to struct mini_Qdisc.
func (s *Stack) filters(miniq value.Value, side string) ([]Program, error) {
	out := []Program{}
	if a, err := miniq.Pointer(); err != nil || a == 0 {
		return out, err
	}
	first, err := miniq.PointerPath("filter_list")
	if err != nil {
		return nil, err
	}
	st, err := s.K.Struct("tcf_proto")
	if err != nil {
		return nil, err
	}
	next, err := s.offset("tcf_proto", "next")
	if err != nil {
		return nil, err
	}
	err = s.chain(first, uint64(next), maxFilters, func(a kmem.Addr) error {
		p := Program{Hook: "tc " + side, Value: s.K.Ref(st, a)}
		var err error
		if p.Kind, err = p.Value.StringPath("ops.kind"); err != nil {
			return err
		}
		// The kernel keeps the priority shifted, as a part of a handle.
		if p.Prio, err = p.Value.UintPath("prio"); err != nil {
			return err
		}
		p.Prio >>= 16
		out = append(out, p)
		return nil
	})
	return out, err
}
