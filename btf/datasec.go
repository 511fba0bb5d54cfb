package btf

import "sync"

// DataSec is an ELF section with the variables that it holds. Kernels have one,
// ".data..percpu".
type DataSec struct {
	Name string
	Size uint32 // in bytes

	spec *Spec
	rows []byte // struct btf_var_secinfo each

	once sync.Once
	vars []SecVar
}

// SecVar is a variable in a section.
type SecVar struct {
	Var    Type   // a *Var unless the blob is bad
	Offset uint32 // in bytes from the start of the section
	Size   uint32 // in bytes
}

// Vars returns the variables in the order of the blob. The slice is shared:
// callers must not change it.
func (t *DataSec) Vars() []SecVar {
	t.once.Do(func() {
		t.vars = make([]SecVar, len(t.rows)/secInfoLen)
		for i := range t.vars {
			row := t.rows[i*secInfoLen:]
			t.vars[i] = SecVar{
				Var:    t.spec.typeOrUnknown(ID(le.Uint32(row))),
				Offset: le.Uint32(row[4:]),
				Size:   le.Uint32(row[8:]),
			}
		}
	})
	return t.vars
}

// VarPlace tells where in its section the variable of that name is, and its size, both
// in bytes; ok is false where no section lists it.
func (s *Spec) VarPlace(name string) (offset, size uint32, ok bool) {
	for b := s; b != nil; b = b.base {
		ids := b.find(Vars, name, 1)
		if len(ids) == 0 {
			continue
		}
		for i := range b.ofKind(kindDataSec) {
			rec := b.record(b.firstID + ID(i))
			for rows := rec[recordLen:]; len(rows) >= secInfoLen; rows = rows[secInfoLen:] {
				if ID(le.Uint32(rows)) == ids[0] {
					return le.Uint32(rows[4:]), le.Uint32(rows[8:]), true
				}
			}
		}
	}
	return 0, 0, false
}
