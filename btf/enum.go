package btf

import "sync"

// Enum is an enumeration.
type Enum struct {
	Name   string // the tag; "" if anonymous
	Size   uint32 // in bytes
	Signed bool   // before kernel 6.0, which did not record it, as the enumerators look: see negative

	spec *Spec
	rows []byte
	wide bool // struct btf_enum64, else struct btf_enum

	once   sync.Once
	values []EnumValue
}

// EnumValue is one enumerator.
type EnumValue struct {
	Name  string
	Value uint64 // as the bits of an int64, sign-extended, if it is negative
}

// Values returns the enumerators in the order of their declaration. The slice is
// shared: callers must not change it.
func (t *Enum) Values() []EnumValue {
	t.once.Do(func() {
		t.values = make([]EnumValue, len(t.rows)/t.rowLen())
		for i := range t.values {
			t.values[i] = t.value(i)
		}
	})
	return t.values
}

func (t *Enum) rowLen() int {
	if t.wide {
		return enum64Len
	}
	return enumLen
}

// value decodes one enumerator. Its 32 bits are extended as the enum's sign says.
func (t *Enum) value(i int) EnumValue {
	row := t.rows[i*t.rowLen():]
	v := EnumValue{Name: t.spec.nameAt(le.Uint32(row))}
	lo := le.Uint32(row[4:])
	switch {
	case t.wide:
		v.Value = uint64(le.Uint32(row[8:]))<<32 | uint64(lo)
	case t.Signed:
		v.Value = uint64(int64(int32(lo)))
	default:
		v.Value = uint64(lo)
	}
	return v
}

// ValueName returns the name of the first enumerator with the value v, which must
// be extended to 64 bits as [EnumValue.Value] is.
func (t *Enum) ValueName(v uint64) (string, bool) {
	for _, e := range t.Values() {
		if e.Value == v {
			return e.Name, true
		}
	}
	return "", false
}
