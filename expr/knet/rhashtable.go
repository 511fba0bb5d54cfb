package knet

import (
	"kinspect/expr/value"
	"kinspect/kmem"
)

const (
	rhLock      = 1   // the lowest bit of a bucket is its lock
	rhPageSlots = 512 // pointers on a page: what a nested table's inner nodes have (lib/rhashtable.c)
	rhMaxTables = 8   // tables of one that is being resized
)

// eachRhash calls visit with each struct rhash_head of an rhashtable (include/linux/rhashtable.h), in
// no order. While the table is resized there is a second one behind future_tbl, and an entry may be in
// either.
func (s *Stack) eachRhash(ht value.Value, limit int, visit func(kmem.Addr) error) error {
	tbl, err := ht.Path("tbl")
	if err != nil {
		return err
	}
	buckets, err := s.offset("bucket_table", "buckets")
	if err != nil {
		return err
	}
	left := limit
	chains := func(first kmem.Addr) error {
		return s.chain(first, 0, left+1, func(a kmem.Addr) error {
			if left--; left < 0 {
				return value.Faultf("the hash table has more than %d entries: gave up", limit)
			}
			return visit(a)
		})
	}
	for range rhMaxTables {
		a, err := tbl.Pointer()
		if err != nil || a == 0 {
			return err
		}
		size, err := tbl.UintPath("size")
		if err != nil {
			return err
		}
		nest, err := tbl.UintPath("nest")
		if err != nil {
			return err
		}
		switch {
		case nest == 0:
			err = s.firsts(table{a + buckets, size, 8, 0}, rhLock, chains)
		case nest > 9 || size > maxBuckets:
			err = value.Faultf("a nested hash table of %d buckets, nest %d: it is damaged", size, nest)
		default:
			var root kmem.Addr
			if root, err = kmem.ReadAddr(s.K, a+buckets); err == nil && root != 0 {
				err = s.nested(root, 1<<nest, size>>nest, chains)
			}
		}
		if err != nil {
			return err
		}
		if tbl, err = tbl.Path("future_tbl"); err != nil {
			return err
		}
	}
	return value.Faultf("the hash table has more than eight tables: it is damaged, or it changed while it was read")
}

// nested walks a node of a nested table with n slots, each for a node or array below it that has room
// for size buckets (lib/rhashtable.c: __rht_bucket_nested).
func (s *Stack) nested(node kmem.Addr, n, size uint64, chains func(kmem.Addr) error) error {
	return s.firsts(table{node, n, 8, 0}, 0, func(below kmem.Addr) error {
		if size > rhPageSlots {
			return s.nested(below, rhPageSlots, size/rhPageSlots, chains)
		}
		return s.firsts(table{below, max(size, 1), 8, 0}, rhLock, chains)
	})
}
