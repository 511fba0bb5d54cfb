package ksys

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
)

// Slab is a cache of the slab allocator, as /proc/slabinfo counts it.
type Slab struct {
	Value   value.Value // struct kmem_cache
	Name    string
	Object  uint64 // bytes of an object
	Size    uint64 // with what the allocator adds to it
	PerSlab uint64 // objects
	Pages   uint64 // of a slab
	Slabs   uint64
	Objects uint64 // in all slabs
	Active  uint64 // those that are not free, as far as the lists of partial slabs tell
}

const (
	maxCaches  = 1 << 16
	maxNodes   = 1024
	maxPartial = 1 << 24
)

// EachSlab calls visit with the caches, the newest first: slab_caches (mm/slab_common.c).
// What a CPU keeps for itself counts as active. Where visit returns [value.Stop] the walk ends.
func EachSlab(k *value.Kernel, visit func(Slab) error) error {
	return eachCache(k, func(v value.Value) error {
		s, err := readSlab(v)
		if err != nil {
			return fmt.Errorf("the cache %s: %w", value.Printable(s.Name), err)
		}
		return visit(s)
	})
}

func eachCache(k *value.Kernel, visit func(value.Value) error) error {
	head, err := k.Global("slab_caches")
	if err != nil {
		return err
	}
	st, err := k.Struct("kmem_cache")
	if err != nil {
		return err
	}
	return value.EachEntry(head, st, "list", maxCaches, visit)
}

// SlabByName is the cache of that name; ok is false where there is none.
func SlabByName(k *value.Kernel, name string) (s Slab, ok bool, err error) {
	err = eachCache(k, func(v value.Value) error {
		n, err := v.StringPath("name")
		if err != nil || n != name {
			return err
		}
		if s, err = readSlab(v); err != nil {
			return err
		}
		ok = true
		return value.Stop()
	})
	return s, ok, err
}

// SlabNames are the names of all caches, as far as they can be read.
func SlabNames(k *value.Kernel) (names []string, err error) {
	err = eachCache(k, func(v value.Value) error {
		if n, err := v.StringPath("name"); err == nil {
			names = append(names, n)
		}
		return nil
	})
	return names, err
}

func readSlab(v value.Value) (Slab, error) {
	s := Slab{Value: v}
	var err error
	if s.Name, err = v.StringPath("name"); err != nil {
		return s, err
	}
	var order uint64
	for _, m := range []struct {
		path string
		to   *uint64
	}{{"object_size", &s.Object}, {"size", &s.Size}, {"oo.x", &order}} {
		if *m.to, err = v.UintPath(m.path); err != nil {
			return s, err
		}
	}
	// struct kmem_cache_order_objects: the order above, the number of objects in 16 bits.
	s.PerSlab, s.Pages = order&0xffff, 1<<min(order>>16, 63)
	free := uint64(0)
	err = eachNode(v, func(node value.Value) error {
		slabs, err := node.UintPath("nr_slabs.counter")
		if err != nil {
			return err
		}
		objects, err := node.UintPath("total_objects.counter")
		if err != nil {
			return err
		}
		n, err := freeObjects(node)
		s.Slabs, s.Objects, free = s.Slabs+slabs, s.Objects+objects, free+n
		return err
	})
	s.Active = notNegative(s.Objects - free)
	return s, err
}

// eachNode calls visit with a cache's struct kmem_cache_node of each memory node.
func eachNode(cache value.Value, visit func(value.Value) error) error {
	member, inner := "node", ""
	if !cache.Has(member) { // since 7.0
		member, inner = "per_node", "node"
	}
	nodes, err := cache.Member(member)
	if err != nil {
		return err
	}
	// The array has MAX_NUMNODES elements by its type, and as many as there are nodes in
	// memory: nr_node_ids.
	n, _ := nodes.Len()
	online, err := nodeIDs(cache.Kernel())
	if err != nil {
		return err
	}
	for i := range min(n, online, maxNodes) {
		p, err := nodes.Index(int64(i))
		if err != nil {
			return err
		}
		if inner != "" {
			if p, err = p.Member(inner); err != nil {
				return err
			}
		}
		a, err := p.Pointer()
		if err != nil {
			return err
		}
		if a == 0 {
			continue
		}
		if p, err = p.Deref(); err != nil {
			return err
		}
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}

// nodeIDs is one more than the highest number of a memory node.
func nodeIDs(k *value.Kernel) (int, error) {
	sym, ok := k.LookupSymbol("nr_node_ids")
	if !ok {
		return 1, nil // built without CONFIG_NUMA
	}
	types, err := k.Types()
	if err != nil {
		return 0, err
	}
	t, err := types.ParseType("unsigned int")
	if err != nil {
		return 0, err
	}
	n, err := k.Ref(t, sym.Addr).Uint()
	if err == nil && (n == 0 || n > maxNodes) {
		err = value.Faultf("nr_node_ids is %d: it is damaged", n)
	}
	return int(n), err
}

// freeObjects counts the free objects in a node's partial slabs: struct slab since 5.17,
// which was a part of struct page before.
func freeObjects(node value.Value) (uint64, error) {
	k := node.Kernel()
	st, err := k.Struct("slab")
	if err != nil || !hasMembers(st, "slab_list", "inuse", "objects") {
		if st, err = k.Struct("page"); err != nil {
			return 0, err
		}
	}
	head, err := node.Member("partial")
	if err != nil {
		return 0, err
	}
	free := uint64(0)
	err = value.EachEntry(head, st, "slab_list", maxPartial, func(v value.Value) error {
		objects, err := v.UintPath("objects")
		if err != nil {
			return err
		}
		used, err := v.UintPath("inuse")
		free += notNegative(objects - used)
		return err
	})
	return free, err
}

func hasMembers(st *btf.Struct, names ...string) bool {
	for _, n := range names {
		if _, err := st.FindMember(n); err != nil {
			return false
		}
	}
	return true
}
