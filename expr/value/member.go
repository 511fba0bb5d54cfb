package value

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"kinspect/btf"
	"kinspect/kmem"
)

// StructType is the struct or union that v is or points to; ok is false for
// anything else.
func (v Value) StructType() (*btf.Struct, bool) {
	t := btf.Underlying(v.typ)
	if p, ok := t.(*btf.Pointer); ok {
		t = btf.Underlying(p.Target())
	}
	st, ok := t.(*btf.Struct)
	return st, ok
}

// structRef returns the struct that v is, or the one that v points to.
func (v Value) structRef(member string) (Value, *btf.Struct, error) {
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Struct:
		return v, t, nil
	case *btf.Pointer:
		st, ok := btf.Underlying(t.Target()).(*btf.Struct)
		if !ok {
			if _, fwd := btf.Underlying(t.Target()).(*btf.Fwd); fwd {
				return v, nil, fmt.Errorf("%s is only declared in this BTF, not defined: its members (%s) are not known", t.Target(), member)
			}
			return v, nil, NoMembers(v.typ, member)
		}
		d, err := v.Deref()
		return d, st, err
	}
	return v, nil, NoMembers(v.typ, member)
}

// NoMembers is the error for a member of what has none. Of a pointer to a pointer it tells how to get there.
func NoMembers(t btf.Type, member string) error {
	hint := ""
	if p, ok := btf.Underlying(t).(*btf.Pointer); ok {
		if p, ok := btf.Underlying(p.Target()).(*btf.Pointer); ok {
			if _, ok := btf.Underlying(p.Target()).(*btf.Struct); ok {
				hint = ": it points to a pointer, so write (*p)->" + member
			}
		}
	}
	return fmt.Errorf("%s has no members, so no %s%s", t, member, hint)
}

// Member is v.name, or v->name: pointers are followed, once. Members of
// anonymous structs and unions are found as in C.
func (v Value) Member(name string) (Value, error) {
	s, st, err := v.structRef(name)
	if err != nil {
		return Value{}, err
	}
	p, err := v.k.Place(st, name)
	if err != nil {
		return Value{}, err
	}
	m, err := s.at(p.Type, uint64(p.BitOffset), p.BitSize)
	m.words, m.ofPerCPU = p.words, p.perCPU
	return m, err
}

// memberKey is a question for a member.
type memberKey struct {
	st   *btf.Struct
	name string
}

// at is the part of v at a bit offset.
func (v Value) at(t btf.Type, bitOff uint64, bitSize uint32) (Value, error) {
	out := v
	out.typ, out.note, out.words, out.constant, out.wire, out.ofPerCPU = t, "", nil, false, 0, false
	out.bits, out.bitOff = bitSize, 0
	off := bitOff / 8
	if bitSize != 0 {
		out.bitOff = uint32(bitOff % 8)
	}
	if v.place == inHand {
		if off > uint64(len(v.data)) {
			return Value{}, fmt.Errorf("internal: member at byte %d of %d", off, len(v.data))
		}
		out.data = v.data[off:]
		return out, nil
	}
	out.addr = v.addr + kmem.Addr(off)
	return out, nil
}

