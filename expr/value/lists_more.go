package value

import (
	"errors"

	"kinspect/btf"
	"kinspect/kmem"
)

// EachNulls is [EachEntry] for an hlist_nulls_head, whose list ends with an odd
// pointer: it tells which list it is the end of (include/linux/list_nulls.h).
func EachNulls(head Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	headAddr, ok := head.Addr()
	if !ok {
		return errors.New("cannot walk this list: " + errNotARefMessage)
	}
	f, err := st.FindMember(member)
	if err != nil {
		return err
	}
	// All odd pointers are one end for walk: NULL would be damage.
	const end = kmem.Addr(1)
	next := func(a kmem.Addr) (kmem.Addr, error) {
		a, err := kmem.ReadAddr(head.k, a)
		if a&1 != 0 {
			a = end
		}
		return a, err
	}
	first, err := next(headAddr)
	if err != nil {
		return err
	}
	off := kmem.Addr(f.BitOffset / 8)
	return walk(first, end, limit, next, func(a kmem.Addr) error { return visit(head.k.Ref(st, a-off)) })
}

// EachLList is [EachEntry] for an llist_head, whose list ends with NULL and has
// the newest entry first (include/linux/llist.h).
func EachLList(head Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	return eachLinked(head, 0, st, member, limit, visit)
}

// EachPList is [EachEntry] for a plist_head, in order of priority: all entries
// are on node_list of their plist_node (include/linux/plist.h).
func EachPList(head Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	list, err := head.Member("node_list")
	if err != nil {
		return err
	}
	return EachEntry(list, st, member+".node_list", limit, visit)
}
