package value

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// ListBehind is the lists holder->pointer->list of many holders, whose entries are structs of the holder's
// type, as [EachEntryBehind] has one holder's. Where the members lie is looked up once. It is for one goroutine.
type ListBehind struct {
	k                   *Kernel
	pointer, list, node kmem.Addr // where the members lie
	buf                 []byte
}

// ListBehind looks the members up: those of the holder, a struct st, are pointer and, in an entry, member.
func (k *Kernel) ListBehind(st *btf.Struct, pointer, list, member string) (*ListBehind, error) {
	p, err := k.Place(st, pointer)
	if err != nil {
		return nil, err
	}
	t, ok := btf.Underlying(p.Type).(*btf.Pointer)
	if !ok || p.BitSize != 0 {
		return nil, errors.New(p.Type.String() + " is not a pointer")
	}
	behind, ok := btf.Underlying(t.Target()).(*btf.Struct)
	if !ok {
		return nil, fmt.Errorf("%s has no members, so no %s", t.Target(), list)
	}
	l, err := k.Place(behind, list)
	if err != nil {
		return nil, err
	}
	n, err := k.Place(st, member)
	if err != nil {
		return nil, err
	}
	at := func(p Place) kmem.Addr { return kmem.Addr(p.Offset()) }
	return &ListBehind{k, at(p), at(l), at(n), make([]byte, 8)}, nil
}

// Each calls visit with the address of each entry of a holder's list. Where the pointer is NULL there are none.
// Where visit returns [Stop] the walk ends.
func (l *ListBehind) Each(holder kmem.Addr, limit int, visit func(kmem.Addr) error) error {
	a, err := l.read(holder + l.pointer)
	if err != nil || a == 0 {
		return err
	}
	head := a + l.list
	first, err := l.read(head)
	if err != nil {
		return err
	}
	return walk(first, head, limit, l.read, func(a kmem.Addr) error { return visit(a - l.node) })
}

func (l *ListBehind) read(a kmem.Addr) (kmem.Addr, error) {
	err := l.k.ReadMem(a, l.buf)
	return kmem.Addr(le64(l.buf)), err
}
