package value

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// place says where the content of a value is.
type place uint8

const (
	inMemory place = iota // at addr
	inHand                // in data
	perCPU                // nowhere yet: addr is what all CPUs' copies have in common
)

// Value is a typed piece of a kernel, see the package's vocabulary. The zero
// Value is not valid.
type Value struct {
	k     *Kernel
	typ   btf.Type
	place place
	// constant is an enumerator as C has it: not of the enum's type but an int.
	constant bool
	// ofPerCPU is a per-CPU pointer, or an integer or array that was made of one.
	ofPerCPU bool

	addr kmem.Addr
	data []byte // inHand only; little-endian, Sizeof(typ) bytes
	// A bit-field's place within the bytes at addr or in data; bits 0 is no
	// bit-field.
	bitOff, bits uint32
	note         string
	words        *wordSet // names of an integer's values, or nil
	wire         uint8    // see NetworkBits
}

// Ref is the value of type t at an address.
func (k *Kernel) Ref(t btf.Type, a kmem.Addr) Value {
	return Value{k: k, typ: t, addr: a}
}

// InHand is a value with no address; data is its little-endian content.
func (k *Kernel) InHand(t btf.Type, data []byte) Value {
	return Value{k: k, typ: t, place: inHand, data: data}
}

// EnumConstant is the value of an enumerator that stands by its name: it prints as
// the enum t, and computes as the int that it is in C, where it fits.
func (k *Kernel) EnumConstant(t *btf.Enum, bits uint64) Value {
	v := k.InHand(t, binary.LittleEndian.AppendUint64(nil, bits)[:t.Size])
	v.constant = true
	return v
}

// Pointer is a pointer to the type t at a, as `&` in C would make it.
func (k *Kernel) Pointer(t btf.Type, a kmem.Addr) Value {
	return k.InHand(k.memo.pointerTo(t), binary.LittleEndian.AppendUint64(nil, uint64(a)))
}

// U64 is an rvalue of the kernel's type u64, with a note that says how it was
// found, if there is something to say.
func (k *Kernel) U64(v uint64, note string) Value {
	out := k.InHand(u64Type, binary.LittleEndian.AppendUint64(nil, v))
	out.note = note
	return out
}

// Types that exist whatever a kernel's BTF says.
var (
	intType           = &btf.Int{Name: "int", Size: 4, Signed: true}
	unsignedType      = &btf.Int{Name: "unsigned int", Size: 4}
	longType          = &btf.Int{Name: "long", Size: 8, Signed: true}
	unsignedLongType  = &btf.Int{Name: "unsigned long", Size: 8}
	u64Type           = &btf.Int{Name: "u64", Size: 8}
	errNotARefMessage = "it has no address: it is the result of a computation, not a place in memory"
)

// Type is the value's C type.
func (v Value) Type() btf.Type { return v.typ }

// Kernel is the kernel that the value belongs to.
func (v Value) Kernel() *Kernel { return v.k }

// Valid reports whether v is a value at all.
func (v Value) Valid() bool { return v.k != nil && v.typ != nil }

// Note says how the value was found where that is not plain from its type, such
// as "sum of core_stats over 4 possible CPUs"; else it is empty.
func (v Value) Note() string {
	if v.note == "" && v.ofPerCPU && v.IsPerCPUPointer() {
		return perCPUNote
	}
	return v.note
}

// WithNote returns v with another note.
func (v Value) WithNote(note string) Value { v.note = note; return v }

// Addr is where the value lies; ok is false for an rvalue, a per-CPU template
// and a bit-field.
func (v Value) Addr() (a kmem.Addr, ok bool) {
	return v.addr, v.place == inMemory && v.bits == 0
}

// IsPerCPU reports whether the value is a per-CPU template.
func (v Value) IsPerCPU() bool { return v.place == perCPU }

// IsPointer reports whether the value is a pointer.
func (v Value) IsPointer() bool {
	_, ok := btf.Underlying(v.typ).(*btf.Pointer)
	return ok
}

// IsBitField reports whether the value is a bit-field.
func (v Value) IsBitField() bool { return v.bits != 0 }

// Size is the size of the value's type in bytes.
func (v Value) Size() (uint64, error) { return btf.Sizeof(v.typ) }

// maxValue bounds the bytes that one value reads: no type of the kernel comes
// near, and a damaged BTF claims anything.
const maxValue = 16 << 20

