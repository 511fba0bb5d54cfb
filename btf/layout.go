package btf

import (
	"fmt"
	"strings"
)

// layouter works out what a compiler for x86-64 (System V ABI) would do with the
// members of a struct, and what it takes to make it do what the blob says.
type layouter struct {
	structs map[*Struct]structLayout
}

type structLayout struct {
	align  uint64 // in bytes
	packed bool   // some member is where natural alignment forbids it
}

// layoutPlan is the padding of a struct: for each member the gap before it.
type layoutPlan struct {
	packed bool
	pads   []padding
	tail   padding
}

// padding is a gap, both ends in bits from the start of the struct.
type padding struct{ from, to uint64 }

// of returns the alignment of a struct, and whether it needs to be packed.
func (l *layouter) of(t *Struct) structLayout {
	if have, ok := l.structs[t]; ok {
		return have
	}
	if l.structs == nil {
		l.structs = make(map[*Struct]structLayout)
	}
	// A struct within itself, which only a bad blob has, sees this.
	l.structs[t] = structLayout{align: 1}
	s := structLayout{align: 1}
	for i := range t.NumMembers() {
		m := t.unnamed(i)
		align := l.alignof(m.Type)
		s.align = max(s.align, align)
		off := uint64(m.BitOffset)
		if m.BitSize == 0 {
			s.packed = s.packed || off%(align*8) != 0
			continue
		}
		// A bit-field does not cross a boundary of its type.
		size, err := Sizeof(m.Type)
		s.packed = s.packed || err != nil || size == 0 || off%(size*8)+uint64(m.BitSize) > size*8
	}
	if s.packed = s.packed || uint64(t.Size)%s.align != 0; s.packed {
		s.align = 1
	}
	l.structs[t] = s
	return s
}

// alignof returns the natural alignment of t in bytes.
func (l *layouter) alignof(t Type) uint64 {
	for range maxDepth {
		switch v := Underlying(t).(type) {
		case *Array:
			t = v.Elem()
			continue
		case *Struct:
			return l.of(v).align
		case *Pointer:
			return PointerSize
		case *Int:
			return scalarAlign(v.Size)
		case *Float:
			return scalarAlign(v.Size)
		case *Enum:
			return scalarAlign(v.Size)
		}
		break
	}
	return 1
}

// scalarAlign is the size itself for all scalars of the ABI.
func scalarAlign(size uint32) uint64 {
	if size == 0 || size > 16 || size&(size-1) != 0 {
		return 1
	}
	return uint64(size)
}

// plan follows the compiler from member to member. Where it would put one too
// early, the gap is filled by hand; where it would put one too late, the struct
// is packed.
func (l *layouter) plan(t *Struct) layoutPlan {
	s := l.of(t)
	members := t.Members()
	plan := layoutPlan{packed: s.packed, pads: make([]padding, len(members))}
	end := uint64(0) // in bits
	for i, m := range members {
		off := uint64(m.BitOffset)
		size, _ := Sizeof(m.Type)
		bits := size * 8
		next := end
		switch {
		case t.Union:
			end = max(end, bits)
			if m.BitSize != 0 {
				end = max(end, uint64(m.BitSize))
			}
			continue
		case m.BitSize != 0:
			if !s.packed && bits != 0 && end%bits+uint64(m.BitSize) > bits {
				next = roundUp(end, bits)
			}
			bits = uint64(m.BitSize)
		case s.packed:
			next = roundUp(end, 8)
		default:
			next = roundUp(end, l.alignof(m.Type)*8)
		}
		if off > next {
			plan.pads[i] = padding{end, off}
		}
		end = max(off, next) + bits
	}
	whole := uint64(t.Size) * 8
	if roundUp(roundUp(end, 8), s.align*8) < whole {
		plan.tail = padding{end, whole}
		if t.Union {
			plan.tail.from = 0
		}
	}
	return plan
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// pad writes members that fill a gap: bits up to a byte boundary, bytes, bits.
func (w *definer) pad(b *strings.Builder, gap padding) {
	bits := func(n uint64) {
		if n != 0 {
			fmt.Fprintf(b, "%sunsigned char :%d;\n", w.tabs(), n)
		}
	}
	if gap.to <= gap.from {
		return
	}
	if gap.from/8 == gap.to/8 {
		bits(gap.to - gap.from)
		return
	}
	first := roundUp(gap.from, 8)
	bits(first - gap.from)
	if n := gap.to/8 - first/8; n != 0 {
		w.pads++
		fmt.Fprintf(b, "%sunsigned char __pad%d[%d];\n", w.tabs(), w.pads, n)
	}
	bits(gap.to % 8)
}
