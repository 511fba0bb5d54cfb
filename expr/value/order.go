package value

import (
	"fmt"

	"kinspect/btf"
)

// NetworkBits is [Value.BigEndianBits], and beside it the width of what was computed of such a
// value by operators that leave each byte in its place: (a & 0xff) of a __be32 is an unsigned int
// in C, and its bytes are in network order nevertheless.
func (v Value) NetworkBits() int {
	if v.wire != 0 {
		return int(v.wire)
	}
	return v.BigEndianBits()
}

// InNetworkOrder is the value with the mark that [Value.NetworkBits] tells of.
func (v Value) InNetworkOrder(bits int) Value {
	v.wire = uint8(bits)
	return v
}

// Name is what a value prints as beside its number, or in its place, where that tells it from all
// other values of its type: the name of an enumerator or of a flag, the number in network order in
// host order, the symbol that a pointer points to. ok is false where there is only the number.
func (v Value) Name() (name string, ok bool, err error) {
	t := btf.Underlying(v.typ)
	if _, isPointer := t.(*btf.Pointer); isPointer {
		a, err := v.Pointer()
		if err != nil || v.k.Image == nil {
			return "", false, err
		}
		if name := v.k.perCPUName(a, v.IsPerCPUPointer()); name != "" {
			return name, true, nil
		}
		if sym := v.k.Symbolize(a); sym != a.String() {
			return sym + " = " + a.String(), true, nil
		}
		return "", false, nil
	}
	n, err := v.Num()
	if err != nil {
		return "", false, err
	}
	switch t := t.(type) {
	case *btf.Enum:
		name := (&printer{Format: DefaultFormat, k: v.k}).enumText(t, n)
		return name, true, nil
	case *btf.Int:
		if width := v.BigEndianBits(); width != 0 {
			return fmt.Sprintf("0x%0*x", width/4, Swap(n.Bits, width)), true, nil
		}
		if v.words != nil {
			if name := v.words.text(n.Bits); name != "" {
				return name, true, nil
			}
		}
	}
	return "", false, nil
}
