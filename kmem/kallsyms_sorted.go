package kmem

import (
	"fmt"
	"strings"
)

// nameOrder is the part of a name by which kallsyms_seqs_of_names is sorted.
// Most kernels take all of it. Those built with clang's LTO cut it at the first
// "." in 6.2, at ".llvm." from 6.6 to 6.10, so that the names which LTO
// decorated were found by their plain ones (cleanup_symbol_name in
// scripts/kallsyms.c). One does not see in the table which it is, so a name that
// is not where one order puts it is looked for by the next.
type nameOrder string

var nameOrders = []nameOrder{"", ".llvm.", "."}

func (o nameOrder) cut(name string) string {
	if o != "" {
		name, _, _ = strings.Cut(name, string(o))
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

// seqProbes is how many places of a sorted index are compared before it is used.
const seqProbes = 24

// seqsSorted reports whether k.seqs holds numbers of symbols in ascending order of
// their names, by one of the orders, as far as probes tell.
func (k *Kallsyms) seqsSorted() bool {
	sorted := len(nameOrders)
	var before string
	bad := make([]bool, len(nameOrders))
	for p := range seqProbes {
		name, err := k.sortedName(p * (k.n - 1) / (seqProbes - 1))
		if err != nil {
			return false
		}
		for i, o := range nameOrders {
			if p > 0 && !bad[i] && o.cut(before) > o.cut(name) {
				bad[i] = true
				sorted--
			}
		}
		if sorted == 0 {
			return false
		}
		before = name
	}
	return true
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

// sortedCodes returns the codes of the name that is i-th by name, and the
// symbol's number.
func (k *Kallsyms) sortedCodes(i int, buf *nameBuffer) ([]byte, int, error) {
	n, err := k.seq(i)
	if err != nil {
		return nil, 0, err
	}
	codes, err := k.codes(n, buf)
	return codes, n, err
}

// sortedName is the name that is i-th by name.
func (k *Kallsyms) sortedName(i int) (string, error) {
	var buf nameBuffer
	codes, n, err := k.sortedCodes(i, &buf)
	if err != nil {
		return "", err
	}
	var text nameBuffer
	_, name, ok := k.expand(codes, text[:0])
	if !ok {
		return "", badName(n)
	}
	return string(name), nil
}

// firstSorted finds the first entry of the sorted index whose name is not below
// name.
func (k *Kallsyms) firstSorted(name string) (int, error) {
	var buf nameBuffer
	lo, hi := 0, k.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		codes, _, err := k.sortedCodes(mid, &buf)
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
	if i < k.n {
		var buf nameBuffer
		codes, n, err := k.sortedCodes(i, &buf)
		if err != nil {
			return 0, err
		}
		if k.compare(codes, name) == 0 {
			return n, nil
		}
	}
	for _, o := range nameOrders[1:] {
		if n, err := k.findCut(name, o); err == nil || AsFault(err) != nil {
			return n, err
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrNoSymbol, name)
}

// findCut is findSorted for an index that is sorted by a part of each name.
func (k *Kallsyms) findCut(name string, o nameOrder) (int, error) {
	key := o.cut(name)
	lo, hi := 0, k.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		s, err := k.sortedName(mid)
		if err != nil {
			return 0, err
		}
		if o.cut(s) < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for i := lo; i < min(k.n, lo+maxSameCut); i++ {
		s, err := k.sortedName(i)
		if err != nil {
			return 0, err
		}
		if s == name {
			return k.seq(i)
		}
		if o.cut(s) != key {
			break
		}
	}
	return 0, ErrNoSymbol
}
