package btf

import (
	"bytes"
	"iter"
)

// find returns the IDs of s's own types of the kinds with the name, by kind and
// within a kind lowest first, at most max of them (0: all).
func (s *Spec) find(kinds Kinds, name string, max int) []ID {
	if name == "" {
		return nil
	}
	var ids []ID
	for kind := range kindSets[:kindMax+1] {
		if kindSets[kind]&kinds == 0 {
			continue
		}
		for i := range s.named(byte(kind), name) {
			ids = append(ids, s.firstID+ID(i))
			if len(ids) == max {
				return ids
			}
		}
	}
	return ids
}

// ofKind yields the indices of s's own types of a kind.
func (s *Spec) ofKind(kind byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < len(s.kinds); i++ {
			n := bytes.IndexByte(s.kinds[i:], kind)
			if n < 0 {
				return
			}
			i += n
			if !yield(i) {
				return
			}
		}
	}
}

// All returns every type of the kinds with the name: s's own first, then those
// of the base; within a blob by kind and ID. Vmlinux has a dozen struct names
// with more than one definition, because C lets each source file have its own.
func (s *Spec) All(kinds Kinds, name string) []Type {
	var all []Type
	for b := s; b != nil; b = b.base {
		for _, id := range b.find(kinds, name, 0) {
			all = append(all, b.typeOrUnknown(id))
		}
	}
	return all
}

// IDs returns the numbers of the types that [Spec.All] returns.
func (s *Spec) IDs(kinds Kinds, name string) []ID {
	var all []ID
	for b := s; b != nil; b = b.base {
		all = append(all, b.find(kinds, name, 0)...)
	}
	return all
}

// first returns the lowest type of the kinds with the name, s's own before the
// base's.
func (s *Spec) first(kinds Kinds, name string) (Type, error) {
	for b := s; b != nil; b = b.base {
		if ids := b.find(kinds, name, 1); len(ids) > 0 {
			return b.TypeByID(ids[0])
		}
	}
	return nil, &NameError{kinds, name, s}
}

// Struct returns the struct with the tag name. Of several definitions in a blob
// it is the one with most members, and of these the one with the lowest ID; see
// [Spec.All] for the others. A module's own definition comes before the base's.
// Forward declarations do not count. The error is a [*NameError].
func (s *Spec) Struct(name string) (*Struct, error) { return s.structOrUnion(Structs, name) }

// Union returns the union with the tag name, by the rules of [Spec.Struct].
func (s *Spec) Union(name string) (*Struct, error) { return s.structOrUnion(Unions, name) }

func (s *Spec) structOrUnion(kind Kinds, name string) (*Struct, error) {
	for b := s; b != nil; b = b.base {
		var best *Struct
		for _, id := range b.find(kind, name, 0) {
			t, ok := b.typeOrUnknown(id).(*Struct)
			if ok && (best == nil || t.NumMembers() > best.NumMembers()) {
				best = t
			}
		}
		if best != nil {
			return best, nil
		}
	}
	return nil, &NameError{kind, name, s}
}

// Enum returns the enum with the tag name. The error is a [*NameError], as it is
// of the methods that follow.
func (s *Spec) Enum(name string) (*Enum, error) { return firstAs[*Enum](s, Enums, name) }

// Typedef returns the typedef.
func (s *Spec) Typedef(name string) (*Typedef, error) { return firstAs[*Typedef](s, Typedefs, name) }

// Var returns the variable.
func (s *Spec) Var(name string) (*Var, error) { return firstAs[*Var](s, Vars, name) }

// Func returns the function.
func (s *Spec) Func(name string) (*Func, error) { return firstAs[*Func](s, Funcs, name) }

func firstAs[T Type](s *Spec, kind Kinds, name string) (T, error) {
	var none T
	t, err := s.first(kind, name)
	if err != nil {
		return none, err
	}
	if t, ok := t.(T); ok {
		return t, nil
	}
	return none, &NameError{kind, name, s}
}

// FindInt returns the integer type that C knows by the name, in any of its
// spellings: "unsigned long", "long unsigned int" and "unsigned long int" are
// one type. If no blob has it, and it is one of C's own, it is made up.
func (s *Spec) FindInt(name string) (*Int, error) {
	want, isC := canonicalInt(name)
	for b := s; b != nil; b = b.base {
		for i := range b.ofKind(kindInt) {
			off := le.Uint32(b.types[b.offsets[i]:])
			if b.nameIs(off, name) {
				return b.intAt(i), nil
			}
			if !isC {
				continue
			}
			if have, ok := canonicalInt(b.nameAt(off)); ok && have == want {
				return b.intAt(i), nil
			}
		}
	}
	if isC {
		return want.makeUp(), nil
	}
	return nil, &NameError{Ints, name, s}
}

func (s *Spec) intAt(i int) *Int {
	t, _ := s.typeOrUnknown(s.firstID + ID(i)).(*Int)
	return t
}

// Enumerator returns the enumerator and the enum that it belongs to.
func (s *Spec) Enumerator(name string) (EnumValue, *Enum, bool) {
	for b := s; b != nil; b = b.base {
		for _, kind := range []byte{kindEnum, kindEnum64} {
			rowLen := enumLen
			if kind == kindEnum64 {
				rowLen = enum64Len
			}
			for i := range b.ofKind(kind) {
				id := b.firstID + ID(i)
				rec := b.record(id)
				rows := rec[recordLen:]
				for n := range int(le.Uint32(rec[4:]) & 0xffffff) {
					if !b.nameIs(le.Uint32(rows[n*rowLen:]), name) {
						continue
					}
					if t, ok := b.typeOrUnknown(id).(*Enum); ok {
						return t.value(n), t, true
					}
				}
			}
		}
	}
	return EnumValue{}, nil, false
}
