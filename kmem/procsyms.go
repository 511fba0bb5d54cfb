package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
)

// # /proc/kallsyms
//
// One line a symbol, in kernel/kallsyms.c's order (s_show): the kernel's own by
// ascending address, then each module's, then those of ftrace, BPF and kprobes,
// none of which is sorted:
//
//	ffffffff81000000 T _stext
//	ffffffffc0321000 t bond_init	[bonding]
//
// 16 hexadecimal digits, nm's type letter, the name, and after a tab the module.
// Where kptr_restrict or missing privilege hides addresses, all are 0. Per-CPU
// symbols of kernels before 6.15 are type A with small addresses.

// ErrBadProcKallsyms is wrapped by the errors of [ParseProcKallsyms].
var ErrBadProcKallsyms = errors.New("not the text of /proc/kallsyms")

const (
	maxProcLine  = 4096    // bytes; the kernel's longest is about 600
	maxProcNames = 1 << 30 // bytes of all names
)

// procSymbols is the table of one /proc/kallsyms.
type procSymbols struct {
	names   []byte // all names, end to end
	syms    []procSymbol
	modules []string // [0] is vmlinux: ""
	byAddr  []uint32 // positions in syms, by address, then by position

	nameOnce sync.Once
	byName   []uint32 // positions in syms, by name, then by address
}

type procSymbol struct {
	addr   Addr
	name   uint32 // where it begins in names
	len    uint16
	module uint16
	typ    byte
}

// ParseProcKallsyms reads the text of /proc/kallsyms. hidden reports that it has
// symbols, and the address of each is 0: the names are there, but the kernel
// hides where they are (kernel.kptr_restrict, or no CAP_SYSLOG).
func ParseProcKallsyms(r io.Reader) (t SymbolTable, hidden bool, err error) {
	p := &procSymbols{modules: []string{""}}
	known := map[string]uint16{"": 0}
	buf := make([]byte, 64<<10)
	fill, line := 0, 0
	hidden = true
	for eof := false; !eof; {
		n, err := r.Read(buf[fill:])
		if err != nil && err != io.EOF {
			return nil, false, fmt.Errorf("reading /proc/kallsyms: %w", err)
		}
		eof = err == io.EOF
		fill += n
		rest := buf[:fill]
		for len(rest) > 0 {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 && !eof {
				break
			}
			text := rest
			if end >= 0 {
				text, rest = rest[:end], rest[end+1:]
			} else {
				rest = nil
			}
			line++
			addr, err := p.line(text, known)
			if err != nil {
				return nil, false, fmt.Errorf("%w: line %d: %w", ErrBadProcKallsyms, line, err)
			}
			hidden = hidden && addr == 0
		}
		if len(rest) > maxProcLine {
			return nil, false, fmt.Errorf("%w: line %d has more than %d bytes", ErrBadProcKallsyms, line+1, maxProcLine)
		}
		fill = copy(buf, rest)
	}
	p.sortAddrs()
	return p, hidden && len(p.syms) > 0, nil
}

// line adds the symbol of one line.
func (p *procSymbols) line(text []byte, known map[string]uint16) (Addr, error) {
	if len(text) > maxProcLine {
		return 0, fmt.Errorf("more than %d bytes", maxProcLine)
	}
	var addr Addr
	i := 0
	for ; i < len(text) && i < 16; i++ {
		d := hexDigit(text[i])
		if d > 15 {
			break
		}
		addr = addr<<4 | Addr(d)
	}
	// At least: one digit, blank, type, blank, one byte of a name.
	if i == 0 || len(text) < i+4 || text[i] != ' ' || text[i+1] <= ' ' || text[i+1] > '~' || text[i+2] != ' ' {
		return 0, errors.New("want an address, a type letter and a name")
	}
	sym := procSymbol{addr: addr, typ: text[i+1], name: uint32(len(p.names))}
	name, module, inModule := bytes.Cut(text[i+3:], []byte("\t["))
	if inModule {
		if len(module) < 2 || module[len(module)-1] != ']' {
			return 0, errors.New("the module's name has no end")
		}
		module = module[:len(module)-1]
		n, ok := known[string(module)]
		if !ok {
			if len(p.modules) > 0xffff {
				return 0, errors.New("more modules than a kernel can have")
			}
			n = uint16(len(p.modules))
			p.modules = append(p.modules, string(module))
			known[string(module)] = n
		}
		sym.module = n
	}
	if len(name) == 0 || len(p.names) > maxProcNames {
		return 0, errors.New("no name, or too many names")
	}
	sym.len = uint16(len(name))
	p.names = append(p.names, name...)
	p.syms = append(p.syms, sym)
	return addr, nil
}

