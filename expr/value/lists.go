package value

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// ErrCycle says that a list does not end where it should: it runs in a circle
// that its head is not part of. A damaged dump does that, and so may a list that
// was changed while a live kernel's memory was read.
var ErrCycle = errors.New("the list runs in a circle past its head: it is damaged, or it changed while it was read")

// errStop ends a walk early, without an error.
var errStop = errors.New("stop")

// Stop is what a callback of a walk returns to end it.
func Stop() error { return errStop }

// walk follows next pointers from first until end, with a limit and cycle
// detection (Brent's: one address is remembered, at each power of two).
func walk(first, end kmem.Addr, limit int, next func(kmem.Addr) (kmem.Addr, error), visit func(kmem.Addr) error) error {
	mark, power, lap := kmem.Addr(0), 1, 0
	for n, a := 0, first; a != end; n++ {
		switch {
		case a == 0:
			return errors.New("the list ends with a NULL pointer: it is damaged, or it changed while it was read")
		case a == mark:
			return ErrCycle
		case n >= limit:
			return fmt.Errorf("the list has more than %d entries: gave up", limit)
		}
		if lap++; lap == power {
			mark, power, lap = a, power*2, 0
		}
		if err := visit(a); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
		var err error
		if a, err = next(a); err != nil {
			return err
		}
	}
	return nil
}

// EachLink calls visit with the address of each link of the list that head is, a
// list_head or an hlist_head, as [EachEntry] walks it, and makes no garbage.
func EachLink(head Value, hlist bool, limit int, visit func(kmem.Addr) error) error {
	at, ok := head.Addr()
	if !ok {
		return errors.New("cannot walk this list: " + errNotARefMessage)
	}
	end := at
	if hlist {
		end = 0
	}
	k, buf := head.k, make([]byte, 8)
	next := func(a kmem.Addr) (kmem.Addr, error) {
		err := k.ReadMem(a, buf)
		return kmem.Addr(le64(buf)), err
	}
	first, err := next(at)
	if err != nil {
		return err
	}
	return walk(first, end, limit, next, visit)
}

// EachEntry calls visit for each entry of the list_head that head is, as
// list_for_each_entry does: entries are structs st, linked through member. Where
// visit returns [Stop] the walk ends.
func EachEntry(head Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	return eachLinked(head, head.addr, st, member, limit, visit)
}

// EachHEntry is [EachEntry] for an hlist_head, whose list ends with NULL.
func EachHEntry(head Value, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	return eachLinked(head, 0, st, member, limit, visit)
}

// eachLinked walks links whose first word points to the next: struct list_head and
// struct hlist_node, include/linux/types.h, in all kernels.
func eachLinked(head Value, end kmem.Addr, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	headAddr, ok := head.Addr()
	if !ok {
		return errors.New("cannot walk this list: " + errNotARefMessage)
	}
	f, err := st.FindMember(member)
	if err != nil {
		return err
	}
	k, off := head.k, kmem.Addr(f.BitOffset/8)
	next := func(a kmem.Addr) (kmem.Addr, error) { return kmem.ReadAddr(k, a) }
	first, err := next(headAddr)
	if err != nil {
		return err
	}
	return walk(first, end, limit, next, func(a kmem.Addr) error { return visit(k.Ref(st, a-off)) })
}

// ListEmpty reports whether a list_head points to itself.
func ListEmpty(head Value) (bool, error) {
	a, ok := head.Addr()
	if !ok {
		return false, errors.New("cannot tell whether the list is empty: " + errNotARefMessage)
	}
	next, err := kmem.ReadAddr(head.k, a)
	return next == a, err
}
