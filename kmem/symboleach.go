package kmem

import "strings"

// EachPrefix calls yield for the symbols whose names begin with prefix, as [SymbolTable.All] would, until it returns
// false. Names that do not are not made.
func EachPrefix(t SymbolTable, prefix string, yield func(Symbol) bool) {
	if s, ok := t.(interface {
		eachPrefix(prefix string, yield func(Symbol) bool)
	}); ok {
		s.eachPrefix(prefix, yield)
		return
	}
	t.All(func(s Symbol) bool { return !strings.HasPrefix(s.Name, prefix) || yield(s) })
}

// EachAt calls yield for the symbols that begin at an address, as [SymbolTable.All] would, until it returns false; for no more
// than maxAliases and one where their order tells where they are.
func EachAt(t SymbolTable, addr Addr, yield func(Symbol) bool) {
	if s, ok := t.(interface {
		eachAt(addr Addr, yield func(Symbol) bool) bool
	}); ok && s.eachAt(addr, yield) {
		return
	}
	t.All(func(s Symbol) bool { return s.Addr != addr || yield(s) })
}

func (k *Kallsyms) eachPrefix(prefix string, yield func(Symbol) bool) {
	err := k.walk(func(i int, codes []byte) bool {
		if !k.hasPrefix(codes, prefix) {
			return true
		}
		s, err := k.decode(i, codes)
		if err != nil {
			k.failed(err)
			return true
		}
		return yield(s)
	})
	k.failed(err)
}

// eachAt reports whether it could find them by their order.
func (k *Kallsyms) eachAt(addr Addr, yield func(Symbol) bool) bool {
	first, err := k.firstAtOrAbove(addr)
	if err != nil {
		return false
	}
	var found []Symbol
	for i := first; i < k.n && len(found) <= maxAliases; i++ {
		if a, err := k.address(i); err != nil {
			return false
		} else if a != addr {
			break
		}
		s, err := k.symbol(i)
		if err != nil {
			return false
		}
		found = append(found, s)
	}
	for _, s := range found {
		if !yield(s) {
			break
		}
	}
	return true
}

func (p *procSymbols) eachPrefix(prefix string, yield func(Symbol) bool) {
	for i := range uint32(p.n) {
		if strings.HasPrefix(string(p.name(i)), prefix) && !yield(p.symbol(i)) {
			return
		}
	}
}

func (p *procSymbols) eachAt(addr Addr, yield func(Symbol) bool) bool {
	for i := range uint32(p.n) {
		if p.sym(i).addr == addr && !yield(p.symbol(i)) {
			break
		}
	}
	return true
}
