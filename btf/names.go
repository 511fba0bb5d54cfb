package btf

import (
	"iter"
	"slices"
	"strings"
)

// eachName yields the offset of every name of the kinds and the blob whose type
// has it, unsorted and with repetitions.
func (s *Spec) eachName(kinds Kinds) iter.Seq2[*Spec, uint32] {
	return func(yield func(*Spec, uint32) bool) {
		for b := s; b != nil; b = b.base {
			for i, kind := range b.kinds {
				if kindSets[kind]&kinds == 0 {
					continue
				}
				off := le.Uint32(b.types[b.offsets[i]:])
				if !b.nameEmpty(off) && !yield(b, off) {
					return
				}
			}
		}
	}
}

// Names yields every name of the kinds, s's own and the base's, in no order; a
// name with several definitions comes several times.
func (s *Spec) Names(kinds Kinds) iter.Seq[string] {
	return func(yield func(string) bool) {
		for b, off := range s.eachName(kinds) {
			if !yield(b.nameAt(off)) {
				return
			}
		}
	}
}

// NamesWithPrefix returns the names of the kinds that start with prefix, sorted,
// each once, the first limit of them (0: all).
func (s *Spec) NamesWithPrefix(kinds Kinds, prefix string, limit int) []string {
	var names []string
	for b, off := range s.eachName(kinds) {
		if name := b.nameBytes(off); len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			names = append(names, b.nameAt(off))
		}
	}
	slices.SortFunc(names, strings.Compare)
	names = slices.Compact(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit:limit]
	}
	return names
}
