package btf

// The kinds of a type record, BTF_KIND_* in include/uapi/linux/btf.h. The
// comments name the release that brought each.
const (
	kindVoid      = 0 // never written; type ID 0 stands for it
	kindInt       = 1 // 4.18, as are all up to kindRestrict
	kindPointer   = 2
	kindArray     = 3
	kindStruct    = 4
	kindUnion     = 5
	kindEnum      = 6
	kindFwd       = 7
	kindTypedef   = 8
	kindVolatile  = 9
	kindConst     = 10
	kindRestrict  = 11
	kindFunc      = 12 // 5.0
	kindFuncProto = 13 // 5.0
	kindVar       = 14 // 5.2
	kindDataSec   = 15 // 5.2
	kindFloat     = 16 // 5.13
	kindDeclTag   = 17 // 5.16
	kindTypeTag   = 18 // 5.17
	kindEnum64    = 19 // 6.0
	kindMax       = 19 // the last that this package decodes

	numKinds = 128 // a kind has 7 bits
)

// Sizes of the parts of a type record, in bytes.
const (
	recordLen   = 12 // struct btf_type: name_off, info, size or type
	memberLen   = 12 // struct btf_member: name_off, type, offset
	paramLen    = 8  // struct btf_param: name_off, type
	enumLen     = 8  // struct btf_enum: name_off, val
	enum64Len   = 12 // struct btf_enum64: name_off, val_lo32, val_hi32
	secInfoLen  = 12 // struct btf_var_secinfo: type, offset, size
	arrayLen    = 12 // struct btf_array: type, index_type, nelems
	trailingU32 = 4  // the one word that INT, VAR and DECL_TAG carry
)

// kindLayout says what follows the 12 bytes of a record: info bytes once and
// elem bytes for each of vlen elements. known is false for a kind whose records
// cannot be skipped.
type kindLayout struct {
	info, elem uint8
	known      bool
}

// builtinLayouts is what the kernel headers say of the kinds above. Kinds 20 to
// 22 (location information for inlined functions) are left out on purpose: the
// form first proposed and the form merged have different sizes, so only the blob
// itself can say.
var builtinLayouts = [numKinds]kindLayout{
	kindInt:       {info: trailingU32, known: true},
	kindPointer:   {known: true},
	kindArray:     {info: arrayLen, known: true},
	kindStruct:    {elem: memberLen, known: true},
	kindUnion:     {elem: memberLen, known: true},
	kindEnum:      {elem: enumLen, known: true},
	kindFwd:       {known: true},
	kindTypedef:   {known: true},
	kindVolatile:  {known: true},
	kindConst:     {known: true},
	kindRestrict:  {known: true},
	kindFunc:      {known: true}, // vlen is the linkage, no elements follow
	kindFuncProto: {elem: paramLen, known: true},
	kindVar:       {info: trailingU32, known: true},
	kindDataSec:   {elem: secInfoLen, known: true},
	kindFloat:     {known: true},
	kindDeclTag:   {info: trailingU32, known: true},
	kindTypeTag:   {known: true},
	kindEnum64:    {elem: enum64Len, known: true},
}

// Kinds is a set of kinds of named types, for lookups and completion.
type Kinds uint16

// The members of a [Kinds] set.
const (
	Structs Kinds = 1 << iota
	Unions
	Enums // both widths
	Forwards
	Typedefs
	Ints
	Floats
	Funcs
	Vars
	DataSecs

	// TypeNames is every kind whose name can start a C declaration.
	TypeNames = Structs | Unions | Enums | Forwards | Typedefs | Ints | Floats
	// AnyKind is the full set.
	AnyKind = TypeNames | Funcs | Vars | DataSecs
)

// kindSets maps a kind to its bit, 0 for kinds that have no name to look up.
var kindSets = [numKinds]Kinds{
	kindInt:     Ints,
	kindStruct:  Structs,
	kindUnion:   Unions,
	kindEnum:    Enums,
	kindFwd:     Forwards,
	kindTypedef: Typedefs,
	kindFunc:    Funcs,
	kindVar:     Vars,
	kindDataSec: DataSecs,
	kindFloat:   Floats,
	kindEnum64:  Enums,
}

// String names the set as it is read in an error: "struct", "struct or union".
func (k Kinds) String() string {
	switch k {
	case TypeNames:
		return "type"
	case AnyKind:
		return "name"
	}
	s := ""
	for _, one := range []struct {
		k    Kinds
		name string
	}{
		{Structs, "struct"},
		{Unions, "union"},
		{Enums, "enum"},
		{Forwards, "forward declaration"},
		{Typedefs, "typedef"},
		{Ints, "integer type"},
		{Floats, "floating-point type"},
		{Funcs, "function"},
		{Vars, "variable"},
		{DataSecs, "data section"},
	} {
		if k&one.k != 0 {
			if s != "" {
				s += " or "
			}
			s += one.name
		}
	}
	return s
}
