package debuginfo

import (
	"fmt"
	"slices"
)

// kind is that of a type, by the number that BTF has for it (include/uapi/linux/btf.h).
type kind uint8

const (
	kindInt       kind = 1
	kindPointer   kind = 2
	kindArray     kind = 3
	kindStruct    kind = 4
	kindUnion     kind = 5
	kindEnum      kind = 6
	kindFwd       kind = 7
	kindTypedef   kind = 8
	kindVolatile  kind = 9
	kindConst     kind = 10
	kindRestrict  kind = 11
	kindFunc      kind = 12
	kindFuncProto kind = 13
	kindVar       kind = 14
	kindDataSec   kind = 15
	kindFloat     kind = 16
	kindEnum64    kind = 19

	kindSame kind = 0x80 // means what it refers to: an _Atomic type
)

// noRef stands for no type: void.
const noRef = ^uint32(0)

// localType is a type of one unit. What is a reference is first an entry's offset in the unit, and then the index
// among the unit's types.
type localType struct {
	kind  kind
	flag  bool // of an integer: signed; of a declaration: of a union; of an enum: signed
	enc   uint8
	name  []byte
	size  uint64 // in bytes; of an array its elements
	ref   uint32
	elems []elem
	hash  uint64
	state uint8 // of hash: 0 not computed, 1 on the way, 2 done
}

// elem is a member, an enumerator or a parameter.
type elem struct {
	name []byte
	ref  uint32
	at   uint64 // a member's offset in bits, an enumerator's value
	bits uint8  // of a bit-field
}

// local is what one unit has.
type local struct {
	offs  []uint32 // of the types' entries, upwards
	types []localType
	funcs []named
	vars  []named
	err   error
}

// named is a function or variable.
type named struct {
	name   []byte
	ref    uint32
	addr   uint64
	global bool
}

// maxNesting bounds how deep types are in one another within the tree.
const maxNesting = 64

// typesOf reads the types of a unit. Bodies of functions are skipped: what is declared there, nobody outside uses.
func (f *File) typesOf(u *unit) *local {
	l := &local{}
	p := typeParser{u: u, l: l}
	if !p.children(&u.root, 0) {
		l.err = &FormatError{".debug_info", u.off, "the entries of the unit are damaged"}
		return l
	}
	if l.link(); l.err != nil {
		return l
	}
	for i := range l.types {
		l.hashOf(uint32(i), 0)
	}
	return l
}

type typeParser struct {
	u *unit
	l *local
}

func (p *typeParser) children(parent *entry, depth int) bool {
	if depth > maxNesting {
		return true
	}
	var e entry
	return p.u.each(parent, &e, func() bool {
		p.one(&e, depth)
		return true
	})
}

func (p *typeParser) add(e *entry, t localType) {
	t.name = plain(p.u.bytes(e, slotName))
	p.l.offs = append(p.l.offs, uint32(e.off))
	p.l.types = append(p.l.types, t)
}

// to is what an entry refers to as its type.
func (p *typeParser) to(e *entry) uint32 {
	if off, ok := p.u.ref(e, slotType); ok {
		return uint32(off)
	}
	return noRef
}

func (p *typeParser) one(e *entry, depth int) {
	switch e.ab.tag {
	case tagBaseType:
		p.base(e)
	case tagPointer, tagReference:
		p.add(e, localType{kind: kindPointer, ref: p.to(e)})
	case tagConst:
		p.add(e, localType{kind: kindConst, ref: p.to(e)})
	case tagVolatile:
		p.add(e, localType{kind: kindVolatile, ref: p.to(e)})
	case tagRestrict:
		p.add(e, localType{kind: kindRestrict, ref: p.to(e)})
	case tagTypedef:
		p.add(e, localType{kind: kindTypedef, ref: p.to(e)})
	case tagAtomic:
		p.add(e, localType{kind: kindSame, ref: p.to(e)})
	case tagStruct, tagClass, tagUnion:
		p.structure(e, depth)
	case tagEnum:
		p.enum(e)
	case tagArray:
		p.array(e)
	case tagSubroutineType:
		p.add(e, localType{kind: kindFuncProto, ref: p.to(e), elems: p.parameters(e)})
	case tagSubprogram:
		p.function(e)
	case tagVariable:
		p.variable(e)
	}
}

