package value

import (
	"errors"
	"fmt"

	"kinspect/kmem"
)

// An XEntry is what an index of an xarray or a range of a maple tree holds.
type XEntry struct {
	First, Last uint64    // the indices; one alone unless the entry spans several
	Entry       kmem.Addr // a pointer, or where the lowest bit is set, an integer (see Integer)
}

// Integer is the integer that an entry holds in place of a pointer; ok is false for
// a pointer. A pointer with a tag in its two lowest bits looks the same
// (include/linux/xarray.h: xa_mk_value, xa_tag_pointer).
func (e XEntry) Integer() (n uint64, ok bool) { return uint64(e.Entry) >> 1, e.Entry&1 != 0 }

const (
	xaBits     = 6               // log2 of the slots of a node, XA_CHUNK_SHIFT
	xaMaxShift = 60              // of the topmost node of 64-bit indices
	xaZero     = 257<<2 | 2      // XA_ZERO_ENTRY: reserved, and shown as NULL
	xaInternal = kmem.Addr(4096) // what is below is a mark and no node
)

// isNode reports whether an entry of an xarray or a maple tree leads to a node.
func isNode(e kmem.Addr) bool { return e&3 == 2 && e > xaInternal }

// xaReader reads nodes of xarrays.
type xaReader struct {
	k            *Kernel
	size         int
	shift, slots int
}

func newXAReader(k *Kernel) (*xaReader, error) {
	st, err := k.Struct("xa_node")
	if err != nil {
		return nil, err
	}
	slots, err := st.FindMember("slots")
	if err != nil {
		return nil, err
	}
	shift, err := st.FindMember("shift")
	if err != nil {
		return nil, err
	}
	r := &xaReader{k: k, size: int(slots.Offset()) + 8*xaSlots, shift: int(shift.Offset()), slots: int(slots.Offset())}
	if n, err := st.FindMember(fmt.Sprintf("slots[%d]", xaSlots-1)); err != nil || r.shift >= r.slots || n.Offset() > 4096 {
		return nil, fmt.Errorf("struct xa_node of this kernel does not have %d slots behind its shift", xaSlots)
	}
	return r, nil
}

// node reads a node: its shift, and its slots. above is the shift of the node above
// it, or -1.
func (r *xaReader) node(e kmem.Addr, above int) (shift int, slots []byte, err error) {
	raw := make([]byte, r.size)
	if err := r.k.ReadMem(e&^3, raw); err != nil {
		return 0, nil, err
	}
	shift = int(raw[r.shift])
	if shift%xaBits != 0 || shift > xaMaxShift || above >= 0 && shift != above-xaBits {
		return 0, nil, fmt.Errorf("the xa_node at %s has the shift %d: %w", e&^3, shift, ErrTree)
	}
	return shift, raw[r.slots:], nil
}

// EachIndex calls visit with each entry of an xarray (a radix tree or the idr_rt of an
// idr is one, too), in order of the indices, as xa_for_each does: entries that are
// reserved are left out.
func (k *Kernel) EachIndex(xa Value, limit int, visit func(XEntry) error) error {
	head, err := xa.PointerPath("xa_head")
	if err != nil {
		return err
	}
	r, err := newXAReader(k)
	if err != nil {
		return err
	}
	entries, nodes := 0, 0
	give := func(e XEntry) error {
		if e.Entry == 0 || e.Entry == xaZero {
			return nil
		}
		if entries++; entries > limit {
			return Faultf("the xarray has more than %d entries: gave up", limit)
		}
		return visit(e)
	}
	var down func(e kmem.Addr, base uint64, above int) error
	down = func(e kmem.Addr, base uint64, above int) error {
		if nodes++; nodes > limit {
			return fmt.Errorf("the xarray has more than %d nodes: %w", limit, ErrTree)
		}
		shift, slots, err := r.node(e, above)
		if err != nil {
			return err
		}
		for i := 0; i < xaSlots; i++ {
			e := kmem.Addr(le64(slots[8*i:]))
			first := base + uint64(i)<<shift
			switch {
			case isNode(e):
				if shift == 0 {
					return fmt.Errorf("the xarray has a node below its lowest, at index %d: %w", first, ErrTree)
				}
				if err := down(e, first, shift); err != nil {
					return err
				}
				continue
			case e&3 == 2 && e != xaZero:
				continue // a retry, or a sibling of nothing: xa_for_each passes over both
			}
			// The siblings that follow say that they belong to slot i.
			last, sibling := i, kmem.Addr(i<<2|2)
			for last+1 < xaSlots && kmem.Addr(le64(slots[8*(last+1):])) == sibling {
				last++
			}
			if err := give(XEntry{first, base + (uint64(last)+1)<<shift - 1, e}); err != nil {
				return err
			}
			i = last
		}
		return nil
	}
	if isNode(head) {
		err = down(head, 0, -1)
	} else if head&3 != 2 || head == xaZero {
		err = give(XEntry{0, 0, head})
	}
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// XALoad is the entry at an index of an xarray, as xa_load has it; ok is false where
// there is none.
func (k *Kernel) XALoad(xa Value, index uint64) (e XEntry, ok bool, err error) {
	head, err := xa.PointerPath("xa_head")
	if err != nil {
		return e, false, err
	}
	r, err := newXAReader(k)
	if err != nil {
		return e, false, err
	}
	entry, above, base := head, -1, uint64(0)
	last := uint64(0)
	for isNode(entry) {
		shift, slots, err := r.node(entry, above)
		if err != nil {
			return e, false, err
		}
		if above < 0 && shift+xaBits < 64 && index>>(shift+xaBits) != 0 {
			return e, false, nil // beyond the tree
		}
		if above == 0 {
			return e, false, fmt.Errorf("the xarray has a node below its lowest: %w", ErrTree)
		}
		i := index >> shift % xaSlots
		entry = kmem.Addr(le64(slots[8*i:]))
		if s := uint64(entry) >> 2; entry&3 == 2 && s < i { // a sibling: the entry is in a slot before
			i = s
			entry = kmem.Addr(le64(slots[8*i:]))
		}
		base += i << shift
		last = base + 1<<shift - 1
		for j := i + 1; j < xaSlots && kmem.Addr(le64(slots[8*j:])) == kmem.Addr(i<<2|2); j++ {
			last += 1 << shift
		}
		above = shift
	}
	switch {
	case entry == 0, entry&3 == 2, above < 0 && index != 0:
		return e, false, nil
	}
	return XEntry{base, last, entry}, true, nil
}
