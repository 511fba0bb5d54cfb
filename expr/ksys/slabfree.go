package ksys

import (
	"math/bits"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Allocated counts the objects of a cache that are in use: all of them, less the free ones in the
// nodes' partial slabs and those that CPUs keep for themselves, which /proc/slabinfo takes for
// active. A CPU keeps a list of its slab's free objects and some partial slabs (mm/slub.c: struct
// kmem_cache_cpu), since 7.0 arrays of free objects, sheaves, of which a node has full ones, too
// (since 6.18 beside the former).
func (s Slab) Allocated() (uint64, error) {
	k := s.Value.Kernel()
	free := uint64(0)
	if s.Value.Has("cpu_slab") {
		each, err := s.Value.Member("cpu_slab")
		if err != nil {
			return 0, err
		}
		if err := k.EachCPU(each, func(_ int, cpu value.Value) error {
			n, err := s.freeOfCPU(cpu)
			free += n
			return err
		}); err != nil {
			return 0, err
		}
	}
	if s.Value.Has("cpu_sheaves") {
		n, err := s.freeInSheaves()
		if err != nil {
			return 0, err
		}
		free += n
	}
	return notNegative(s.Active - free), nil
}

// freeOfCPU counts what a struct kmem_cache_cpu has.
func (s Slab) freeOfCPU(cpu value.Value) (uint64, error) {
	current := "slab" // since 5.17
	if !cpu.Has(current) {
		current = "page"
	}
	slab, err := cpu.Member(current)
	if err != nil {
		return 0, err
	}
	// Of the slab that a CPU allocates from all objects count as in use, but for those that others
	// have freed since.
	free, _, err := freeOfSlab(slab)
	if err != nil {
		return 0, err
	}
	first, err := cpu.PointerPath("freelist")
	if err != nil {
		return 0, err
	}
	n, err := s.freelist(first)
	if err != nil {
		return 0, err
	}
	free += n
	if !cpu.Has("partial") { // built without CONFIG_SLUB_CPU_PARTIAL
		return free, nil
	}
	slab, err = cpu.Member("partial")
	for i := 0; err == nil; i++ {
		var next value.Value
		if n, next, err = freeOfSlab(slab); err != nil || !next.Valid() {
			break
		}
		if i >= maxPartial {
			return 0, value.Faultf("a CPU's list of partial slabs does not end")
		}
		free, slab = free+n, next
	}
	return free, err
}

// freeOfSlab counts the free objects of the slab that a pointer leads to, and has the next one on a CPU's list.
// Where there is none next is not valid.
func freeOfSlab(p value.Value) (free uint64, next value.Value, err error) {
	a, err := p.Pointer()
	if err != nil || a == 0 {
		return 0, next, err
	}
	slab, err := p.Deref()
	if err != nil {
		return 0, next, err
	}
	objects, err := slab.UintPath("objects")
	if err != nil {
		return 0, next, err
	}
	used, err := slab.UintPath("inuse")
	if err != nil {
		return 0, next, err
	}
	next, err = slab.Member("next")
	return notNegative(objects - used), next, err
}

// freelist counts the objects on a list of free ones. Each has the next one's address, which
// CONFIG_SLAB_FREELIST_HARDENED mixes with a number of the cache and its own address, the bytes turned round.
func (s Slab) freelist(object kmem.Addr) (n uint64, err error) {
	offset, err := s.Value.UintPath("offset")
	if err != nil {
		return 0, err
	}
	random, hardened := uint64(0), s.Value.Has("random")
	if hardened {
		if random, err = s.Value.UintPath("random"); err != nil {
			return 0, err
		}
	}
	for object != 0 {
		if n > s.PerSlab {
			return 0, value.Faultf("a CPU's list of free objects is longer than a slab: it is damaged, or it changed while it was read")
		}
		at := object.Add(int64(offset))
		next, err := kmem.ReadAddr(s.Value.Kernel(), at)
		if err != nil {
			return 0, err
		}
		if hardened {
			next ^= kmem.Addr(random ^ bits.ReverseBytes64(uint64(at)))
		}
		n, object = n+1, next
	}
	return n, nil
}

// freeInSheaves counts the objects in the sheaves of CPUs and nodes.
func (s Slab) freeInSheaves() (free uint64, err error) {
	k := s.Value.Kernel()
	each, err := s.Value.Member("cpu_sheaves")
	if err != nil {
		return 0, err
	}
	if a, err := each.Pointer(); err != nil || a == 0 {
		return 0, err
	}
	err = k.EachCPU(each, func(_ int, cpu value.Value) error {
		for _, name := range []string{"main", "spare"} { // what waits for RCU, in rcu_free, is not free yet
			p, err := cpu.PointerPath(name)
			if err != nil {
				return err
			}
			if p == 0 {
				continue
			}
			n, err := cpu.UintPath(name + ".size")
			if err != nil {
				return err
			}
			free += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	st, err := k.Struct("slab_sheaf")
	if err != nil {
		return 0, err
	}
	nodes, err := s.Value.Member("per_node")
	if err != nil {
		return 0, err
	}
	online, err := nodeIDs(k)
	if err != nil {
		return 0, err
	}
	n, _ := nodes.Len()
	for i := range min(n, online, maxNodes) {
		node, err := nodes.Index(int64(i))
		if err != nil {
			return 0, err
		}
		barn, err := node.PointerPath("barn")
		if err != nil {
			return 0, err
		}
		if barn == 0 {
			continue
		}
		head, err := node.Path("barn.sheaves_full")
		if err != nil {
			return 0, err
		}
		if err := value.EachEntry(head, st, "barn_list", maxPartial, func(v value.Value) error {
			n, err := v.UintPath("size")
			free += n
			return err
		}); err != nil {
			return 0, err
		}
	}
	return free, nil
}
