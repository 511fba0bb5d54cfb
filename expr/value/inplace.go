package value

import (
	"fmt"

	"kinspect/btf"
	"kinspect/kmem"
)

// Place is where a member lies in a struct, and all else that [Value.Member] looks up.
type Place struct {
	btf.Field
	words  *wordSet
	perCPU bool // a per-CPU pointer, see perCPUMembers
}

// Place is [btf.Struct.FindMember] with a memory: walks ask for the same members over and over. Only
// what is found is remembered, so that the kernel's types bound it.
func (k *Kernel) Place(st *btf.Struct, member string) (Place, error) {
	key := memberKey{st, member}
	if p, ok := k.memo.member(key); ok {
		return p, nil
	}
	f, err := st.FindMember(member)
	if err != nil {
		return Place{}, err
	}
	p := Place{f, k.wordsOf(st.Name, member), isPerCPUMember(st.Name, member, f.Type)}
	k.memo.keepMember(key, p)
	return p, nil
}

// Enter makes v, a struct, its member f. It is what [Value.Member] does where the
// place is known, without a copy.
func (v *Value) Enter(f *Place) error {
	off := uint64(f.BitOffset) / 8
	v.bits, v.bitOff, v.note, v.words, v.constant, v.ofPerCPU = f.BitSize, 0, "", f.words, false, f.perCPU
	if f.BitSize != 0 {
		v.bitOff = uint32(f.BitOffset % 8)
	}
	v.typ = f.Type
	if v.place == inHand {
		if off > uint64(len(v.data)) {
			return fmt.Errorf("internal: member at byte %d of %d", off, len(v.data))
		}
		v.data = v.data[off:]
		return nil
	}
	v.addr += kmem.Addr(off)
	return nil
}

// InMemory reports whether the value lies at an address that can be read as it is.
func (v *Value) InMemory() bool { return v.place == inMemory }

// Plain is where the value lies in memory; ok is false where there is more to say of it than its type.
func (v *Value) Plain() (k *Kernel, a kmem.Addr, ok bool) {
	return v.k, v.addr, v.place == inMemory && v.bits == 0 && v.note == "" && v.words == nil && v.wire == 0 && !v.ofPerCPU && !v.constant
}

// PointerInHand is the content of a pointer that no memory has to be read for; v has to be a pointer.
func (v *Value) PointerInHand() (a kmem.Addr, ok bool) {
	if v.place != inHand || v.bits != 0 || len(v.data) < 8 {
		return 0, false
	}
	return kmem.Addr(le64(v.data)), true
}

// Become makes v the value of type t at an address of its kernel's.
func (v *Value) Become(t btf.Type, a kmem.Addr) { *v = Value{k: v.k, typ: t, addr: a} }

// MoveTo makes v, which lies in memory, the value of the same type at another
// address.
func (v *Value) MoveTo(a kmem.Addr) { v.addr = a }

// ReadIntAt is [Value.Num] for an integer in memory that is no bit-field, off bytes
// behind where v lies, of a size and signedness that the caller knows, and read
// through a buffer of the caller's.
func (v *Value) ReadIntAt(off uint64, size uint32, signed bool, buf *[16]byte) (Num, error) {
	return v.k.ReadInt(v.addr+kmem.Addr(off), size, signed, buf)
}

// ReadInt is [Value.ReadIntAt] by an address.
func (k *Kernel) ReadInt(a kmem.Addr, size uint32, signed bool, buf *[16]byte) (Num, error) {
	if size > 8 {
		return Num{}, fmt.Errorf("an integer of %d bytes", size)
	}
	if err := k.ReadMem(a, buf[:size]); err != nil {
		return Num{}, err
	}
	n := Num{Size: size, Signed: signed}
	switch size {
	case 8:
		n.Bits = le64(buf[:])
		return n, nil
	case 4:
		n.Bits = uint64(le32(buf[:]))
	case 2:
		n.Bits = uint64(le16(buf[:]))
	case 1:
		n.Bits = uint64(buf[0])
	default:
		return Num{}, fmt.Errorf("an integer of %d bytes", size)
	}
	return n.wrap(), nil
}

// BitPlace is where a bit-field lies in the bytes from its address on: its first bit and how many there
// are, 0 for what is no bit-field.
func (v *Value) BitPlace() (offset, bits uint32) { return v.bitOff, v.bits }
