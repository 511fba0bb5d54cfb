package debuginfo

import (
	"slices"

	"kinspect/btf"
)

// ofBase marks the number of a type that the kernel has, of those of a module's own.
const ofBase id = 1 << 31

// baseTypes are the kernel's types, which a module's refer to. The methods of nil are those of a kernel itself.
type baseTypes struct {
	spec  *btf.Spec
	first uint32 // the number of a module's own first type
	text0 uint32 // the offset of its own strings
}

func newBaseTypes(spec *btf.Spec) *baseTypes {
	if spec == nil {
		return nil
	}
	return &baseTypes{spec: spec, first: uint32(spec.NumTypes()), text0: spec.StringsLen()}
}

// number is the number that a type gets in BTF.
func (b *baseTypes) number(n id) uint32 {
	switch {
	case n&ofBase != 0:
		return uint32(n &^ ofBase)
	case b == nil || n == 0:
		return uint32(n)
	}
	return b.first + uint32(n) - 1
}

// text is the offset that a string gets in BTF.
func (b *baseTypes) text(off uint32) uint32 {
	if b == nil || off == 0 {
		return off
	}
	return b.text0 + off
}

func (b *baseTypes) sizeOf(n id) uint64 {
	t, err := b.spec.TypeByID(btf.ID(n &^ ofBase))
	if err != nil {
		return 0
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return 0
	}
	return size
}

// each calls yield for the kernel's types of a name until it returns true, and returns that type.
func (b *baseTypes) each(kinds btf.Kinds, name []byte, yield func(btf.Type) bool) (id, bool) {
	if b == nil || len(name) == 0 {
		return 0, false
	}
	for _, n := range b.spec.IDs(kinds, string(name)) {
		if t, err := b.spec.TypeByID(n); err == nil && yield(t) {
			return id(n) | ofBase, true
		}
	}
	return 0, false
}

// typedef finds a typedef of the same name for a type of the same size.
func (b *baseTypes) typedef(name []byte, size uint64) (id, bool) {
	return b.each(btf.Typedefs, name, func(t btf.Type) bool {
		have, err := btf.Sizeof(t)
		return err == nil && have == size && size != 0
	})
}

// declared finds what a declaration declares.
func (b *baseTypes) declared(k kind, name string) (id, bool) {
	kinds := btf.Structs
	if k == kindUnion {
		kinds = btf.Unions
	}
	return b.each(kinds, []byte(name), func(btf.Type) bool { return true })
}

// same finds the type itself, by its name and layout.
func (b *baseTypes) same(t *localType) (id, bool) {
	switch t.kind {
	case kindStruct, kindUnion:
		kinds := btf.Structs
		if t.kind == kindUnion {
			kinds = btf.Unions
		}
		return b.each(kinds, t.name, func(have btf.Type) bool {
			s, ok := have.(*btf.Struct)
			return ok && uint64(s.Size) == t.size && s.NumMembers() == len(t.elems) &&
				slices.EqualFunc(s.Members(), t.elems, func(m btf.Member, e elem) bool {
					return m.Name == string(e.name) && uint64(m.BitOffset) == e.at && uint8(m.BitSize) == e.bits
				})
		})
	case kindEnum, kindEnum64:
		return b.each(btf.Enums, t.name, func(have btf.Type) bool {
			e, ok := have.(*btf.Enum)
			return ok && uint64(e.Size) == t.size && slices.EqualFunc(e.Values(), t.elems, func(v btf.EnumValue, e elem) bool { return v.Name == string(e.name) })
		})
	case kindInt:
		return b.each(btf.Ints, t.name, func(have btf.Type) bool {
			i, ok := have.(*btf.Int)
			return ok && uint64(i.Size) == t.size
		})
	}
	return 0, false
}
