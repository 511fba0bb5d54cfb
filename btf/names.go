package btf

import (
	"iter"
	"slices"
	"strings"
)

// names yields the names of the kinds as bytes of the blob, unsorted and with
// repetitions.
func (s *Spec) names(kinds Kinds) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for b := s; b != nil; b = b.base {
			for i, kind := range b.kinds {
				if kindSets[kind]&kinds == 0 {
					continue
				}
				name := b.nameBytes(le.Uint32(b.types[b.offsets[i]:]))
				if len(name) != 0 && !yield(name) {
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
		for b := range s.names(kinds) {
			if !yield(string(b)) {
				return
			}
		}
	}
}

// NamesWithPrefix returns the names of the kinds that start with prefix, sorted,
// each once, the first limit of them (0: all).
func (s *Spec) NamesWithPrefix(kinds Kinds, prefix string, limit int) []string {
	var names []string
	for b := range s.names(kinds) {
		if len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix {
			names = append(names, string(b))
		}
	}
	slices.SortFunc(names, strings.Compare)
	names = slices.Compact(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit:limit]
	}
	return names
}
