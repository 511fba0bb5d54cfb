package value

import (
	"errors"

	"kinspect/btf"
	"kinspect/kmem"
)

// ErrCycle says that a list does not end where it should: it runs in a circle
// that its head is not part of. A damaged dump does that, and so may a list that
// was changed while a live kernel's memory was read.
var ErrCycle = Faultf("the list runs in a circle past its head: it is damaged, or it changed while it was read")

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
			return Faultf("the list ends with a NULL pointer: it is damaged, or it changed while it was read")
		case a == mark:
			return ErrCycle
		case n >= limit:
			return Faultf("the list has more than %d entries: gave up", limit)
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

// EachEntryBehind is [EachEntry] for the list holder->pointer->list, whose entries are structs of
// the holder's type: the threads of a task's process. Where the pointer is NULL there are none.
func EachEntryBehind(holder Value, pointer, list, member string, limit int, visit func(Value) error) error {
	st, ok := holder.StructType()
	if !ok {
		return errors.New(holder.typ.String() + " is no struct")
	}
	p, err := holder.Member(pointer)
	if err != nil {
		return err
	}
	a, err := p.Pointer()
	if err != nil || a == 0 {
		return err
	}
	t, ok := btf.Underlying(p.typ).(*btf.Pointer)
	if !ok {
		return errors.New(p.typ.String() + " is not a pointer")
	}
	head, err := holder.k.Ref(t.Target(), a).Member(list)
	if err != nil {
		return err
	}
	return EachEntry(head, st, member, limit, visit)
}

// eachLinked walks links whose first word points to the next: struct list_head and
// struct hlist_node, include/linux/types.h, in all kernels.
func eachLinked(head Value, end kmem.Addr, st *btf.Struct, member string, limit int, visit func(Value) error) error {
	headAddr, ok := head.Addr()
	if !ok {
		return errors.New("cannot walk this list: " + errNotARefMessage)
	}
	f, err := head.k.Place(st, member)
	if err != nil {
		return err
	}
	k, off, buf := head.k, kmem.Addr(f.BitOffset/8), make([]byte, 8)
	next := func(a kmem.Addr) (kmem.Addr, error) {
		err := k.ReadMem(a, buf)
		return kmem.Addr(le64(buf)), err
	}
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
