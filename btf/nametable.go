package btf

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// scansBeforeTable is how many lookups of a kind go by without a table. A scan
// compares the names of all types of the kind where they are; to hash and
// sort them takes as long as four scans or five.
const scansBeforeTable = 4

// nameTable finds the types of one kind by name. A question asks for a few names
// and is answered by scans; a session that asks for more gets a table of hashes.
type nameTable struct {
	lookups atomic.Uint32
	once    sync.Once
	rows    []uint64 // upper half of the name's hash, then the record's index; sorted
}

var nameSeed = maphash.MakeSeed()

// named yields the indices of s's own types of the kind with the name, lowest
// first.
func (s *Spec) named(kind byte, name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		t := &s.tables[kind]
		if t.lookups.Load() < scansBeforeTable {
			t.lookups.Add(1)
			for i := range s.ofKind(kind) {
				if s.nameIs(s.nameOff(i), name) && !yield(i) {
					return
				}
			}
			return
		}
		t.once.Do(func() { t.fill(s, kind) })
		hash := maphash.String(nameSeed, name) &^ math.MaxUint32
		at, _ := slices.BinarySearch(t.rows, hash)
		for _, row := range t.rows[at:] {
			if row&^math.MaxUint32 != hash {
				return
			}
			i := int(row & math.MaxUint32)
			if s.nameIs(s.nameOff(i), name) && !yield(i) {
				return
			}
		}
	}
}

// nameOff returns the string offset of the name of the i-th record.
func (s *Spec) nameOff(i int) uint32 { return le.Uint32(s.types[s.offsets[i]:]) }

// fill sorts the hashes rather than to place them in slots: a bad blob may give
// one name to every type.
func (t *nameTable) fill(s *Spec, kind byte) {
	n := 0
	for range s.ofKind(kind) {
		n++
	}
	t.rows = make([]uint64, 0, n)
	for i := range s.ofKind(kind) {
		if name := s.nameBytes(s.nameOff(i)); len(name) != 0 {
			t.rows = append(t.rows, maphash.Bytes(nameSeed, name)&^math.MaxUint32|uint64(i))
		}
	}
	slices.Sort(t.rows)
}
