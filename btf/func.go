package btf

import "sync"

// FuncProto is the type of a function.
type FuncProto struct {
	spec *Spec
	ret  ref
	rows []byte // struct btf_param each

	once   sync.Once
	params []Param
}

// Param is a parameter of a function. A last parameter without name and with the
// type [*Void] stands for "...".
type Param struct {
	Name string
	Type Type
}

// Return returns the type of the result.
func (t *FuncProto) Return() Type { return t.ret.get() }

// Params returns the parameters. The slice is shared: callers must not change it.
func (t *FuncProto) Params() []Param {
	t.once.Do(func() {
		if t.params != nil {
			return // made by hand, not out of a blob
		}
		t.params = make([]Param, len(t.rows)/paramLen)
		for i := range t.params {
			row := t.rows[i*paramLen:]
			t.params[i] = Param{
				Name: t.spec.nameAt(le.Uint32(row)),
				Type: t.spec.typeOrUnknown(ID(le.Uint32(row[4:]))),
			}
		}
	})
	return t.params
}
