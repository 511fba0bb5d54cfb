package btf

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// Field is a member found by name, at the end of a path through structs.
type Field struct {
	Path      string // as it is written in C: "dev.name", "ports[2].id"
	Type      Type
	BitOffset uint64 // from the start of the outermost struct
	BitSize   uint32 // 0 if it is not a bit-field
}

// Offset returns the offset in bytes of the byte that holds the first bit.
func (f Field) Offset() uint64 { return f.BitOffset / 8 }

// PathError says where a path of members cannot be followed.
type PathError struct {
	Path   string
	Column int // of the step that failed, in bytes from 0
	Err    error
}

func (e *PathError) Error() string {
	if e.Column == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (column %d of %q)", e.Err, e.Column+1, e.Path)
}

func (e *PathError) Unwrap() error { return e.Err }

// maxPath bounds the length of a path, in bytes.
const maxPath = 4096

// FindMember finds a member of t by its name or by a path, "a.b.c" or "a[2].b".
// Members of anonymous structs and unions are found as in C. A path does not
// lead through pointers: that takes memory, not types alone.
//
// The error is a [*PathError] that wraps a [*MemberError] if there is no such
// member, or a [*LayoutError] if the struct cannot be as the blob says.
func (t *Struct) FindMember(path string) (Field, error) {
	if err := t.Sound(); err != nil {
		return Field{}, &PathError{path, 0, err}
	}
	if !strings.ContainsAny(path, ".[") {
		if f, ok := t.lookup(path, maxAnonymousDepth, new(maxLookups)); ok {
			return f, nil
		}
		return Field{}, &PathError{path, 0, &MemberError{t, path}}
	}
	if len(path) > maxPath {
		return Field{}, &PathError{path[:32] + "...", 0, fmt.Errorf("path of %d bytes is too long", len(path))}
	}
	f := Field{Path: path, Type: t}
	col := 0
	fail := func(err error) (Field, error) { return Field{}, &PathError{path, col, err} }
	for first := true; col < len(path); first = false {
		switch c := path[col]; {
		case c == '[':
			elem, off, n, err := index(f.Type, path[col:])
			if err != nil {
				return fail(err)
			}
			sum, carry := bits.Add64(f.BitOffset, off, 0)
			if carry != 0 {
				return fail(fmt.Errorf("offset exceeds 64 bits"))
			}
			f.Type, f.BitOffset, f.BitSize = elem, sum, 0
			col += n
			continue
		case c == '.' && !first:
			col++
		case !first:
			return fail(fmt.Errorf("expected %q or %q, found %q", '.', '[', c))
		}
		end := col
		for end < len(path) && path[end] != '.' && path[end] != '[' {
			end++
		}
		name := path[col:end]
		if name == "" {
			return fail(fmt.Errorf("expected the name of a member"))
		}
		in, ok := Underlying(f.Type).(*Struct)
		if !ok {
			if _, ptr := Underlying(f.Type).(*Pointer); ptr {
				return fail(fmt.Errorf("%s is a pointer (%s): its members are not part of %s", path[:max(col-1, 0)], f.Type, t))
			}
			return fail(fmt.Errorf("%s is a %s, which has no members", path[:max(col-1, 0)], f.Type))
		}
		if err := in.Sound(); err != nil {
			return fail(err)
		}
		step, ok := in.lookup(name, maxAnonymousDepth, new(maxLookups))
		if !ok {
			return fail(&MemberError{in, name})
		}
		sum, carry := bits.Add64(f.BitOffset, step.BitOffset, 0)
		if carry != 0 {
			return fail(fmt.Errorf("offset exceeds 64 bits"))
		}
		f.Type, f.BitOffset, f.BitSize = step.Type, sum, step.BitSize
		col = end
	}
	return f, nil
}

// index reads "[n]" at the start of s, which indexes an array of type t. It
// returns the element's type and its offset in bits, and the length of what it
// read.
func index(t Type, s string) (elem Type, off uint64, n int, err error) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return nil, 0, 0, fmt.Errorf("%q without %q", '[', ']')
	}
	i, err := strconv.ParseUint(strings.TrimSpace(s[1:end]), 0, 64)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%q is not an index", s[1:end])
	}
	a, ok := Underlying(t).(*Array)
	if !ok {
		return nil, 0, 0, fmt.Errorf("%s is not an array", t)
	}
	if a.Len != 0 && i >= uint64(a.Len) {
		return nil, 0, 0, fmt.Errorf("index %d is outside of %s", i, t)
	}
	elem = a.Elem()
	size, err := Sizeof(elem)
	if err != nil {
		return nil, 0, 0, err
	}
	hi, lo := bits.Mul64(i, size)
	if hi != 0 || lo > 1<<60 {
		return nil, 0, 0, fmt.Errorf("index %d exceeds the address space", i)
	}
	return elem, lo * 8, end + 1, nil
}

// Limits of a search in anonymous members: in a bad blob they may contain each
// other, and double at each level.
const (
	maxAnonymousDepth = 16
	maxLookups        = 1 << 15 // members of anonymous members
)

// lookup finds a member of t or of its anonymous members. It compares names where
// they are, in the blob, and decodes nothing but what it returns.
func (t *Struct) lookup(name string, depth int, budget *int) (Field, bool) {
	if name == "" {
		return Field{}, false
	}
	for i := range t.NumMembers() {
		off := le.Uint32(t.rows[i*memberLen:])
		if t.spec.nameIs(off, name) {
			m := t.member(i)
			return Field{name, m.Type, uint64(m.BitOffset), m.BitSize}, true
		}
		if !t.spec.nameEmpty(off) {
			continue
		}
		m := t.member(i)
		in, ok := Underlying(m.Type).(*Struct)
		if !ok || !in.enter(depth, budget) {
			continue
		}
		if f, ok := in.lookup(name, depth-1, budget); ok {
			f.BitOffset += uint64(m.BitOffset)
			return f, true
		}
	}
	return Field{}, false
}

// AllMembers yields the members by the names that C code uses for them: those of
// anonymous structs and unions appear as t's own, in the order of declaration.
func (t *Struct) AllMembers() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		t.flatten(0, maxAnonymousDepth, new(maxLookups), yield)
	}
}

func (t *Struct) flatten(base uint64, depth int, budget *int, yield func(Field) bool) bool {
	for _, m := range t.Members() {
		off := base + uint64(m.BitOffset)
		if m.Name == "" {
			if in, ok := Underlying(m.Type).(*Struct); ok && in.enter(depth, budget) {
				if !in.flatten(off, depth-1, budget, yield) {
					return false
				}
			}
			continue
		}
		if !yield(Field{m.Name, m.Type, off, m.BitSize}) {
			return false
		}
	}
	return true
}

// enter reports whether a search may go on in t, an anonymous member.
func (t *Struct) enter(depth int, budget *int) bool {
	*budget -= 1 + t.NumMembers()
	return depth > 0 && *budget >= 0
}
