package knet

import (
	"encoding/binary"
	"errors"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxBuckets bounds the buckets that a hash table claims.
const maxBuckets = 1 << 26

// isStop tells whether an error is that of [value.Stop].
func isStop(err error) bool { return errors.Is(err, value.Stop()) }

// ended is what a walk returns: nothing where its visitor has had enough.
func ended(err error) error {
	if isStop(err) {
		return nil
	}
	return err
}

// chain follows pointers, each at the offset next of the node before, until one is NULL or odd: the
// end of an hlist_nulls is an odd number (include/linux/list_nulls.h). It finds cycles as Brent does.
// Unlike [value.EachEntry] it hands the visitor's stop on, so that walks may be nested.
func (s *Stack) chain(first kmem.Addr, next uint64, limit int, visit func(kmem.Addr) error) error {
	mark, power, lap := kmem.Addr(0), 1, 0
	for n, a := 0, first; a != 0 && a&1 == 0; n++ {
		switch {
		case a == mark:
			return value.ErrCycle
		case n >= limit:
			return value.Faultf("the list has more than %d entries: gave up", limit)
		}
		if lap++; lap == power {
			mark, power, lap = a, power*2, 0
		}
		if err := visit(a); err != nil {
			return err
		}
		var err error
		if a, err = kmem.ReadAddr(s.K, a+kmem.Addr(next)); err != nil {
			return err
		}
	}
	return nil
}

// A table is an array of hash buckets; each has a pointer to the first node of its chain.
type table struct {
	base   kmem.Addr
	n      uint64 // buckets
	stride uint64 // bytes of one
	head   uint64 // where in one the pointer is
}

// firsts calls visit with the first node of each bucket that has one, without the lowest bits where
// mask says so: an rhashtable's bucket has its lock there.
func (s *Stack) firsts(t table, mask kmem.Addr, visit func(kmem.Addr) error) error {
	if t.n > maxBuckets || t.stride < t.head+8 || t.stride > 1<<12 {
		return value.Faultf("a hash table of %d buckets of %d bytes each: it is damaged", t.n, t.stride)
	}
	per := max(1<<16/t.stride, 1)
	buf := make([]byte, min(per, t.n)*t.stride)
	for i := uint64(0); i < t.n; i += per {
		raw := buf[:min(per, t.n-i)*t.stride]
		if err := s.K.ReadMem(t.base+kmem.Addr(i*t.stride), raw); err != nil {
			return err
		}
		for at := t.head; at+8 <= uint64(len(raw)); at += t.stride {
			p := kmem.Addr(binary.LittleEndian.Uint64(raw[at:])) &^ mask
			if p == 0 || p&1 == 1 {
				continue
			}
			if err := visit(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// nodes calls visit with each node of a hash table's chains, whose links are the nodes' first word.
func (s *Stack) nodes(t table, limit int, visit func(kmem.Addr) error) error {
	left := limit
	return s.firsts(t, 0, func(first kmem.Addr) error {
		return s.chain(first, 0, left+1, func(a kmem.Addr) error {
			if left--; left < 0 {
				return value.Faultf("the hash table has more than %d entries: gave up", limit)
			}
			return visit(a)
		})
	})
}

// offset is where a struct of vmlinux, or of a module, has a member.
func (s *Stack) offset(name, member string, modules ...string) (kmem.Addr, error) {
	st, err := s.structOf(name, modules...)
	if err != nil {
		return 0, err
	}
	f, err := st.FindMember(member)
	return kmem.Addr(f.BitOffset / 8), err
}
