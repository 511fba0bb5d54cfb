package btf

import (
	"slices"
	"strings"
)

// EnumeratorsWithPrefix returns the names of enumerators that start with prefix,
// sorted, each once, the first limit of them (0: all).
func (s *Spec) EnumeratorsWithPrefix(prefix string, limit int) []string {
	var names []string
	for b := s; b != nil; b = b.base {
		for _, kind := range []byte{kindEnum, kindEnum64} {
			rowLen := enumLen
			if kind == kindEnum64 {
				rowLen = enum64Len
			}
			for i := range b.ofKind(kind) {
				rec := b.record(b.firstID + ID(i))
				rows := rec[recordLen:]
				for n := range int(le.Uint32(rec[4:]) & 0xffffff) {
					off := le.Uint32(rows[n*rowLen:])
					if name := b.nameBytes(off); len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
						names = append(names, b.nameAt(off))
					}
				}
			}
		}
	}
	slices.SortFunc(names, strings.Compare)
	names = slices.Compact(names)
	if limit > 0 && len(names) > limit {
		names = names[:limit:limit]
	}
	return names
}