// Bytes is the value's content: for a bit-field, the bytes that it lies in.
func (v Value) Bytes() ([]byte, error) {
	size, err := v.Size()
	if err != nil {
		return nil, err
	}
	if v.bits != 0 {
		size = uint64(v.bitOff+v.bits+7) / 8
	}
	if size > maxValue {
		return nil, fmt.Errorf("%s is %d bytes large, too large to read whole", v.typ, size)
	}
	switch v.place {
	case inHand:
		if uint64(len(v.data)) < size {
			return nil, fmt.Errorf("internal: %s needs %d bytes, has %d", v.typ, size, len(v.data))
		}
		return v.data[:size], nil
	case perCPU:
		return nil, errors.New("this is a per-CPU variable: say which CPU's, as in per_cpu(NAME, 0)")
	}
	buf := make([]byte, size)
	if err := v.k.ReadMem(v.addr, buf); err != nil {
		return nil, err
	}
	return buf, nil
}

// Load returns the value with its content read, so that later uses see the same.
func (v Value) Load() (Value, error) {
	if v.place == inHand {
		return v, nil
	}
	data, err := v.Bytes()
	if err != nil {
		return v, err
	}
	v.data, v.place = data, inHand
	return v, nil
}

// Uint is the content of an integer, enum, bool or pointer, zero-extended or
// sign-extended to 64 bits as its type says.
func (v Value) Uint() (uint64, error) {
	n, err := v.Num()
	return n.Bits, err
}

// Int is [Value.Uint] seen as signed.
func (v Value) Int() (int64, error) {
	n, err := v.Num()
	return int64(n.Bits), err
}

// Pointer is the content of a pointer, or the address of an array, to which
// arrays decay in C.
func (v Value) Pointer() (kmem.Addr, error) {
	switch btf.Underlying(v.typ).(type) {
	case *btf.Pointer:
		u, err := v.Uint()
		return kmem.Addr(u), err
	case *btf.Array:
		if a, ok := v.Addr(); ok {
			return a, nil
		}
		return 0, errors.New("cannot take the address of this array: " + errNotARefMessage)
	}
	return 0, fmt.Errorf("%s is not a pointer", v.typ)
}

// maxString bounds strings that are read through a char pointer.
const maxString = 4096

// CString is the string in a char array, or behind a char pointer: the bytes up
// to the first NUL, raw.
func (v Value) CString() (string, error) {
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Array:
		if !IsChar(t.Elem()) {
			break
		}
		if t.Len == 0 && v.place == inMemory {
			s, _, err := kmem.ReadCString(v.k, v.addr, maxString)
			return s, err
		}
		if v.place == inMemory {
			s, _, err := kmem.ReadCString(v.k, v.addr, int(t.Len))
			return s, err
		}
		data, err := v.Bytes()
		if err != nil {
			return "", err
		}
		for i, c := range data {
			if c == 0 {
				return string(data[:i]), nil
			}
		}
		return string(data), nil
	case *btf.Pointer:
		if !IsChar(t.Target()) {
			break
		}
		a, err := v.Pointer()
		if err != nil {
			return "", err
		}
		if a == 0 {
			return "", errors.New("the string pointer is NULL")
		}
		s, ok, err := kmem.ReadCString(v.k, a, maxString)
		if err == nil && !ok {
			s += "…"
		}
		return s, err
	}
	return "", fmt.Errorf("%s is not a string", v.typ)
}

// AppendChars appends the string in a char array in memory, as [Value.CString] reads it. ok is false for
// all else, and where the memory cannot be read.
func (v Value) AppendChars(to []byte) (out []byte, ok bool) {
	t, ok := btf.Underlying(v.typ).(*btf.Array)
	if !ok || t.Len == 0 || v.place != inMemory || !IsChar(t.Elem()) {
		return to, false
	}
	out, _, err := kmem.AppendCString(to, v.k, v.addr, int(t.Len))
	return out, err == nil
}

// IsChar reports whether a type is C's char, of which strings consist. signed char and
// unsigned char are numbers to the kernel: s8 and u8.
func IsChar(t btf.Type) bool {
	i, ok := btf.Underlying(t).(*btf.Int)
	return ok && i.Size == 1 && !i.Bool && i.Name == "char"
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
