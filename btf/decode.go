package btf

// decode makes the type of one of s's own records. What the record refers to and
// the rows of members, values and parameters are decoded when they are asked for.
func (s *Spec) decode(id ID) Type {
	rec := s.record(id)
	nameOff, info, word := le.Uint32(rec), le.Uint32(rec[4:]), le.Uint32(rec[8:])
	kind := info >> 24 & (numKinds - 1)
	vlen := info & 0xffffff // 16 bits up to 7.1, and zeros above them
	flag := info>>31 != 0
	rest := rec[recordLen:]
	target := ref{spec: s, id: ID(word)}

	switch kind {
	case kindInt:
		v := le.Uint32(rest)
		t := &Int{
			Name:   s.nameAt(nameOff),
			Size:   word,
			Signed: v&(1<<24) != 0 || s.signedChar(s.nameBytes(nameOff)),
			Char:   v&(1<<25) != 0,
			Bool:   v&(1<<26) != 0,
			offset: uint8(v >> 16),
			bits:   uint8(v),
		}
		if t.contradicts() {
			return &Unknown{uint8(kind), t.Name, id}
		}
		return t
	case kindFloat:
		return &Float{Name: s.nameAt(nameOff), Size: word}
	case kindPointer:
		return &Pointer{target}
	case kindArray:
		// The type of the index, the second word, is of no use.
		return &Array{Len: le.Uint32(rest[8:]), elem: ref{spec: s, id: ID(le.Uint32(rest))}}
	case kindStruct, kindUnion:
		return &Struct{
			Name:  s.nameAt(nameOff),
			Union: kind == kindUnion,
			Size:  word,
			spec:  s,
			rows:  rest[:vlen*memberLen],
			flag:  flag,
		}
	case kindEnum, kindEnum64:
		row := uint32(enumLen)
		if kind == kindEnum64 {
			row = enum64Len
		}
		t := &Enum{Name: s.nameAt(nameOff), Size: word, Signed: flag, spec: s, rows: rest[:vlen*row], wide: kind == kindEnum64}
		if !flag && !t.wide && t.negative() && !s.signsRecorded() {
			t.Signed = true
		}
		return t
	case kindFwd:
		return &Fwd{Name: s.nameAt(nameOff), Union: flag}
	case kindTypedef:
		return &Typedef{s.nameAt(nameOff), target}
	case kindVolatile:
		return &Qualifier{Volatile, target}
	case kindConst:
		return &Qualifier{Const, target}
	case kindRestrict:
		return &Qualifier{Restrict, target}
	case kindTypeTag:
		return &TypeTag{s.nameAt(nameOff), flag, target}
	case kindDeclTag:
		return &DeclTag{s.nameAt(nameOff), int32(le.Uint32(rest)), target}
	case kindFunc:
		return &Func{s.nameAt(nameOff), Linkage(vlen), target}
	case kindFuncProto:
		return &FuncProto{spec: s, ret: target, rows: rest[:vlen*paramLen]}
	case kindVar:
		return &Var{s.nameAt(nameOff), Linkage(le.Uint32(rest)), target}
	case kindDataSec:
		return &DataSec{Name: s.nameAt(nameOff), Size: word, spec: s, rows: rest[:vlen*secInfoLen]}
	}
	return &Unknown{uint8(kind), s.nameAt(nameOff), id}
}
