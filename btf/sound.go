package btf

import (
	"fmt"
	"slices"
	"strings"
)

// LayoutError says that a struct or union cannot be what a compiler made: the blob is
// damaged there, and an offset in it may be another's.
type LayoutError struct {
	In   *Struct
	What string
}

func (e *LayoutError) Error() string { return fmt.Sprintf("bad BTF: %s %s", e.In, e.What) }

// Sound checks the struct as a whole, once: a compiler fixes each member's place by those
// before it, so that a changed offset, type, size or name mostly contradicts
// another. [Struct.FindMember] asks it first. The error is a [*LayoutError].
//
// What holds in each of the 9,000 structs of a kernel (5.10 to 7.3):
//
//   - Members have names that C allows, each once, but for structs and unions; they have a size, and
//     lie within the struct. A union's begin with it.
//   - They do not overlap, and come in ascending order.
//   - Each is at the next multiple of its alignment; or later, at a multiple of a power
//     of two, where __aligned says so; or earlier, where the struct is packed, and then
//     nothing in it is aligned.
//   - The struct's size is a multiple of these alignments.
//
// Padding may be unnamed bit-fields, so a gap by itself is no contradiction. But a
// scalar that would be well in its natural place, with all else as it is, has been moved.
func (t *Struct) Sound() error {
	t.soundOnce.Do(func() {
		c := soundness{t: t}
		if what := c.check(); what != "" {
			t.soundErr = &LayoutError{t, what}
		}
	})
	return t.soundErr
}

// soundness is one check of a struct.
type soundness struct {
	t       *Struct
	members []Member
	gaps    []gap
}

// gap is room before a member, or at the end, in bits.
type gap struct {
	at       int // the member's number
	end      uint64
	expected uint64
}

// maxNamed bounds the length of a member's name.
const maxNamed = 256

func (c *soundness) check() string {
	t := c.t
	c.members = make([]Member, t.NumMembers())
	for i := range c.members {
		c.members[i] = t.unnamed(i)
	}
	if what := c.names(); what != "" {
		return what
	}
	l := t.spec.layouts()
	defer t.spec.layoutMu.Unlock()
	end, total, widest := uint64(0), uint64(t.Size)*8, uint64(1)
	early, loose := -1, false // the first member before its natural place, and whether one is behind the next byte
	for i, m := range c.members {
		off := uint64(m.BitOffset)
		size, err := Sizeof(m.Type)
		if err != nil {
			return fmt.Sprintf("has a member %s without a size (%s)", c.name(i), m.Type)
		}
		bits := size * 8
		if size > uint64(t.Size) {
			return fmt.Sprintf("has %d bytes, and its member %s %d", t.Size, c.name(i), size)
		}
		if m.BitSize != 0 {
			if uint64(m.BitSize) > bits {
				return fmt.Sprintf("has a bit-field %s of %d bits of %s", c.name(i), m.BitSize, m.Type)
			}
			bits = uint64(m.BitSize)
		}
		switch {
		case off+bits > total:
			return fmt.Sprintf("has %d bytes, and its member %s ends behind them", t.Size, c.name(i))
		case t.Union:
			if off != 0 {
				return fmt.Sprintf("has a member %s that does not begin with it", c.name(i))
			}
			continue
		case off < end:
			return fmt.Sprintf("has members that overlap, %s among them", c.name(i))
		}
		if m.BitSize != 0 {
			end = off + bits
			continue
		}
		if off%8 != 0 {
			return fmt.Sprintf("has a member %s that begins within a byte", c.name(i))
		}
		align := l.alignof(m.Type) * 8
		loose = loose || off >= roundUp(end, 8)+8
		switch expected := roundUp(end, align); {
		case off%align != 0:
			if early < 0 && isScalar(m.Type) && !isCompat(m.Type) {
				early = i
			}
		case off > expected:
			c.gaps = append(c.gaps, gap{i, end, expected})
			if low := off & -off; off-end < low && low >= 16*8 {
				widest = max(widest, smallest(end, off))
			}
		}
		end = off + bits
	}
	if early >= 0 && loose {
		return fmt.Sprintf("has its member %s where it is not aligned, and is not packed", c.name(early))
	}
	if total%widest != 0 {
		return fmt.Sprintf("has %d bytes, and members that are aligned to %d", t.Size, widest/8)
	}
	for _, g := range c.gaps {
		if what := c.moved(l, g); what != "" {
			return what
		}
	}
	return ""
}