// hexDigit is the value of a hexadecimal digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// sortAddrs makes byAddr. Nearly all of the text is in order already, so the
// rest alone is sorted, and merged in.
func (p *procSymbols) sortAddrs() {
	sorted, rest := make([]uint32, 0, len(p.syms)), []uint32(nil)
	top := Addr(0)
	for i := range p.syms {
		if a := p.syms[i].addr; a >= top {
			top = a
			sorted = append(sorted, uint32(i))
		} else {
			rest = append(rest, uint32(i))
		}
	}
	p.byAddr = sorted
	if len(rest) > 0 {
		slices.SortFunc(rest, p.compareAddrs)
		p.byAddr = merge(sorted, rest, p.compareAddrs)
	}
}

func (p *procSymbols) compareAddrs(a, b uint32) int {
	switch x, y := p.syms[a].addr, p.syms[b].addr; {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return int(a) - int(b)
}

// merge merges two sorted lists.
func merge(a, b []uint32, compare func(a, b uint32) int) []uint32 {
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compare(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func (p *procSymbols) name(i uint32) []byte {
	s := &p.syms[i]
	return p.names[s.name : s.name+uint32(s.len)]
}

func (p *procSymbols) symbol(i uint32) Symbol {
	s := &p.syms[i]
	return Symbol{Name: string(p.name(i)), Addr: s.addr, Type: s.typ, Module: p.modules[s.module]}
}

// names are sorted when the first one is asked for.
func (p *procSymbols) sortNames() {
	p.nameOnce.Do(func() {
		p.byName = slices.Clone(p.byAddr)
		slices.SortStableFunc(p.byName, func(a, b uint32) int { return bytes.Compare(p.name(a), p.name(b)) })
	})
}

// firstNamed is the position in byName of the first name that is not below name.
func (p *procSymbols) firstNamed(name string) int {
	p.sortNames()
	return sort.Search(len(p.byName), func(i int) bool { return string(p.name(p.byName[i])) >= name })
}

// Lookup implements [SymbolTable]. The kernel's own symbols come before
// modules' of the same name.
func (p *procSymbols) Lookup(name string) (Symbol, bool) {
	found := Symbol{}
	ok := false
	for i := p.firstNamed(name); i < len(p.byName) && string(p.name(p.byName[i])) == name; i++ {
		if s := p.symbol(p.byName[i]); !ok || found.Module != "" && s.Module == "" {
			found, ok = s, true
		}
		if found.Module == "" {
			break
		}
	}
	return found, ok
}

// At implements [SymbolTable]. The text does not tell where a module's sections
// end, so a symbol that no other of its module follows reaches to the end of the
// page after its own at most.
func (p *procSymbols) At(addr Addr) (Symbol, uint64, bool) {
	if !addr.IsKernel() {
		return Symbol{}, 0, false
	}
	next := sort.Search(len(p.byAddr), func(i int) bool { return p.syms[p.byAddr[i]].addr > addr })
	if next == 0 {
		return Symbol{}, 0, false
	}
	start := p.syms[p.byAddr[next-1]].addr
	first := sort.Search(next, func(i int) bool { return p.syms[p.byAddr[i]].addr >= start })
	off := uint64(addr - start)
	if !start.IsKernel() {
		return Symbol{}, 0, false
	}
	if off == 0 {
		return p.symbol(p.byAddr[first]), 0, true
	}
	for i := first; i < min(next, first+maxAliases); i++ {
		s := p.symbol(p.byAddr[i])
		if s.Module == "" && isEndMarker(s.Name) {
			continue
		}
		followed := next < len(p.byAddr) && p.syms[p.byAddr[next]].module == p.syms[p.byAddr[i]].module
		if !followed && uint64(addr.Page()-start.Page()) > PageSize {
			return Symbol{}, 0, false
		}
		return s, off, true
	}
	return Symbol{}, 0, false
}

// Prefix implements [SymbolTable].
func (p *procSymbols) Prefix(prefix string, limit int) []string {
	var out []string
	for i := p.firstNamed(prefix); i < len(p.byName) && len(out) < limit; i++ {
		name := p.name(p.byName[i])
		if !strings.HasPrefix(string(name), prefix) {
			break
		}
		if len(out) == 0 || out[len(out)-1] != string(name) {
			out = append(out, string(name))
		}
	}
	return out
}

// All implements [SymbolTable], in the order of the text.
func (p *procSymbols) All(yield func(Symbol) bool) {
	for i := range p.syms {
		if !yield(p.symbol(uint32(i))) {
			return
		}
	}
}

// Len implements [SymbolTable].
func (p *procSymbols) Len() int { return len(p.syms) }

// Source implements [SymbolTable].
func (p *procSymbols) Source() string { return "/proc/kallsyms" }
