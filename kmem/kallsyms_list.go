package kmem

import (
	"slices"
	"strings"
)

// All calls yield for each symbol by ascending address until it returns false.
// Symbols that cannot be read are left out; [Kallsyms.Err] tells then.
func (k *Kallsyms) All(yield func(Symbol) bool) {
	err := k.walk(func(i int, codes []byte) bool {
		s, err := k.decode(i, codes)
		if err != nil {
			k.failed(err)
			return true
		}
		return yield(s)
	})
	k.failed(err)
}

// Prefix returns up to limit distinct names that begin with prefix, sorted.
func (k *Kallsyms) Prefix(prefix string, limit int) []string {
	if limit <= 0 || len(prefix) >= maxKallsymsName {
		return nil
	}
	list := newNameList(limit)
	var err error
	if k.seqs != nil {
		err = k.prefixSorted(prefix, list)
	} else {
		var text nameBuffer
		err = k.walk(func(_ int, codes []byte) bool {
			if k.hasPrefix(codes, prefix) {
				if _, name, ok := k.expand(codes, text[:0]); ok {
					list.add(name)
				}
			}
			return true
		})
	}
	k.failed(err)
	return list.sorted()
}

// prefixSorted reads the names from where the sorted index has prefix. In an
// index that LTO sorted by a part of the names (see nameOrder) names that differ
// in the rest alone come by address: it can take the wrong ones of them as the
// lowest, and miss names whose prefix reaches into that rest.
func (k *Kallsyms) prefixSorted(prefix string, list *nameList) error {
	i, err := k.firstSorted(prefix)
	if err != nil {
		return err
	}
	var buf, text nameBuffer
	for ; i < k.n && !list.full(); i++ {
		codes, err := k.sortedCodes(i, &buf)
		if err != nil {
			return err
		}
		if !k.hasPrefix(codes, prefix) {
			return nil
		}
		_, name, ok := k.expand(codes, text[:0])
		if !ok {
			return errNameBounds
		}
		list.add(name)
	}
	return nil
}

// nameList collects the lowest limit distinct names of many, in bounded memory.
type nameList struct {
	limit int
	names []string
	top   string // names above it are not among the lowest; "" while unknown
}

func newNameList(limit int) *nameList { return &nameList{limit: min(limit, maxKallsyms)} }

// full reports whether names that come in ascending order are of no use any more.
func (l *nameList) full() bool { return len(l.names) >= l.limit && len(l.sorted()) >= l.limit }

func (l *nameList) add(name []byte) {
	if l.top != "" && string(name) > l.top {
		return
	}
	if n := len(l.names); n > 0 && l.names[n-1] == string(name) {
		return
	}
	l.names = append(l.names, string(name))
	if len(l.names) >= 2*l.limit+64 {
		l.sorted()
	}
}

// sorted returns what is left of the list.
func (l *nameList) sorted() []string {
	slices.SortFunc(l.names, strings.Compare)
	l.names = slices.Compact(l.names)
	if len(l.names) >= l.limit {
		l.names = l.names[:l.limit]
		l.top = l.names[l.limit-1]
	}
	return l.names
}
