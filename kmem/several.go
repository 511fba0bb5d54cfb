package kmem

import "bytes"

// Several reports whether a table has several symbols of the kernel itself, not of modules, with the name: files of its
// source may each have a variable or function of their own that is called alike. [SymbolTable.Lookup] finds the first.
func Several(t SymbolTable, name string) bool {
	s, ok := t.(interface{ several(name string) bool })
	return ok && s.several(name)
}

func (k *Kallsyms) several(name string) bool {
	if name == "" || len(name) >= maxKallsymsName {
		return false
	}
	if k.seqs == nil {
		i, err := k.findHashed(name)
		return err == nil && k.hash.Load().isSeveral(i)
	}
	for _, o := range nameOrders {
		if k.severalSorted(name, o) {
			return true
		}
	}
	return false
}

// severalSorted counts a name in an index that is sorted by a part of each: those with the same part are side by side.
func (k *Kallsyms) severalSorted(name string, o nameOrder) bool {
	key := o.cut([]byte(name))
	lo, err := k.firstCut(key, o)
	if err != nil {
		return false
	}
	var text nameBuffer
	n := 0
	for i := lo; i < min(k.n, lo+maxSameCut) && n < 2; i++ {
		s, err := k.sortedName(i, &text)
		if err != nil || !bytes.Equal(o.cut(s), key) {
			break
		}
		if string(s) == name {
			n++
		}
	}
	return n > 1
}

func (p *procSymbols) several(name string) bool {
	p.hashOnce.Do(p.makeHash)
	i, ok := p.find(name)
	return ok && p.hash.isSeveral(i)
}

func (h *nameHash) isSeveral(i int) bool { return h.several[i/64]&(1<<(i%64)) != 0 }