func (p *typeParser) base(e *entry) {
	t := localType{kind: kindInt, size: e.u(slotByteSize), ref: noRef}
	switch e.u(slotEncoding) { // DW_ATE_*
	case 0x02: // boolean
		t.enc = 4
	case 0x03, 0x04: // complex_float, float
		t.kind = kindFloat
	case 0x05, 0x06: // signed, signed_char
		t.enc = 1
	}
	if t.size == 0 || t.size > 16 && t.kind == kindInt {
		t = localType{kind: kindSame, ref: noRef}
	}
	p.add(e, t)
}

// structure adds a struct or union, and the types that are declared within it.
func (p *typeParser) structure(e *entry, depth int) {
	t := localType{kind: kindStruct, size: e.u(slotByteSize), ref: noRef}
	union := e.ab.tag == tagUnion
	if union {
		t.kind = kindUnion
	}
	if e.u(slotDeclaration) != 0 {
		p.add(e, localType{kind: kindFwd, flag: union, ref: noRef})
		return
	}
	p.add(e, t)
	i := len(p.l.types) - 1
	var elems []elem
	var m entry
	p.u.each(e, &m, func() bool {
		if m.ab.tag == tagMember {
			if v, ok := p.member(&m); ok {
				elems = append(elems, v)
			}
		} else if depth < maxNesting {
			p.one(&m, depth+1)
		}
		return true
	})
	p.l.types[i].elems = elems
}

func (p *typeParser) member(e *entry) (elem, bool) {
	m := elem{name: plain(p.u.bytes(e, slotName)), ref: p.to(e)}
	if e.u(slotDeclaration) != 0 {
		return m, false
	}
	at := uint64(0)
	if v := e.vals[slotMemberLocation]; e.has(slotMemberLocation) {
		if at = v.u; v.isBlock() {
			c := cursor{data: p.u.data, off: int(v.u)}
			if c.u8() != 0x23 { // DW_OP_plus_uconst
				return m, false
			}
			at = c.uleb()
		}
	}
	m.at = at * 8
	if bits := e.u(slotBitSize); bits > 0 && bits <= 64 {
		m.bits = uint8(bits)
		switch {
		case e.has(slotDataBitOffset):
			m.at = e.u(slotDataBitOffset)
		case e.has(slotBitOffset): // from the highest bit of the member's word, up to DWARF 3
			size := e.u(slotByteSize)
			if size == 0 {
				size = p.sizeAt(m.ref)
			}
			m.at += size*8 - e.u(slotBitOffset) - bits
		}
	}
	return m, m.at < 1<<32
}

// sizeAt is the size of the integer at an offset in the unit.
func (p *typeParser) sizeAt(off uint32) uint64 {
	var e entry
	for range 16 {
		if _, ok := p.u.entry(int(off), &e); !ok || e.ab == nil {
			return 0
		}
		if e.has(slotByteSize) {
			return e.u(slotByteSize)
		}
		if off = p.to(&e); off == noRef {
			return 0
		}
	}
	return 0
}

func (p *typeParser) enum(e *entry) {
	if e.u(slotDeclaration) != 0 { // which BTF calls a declaration of a struct
		p.add(e, localType{kind: kindEnum, size: 4, ref: noRef})
		return
	}
	t := localType{kind: kindEnum, size: e.u(slotByteSize), ref: noRef}
	if t.size != 1 && t.size != 2 && t.size != 8 {
		t.size = 4
	}
	var m entry
	p.u.each(e, &m, func() bool {
		if m.ab.tag == tagEnumerator && m.has(slotConstValue) {
			v := m.vals[slotConstValue]
			if v.signed() && int64(v.u) < 0 {
				t.flag = true
			}
			t.elems = append(t.elems, elem{name: plain(p.u.bytes(&m, slotName)), ref: noRef, at: v.u})
		}
		return true
	})
	for _, v := range t.elems {
		if t.size == 8 || t.flag && int64(v.at) != int64(int32(v.at)) || !t.flag && v.at > 0xffffffff {
			t.kind = kindEnum64
		}
	}
	p.add(e, t)
}

