package btf

// Type is a C type, or what else a BTF record describes. The dynamic types are
// [*Void], [*Int], [*Float], [*Pointer], [*Array], [*Struct], [*Enum], [*Fwd],
// [*Typedef], [*Qualifier], [*TypeTag], [*Func], [*FuncProto], [*Var],
// [*DataSec], [*DeclTag] and [*Unknown].
//
// Types out of a [Spec] are compared by pointer: one ID, one pointer. Types made
// by [NewPointer], [NewArray] and [Spec.ParseType] are new each time.
type Type interface {
	// TypeName returns the bare name, without "struct" and the like; "" for a
	// type without a name.
	TypeName() string
	// String spells the type in C: "struct net_device *", "unsigned long",
	// "int [16]", "void (*)(struct sk_buff *)".
	String() string

	isType()
}

// ref is a type that is looked up when it is asked for, or that is known.
type ref struct {
	spec *Spec
	id   ID
	t    Type
}

func (r *ref) get() Type {
	if r.t != nil {
		return r.t
	}
	return r.spec.typeOrUnknown(r.id)
}

// Void is the type void.
type Void struct{}

var theVoid = &Void{}

// Int is an integer type of the C language.
type Int struct {
	Name   string // as the compiler wrote it: "long unsigned int"
	Size   uint32 // in bytes
	Signed bool
	Bool   bool
	Char   bool

	// Blobs written before kernel 5.0 describe a bit-field by an Int whose
	// value is bits long and starts at bit offset; elsewhere they are 8*Size
	// and 0.
	offset, bits uint8
}

// Float is a floating-point type. No kernel structure uses one, but drivers'
// functions do.
type Float struct {
	Name string
	Size uint32 // in bytes
}

// PointerSize is the size of a pointer on x86-64, in bytes. BTF does not tell it.
const PointerSize = 8

// Pointer points to another type.
type Pointer struct{ target ref }

// Target returns the type that p points to.
func (p *Pointer) Target() Type { return p.target.get() }

// NewPointer returns a pointer to t, which a blob may not have.
func NewPointer(t Type) *Pointer { return &Pointer{ref{t: t}} }

// Array is a row of Len elements of one type. Len is 0 for a flexible array
// member.
type Array struct {
	Len  uint32
	elem ref
}

// Elem returns the type of an element.
func (a *Array) Elem() Type { return a.elem.get() }

// NewArray returns an array of n elements of type t, which a blob may not have.
func NewArray(t Type, n uint32) *Array { return &Array{n, ref{t: t}} }

// Fwd is a struct, union or enum whose definition the blob does not have. A
// module's blob has forwards of structs that another blob defines.
type Fwd struct {
	Name  string
	Union bool // else a struct
}

// Typedef is another name for a type.
type Typedef struct {
	Name   string
	target ref
}

// Target returns the type that the name stands for.
func (t *Typedef) Target() Type { return t.target.get() }

// Qual is a type qualifier.
type Qual uint8

// The qualifiers.
const (
	Const Qual = iota
	Volatile
	Restrict
)

// String returns the C keyword.
func (q Qual) String() string {
	return [...]string{"const", "volatile", "restrict"}[min(q, Restrict)]
}

// Qualifier is a qualified type.
type Qualifier struct {
	Qual   Qual
	target ref
}

// Target returns the type that is qualified.
func (q *Qualifier) Target() Type { return q.target.get() }

// TypeTag is an attribute of a type: "user", "percpu" and "rcu" are what the
// kernel's macros __user, __percpu and __rcu leave behind (5.17, if the compiler
// supports it).
type TypeTag struct {
	Value string
	// Attribute is set where Value is any __attribute__, not the argument of
	// btf_type_tag (the record's kind_flag, since 6.15).
	Attribute bool
	target    ref
}

// Target returns the type that carries the tag.
func (t *TypeTag) Target() Type { return t.target.get() }

// DeclTag is an attribute of a declaration. Nothing refers to it; it refers to
// what it describes.
type DeclTag struct {
	Value     string
	Component int32 // the member or parameter, -1 for the whole
	target    ref
}

// Target returns what the tag describes.
func (t *DeclTag) Target() Type { return t.target.get() }

// Unknown is a record of a kind that this package does not know, or, with Kind 0,
// a reference to an ID that the blob does not have.
type Unknown struct {
	Kind uint8
	Name string
	ID   ID
}

// Linkage says who can see a function or variable.
type Linkage uint32

// The linkages; BTF_FUNC_* and BTF_VAR_* have the same values.
const (
	Static Linkage = iota
	Global
	Extern
)

// Func is a function.
type Func struct {
	Name    string
	Linkage Linkage
	proto   ref
}

// Type returns the function's type, a [*FuncProto] unless the blob is bad.
func (f *Func) Type() Type { return f.proto.get() }

// Var is a variable. Kernels describe per-CPU variables only.
type Var struct {
	Name    string
	Linkage Linkage
	typ     ref
}

// Type returns the variable's type.
func (v *Var) Type() Type { return v.typ.get() }

func (*Void) isType()      {}
func (*Int) isType()       {}
func (*Float) isType()     {}
func (*Pointer) isType()   {}
func (*Array) isType()     {}
func (*Struct) isType()    {}
func (*Enum) isType()      {}
func (*Fwd) isType()       {}
func (*Typedef) isType()   {}
func (*Qualifier) isType() {}
func (*TypeTag) isType()   {}
func (*DeclTag) isType()   {}
func (*Unknown) isType()   {}
func (*Func) isType()      {}
func (*FuncProto) isType() {}
func (*Var) isType()       {}
func (*DataSec) isType()   {}

// TypeName returns "void".
func (*Void) TypeName() string { return "void" }

// TypeName returns the name as the compiler wrote it.
func (t *Int) TypeName() string { return t.Name }

// TypeName returns the name.
func (t *Float) TypeName() string { return t.Name }

// TypeName returns "".
func (*Pointer) TypeName() string { return "" }

// TypeName returns "".
func (*Array) TypeName() string { return "" }

// TypeName returns the tag, "" for an anonymous struct or union.
func (t *Struct) TypeName() string { return t.Name }

// TypeName returns the tag, "" for an anonymous enum.
func (t *Enum) TypeName() string { return t.Name }

// TypeName returns the tag.
func (t *Fwd) TypeName() string { return t.Name }

// TypeName returns the name.
func (t *Typedef) TypeName() string { return t.Name }

// TypeName returns "".
func (*Qualifier) TypeName() string { return "" }

// TypeName returns "".
func (*TypeTag) TypeName() string { return "" }

// TypeName returns "".
func (*DeclTag) TypeName() string { return "" }

// TypeName returns the name that the record carries, if any.
func (t *Unknown) TypeName() string { return t.Name }

// TypeName returns the function's name.
func (t *Func) TypeName() string { return t.Name }

// TypeName returns "".
func (*FuncProto) TypeName() string { return "" }

// TypeName returns the variable's name.
func (t *Var) TypeName() string { return t.Name }

// TypeName returns the section's name.
func (t *DataSec) TypeName() string { return t.Name }
