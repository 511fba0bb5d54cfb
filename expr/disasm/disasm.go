// Package disasm shows the machine code of a kernel, x86-64, in the syntax of objdump.
//
// The code is that in memory: where the kernel patched itself (alternatives, static branches,
// ftrace's calls, retpolines) it is what ran, not what vmlinux has. Addresses get their symbols.
package disasm

import (
	"errors"
	"fmt"

	"golang.org/x/arch/x86/x86asm"

	"kinspect/expr/debuginfo"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const (
	// maxFunction bounds the code that is taken for one function, in bytes. The longest of Debian's
	// kernels has some 40 KiB.
	maxFunction = 128 << 10
	// MaxInstructions bounds what At shows.
	MaxInstructions = 10_000
	// maxInstruction is the length of the longest instruction, in bytes.
	maxInstruction = 15
)

// A Line is one instruction.
type Line struct {
	Addr   kmem.Addr
	Offset uint64 // from its symbol's start, in bytes
	Bytes  []byte
	Text   string // "call   netif_receive_skb+0x0"
	Bad    bool   // it is none that is known, and Text has its first byte
	// Source is where it comes from, innermost function first, where that is known.
	Source []debuginfo.Frame
}

// A Listing is some code.
type Listing struct {
	Symbol kmem.Symbol // Name is empty where the code belongs to none
	Whole  bool        // it is all of the symbol's
	Lines  []Line

	k *value.Kernel
}

// Function disassembles the function that holds an address.
func Function(k *value.Kernel, a kmem.Addr) (*Listing, error) {
	sym, _, ok := k.SymbolAt(a)
	if !ok {
		return nil, fmt.Errorf("no symbol holds %s, so no function: dis(%s, 20) shows the code there", a, a)
	}
	switch where := placeOf(k, sym); where {
	case inInit:
		return nil, fmt.Errorf("%s is of the kernel's start, whose memory was freed when that was over: what is there now is something else", value.Printable(sym.Name))
	case inData:
		return nil, fmt.Errorf("%s is no code", value.Printable(sym.Name))
	}
	end, err := endOf(k, sym)
	if err != nil {
		return nil, err
	}
	l := &Listing{Symbol: sym, Whole: true, k: k}
	if err := l.decode(sym.Addr, end, -1); err != nil {
		return nil, err
	}
	l.trim()
	return l, nil
}

// place is what kind of memory a symbol names.
type place int

const (
	inText place = iota
	inInit       // freed when the kernel has started
	inData
)

// placeOf goes by the kernel's sections: the letters of kallsyms are no help, as 7.3 has 't' for data,
// too. Of a module's symbols they are all there is.
func placeOf(k *value.Kernel, sym kmem.Symbol) place {
	if sym.Module != "" {
		switch sym.Type {
		case 't', 'T', 'w', 'W', '?':
			return inText
		}
		return inData
	}
	within := func(from, to string) bool {
		a, ok1 := k.LookupSymbol(from)
		b, ok2 := k.LookupSymbol(to)
		return ok1 && ok2 && a.Addr <= sym.Addr && sym.Addr < b.Addr
	}
	switch {
	case within("__init_begin", "__init_end"):
		return inInit
	case within("_stext", "_etext"):
		return inText
	}
	return inData
}

// endOf is where the next symbol begins, or the table's sections end.
func endOf(k *value.Kernel, sym kmem.Symbol) (kmem.Addr, error) {
	holds := func(a kmem.Addr) bool {
		s, _, ok := k.SymbolAt(a)
		return ok && s.Addr == sym.Addr
	}
	// Whatever is between low and high is the symbol's up to a point: look for it.
	low, high := uint64(0), uint64(maxFunction)
	if holds(sym.Addr.Add(maxFunction)) {
		return 0, fmt.Errorf("%s is longer than %d bytes: dis(ADDRESS, N) shows a part of it", value.Printable(sym.Name), maxFunction)
	}
	for high-low > 1 {
		mid := (low + high) / 2
		if holds(sym.Addr.Add(int64(mid))) {
			low = mid
		} else {
			high = mid
		}
	}
	return sym.Addr.Add(int64(high)), nil
}

// At disassembles n instructions from an address on.
func At(k *value.Kernel, a kmem.Addr, n int) (*Listing, error) {
	if n < 1 || n > MaxInstructions {
		return nil, fmt.Errorf("the number of instructions has to be from 1 to %d", MaxInstructions)
	}
	l := &Listing{k: k}
	l.Symbol, _, _ = k.SymbolAt(a)
	return l, l.decode(a, a.Add(int64(n)*maxInstruction), n)
}

// decode adds what stands from a to end, at most n instructions; any number where n is negative.
func (l *Listing) decode(a, end kmem.Addr, n int) error {
	code := make([]byte, end-a)
	if err := l.k.ReadMem(a, code); err != nil {
		// The last page may be beyond what there is.
		code = code[:min(uint64(len(code)), uint64(kmem.PageSize)-uint64(a-a.Page()))]
		if n < 0 || l.k.ReadMem(a, code) != nil {
			return fmt.Errorf("reading the code: %w", err)
		}
	}
	for len(code) > 0 && n != 0 {
		size, text, ok := one(l.k, code, a)
		source, _ := l.k.Frames(a) // none is known without debug information, and of modules
		l.Lines = append(l.Lines, Line{Addr: a, Offset: uint64(a - l.Symbol.Addr), Bytes: code[:size:size], Text: text, Bad: !ok, Source: source})
		a, code = a.Add(int64(size)), code[size:]
		n--
	}
	if len(l.Lines) == 0 {
		return errors.New("there is no code")
	}
	return nil
}

// one decodes an instruction.
func one(k *value.Kernel, code []byte, a kmem.Addr) (size int, text string, ok bool) {
	if size, text := extra(code); size > 0 {
		return size, text, true
	}
	inst, err := x86asm.Decode(code[:min(len(code), maxInstruction)], 64)
	if err != nil || inst.Len == 0 || inst.Op == 0 {
		return 1, fmt.Sprintf(".byte  %#02x", code[0]), false
	}
	return inst.Len, rename(code[:inst.Len], spell(k, &inst, a)), true
}

// trim takes away what fills the space up to the next symbol: int3, and nops behind a jump or return.
func (l *Listing) trim() {
	n := len(l.Lines)
	for n > 1 && filler(l.Lines[n-1]) {
		n--
	}
	l.Lines = l.Lines[:n]
}

// filler reports whether an instruction does nothing or is int3.
func filler(l Line) bool {
	return len(l.Bytes) == 1 && l.Bytes[0] == 0xcc || len(l.Text) >= 3 && l.Text[:3] == "nop" || l.Text == "xchg %ax,%ax"
}
