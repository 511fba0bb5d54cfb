package btf

import "sync"

// Struct is a struct or union.
type Struct struct {
	Name  string // the tag; "" if anonymous
	Union bool
	Size  uint32 // in bytes

	spec *Spec
	rows []byte // struct btf_member each
	flag bool   // offsets carry the size of bit-fields

	once    sync.Once
	members []Member

	soundOnce sync.Once
	soundErr  error
}

// Member is a member of a struct or union.
type Member struct {
	Name      string // "" for an anonymous struct or union
	Type      Type
	BitOffset uint32 // from the start of the struct
	BitSize   uint32 // 0 if it is not a bit-field
}

// Members returns the members in the order of their declaration. The slice is
// shared: callers must not change it.
func (t *Struct) Members() []Member {
	t.once.Do(func() {
		t.members = make([]Member, t.NumMembers())
		for i := range t.members {
			t.members[i] = t.member(i)
		}
	})
	return t.members
}

// NumMembers returns the number of members without decoding them.
func (t *Struct) NumMembers() int { return len(t.rows) / memberLen }

// member decodes one member.
//
// The third word of a row is the offset in bits; if the struct's kind_flag is
// set (4.21, for structs with bit-fields) its upper 8 bits are the size of the
// bit-field instead and 24 are left for the offset. Without the flag, an Int of
// odd width or offset makes a bit-field.
func (t *Struct) member(i int) Member {
	m := t.unnamed(i)
	m.Name = t.spec.nameAt(le.Uint32(t.rows[i*memberLen:]))
	return m
}

// unnamed is member without the name, which costs an allocation.
func (t *Struct) unnamed(i int) Member {
	row := t.rows[i*memberLen:]
	m := Member{
		Type:      t.spec.typeOrUnknown(ID(le.Uint32(row[4:]))),
		BitOffset: le.Uint32(row[8:]),
	}
	if t.flag {
		m.BitSize = m.BitOffset >> 24
		m.BitOffset &= 0xffffff
		return m
	}
	if n, ok := Underlying(m.Type).(*Int); ok && (n.offset != 0 || uint32(n.bits) != n.Size*8) {
		m.BitSize = uint32(n.bits)
		if sum := m.BitOffset + uint32(n.offset); sum > m.BitOffset {
			m.BitOffset = sum
		}
	}
	return m
}

func (t *Struct) keyword() string {
	if t.Union {
		return "union"
	}
	return "struct"
}
