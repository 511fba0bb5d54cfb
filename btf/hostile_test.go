package btf

import (
	"errors"
	"runtime"
	"testing"
)

// exercise does with a blob what callers do; nothing of it may panic or take long.
func exercise(s *Spec, types int) {
	var last string
	for id := range ID(min(s.NumTypes(), types)) {
		typ, err := s.TypeByID(id)
		if err != nil {
			continue
		}
		_ = typ.String()
		_ = CDecl(typ, "x")
		_, _ = Sizeof(typ)
		_ = Underlying(typ)
		for _, p := range []Printer{{}, {Offsets: true}, {Exact: true}} {
			p.Definition(typ)
		}
		if name := typ.TypeName(); name != "" {
			last = name
			s.All(AnyKind, name)
			_, _ = s.Struct(name)
			if t, err := s.ParseType("struct " + name + " *[2]"); err == nil {
				_ = t.String()
			}
		}
		st, ok := typ.(*Struct)
		if !ok {
			continue
		}
		n := 0
		for f := range st.AllMembers() {
			_, _ = st.FindMember(f.Path)
			_, _ = st.FindMember(f.Path + "[1]." + f.Path)
			if n++; n == 20 {
				break
			}
		}
		_, err = st.FindMember("no_such_member")
		_ = err.Error()
	}
	s.Enumerator("NO_SUCH_ENUMERATOR")
	s.NamesWithPrefix(AnyKind, "", 5)
	if _, err := s.Struct("no_such_struct"); err != nil {
		_ = err.Error()
	}
	if _, err := s.Struct(last + "x"); err != nil {
		_ = err.Error()
	}
}

// TestCycles has types that no compiler writes: each refers to itself, straight
// or through others.
func TestCycles(t *testing.T) {
	b := newBlob()
	for _, kind := range []uint32{kindPointer, kindTypedef, kindConst, kindVolatile, kindRestrict, kindTypeTag, kindFunc, kindVar, kindDeclTag} {
		id := b.firstID
		var rest []uint32
		if kind == kindVar || kind == kindDeclTag {
			rest = []uint32{0}
		}
		b.add("self", kind, 0, 0, uint32(id), rest...)
	}
	b.array(b.firstID, 3)
	b.array(b.firstID, 0)
	ping := b.firstID
	b.ref(kindTypedef, "ping", ping+1)
	b.ref(kindConst, "", ping)
	// A function that takes two of itself: text doubles with each level.
	proto := b.firstID
	b.add("", kindFuncProto, 2, 0, uint32(proto), b.name("a"), uint32(proto), b.name("b"), uint32(proto))
	// An anonymous struct twice within itself, and one through an array.
	for _, kind := range []uint32{kindStruct, kindUnion} {
		b.structOf(kind, "", 8, memberOf{"", b.firstID, 0, 0}, memberOf{"", b.firstID, 32, 0})
	}
	outer := b.structOf(kindStruct, "outer", 8, memberOf{"", b.firstID - 2, 0, 0}, memberOf{"row", b.firstID + 1, 0, 0})
	b.array(outer, 2)
	// References to nowhere.
	b.ref(kindPointer, "", 1<<31)
	b.structOf(kindStruct, "lost", 1<<32-1, memberOf{"x", 1 << 30, 1<<32 - 1, 0}, memberOf{"y", 0, 8, 255})
	b.add("", kindDataSec, 1, 0, 0, 1<<29, 0, 0)
	b.add("enum_of_odd_size", kindEnum, 1, kindFlag, 3, b.name("ODD"), 1<<31)
	b.add("no_bits", kindInt, 0, 0, 0, 0)
	// A name beyond the section.
	b.add("", kindTypedef, 0, 0, 0)
	le.PutUint32(b.types[len(b.types)-recordLen:], 1<<31)
	s := b.parse(t)

	exercise(s, s.NumTypes())
	for id := ping; id < ping+2; id++ {
		if _, err := Sizeof(s.typeOrUnknown(id)); !errors.Is(err, ErrTooDeep) {
			t.Errorf("Sizeof(%d) = %v", id, err)
		}
	}
	st, err := s.Struct("outer")
	if err != nil {
		t.Fatal(err)
	}
	var layout *LayoutError // a struct of 8 bytes that holds two of its kind
	if f, err := st.FindMember("row[1].row[1].row"); !errors.As(err, &layout) {
		t.Errorf("FindMember = %v, %v", f, err)
	}
}

// TestNamesAreBounded has one long string and a struct each of whose members is
// named by a part of it.
func TestNamesAreBounded(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	long := make([]byte, 1<<16)
	for i := range long {
		long[i] = 'a'
	}
	off := b.name(string(long))
	rest := make([]uint32, 0, 3<<16)
	for i := range uint32(1 << 16) {
		rest = append(rest, off+i, uint32(n), 0)
	}
	b.add("wide", kindStruct, 1<<16, 0, 4, rest...)
	data := b.bytes()
	s, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.Struct("wide")
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	members := st.Members()
	runtime.ReadMemStats(&after)
	if len(members) != 1<<16 || len(members[0].Name) != maxName {
		t.Fatalf("%d members, the first name has %d bytes", len(members), len(members[0].Name))
	}
	// The slice itself takes four times what a row does.
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 6*uint64(len(data)) {
		t.Errorf("%d bytes for the members of a blob of %d", grew, len(data))
	}
	if _, err := st.FindMember("nothing"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("FindMember = %.100v", err)
	}
	if text := CDefinition(st); len(text) > maxDefinition+2*maxName {
		t.Errorf("definition of %d bytes", len(text))
	}
}

// TestEqualNames gives one name to every type: lookups must not turn quadratic.
func TestEqualNames(t *testing.T) {
	b := newBlob()
	off := b.name("same")
	for range 50_000 {
		b.word(off, kindStruct<<24, 0)
	}
	s := b.parse(t)
	for range scansBeforeTable + 5 {
		if all := s.All(Structs, "same"); len(all) != 50_000 {
			t.Fatalf("%d structs", len(all))
		}
	}
}