// smallest is the lowest power of two to whose multiple end rounds up to off.
func smallest(end, off uint64) uint64 {
	a := uint64(8)
	for roundUp(end, a) < off {
		a *= 2
	}
	return a
}

// moved tells of a member that lies behind its natural place for no reason.
func (c *soundness) moved(l *layouter, g gap) string {
	m := c.members[g.at]
	off := uint64(m.BitOffset)
	align := l.alignof(m.Type) * 8
	if align == 8 && !isScalar(m.Type) {
		return "" // char data[] __aligned(8)
	}
	if low := off & -off; low >= 16*8 && off-g.end < low {
		return "" // aligned to a cache line, or such
	}
	size, _ := Sizeof(m.Type)
	back := g.expected + size*8
	if g.at+1 < len(c.members) {
		next := c.members[g.at+1]
		if next.BitSize != 0 {
			return ""
		}
		back = roundUp(back, l.alignof(next.Type)*8)
		if back != uint64(next.BitOffset) {
			return ""
		}
	} else if roundUp(back, l.of(c.t).align*8) != uint64(c.t.Size)*8 {
		return ""
	}
	return fmt.Sprintf("has its member %s behind the place where a compiler puts it", c.name(g.at))
}

// names checks the members' names.
func (c *soundness) names() string {
	offs := make([]uint32, 0, len(c.members))
	for i, m := range c.members {
		off := le.Uint32(c.t.rows[i*memberLen:])
		name := c.t.spec.nameBytes(off)
		if len(name) == 0 {
			if _, ok := Underlying(m.Type).(*Struct); !ok {
				return fmt.Sprintf("has a member of type %s without a name", m.Type)
			}
			continue
		}
		if !isIdentifier(name) {
			return fmt.Sprintf("has a member of the name %q", name[:min(len(name), 32)])
		}
		offs = append(offs, off)
	}
	slices.Sort(offs)
	for i := 1; i < len(offs); i++ {
		if offs[i] == offs[i-1] {
			return fmt.Sprintf("has two members %s", c.t.spec.nameAt(offs[i]))
		}
	}
	return ""
}

// name is the name of the i-th member, for a message.
func (c *soundness) name(i int) string {
	return c.t.spec.nameAt(le.Uint32(c.t.rows[i*memberLen:]))
}

// isIdentifier reports whether C allows a name.
func isIdentifier(s []byte) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxNamed
}

func isScalar(t Type) bool {
	switch Underlying(t).(type) {
	case *Int, *Enum, *Pointer, *Float:
		return true
	}
	return false
}

// isCompat reports whether a type is one of a 32-bit program's, whose 64-bit integers are
// aligned to 4 bytes.
func isCompat(t Type) bool {
	for range maxDepth {
		if def, ok := t.(*Typedef); ok && strings.HasPrefix(def.Name, "compat_") {
			return true
		}
		if t = strip(t); t == nil {
			return false
		}
	}
	return false
}

// layouts returns the layouter that all structs of the spec share, locked.
func (s *Spec) layouts() *layouter {
	s.layoutMu.Lock()
	return &s.layouter
}

// Alignof returns the natural alignment of a type in bytes.
func Alignof(t Type) uint64 {
	var l layouter
	return l.alignof(t)
}

// contradicts reports whether an integer's size and encoding are not those of its name:
// C fixes both for its own types, but for the sign of char.
func (t *Int) contradicts() bool {
	switch t.Size {
	case 1, 2, 4, 8, 16:
	default:
		return true
	}
	if uint32(t.offset)+uint32(t.bits) > t.Size*8 || t.bits == 0 {
		return true
	}
	c, ok := canonicalInt(t.Name)
	if !ok {
		return false
	}
	return t.Size != cIntSizes[c.base] || t.Bool != (c.base == "_Bool") ||
		c.base != "char" && t.Signed == (c.unsigned || t.Bool) ||
		c.base == "char" && (c.unsigned && t.Signed || c.signed && !t.Signed)
}
