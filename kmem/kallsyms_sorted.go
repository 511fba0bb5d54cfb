package kmem

import (
	"bytes"
	"errors"
	"fmt"
)

// nameOrder is the part of a name by which kallsyms_seqs_of_names is sorted.
// Most kernels take all of it. Those built with clang's LTO cut it at the first
// "." from 6.2 to 6.4, at ".llvm." from 6.5 to 6.10 (cleanup_symbol_name in
// scripts/kallsyms.c), so that names which LTO decorated were found by their
// plain ones. One does not see in the table which it is, so a name that is not
// where one order puts it, but has relatives there, is looked for by the next. Of
// several symbols that have one name, with a "." in it, such a kernel may give
// another than the first.
type nameOrder string

var nameOrders = []nameOrder{"", ".llvm.", "."}

func (o nameOrder) cut(name []byte) []byte {
	if o != "" {
		name, _, _ = bytes.Cut(name, []byte(o))
	}
	return name
}

// maxSameCut bounds the names that are one by an order, but for their ends.
const maxSameCut = 8192

// openSeqs finds the kernel's sorted index; without it k.seqs stays nil.
func (k *Kallsyms) openSeqs(p kallsymsPlaces) {
	size := uint64(k.n) * 3
	end := p.offsets.Add(int64(k.n) * 4)
	places := []Addr{end, (end + 7) &^ 7}
	if p.hasBase {
		places = append(places, p.relativeBase+8)
	}
	places = append(places, below(p.tokenTable, size, 8), below(p.tokenTable, size, 4))
	for i, at := range places {
		if _, ok := at.End(size); !ok || i > 0 && at == places[i-1] {
			continue
		}
		k.seqs = newLazyMemory(k.r, at, size)
		if k.seqsSorted() {
			k.ranges = append(k.ranges, Range{at, size})
			return
		}
	}
	k.seqs = nil
}

// seqsSorted reports whether k.seqs holds numbers of symbols in ascending order of
// their names, by one of the orders, as far as probes tell: the ends and where a
// binary search begins, whose pages will be needed anyway.
func (k *Kallsyms) seqsSorted() bool {
	probes := append(appendMiddles([]int{0}, 0, k.n, 3), k.n-1)
	good := nameOrders
	seen := make(map[int]bool)
	var a, b nameBuffer
	before, buf := []byte(nil), &a
	for i, p := range probes {
		n, err := k.seq(p)
		if err != nil || seen[n] && p != probes[i-1] {
			return false // not even a permutation
		}
		seen[n] = true
		name, err := k.name(n, buf)
		if err != nil {
			return false
		}
		var still []nameOrder
		for _, o := range good {
			if bytes.Compare(o.cut(before), o.cut(name)) <= 0 {
				still = append(still, o)
			}
		}
		if good = still; len(good) == 0 {
			return false
		}
		before = name
		if buf == &a {
			buf = &b
		} else {
			buf = &a
		}
	}
	return true
}

// appendMiddles appends, in ascending order, what a binary search from lo to hi
// looks at in its first steps.
func appendMiddles(to []int, lo, hi, steps int) []int {
	if lo >= hi || steps == 0 {
		return to
	}
	mid := int(uint(lo+hi) / 2)
	return appendMiddles(append(appendMiddles(to, lo, mid, steps-1), mid), mid+1, hi, steps-1)
}

// seq reads entry i of the sorted index.
func (k *Kallsyms) seq(i int) (int, error) {
	var b [3]byte
	part, err := k.seqs.from(uint64(i) * 3)
	if err == nil {
		if len(part) < 3 {
			err, part = k.seqs.copy(uint64(i)*3, b[:]), b[:]
		}
	}
	if err != nil {
		return 0, fmt.Errorf("kallsyms_seqs_of_names: %w", err)
	}
	n := int(part[0])<<16 | int(part[1])<<8 | int(part[2])
	if n >= k.n {
		return 0, fmt.Errorf("%w: the sorted index names symbol %d of %d", ErrBadKallsyms, n, k.n)
	}
	return n, nil
}

// sortedCodes returns the codes of the name that is i-th by name.
func (k *Kallsyms) sortedCodes(i int, buf *nameBuffer) ([]byte, error) {
	n, err := k.seq(i)
	if err != nil {
		return nil, err
	}
	return k.codes(n, buf)
}

// sortedName is the name that is i-th by name. It lies in text.
func (k *Kallsyms) sortedName(i int, text *nameBuffer) ([]byte, error) {
	n, err := k.seq(i)
	if err != nil {
		return nil, err
	}
	return k.name(n, text)
}

// name is the name of symbol i. It lies in text.
func (k *Kallsyms) name(i int, text *nameBuffer) ([]byte, error) {
	var buf nameBuffer
	codes, err := k.codes(i, &buf)
	if err != nil {
		return nil, err
	}
	_, name, ok := k.expand(codes, text[:0])
	if !ok {
		return nil, errNameBounds
	}
	return name, nil
}

// firstSorted finds the first entry of the sorted index whose name is not below
// name.
func (k *Kallsyms) firstSorted(name string) (int, error) {
	var buf nameBuffer
	lo, hi := 0, k.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		codes, err := k.sortedCodes(mid, &buf)
		if err != nil {
			return 0, err
		}
		if k.compare(codes, name) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// findSorted finds the number of the first symbol with the name: equal names
// are sorted by address.
func (k *Kallsyms) findSorted(name string) (int, error) {
	i, err := k.firstSorted(name)
	if err != nil {
		return 0, err
	}
	related := false // whether names beside it are the same but for what follows a "."
	var text nameBuffer
	for _, j := range []int{i, i - 1} {
		if j < 0 || j >= k.n {
			continue
		}
		s, err := k.sortedName(j, &text)
		if err != nil {
			return 0, err
		}
		if j == i && string(s) == name {
			return k.seq(i)
		}
		related = related || bytes.Equal(nameOrder(".").cut(s), nameOrder(".").cut([]byte(name)))
	}
	if related {
		for _, o := range nameOrders[1:] {
			if n, err := k.findCut(name, o); !errors.Is(err, ErrNoSymbol) {
				return n, err
			}
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrNoSymbol, name)
}

// findCut is findSorted for an index that is sorted by a part of each name.
func (k *Kallsyms) findCut(name string, o nameOrder) (int, error) {
	var text nameBuffer
	key := o.cut([]byte(name))
	lo, err := k.firstCut(key, o)
	if err != nil {
		return 0, err
	}
	for i := lo; i < min(k.n, lo+maxSameCut); i++ {
		s, err := k.sortedName(i, &text)
		if err != nil {
			return 0, err
		}
		if string(s) == name {
			return k.seq(i)
		}
		if !bytes.Equal(o.cut(s), key) {
			break
		}
	}
	return 0, ErrNoSymbol
}

// firstCut finds where the names begin of which the part is key, or what comes after it.
func (k *Kallsyms) firstCut(key []byte, o nameOrder) (int, error) {
	var text nameBuffer
	lo, hi := 0, k.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		s, err := k.sortedName(mid, &text)
		if err != nil {
			return 0, err
		}
		if bytes.Compare(o.cut(s), key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}
