package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sort"
	"sync"
)

// ErrBadProcKallsyms is wrapped by the errors of [ParseProcKallsyms].
var ErrBadProcKallsyms = errors.New("not the text of /proc/kallsyms")

const (
	maxProcLine  = 4096    // bytes; the kernel's longest is about 600
	maxProcNames = 1 << 30 // bytes of all names
)

// procSymbols is the table of one /proc/kallsyms. It grows by chunks, as nothing
// tells beforehand how long the text is, and copying is what parsing costs most.
type procSymbols struct {
	n, own  int            // symbols, and those of vmlinux
	syms    [][]procSymbol // all but the last full: chunkSyms each
	names   [][]byte       // at most chunkNames each; no name crosses
	modules []string       // [0] is vmlinux: ""
	source  string
	byAddr  []uint32 // symbols by address, then by place in the text

	hashOnce sync.Once
	hash     *nameHash
	seed     maphash.Seed
}

type procSymbol struct {
	addr   Addr
	name   uint32 // chunk * chunkNames + where it begins there
	len    uint16
	module uint16
	typ    byte
}

const (
	chunkSyms  = 1 << 13
	chunkNames = 1 << 20 // bytes
)

func (p *procSymbols) sym(i uint32) *procSymbol { return &p.syms[i/chunkSyms][i%chunkSyms] }

func (p *procSymbols) name(i uint32) []byte {
	s := p.sym(i)
	at := s.name % chunkNames
	return p.names[s.name/chunkNames][at : at+uint32(s.len)]
}

func (p *procSymbols) symbol(i uint32) Symbol {
	s := p.sym(i)
	return Symbol{Name: string(p.name(i)), Addr: s.addr, Type: s.typ, Module: p.modules[s.module]}
}

// add appends a symbol; the caller has bounded the name's length.
func (p *procSymbols) add(s procSymbol, name []byte) {
	last := len(p.names) - 1
	if last < 0 || cap(p.names[last])-len(p.names[last]) < len(name) {
		p.names = append(p.names, make([]byte, 0, chunkNames))
		last++
	}
	s.name, s.len = uint32(last*chunkNames+len(p.names[last])), uint16(len(name))
	p.names[last] = append(p.names[last], name...)
	if p.n%chunkSyms == 0 {
		p.syms = append(p.syms, make([]procSymbol, 0, chunkSyms))
	}
	p.syms[len(p.syms)-1] = append(p.syms[len(p.syms)-1], s)
	p.n++
	if s.module == 0 {
		p.own++
	}
}

// ParseProcKallsyms reads the text of /proc/kallsyms. It has one line a symbol, in
// the order of kernel/kallsyms.c (s_show): the kernel's own by ascending address,
// then each module's, then those of ftrace, BPF and kprobes, none of which is
// sorted:
//
//	ffffffff81000000 T _stext
//	ffffffffc0321000 t bond_init	[bonding]
//
// that is 16 hexadecimal digits, nm's type letter, the name, and after a tab the
// module. Per-CPU symbols of kernels before 6.15 are of type A and have small
// addresses.
//
// Where kptr_restrict or missing privilege hides addresses, all are 0: hidden
// reports that there are symbols, and the address of each is 0. Errors wrap
// [ErrBadProcKallsyms] or the reader's.
func ParseProcKallsyms(r io.Reader) (t SymbolTable, hidden bool, err error) {
	p := newProcSymbols("/proc/kallsyms")
	hidden, err = p.parse(r)
	if err != nil {
		return nil, false, err
	}
	return p, hidden, nil
}

func newProcSymbols(source string) *procSymbols {
	return &procSymbols{modules: []string{""}, source: source}
}

// parse adds the symbols of a text, and sorts them.
func (p *procSymbols) parse(r io.Reader) (hidden bool, err error) {
	known := map[string]uint16{"": 0}
	hidden = true
	err = procLines(r, p.source, func(text []byte) error {
		addr, err := p.line(text, known)
		hidden = hidden && addr == 0
		return err
	})
	if err != nil {
		return false, err
	}
	p.sortAddrs()
	return hidden && p.n > 0, nil
}

// findProcSymbol is the address of one of the kernel's own symbols in the text of /proc/kallsyms, which is read up to its
// line and not kept: a tenth of the work of [ParseProcKallsyms]. Errors are those of that, or [ErrNoSymbol].
func findProcSymbol(r io.Reader, name string) (Addr, error) {
	p, end := newProcSymbols("/proc/kallsyms"), []byte(" "+name)
	err := procLines(r, p.source, func(text []byte) error {
		if !bytes.HasSuffix(text, end) {
			return nil
		}
		if _, err := p.line(text, map[string]uint16{"": 0}); err != nil {
			return err
		}
		return errLineFound
	})
	switch {
	case errors.Is(err, errLineFound):
		return p.symbol(0).Addr, nil
	case err != nil:
		return 0, err
	}
	return 0, ErrNoSymbol
}

var errLineFound = errors.New("found")

