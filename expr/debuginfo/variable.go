package debuginfo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"

	"kinspect/btf"
	"kinspect/kmem"
)

// ErrNoVariable is wrapped by the error of a variable that the file does not have.
var ErrNoVariable = errors.New("it has no such variable")

const opAddr = 0x03 // DW_OP_addr

// Variable makes a BTF of the types of the unit that has the variable with the name at an address; the variable is in it.
// What base has, which may be nil, is base's, as in a module's BTF.
//
// No index leads there: .debug_aranges has code alone, and compilers write no .debug_names for a kernel. But the entry of
// the variable holds its address as it is in memory, so the section is searched for that, 200 MB in a tenth of a second,
// and only the unit around it is read. An address in .debug_addr (clang, DWARF 5) is not found.
func (f *File) Variable(ctx context.Context, addr kmem.Addr, name string, base *btf.Spec) ([]byte, error) {
	want := le.AppendUint64([]byte{9, opAddr}, uint64(addr)) // a block of 9 bytes
	f.mu.Lock()
	units := f.list()
	f.mu.Unlock()
	var blob []byte
	err := f.search(ctx, want, func(at uint64) (bool, error) {
		i := sort.Search(len(units), func(i int) bool { return units[i].off > at }) - 1
		if i < 0 {
			return false, nil
		}
		var err error
		blob, err = f.variableIn(units[i], addr, name, base)
		return blob != nil, err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.path, err)
	case blob == nil:
		return nil, fmt.Errorf("%s: %w: %s at %s", f.path, ErrNoVariable, name, addr)
	}
	return blob, nil
}

// search calls found for the places of a text in .debug_info until it returns true.
func (f *File) search(ctx context.Context, text []byte, found func(at uint64) (bool, error)) error {
	const step = 1 << 20
	s := f.raw["info"]
	buf := make([]byte, step)
	for off := uint64(0); off < s.size; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted while a variable was searched for: %w", err)
		}
		n := min(step, s.size-off)
		if k, err := s.r.ReadAt(buf[:n], int64(off)); uint64(k) < n {
			return fmt.Errorf("reading %s: %w", s.name, err)
		}
		for from := 0; ; {
			i := bytes.Index(buf[from:n], text)
			if i < 0 {
				break
			}
			if done, err := found(off + uint64(from+i)); done || err != nil {
				return err
			}
			from += i + 1
		}
		if off += n; off < s.size {
			off -= uint64(len(text) - 1) // it may begin before
		}
	}
	return nil
}

// variableIn is the types of a unit, nil if it does not have the variable outside of functions.
func (f *File) variableIn(h header, addr kmem.Addr, name string, base *btf.Spec) ([]byte, error) {
	l := f.parseTypes(h)
	if l.err != nil {
		return nil, l.err
	}
	has := false
	kept := l.vars[:0]
	for _, v := range l.vars {
		if string(v.name) == name && v.addr == uint64(addr) {
			has = true
			kept = append(kept, v)
		}
	}
	if !has {
		return nil, nil
	}
	l.vars, l.funcs = kept, nil
	m := newMerger(f.perCPU, base)
	if m.add(l); m.err != nil {
		return nil, m.err
	}
	return m.write()
}
