package knet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/kmem"
)

// What a kernel's code does is told by which functions it calls. Code is not decoded: each byte that may begin a
// direct call is taken for one (x86-64: e8, or e9 for the last one, and the distance from the next instruction).

// maxPadding is how far before a function a call to it may lead: kernels that count the depth of calls have each
// lead into code of theirs there (arch/x86/kernel/callthunks.c).
const maxPadding = 64

// leadsTo reports whether a call to target is one of a function.
func leadsTo(target kmem.Addr, to kmem.Symbol) bool {
	return target <= to.Addr && to.Addr-target <= maxPadding
}

// CopiesInReceive reports whether the core copies zero-copy frames before it hands them to their handler, and counts
// those in rx_dropped that it has no memory for: __netif_receive_skb_core calls skb_copy_ubufs then
// (include/linux/skbuff.h: skb_orphan_frags_rx). In 7.x that is done by who needs it, and counted elsewhere
// (net/ipv4/ip_input.c: ip_local_deliver_finish). That no such call is there is said of the whole code alone.
func (s *Stack) CopiesInReceive() (bool, error) {
	if s.copies == nil {
		yes, err := s.copiesInReceive()
		s.copies = &codeAnswer{yes, err}
	}
	return s.copies.yes, s.copies.err
}

// codeAnswer is what code says: it does not change.
type codeAnswer struct {
	yes bool
	err error
}

func (s *Stack) copiesInReceive() (bool, error) {
	const copies = "skb_copy_ubufs"
	to, ok := s.K.LookupSymbol(copies)
	if !ok {
		return false, fmt.Errorf("there is no symbol %s", copies)
	}
	parts, err := s.wholeCode("__netif_receive_skb_core")
	if err != nil {
		return false, err
	}
	for _, p := range parts {
		for i := 0; i+5 <= len(p.code); i++ {
			if op := p.code[i]; op != 0xe8 && op != 0xe9 {
				continue
			}
			target := p.at + kmem.Addr(i) + 5 + kmem.Addr(int64(int32(binary.LittleEndian.Uint32(p.code[i+1:]))))
			if leadsTo(target, to) {
				return true, nil
			}
			// The compiler may have made functions of the inlined ones, or of parts of them.
			if sym, _, ok := s.K.SymbolAt(target); ok && (strings.HasPrefix(sym.Name, copies) || strings.HasPrefix(sym.Name, "skb_orphan_frags")) {
				return true, nil
			}
		}
	}
	return false, nil
}

// codePart is the code of a function, or of a part that the compiler put elsewhere (NAME.cold, NAME.constprop.0).
type codePart struct {
	at   kmem.Addr
	code []byte
}

const (
	maxParts    = 16
	maxPartCode = 64 << 10
)

// wholeCode is all code of a function. It fails where some of it is not there.
func (s *Stack) wholeCode(name string) ([]codePart, error) {
	syms, err := s.K.Symbols()
	if err != nil {
		return nil, err
	}
	if table, ok := syms.(interface{ Err() error }); ok && table.Err() != nil {
		return nil, table.Err() // a part might be missing
	}
	var found []kmem.Symbol
	err = s.K.EachSymbol(func(sym kmem.Symbol) bool {
		rest, is := strings.CutPrefix(sym.Name, name)
		if is && (rest == "" || rest[0] == '.') {
			found = append(found, sym)
		}
		return len(found) <= maxParts
	})
	if err != nil {
		return nil, err
	}
	if len(found) > maxParts {
		return nil, fmt.Errorf("%s has more than %d parts", name, maxParts)
	}
	if !slices.ContainsFunc(found, func(sym kmem.Symbol) bool { return !strings.HasSuffix(sym.Name, ".cold") }) {
		return nil, fmt.Errorf("there is no symbol %s", name)
	}
	ends := make([]kmem.Addr, len(found))
	if err := s.K.EachSymbol(func(sym kmem.Symbol) bool {
		for i, f := range found {
			if sym.Addr > f.Addr && (ends[i] == 0 || sym.Addr < ends[i]) {
				ends[i] = sym.Addr
			}
		}
		return true
	}); err != nil {
		return nil, err
	}
	var parts []codePart
	for i, f := range found {
		if ends[i] == 0 || ends[i]-f.Addr > maxPartCode {
			return nil, fmt.Errorf("where %s ends is not known", f.Name)
		}
		p := codePart{f.Addr, make([]byte, ends[i]-f.Addr)}
		if err := s.readCode(p.at, p.code); err != nil {
			return nil, fmt.Errorf("the code of %s: %w", f.Name, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// readCode reads code, all of it. A page that a dump left out may read as zeros, which no code has a page of.
func (s *Stack) readCode(at kmem.Addr, code []byte) error {
	for len(code) > 0 {
		n := min(len(code), kmem.PageSize-int(at%kmem.PageSize))
		if err := s.K.ReadMem(at, code[:n]); err != nil {
			return err
		}
		if !slices.ContainsFunc(code[:n], func(b byte) bool { return b != 0 }) {
			return errors.New("it reads as zeros")
		}
		at, code = at+kmem.Addr(n), code[n:]
	}
	return nil
}
