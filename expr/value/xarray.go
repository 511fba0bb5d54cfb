package value

import (
	"errors"

	"kinspect/kmem"
)

// An XArray (include/linux/xarray.h; a radix tree and an idr are ones too) is a
// tree of struct xa_node with 64 slots each. A slot holds a pointer to an entry,
// or, with the two lowest bits 10, one to a node below (values under 4096 with
// these bits are internal marks: a sibling or a retry).
const (
	xaSlots    = 64
	xaMaxDepth = 11 // 6 bits a level, 64-bit indices
)

// EachXArray calls visit with each pointer in the xarray whose head pointer
// (xa_head) is given, in order of their indices, at most limit of them. The
// indices are not told.
func (k *Kernel) EachXArray(head kmem.Addr, limit int, visit func(kmem.Addr) error) error {
	st, err := k.Struct("xa_node")
	if err != nil {
		return err
	}
	f, err := st.FindMember("slots")
	if err != nil {
		return err
	}
	slots := kmem.Addr(f.BitOffset / 8)
	n, nodes := 0, 0
	var walkNode func(entry kmem.Addr, depth int) error
	walkNode = func(entry kmem.Addr, depth int) error {
		if entry == 0 || entry&3 == 1 || entry&3 == 3 {
			return nil // empty, or an integer in place of a pointer
		}
		if entry&3 == 0 {
			if n++; n > limit {
				return Faultf("the xarray has more than %d entries: gave up", limit)
			}
			return visit(entry)
		}
		if entry < 4096 {
			return nil
		}
		// Each node holds an entry at least, but for a damaged one's.
		if nodes++; depth == xaMaxDepth || nodes > limit {
			return Faultf("the xarray is deeper or larger than it can be: it is damaged, or it changed while it was read")
		}
		raw := make([]byte, 8*xaSlots)
		if err := k.ReadMem(entry&^3+slots, raw); err != nil {
			return err
		}
		for i := range xaSlots {
			if err := walkNode(kmem.Addr(le64(raw[8*i:])), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	err = walkNode(head, 0)
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}
