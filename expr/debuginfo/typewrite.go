package debuginfo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// stringTable is the strings of a BTF, each once.
type stringTable struct {
	data  []byte
	known map[string]uint32
}

func newStringTable() stringTable {
	return stringTable{data: []byte{0}, known: map[string]uint32{"": 0}}
}

func (s *stringTable) add(name []byte) uint32 {
	if off, ok := s.known[string(name)]; ok {
		return off
	}
	off := uint32(len(s.data))
	s.data = append(append(s.data, name...), 0)
	s.known[string(name)] = off
	return off
}

func (s *stringTable) at(off uint32) string { return string(textAt(s.data, uint64(off))) }

// maxBTF bounds what is written, in bytes.
const maxBTF = 256 << 20

// write makes a BTF of the types (include/uapi/linux/btf.h; see the package btf). Declarations of what is defined
// elsewhere become that.
func (m *merger) write() ([]byte, error) {
	index := m.next(merged{kind: kindInt, name: m.strings.add([]byte("__ARRAY_SIZE_TYPE__")), size: 4})
	m.writeVars()
	if m.err != nil {
		return nil, m.err
	}
	means := m.numbers()
	var out []byte
	word := func(v ...uint32) {
		for _, v := range v {
			out = le.AppendUint32(out, v)
		}
	}
	for _, t := range m.types[1:] {
		t.name = m.base.text(t.name)
		flag := uint32(0)
		if t.flag {
			flag = 1 << 31
		}
		info := uint32(t.kind)<<24 | uint32(len(t.elems))
		size := uint32(min(t.size, 1<<32-1))
		ref := means(t.ref)
		switch t.kind {
		case kindInt:
			word(t.name, info, size, uint32(t.enc)<<24|size*8)
		case kindPointer, kindTypedef, kindVolatile, kindConst, kindRestrict:
			word(t.name, info, ref)
		case kindFunc:
			linkage := uint32(0)
			if t.flag {
				linkage = 1
			}
			word(t.name, info|linkage, ref)
		case kindVar:
			linkage := uint32(0)
			if t.flag {
				linkage = 1
			}
			word(t.name, info, ref, linkage)
		case kindFwd, kindFloat:
			word(t.name, info|flag, size)
		case kindArray:
			word(0, info, 0, ref, means(index), size)
		case kindStruct, kindUnion:
			bits := slices.ContainsFunc(t.elems, func(e mergedElem) bool { return e.bits != 0 })
			if bits {
				info |= 1 << 31
			}
			word(t.name, info, size)
			for _, e := range t.elems {
				at := uint32(e.at)
				if bits {
					at = at&0xffffff | uint32(e.bits)<<24
				}
				word(m.base.text(e.name), means(e.ref), at)
			}
		case kindEnum:
			word(t.name, info|flag, size)
			for _, e := range t.elems {
				word(m.base.text(e.name), uint32(e.at))
			}
		case kindEnum64:
			word(t.name, info|flag, size)
			for _, e := range t.elems {
				word(m.base.text(e.name), uint32(e.at), uint32(e.at>>32))
			}
		case kindFuncProto:
			word(0, info, ref)
			for _, e := range t.elems {
				word(m.base.text(e.name), means(e.ref))
			}
		case kindDataSec:
			word(t.name, info, size)
			for _, e := range t.elems {
				word(means(e.ref), uint32(e.at), uint32(m.sizeOf(m.types[e.ref].ref, 0)))
			}
		}
		if len(out) > maxBTF {
			return nil, fmt.Errorf("the types take more than %d MiB", maxBTF>>20)
		}
	}
	const headerLen = 24
	head := []byte{0x9f, 0xeb, 1, 0}
	n := uint32(len(out))
	for _, v := range []uint32{headerLen, 0, n, n, uint32(len(m.strings.data))} {
		head = le.AppendUint32(head, v)
	}
	return slices.Concat(head, out, m.strings.data), nil
}

// numbers tells the number that a type gets in the BTF. A declaration gets that of what it declares.
func (m *merger) numbers() func(id) uint32 {
	declares := map[id]id{}
	for _, n := range m.fwds {
		k := tagKey{kindStruct, m.types[n].name}
		if m.types[n].flag {
			k.kind = kindUnion
		}
		full, ok := m.full[k]
		if !ok {
			full, ok = m.base.declared(k.kind, m.strings.at(k.name))
		}
		if ok {
			declares[n] = full
		}
	}
	return func(n id) uint32 {
		if full, ok := declares[n]; ok {
			n = full
		}
		return m.base.number(n)
	}
}

// writeVars adds the variables: those of each CPU in a section, as in the kernel's own BTF, and the others alone. Of
// those that share a name but not their type, none is in it.
func (m *merger) writeVars() {
	for _, name := range slices.Sorted(maps.Keys(m.vars)) {
		if g := m.vars[name]; !g.ambiguous {
			m.next(merged{kind: kindVar, flag: g.external, name: g.name, ref: g.ref})
		}
	}
	if len(m.perVars) == 0 {
		return
	}
	slices.SortStableFunc(m.perVars, func(a, b global) int { return cmp.Compare(a.addr, b.addr) })
	sec := merged{kind: kindDataSec, name: m.strings.add([]byte(".data..percpu")), size: m.perCPU.high - m.perCPU.low}
	for i, g := range m.perVars {
		if i > 0 && g.addr == m.perVars[i-1].addr && g.name == m.perVars[i-1].name {
			continue
		}
		v := m.next(merged{kind: kindVar, flag: g.external, name: g.name, ref: g.ref})
		sec.elems = append(sec.elems, mergedElem{ref: v, at: g.addr - m.perCPU.low})
	}
	m.next(sec)
}

// sizeOf is the size of a type in bytes, 0 where it has none.
func (m *merger) sizeOf(n id, depth int) uint64 {
	if n == 0 || depth > maxNesting {
		return 0
	}
	if n&ofBase != 0 {
		return m.base.sizeOf(n)
	}
	switch t := &m.types[n]; t.kind {
	case kindPointer:
		return 8
	case kindArray:
		return t.size * m.sizeOf(t.ref, depth+1)
	case kindTypedef, kindConst, kindVolatile, kindRestrict:
		return m.sizeOf(t.ref, depth+1)
	default:
		return t.size
	}
}