// procLines calls visit with each line of a text, until it has an error.
func procLines(r io.Reader, source string, visit func(text []byte) error) error {
	buf := make([]byte, 64<<10)
	fill, line, idle := 0, 0, 0
	for eof := false; !eof; {
		n, err := r.Read(buf[fill:])
		if n > 0 {
			idle = 0
		} else if idle++; err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading %s: %w", source, err)
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
			if err := visit(text); err != nil {
				return fmt.Errorf("%w: line %d: %w", ErrBadProcKallsyms, line, err)
			}
		}
		if len(rest) > maxProcLine {
			return fmt.Errorf("%w: line %d: more than %d bytes", ErrBadProcKallsyms, line+1, maxProcLine)
		}
		fill = copy(buf, rest)
	}
	return nil
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
	sym := procSymbol{addr: addr, typ: text[i+1]}
	name, module, inModule := bytes.Cut(text[i+3:], []byte("\t["))
	if inModule {
		if len(module) < 2 || module[len(module)-1] != ']' || !plain(module) {
			return 0, errors.New("the module's name is not a name in brackets")
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
	if len(name) == 0 || !plain(name) {
		return 0, errors.New("no name, or one with unprintable bytes")
	}
	if p.n == maxKallsyms || len(p.names) > maxProcNames/chunkNames {
		return 0, errors.New("more symbols than a kernel can have")
	}
	p.add(sym, name)
	return addr, nil
}

// plain reports whether text is printable ASCII without blanks, as all names are:
// what passes may be shown on a terminal.
func plain(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
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
	sorted, rest := make([]uint32, 0, p.n), []uint32(nil)
	top := Addr(0)
	for i := range uint32(p.n) {
		if a := p.sym(i).addr; a >= top {
			top = a
			sorted = append(sorted, i)
		} else {
			rest = append(rest, i)
		}
	}
	p.byAddr = sorted
	if len(rest) > 0 {
		slices.SortFunc(rest, p.compareAddrs)
		p.byAddr = merge(sorted, rest, p.compareAddrs)
	}
}

func (p *procSymbols) compareAddrs(a, b uint32) int {
	switch x, y := p.sym(a).addr, p.sym(b).addr; {
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

// makeHash enters the kernel's own symbols before the modules', each by address.
func (p *procSymbols) makeHash() {
	p.hash, p.seed = newNameHash(p.n), maphash.MakeSeed()
	sums := make([]uint64, p.n)
	for i := range sums {
		sums[i] = maphash.Bytes(p.seed, p.name(uint32(i)))
	}
	for _, own := range []bool{true, false} {
		for _, i := range p.byAddr {
			if (p.sym(i).module == 0) == own {
				p.hash.add(int(i), sums, own)
			}
		}
	}
}

// Lookup implements [SymbolTable]. The kernel's own symbols come before
// modules' of the same name.
func (p *procSymbols) Lookup(name string) (Symbol, bool) {
	p.hashOnce.Do(p.makeHash)
	i, ok := p.find(name)
	if !ok {
		return Symbol{}, false
	}
	return p.symbol(uint32(i)), true
}

// find finds the number of the first symbol with the name.
func (p *procSymbols) find(name string) (int, bool) {
	i, ok, _ := p.hash.find(maphash.String(p.seed, name), func(i int) (bool, error) {
		return string(p.name(uint32(i))) == name, nil
	})
	return i, ok
}

// At implements [SymbolTable]. The text does not tell where a module's sections
// end, so a symbol that no other of its module follows reaches to the end of the
// page after its own at most.
func (p *procSymbols) At(addr Addr) (Symbol, uint64, bool) {
	if !addr.IsKernel() {
		return Symbol{}, 0, false
	}
	next := sort.Search(len(p.byAddr), func(i int) bool { return p.sym(p.byAddr[i]).addr > addr })
	if next == 0 {
		return Symbol{}, 0, false
	}
	start := p.sym(p.byAddr[next-1]).addr
	first := sort.Search(next, func(i int) bool { return p.sym(p.byAddr[i]).addr >= start })
	off := uint64(addr - start)
	if !start.IsKernel() {
		return Symbol{}, 0, false
	}
	if off == 0 {
		return p.symbol(p.byAddr[first]), 0, true
	}
	for i := first; i < min(next, first+maxAliases); i++ {
		s := p.symbol(p.byAddr[i])
		if !holds(s, off, p.own) {
			continue
		}
		followed := next < len(p.byAddr) && p.sym(p.byAddr[next]).module == p.sym(p.byAddr[i]).module
		if !followed && !near(start, addr) {
			return Symbol{}, 0, false
		}
		return s, off, true
	}
	return Symbol{}, 0, false
}

// Prefix implements [SymbolTable].
func (p *procSymbols) Prefix(prefix string, limit int) []string {
	if limit <= 0 {
		return nil
	}
	list := newNameList(limit)
	for i := range uint32(p.n) {
		if name := p.name(i); len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			list.add(name)
		}
	}
	return list.sorted()
}

// All implements [SymbolTable], in the order of the text.
func (p *procSymbols) All(yield func(Symbol) bool) {
	for i := range uint32(p.n) {
		if !yield(p.symbol(i)) {
			return
		}
	}
}

// Len implements [SymbolTable].
func (p *procSymbols) Len() int { return p.n }

// Source implements [SymbolTable].
func (p *procSymbols) Source() string { return p.source }