// Path is [Value.Member] over a path such as "dev.rx_dropped.counter",
// following each pointer on its way.
func (v Value) Path(path string) (Value, error) {
	if !strings.Contains(path, ".") {
		return v.Member(path)
	}
	for name := range strings.SplitSeq(path, ".") {
		var err error
		if v, err = v.Member(name); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

// UintPath is the integer or pointer at a path.
func (v Value) UintPath(path string) (uint64, error) {
	m, err := v.Path(path)
	if err != nil {
		return 0, err
	}
	return m.Uint()
}

// PointerPath is the pointer at a path.
func (v Value) PointerPath(path string) (kmem.Addr, error) {
	u, err := v.UintPath(path)
	return kmem.Addr(u), err
}

// StringPath is the string at a path.
func (v Value) StringPath(path string) (string, error) {
	m, err := v.Path(path)
	if err != nil {
		return "", err
	}
	return m.CString()
}

// Has reports whether v's struct has the member.
func (v Value) Has(member string) bool {
	st, ok := v.StructType()
	if !ok {
		return false
	}
	_, err := v.k.Place(st, member)
	return err == nil
}

// Deref is *v.
func (v Value) Deref() (Value, error) {
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Pointer:
		if v.IsPerCPUPointer() {
			return Value{}, v.Followed()
		}
		a, err := v.Pointer()
		if err != nil {
			return Value{}, err
		}
		if a == 0 {
			return Value{}, Faultf("NULL pointer: the %s is not set", v.typ)
		}
		return v.k.Ref(t.Target(), a), nil
	case *btf.Array:
		return v.Index(0)
	}
	return Value{}, fmt.Errorf("%s is not a pointer", v.typ)
}

// AddressOf is &v. Of a per-CPU variable, or a part of one, it is a per-CPU pointer.
func (v Value) AddressOf() (Value, error) {
	if v.place == perCPU && v.bits == 0 {
		p := v.k.Pointer(v.typ, v.addr)
		p.ofPerCPU = true
		return p, nil
	}
	a, ok := v.Addr()
	if !ok {
		return Value{}, errors.New("cannot take its address: " + errNotARefMessage)
	}
	return v.k.Pointer(v.typ, a), nil
}

// Cast is the same content under another type: a reference keeps its address,
// an integer or pointer is converted as C does.
func (v Value) Cast(t btf.Type) (Value, error) {
	if isScalar(v.typ) && isScalar(t) {
		n, err := v.Num()
		if err != nil {
			return Value{}, err
		}
		out, err := v.k.fromNum(n, t)
		return out.FromPerCPU(v), err
	}
	if a, ok := v.Addr(); ok {
		return v.k.Ref(t, a), nil
	}
	return Value{}, fmt.Errorf("cannot turn %s into %s", v.typ, t)
}

// Len is the number of elements of an array; ok is false for anything else and
// for an array that the kernel declares without a length.
func (v Value) Len() (n int, ok bool) {
	t, ok := btf.Underlying(v.typ).(*btf.Array)
	if !ok {
		return 0, false
	}
	return int(t.Len), true
}

// Index is v[i]: of an array within its bounds (an array declared without a
// length, or with length 0 or 1 at a struct's end, has none), of a pointer
// anywhere, as in C.
func (v Value) Index(i int64) (Value, error) {
	var elem btf.Type
	base := v
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Array:
		elem = t.Elem()
		if i < 0 || (t.Len > 0 && i >= int64(t.Len)) {
			return Value{}, fmt.Errorf("index %d is outside %s: it has elements 0 to %d", i, v.typ, int64(t.Len)-1)
		}
	case *btf.Pointer:
		if v.IsPerCPUPointer() {
			return Value{}, v.Followed()
		}
		elem = t.Target()
		a, err := v.Pointer()
		if err != nil {
			return Value{}, err
		}
		if a == 0 {
			return Value{}, Faultf("NULL pointer: the %s is not set", v.typ)
		}
		base = v.k.Ref(elem, a)
	default:
		hint := ""
		if v.InMemory() { // it may be an element
			hint = "; if it is one of an array of several dimensions, T a[M][N]: BTF keeps those as one, and a[i][j] is a[i * N + j] here"
		}
		return Value{}, fmt.Errorf("%s is neither an array nor a pointer: it has no element %d%s", v.typ, i, hint)
	}
	size, err := btf.Sizeof(elem)
	if err != nil {
		return Value{}, err
	}
	neg := i < 0
	if neg {
		i = -i
	}
	hi, off := bits.Mul64(uint64(i), size)
	if hi != 0 || off > 1<<47 {
		return Value{}, fmt.Errorf("index %d is out of any memory", i)
	}
	if neg {
		out := base
		out.typ, out.note, out.words, out.addr = elem, "", nil, base.addr-kmem.Addr(off)
		return out, nil
	}
	out, err := base.at(elem, off*8, 0)
	out.ofPerCPU = base.ofPerCPU // of an array of such pointers
	return out, err
}

// ContainerOf is the struct st that v is the given member of.
func (v Value) ContainerOf(st *btf.Struct, member string) (Value, error) {
	a, ok := v.Addr()
	if !ok {
		return Value{}, errors.New("cannot tell its container: " + errNotARefMessage)
	}
	f, err := st.FindMember(member)
	if err != nil {
		return Value{}, err
	}
	return v.k.Ref(st, a-kmem.Addr(f.BitOffset/8)), nil
}