// array adds an array of each dimension, the outermost as the entry itself; those within get numbers of their own
// behind it, since they have no entry.
func (p *typeParser) array(e *entry) {
	var dims []uint64
	var m entry
	p.u.each(e, &m, func() bool {
		if m.ab.tag == tagSubrange {
			n := uint64(0)
			switch {
			case m.has(slotCount) && m.vals[slotCount].isConst():
				n = m.u(slotCount)
			case m.has(slotUpperBound) && m.vals[slotUpperBound].isConst():
				n = m.u(slotUpperBound) + 1
			}
			dims = append(dims, min(n, 1<<32-1))
		}
		return len(dims) < maxNesting
	})
	if len(dims) == 0 {
		dims = []uint64{0}
	}
	for i, n := range dims {
		t := localType{kind: kindArray, size: n, ref: p.to(e)}
		off := uint32(e.off + i) // an entry of an array with so many dimensions has as many bytes behind it
		if i+1 < len(dims) {
			t.ref = off + 1
		}
		p.l.offs = append(p.l.offs, off)
		p.l.types = append(p.l.types, t)
	}
}

// parameters are those of a function, which are its first children.
func (p *typeParser) parameters(e *entry) []elem {
	var out []elem
	if !e.ab.children {
		return nil
	}
	var m entry
	for off := e.next; len(out) < 256; off = m.next {
		if _, ok := p.u.entry(off, &m); !ok || m.ab == nil {
			break
		}
		switch m.ab.tag {
		case tagParameter:
			out = append(out, elem{name: plain(p.u.bytes(&m, slotName)), ref: p.to(&m)})
		case tagUnspecifiedArgs:
			return append(out, elem{ref: noRef})
		default:
			return out
		}
		if m.ab.children {
			return out
		}
	}
	return out
}

// function adds a function that has code, with its type.
func (p *typeParser) function(e *entry) {
	if !e.has(slotLowPC) && !e.has(slotRanges) {
		return
	}
	of := *e
	for range 4 {
		off, ok := p.u.ref(&of, slotAbstractOrigin)
		if !ok {
			if off, ok = p.u.ref(&of, slotSpecification); !ok || of.has(slotName) {
				break
			}
		}
		if _, ok := p.u.entry(off, &of); !ok || of.ab == nil {
			return
		}
	}
	name := plain(p.u.bytes(&of, slotName))
	if of.ab.tag != tagSubprogram || len(name) == 0 {
		return
	}
	// The type has no entry: its number is that of the function's.
	p.l.offs = append(p.l.offs, uint32(e.off))
	p.l.types = append(p.l.types, localType{kind: kindFuncProto, ref: p.to(&of), elems: p.parameters(&of)})
	p.l.funcs = append(p.l.funcs, named{name: name, ref: uint32(e.off), global: of.u(slotExternal) != 0})
}

// variable adds a variable that has an address.
func (p *typeParser) variable(e *entry) {
	v := e.vals[slotLocation]
	if !e.has(slotLocation) || !v.isBlock() || v.n != 9 {
		return
	}
	c := cursor{data: p.u.data, off: int(v.u)}
	if c.u8() != 0x03 { // DW_OP_addr
		return
	}
	addr := c.u64()
	of := *e
	if off, ok := p.u.ref(e, slotSpecification); ok {
		if _, ok := p.u.entry(off, &of); !ok || of.ab == nil {
			return
		}
	}
	name := plain(p.u.bytes(&of, slotName))
	ref := p.to(e)
	if ref == noRef {
		ref = p.to(&of)
	}
	if len(name) == 0 || ref == noRef {
		return
	}
	p.l.vars = append(p.l.vars, named{name: name, ref: ref, addr: addr, global: of.u(slotExternal) != 0})
}

// link makes indices of all offsets. What refers to no type becomes void.
func (l *local) link() {
	if !slices.IsSorted(l.offs) { // types within a struct come behind it, so they are
		l.err = fmt.Errorf("the unit's types are not in order")
		return
	}
	index := func(off *uint32) {
		if *off == noRef {
			return
		}
		i, ok := slices.BinarySearch(l.offs, *off)
		if *off = uint32(i); !ok {
			*off = noRef
		}
	}
	for i := range l.types {
		t := &l.types[i]
		index(&t.ref)
		for j := range t.elems {
			index(&t.elems[j].ref)
		}
	}
	for i := range l.funcs {
		index(&l.funcs[i].ref)
	}
	for i := range l.vars {
		index(&l.vars[i].ref)
	}
}
